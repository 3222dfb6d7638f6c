"""Small trees of raw images for the builder's tests."""

import functools
import io
from pathlib import Path

from PIL import Image

OFFICIAL_LINES = {
    "train": [
        "./imagenet/ILSVRC/Data/CLS-LOC/train/n01440764/n01440764_1.JPEG,0,0,4,8",
        "./progan_train/cat/1_fake/000.png,1,0,0,0",
        "./ffhq/a,b.png,0,2,4,8",
        "./sdxl_faces_fake/c.webp,1,2,1,4",
        "./danbooru2021/1.jpg,0,1,4,8",
        "./animaginexl_paintings_fake/2.webp,1,1,1,5",
    ],
    "test": [
        "./progan_val/cat/0_real/1.png,0,0,4,8",
        "./sd_photos_fake/1.webp,1,0,1,3",
        "./ffhq/d.png,0,2,4,8",
        "./ffhq_stylegan/e.png,1,2,0,1",
        "./wikiart/Impressionism/joaquã\u00adn-sorolla_the-net-1893.jpg,0,1,4,8",
        "./wikiart_stylegan/f.png,1,1,0,2",
        "./photozilla/other_dataset/zoo/g.jpg,0,3,4,8",
        "./journeydb/h.jpg,1,3,2,6",
        "./dalle3_addition2/i.png,1,3,3,7",
    ],
}
"""A few lines of the official form: a comma in a name, mojibake with a soft hyphen, every kind of folder pattern."""


@functools.lru_cache(maxsize=None)
def image_bytes(kind: str, colour: int) -> bytes:
    """A picture of 2 by 3 pixels in Pillow's format ``kind``."""
    content = io.BytesIO()
    Image.new("RGB", (2, 3), (colour % 256, colour // 256 % 256, 128)).save(content, kind)
    return content.getvalue()


def write_image(file: Path, colour: int = 0) -> None:
    """A picture of 2 by 3 pixels in the format of the file's suffix."""
    file.parent.mkdir(parents=True, exist_ok=True)
    kind = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "webp": "WEBP"}[file.suffix.lower().lstrip(".")]
    file.write_bytes(image_bytes(kind, colour))


def write_tree(root: Path, lines: dict[str, list[str]] = OFFICIAL_LINES, lists_in: str = "annotations") -> Path:
    """Writes lists and an image for every line; returns the root."""
    for number, line in enumerate(line for split in lines.values() for line in split):
        write_image(root / line.rsplit(",", 4)[0], number)
    (root / lists_in).mkdir(parents=True, exist_ok=True)
    for split, of_split in lines.items():
        (root / lists_in / f"{split}_annotations.txt").write_text("\n".join(of_split) + "\n", encoding="utf-8")
    return root
