"""Aligned loading: real and synthetic images of the same sizes, in the same container, with the same kind of compression history.

Detectors learn "JPEG means real" or "512 × 512 means synthetic" where a data set lets them ("Fake or JPEG?", arXiv 2403.17608,
which keeps real images of one quality and size and recompresses the synthetic ones alike). Here no image is given up; every one
goes through

1. earlier compression: real and synthetic images of the same content type are paired, and each gets, on the grid of its own
   corner, the compression that its partner's file has and its own has not: a synthetic PNG paired with a JPEG of quality 90 is
   compressed so, too; of two JPEGs, or two lossy WebPs, the better one gets the quality and the chroma of the worse; a JPEG and
   a lossy WebP are compressed as the other and as themselves by turns, with the same end;
2. a crop to the smaller width and the smaller height of the pair, anywhere on a grid of 16 pixels. Nothing is resampled.
   Partners have the same rank in the order of shorter sides, which for square pictures keeps the most pixels of all pairings;
3. one more compression, JPEG or WebP at a quality of 60 to 95 with drawn chroma, from one distribution for both classes;
4. one container: a lossless WebP without metadata.

Where a content type has as many real as synthetic images the sizes of both are then the same, image for image; otherwise they
differ by rounding. All draws come from the image's path; partners depend on which images there are.

What this cannot remove: compression before the file was made (a PNG of a former JPEG), the difference in order where both
partners were lossy, resampling before the file was made, the sharpness that goes with a picture's original size, and what is in
the pictures; and with compression it takes away some of what generators leave. ``imaginet audit --view aligned``
measures what is left. As AUC out of fold, compression traces / plain pixel statistics, before -> after (docs/shortcuts.md has the
intervals, benchmarks/shortcuts.py measures them):

- random pixels in the formats of the official list, 1,600 images: 0.913 -> 0.461 / 0.873 -> 0.553 (metadata 0.953 -> 0.525);
- 320 real pictures as PNG of which half were once JPEG of quality 75: 0.995 -> 0.749 / 0.930 -> 0.525; once of quality 90:
  0.994 -> 0.627 / 0.556 -> 0.505; never: 0.486 -> 0.526 / 0.487 -> 0.496;
- real images as JPEG, synthetic ones (of four networks) as WebP: 1.000 -> 0.811 / 0.879 -> 0.829, and with all saved alike
  0.934 -> 0.846 / 0.915 -> 0.878, so what is left there are the networks' traces.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from imaginet_core.pictures import degradations
from imaginet_core.pictures.decode import decode, lossless_webp, turned
from imaginet_core.pictures.header import Header, read_header

SALT = "aligned"
FIRST_BYTES = 1 << 16
"""Of a file; enough for the headers of nearly all images."""
MAX_SIDE = 16383
"""Pixels; the container holds no longer side."""
GRID = 16
"""Pixels; the largest blocks of JPEG and WebP. Crops start on this grid, so that earlier blocks lie alike in both classes."""
ALTERNATIONS = 2
"""How often a JPEG and its partner, a WebP, are compressed as the other and as themselves. On random pixels the traces then
tell 0.50 (AUC) between them, after one turn 0.81, without any 0.67; more turns change nothing."""


class ImageHeader(NamedTuple):
    """What the plan needs of an image: its path, content type, label ("real" or "synthetic") and its file's header."""

    path: str
    content: str
    label: str
    header: Header


class AlignmentStep(NamedTuple):
    """What alignment does to one image before the last compression; plain values, so it can be stored and sent.

    Attributes:
        width, height: of the crop, pixels, upright.
        earlier: (codec, quality, subsampling) of the compressions that it is given to be like its partner, in order; often none.
        orientation: by which it is turned in the end; crop and compression keep to the grid of the stored picture.
    """

    width: int
    height: int
    earlier: tuple[tuple[str, int, str], ...] = ()
    orientation: int = 1


def read_headers(images: Iterable[tuple]) -> tuple[list[ImageHeader], list]:
    """Reads headers for :func:`plan_alignment`.

    Args:
        images: (record, the file's bytes or the first of them); a record has ``path``, ``content`` and ``label``.

    Returns:
        facts, and the records of images whose header cannot be read from these bytes.
    """
    facts, unclear = [], []
    for record, content in images:
        try:
            facts.append(ImageHeader(record.path, record.content, record.label, read_header(content)))
        except ValueError:
            unclear.append(record)
    return facts, unclear


def plan_alignment(facts: Iterable[ImageHeader]) -> dict[str, AlignmentStep]:
    """Pairs real and synthetic images of the same content type; path -> what to do.

    The plan does not depend on the order of ``facts``. Plan each split on its own.

    Raises:
        ValueError: if a content type has images of one class only.
    """
    by_content = defaultdict(lambda: {"real": [], "synthetic": []})
    for each in facts:
        by_content[each.content][each.label].append(each)
    plan = {}
    for content, of_label in by_content.items():
        real, synthetic = (sorted(of_label[label], key=_rank) for label in ("real", "synthetic"))
        if not real or not synthetic:
            raise ValueError(
                f"Alignment compares classes, but all {len(real) + len(synthetic)} images of {content} are "
                f"{'real' if real else 'synthetic'}; leave that content type out, or load without alignment."
            )
        for own, others in ((real, synthetic), (synthetic, real)):
            for k, each in enumerate(own):
                plan[each.path] = _step(each.header, others[(2 * k + 1) * len(others) // (2 * len(own))].header)
    return plan


def _rank(facts: ImageHeader) -> tuple:
    """By shorter side, then from upright to wide; equal sizes in an order that has nothing to do with their names."""
    width, height = facts.header.upright
    return min(width, height), width / height, hashlib.sha256(facts.path.encode("utf-8", "surrogatepass")).digest()


def _step(own: Header, partner: Header) -> AlignmentStep:
    size = (min(*lengths, MAX_SIDE) for lengths in zip(own.upright, partner.upright, strict=True))
    earlier = _earlier_compressions(compression_of(own), compression_of(partner))
    return AlignmentStep(*size, earlier=earlier, orientation=own.orientation)


def _earlier_compressions(own: tuple | None, partner: tuple | None) -> tuple:
    """The compressions that make a file with compression ``own`` like one of its partner's, which is treated by the same rule."""
    if own is None or partner is None or own == partner:
        return () if partner is None or own == partner else (partner,)
    if own[0] == partner[0]:
        # the stronger one hides the weaker one, so both need only the coarser of their settings
        coarser = own[0], min(own[1], partner[1]), min(own[2], partner[2])
        return () if coarser == own else (coarser,)
    # by turns, and both with the same end: what came first shows less with each turn
    return ALTERNATIONS * (partner, own) if own[0] == "JPEG" else (ALTERNATIONS * (partner, own))[:-1]


def compression_of(header: Header) -> tuple | None:
    """(codec, quality, subsampling) of a lossy file, smaller for the stronger; chroma that Pillow cannot write is 4:2:0."""
    if header.quality is None:
        return None
    known = header.subsampling in ("4:4:4", "4:2:2", "4:2:0")  # in text order, too, 4:2:0 < 4:2:2 < 4:4:4
    return "WEBP" if header.format == "WEBP" else "JPEG", header.quality, header.subsampling if known else "4:2:0"


def align(content: bytes, path: str, step: AlignmentStep, last_compression: bool = True) -> bytes:
    """The aligned copy of an image.

    Args:
        content: the image's file.
        path: as listed; the crop's place and the last compression are drawn from it.
        step: the plan's entry for it.
        last_compression: whether to end with the drawn compression, which hides earlier ones at the price of the finest traces.

    Returns:
        a lossless WebP file of ``step.width`` × ``step.height`` pixels.

    Raises:
        ValueError: with the reason, if the image is broken or smaller than the crop.
    """
    image, rng = decode(content, turn=False), degradations.rng_for(path, SALT)
    height, width = (step.width, step.height) if step.orientation >= 5 else (step.height, step.width)
    free = image.shape[0] - height, image.shape[1] - width
    if min(free) < 0:
        has, wanted = f"{image.shape[1]} × {image.shape[0]}", f"{width} × {height}"
        raise ValueError(f"it has {has} pixels, less than the {wanted} of the plan; plan again")
    # in one direction or the other a partner has no room at all, and its grid of blocks starts where the crop starts
    top, left = (GRID * int(rng.integers(room // GRID + 1)) for room in free)
    if step.earlier:
        image = image[top : top + height + GRID, left : left + width + GRID]  # all that lies in the blocks of the crop
        top = left = 0
        for compression in step.earlier:
            image = degradations.Compression(*compression)(image)
    image = image[top : top + height, left : left + width]
    image = degradations.draw_compression(rng)(image) if last_compression else image
    return lossless_webp(turned(image, step.orientation))
