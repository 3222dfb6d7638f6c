"""What the report shows of a picture beside its score, made in processes beside the one that asks the network."""

import io
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from PIL import Image

from imaginet_core.parallel import in_processes
from imaginet_core.pictures.decode import read_picture
from imaginet_core.pictures.sources import Limits, PictureError
from imaginet_core.provenance.read_provenance import read_provenance
from imaginet_tools.inference.saved_detector import SavedDetector
from imaginet_tools.inference.scoring.fetch import Content, read, read_streams
from imaginet_tools.inference.scoring.inputs import Input

QUALITY = 70
"""Of thumbnails, JPEG; of overlays, WebP."""


class Shown(NamedTuple):
    """Of one input.

    Attributes:
        id: of its row.
        thumbnail: a JPEG file; None for what cannot be read.
        provenance: as ``Provenance.as_dict``; None for what cannot be read.
        overlay: of its heat map, a WebP file with transparency, of the thumbnail's size; None without one.
        regions: the strongest of its heat map, as (left, top, right, bottom, score).
    """

    id: int
    thumbnail: bytes | None = None
    provenance: dict | None = None
    overlay: bytes | None = None
    regions: tuple[tuple, ...] = ()


class Thumbnails(NamedTuple):
    """Makes what is shown of an input; small enough to be sent to other processes.

    Attributes:
        side: of a thumbnail, the longer one, in pixels.
        turn_upright: whether pictures are turned by their EXIF orientation.
        limits: of pictures.
        keep: whether the file's content is given back with it, for a heat map.
    """

    side: int
    turn_upright: bool
    limits: Limits
    keep: bool

    def __call__(self, job: tuple[Input, Content] | Input) -> tuple[Shown, bytes | None]:
        each, content = job if not isinstance(job, Input) else (job, read(job, self.limits))
        if not isinstance(content, bytes):
            return Shown(each.id), None
        try:
            provenance = read_provenance(content, limits=self.limits).as_dict()
            pixels = read_picture(content, turn=self.turn_upright, notes=False, limits=self.limits).pixels
        except PictureError:
            return Shown(each.id), None
        image, file = Image.fromarray(pixels), io.BytesIO()
        image.thumbnail((self.side, self.side))
        image.save(file, "JPEG", quality=QUALITY, optimize=True)
        return Shown(each.id, file.getvalue(), provenance), content if self.keep else None


def show_pictures(
    inputs: Iterable[Input], detector: SavedDetector, workers: int, side: int, heatmaps: bool, image_column: str | None = None
) -> Iterator[Shown]:
    """What is shown of each input, in their order; a heat map of each where they are asked for.

    Raises:
        ValueError: for heat maps of an exported model, and as ``in_processes`` does.
    """
    make = Thumbnails(side, detector.preparation.turn_upright, detector.limits, heatmaps)
    jobs = read_streams(inputs, detector.limits, image_column)
    for shown, content in in_processes(make, jobs, workers, batch=1 if heatmaps else 8, apart=True):
        if content is None:
            yield shown
            continue
        found, file = detector.heat_map(content), io.BytesIO()
        with Image.open(io.BytesIO(shown.thumbnail)) as thumbnail:
            found.overlay().resize(thumbnail.size).save(file, "WEBP", quality=QUALITY)
        regions = tuple((*region.box, round(region.score, 3)) for region in found.regions())
        yield shown._replace(overlay=file.getvalue(), regions=regions)
