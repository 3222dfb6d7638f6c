"""The card's picture: for each content type a few real and a few synthetic images of the data itself."""

import logging
import zlib
from collections import defaultdict

from PIL import Image, ImageDraw, ImageFont

from imaginet_core.pictures.decode import decode
from imaginet_core.pictures.sources import PictureError

logger = logging.getLogger(__name__)

TILE, GAP, MARGIN, PER_SIDE = 128, 6, 96, 4


class Candidates:
    """Keeps the images that the picture may show while all pass by: per content type and generator those whose paths have the
    smallest checksums, so that the choice depends on nothing but the paths."""

    def __init__(self):
        self._kept = defaultdict(list)

    def offer(self, content: str, generator: str, path: str, image: bytes) -> None:
        """Shows an image; ``image`` is its file's content."""
        kept, rank = self._kept[content, generator], zlib.crc32(path.encode())
        if len(kept) < PER_SIDE or rank < kept[-1][0]:
            kept.append((rank, path, image))
            kept.sort(key=lambda each: each[:2])
            del kept[PER_SIDE:]

    def rows(self, contents: list[str]) -> list[tuple[str, list, list]]:
        """(content type, its real images, its synthetic images), each image as (generator, bytes); the generators take turns."""
        found = []
        for content in (content for content in contents if any(content == kept for kept, _ in self._kept)):
            real = [("real", image) for _, _, image in self._kept.get((content, "real"), ())]
            synthetic = sorted(
                (turn, generator, image)
                for (of, generator), kept in self._kept.items()
                if of == content and generator != "real"
                for turn, (_, _, image) in enumerate(kept)
            )
            found.append((content, real, [each[1:] for each in synthetic[:PER_SIDE]]))
        return found


def draw(rows: list[tuple[str, list, list]]) -> Image.Image:
    """The grid: a row per content type, real images on the left, synthetic ones on the right under their generators' names."""
    step = TILE + GAP
    split = MARGIN + PER_SIDE * step + 2 * GAP
    line = step + 16
    picture = Image.new("RGB", (split + PER_SIDE * step, 28 + line * len(rows)), "white")
    pen = ImageDraw.Draw(picture)
    font, small = ImageFont.load_default(16), ImageFont.load_default(11)
    for x, text in ((MARGIN, "real"), (split, "synthetic")):
        pen.text((x, 4), text, fill="black", font=font)
    for number, (content, real, synthetic) in enumerate(rows):
        y = 28 + number * line
        pen.text((6, y + TILE // 2 - 8), content[:14], fill="black", font=small)
        for x0, images in ((MARGIN, real), (split, synthetic)):
            for column, (generator, content_bytes) in enumerate(images):
                tile = _tile(content_bytes)
                if tile is not None:
                    picture.paste(tile, (x0 + column * step, y))
                if x0 == split:
                    pen.text((x0 + column * step, y + TILE), generator[:20], fill="dimgray", font=small)
    return picture


def _tile(content: bytes) -> Image.Image | None:
    try:
        image = Image.fromarray(decode(content))
    except PictureError as error:
        logger.warning("The preview leaves out an image that cannot be decoded: %s", error)
        return None
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side)).resize((TILE, TILE), Image.Resampling.LANCZOS)
