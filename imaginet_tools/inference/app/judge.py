"""What the page asks of a detector: answers for files as they were uploaded, heat maps, and scores under degradations."""

import io
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from PIL import Image

from imaginet_core.detection.heat_map import LEAST_THRESHOLD
from imaginet_core.pictures.decode import read_picture
from imaginet_core.pictures.degradation_grid.conditions import GRID, degrade
from imaginet_core.pictures.sources import PictureError
from imaginet_core.provenance.plain_text import plain
from imaginet_core.provenance.read_provenance import read_provenance
from imaginet_tools.inference.heat_maps.local_scores import check_heat_maps
from imaginet_tools.inference.saved_detector import SavedDetector
from imaginet_tools.inference.service.answer import answer_of, hash_of

SHOWN_SIDE, QUALITY = 1024, 85
"""Longer side in pixels of a picture on the page, and its quality as JPEG. What is scored is the file."""
LONGEST_NAME = 120
CURVES = {
    "jpeg": ("Compressed again as JPEG", tuple(f"jpeg_{quality}" for quality in (100, 90, 80, 70, 60, 50, 40, 30))),
    "resize": ("Shrunk (bicubic)", tuple(f"resize_bicubic_{scale}" for scale in (0.75, 0.5, 0.35, 0.25))),
}
"""Name -> title, and names of conditions in GRID, the mildest first."""


class Judged(NamedTuple):
    """A file that was uploaded.

    Attributes:
        name: for people, in one line.
        content: of the file, as it came.
        sha256: of it, in hexadecimal digits; "" of a file that was not taken.
        error: None, or the sentence that refuses it; then what follows is empty.
        answer: as ``service.answer.answer_of`` gives it.
        notes: of the reader, as ``imaginet_core.pictures.notes.Note``.
        provenance: as ``Provenance.as_dict``.
        shown: the picture upright, a JPEG file of at most SHOWN_SIDE pixels.
        size: (width, height) of the picture, upright.
    """

    name: str
    content: bytes
    sha256: str
    error: str | None = None
    answer: dict | None = None
    notes: tuple = ()
    provenance: dict | None = None
    shown: bytes | None = None
    size: tuple[int, int] | None = None


class Point(NamedTuple):
    """A score under one degradation.

    Attributes:
        curve: a key of CURVES.
        strength: JPEG quality, or scale.
        title: for people.
        probability: of "synthetic"; None where the picture cannot be degraded so.
    """

    curve: str
    strength: float
    title: str
    probability: float | None


class Local(NamedTuple):
    """A heat map.

    Attributes:
        overlay: WebP with transparency, of the size of ``Judged.shown``.
        regions: the strongest, as (left, top, right, bottom, mean local score).
    """

    overlay: bytes
    regions: tuple[tuple, ...]


class Judge:
    """A detector, asked for files.

    Args:
        detector: whose ``limits`` hold for bytes and pixels.
        on_device: wraps the functions that use the network, such as the decorator of a host that lends a GPU for each call.
    """

    def __init__(self, detector: SavedDetector, on_device: Callable[[Callable], Callable] = lambda function: function):
        self.detector, self.settings = detector, detector.network.settings
        self._score = on_device(lambda prepared: detector.scores_of_prepared(prepared))
        self._heat_map = on_device(lambda content: detector.heat_map(content))

    def judge(self, files: Sequence[tuple[str, bytes]]) -> list[Judged]:
        """Answers for N ≥ 1 files, (name, content) each, scored as they are; one that cannot be read costs only itself."""
        names = [plain(name, LONGEST_NAME) or "a picture without a name" for name, _ in files]
        prepared = [self.detector.prepare(content, name) for name, (_, content) in zip(names, files, strict=True)]
        answers = self._score(prepared)
        found = []
        for number, (name, (_, content), each) in enumerate(zip(names, files, prepared, strict=True)):
            judged = Judged(name, content, hash_of(content)["sha256"], each.error)
            if not each.error:
                judged = self._with_answer(judged, answer_of(self.detector, answers, number), each.notes)
            found.append(judged)
        return found

    def _with_answer(self, judged: Judged, answer: dict, notes: tuple) -> Judged:
        image = Image.fromarray(self._pixels(judged))
        size, file = image.size, io.BytesIO()
        image.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
        image.save(file, "JPEG", quality=QUALITY)
        provenance = read_provenance(judged.content, name=judged.name, limits=self.detector.limits).as_dict()
        return judged._replace(answer=answer, notes=notes, provenance=provenance, shown=file.getvalue(), size=size)

    def why_no_heat_maps(self) -> str | None:
        """The sentence that says why this detector gives none; None where it does."""
        try:
            check_heat_maps(self.detector.network)
        except ValueError as error:
            return str(error)
        return None

    def heat_map(self, judged: Judged, threshold: float) -> Local:
        """The heat map of a picture that was scored; ``threshold``: of regions.

        Raises:
            ValueError: for an exported model, which gives scores alone, and an old one whose code gives no feature maps.
        """
        found, file = self._heat_map(judged.content), io.BytesIO()
        with Image.open(io.BytesIO(judged.shown)) as shown:
            found.overlay().resize(shown.size).save(file, "WEBP", quality=QUALITY)
        regions = found.regions(threshold=max(threshold, LEAST_THRESHOLD))
        return Local(file.getvalue(), tuple((*region.box, round(region.score, 3)) for region in regions))

    def degraded(self, judged: Judged) -> Iterator[Point]:
        """Scores of a picture under each condition of CURVES, one at a time; what is shrunk stays at its new size."""
        pixels = self._pixels(judged)
        for curve, (_, conditions) in CURVES.items():
            for condition in conditions:
                yield Point(curve, GRID[condition].strength, GRID[condition].title, self._under(pixels, judged, condition))

    def _under(self, pixels, judged: Judged, condition: str) -> float | None:
        try:
            prepared = self.detector.prepare(degrade(pixels, judged.sha256, condition))
        except (PictureError, ValueError):  # JPEG holds no longer sides
            return None
        return None if prepared.error else float(self._score([prepared]).probability[0])

    def _pixels(self, judged: Judged):
        turn = self.detector.preparation.turn_upright
        return read_picture(judged.content, name=judged.name, turn=turn, notes=False, limits=self.detector.limits).pixels


COUNT = sum(len(conditions) for _, conditions in CURVES.values())
"""Points that ``Judge.degraded`` gives."""
