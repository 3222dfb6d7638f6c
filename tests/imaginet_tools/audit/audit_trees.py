"""Trees of images for the audit's tests: random pixels in the official list's formats, lab pictures with a planted bias."""

import io
import shutil
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

import imaginet

SIZES = {
    "imagenet": [(62, 47), (47, 62), (62, 62)], "coco": [(80, 60), (60, 80)], "lsun": [(32, 32), (43, 32)], "progan": [(32, 32)],
    "stylegan_xl_photos": [(32, 32)], "sd_photos": [(64, 64), (96, 96)], "sdxl_photos": [(128, 128)],
    "wikiart": [(100, 128), (140, 110), (90, 90)], "danbooru": [(64, 64)], "stylegan3_paintings": [(128, 128)],
    "sd_paintings": [(96, 96)], "sdxl_paintings": [(128, 128)], "animagine_paintings": [(104, 152), (128, 128)],
    "ffhq": [(128, 128)], "stylegan_xl_faces": [(128, 128)], "sd_faces": [(64, 64)], "sdxl_faces": [(128, 128)],
    "photozilla": [(137, 91), (91, 137), (64, 48)], "journeydb": [(128, 128), (100, 150), (140, 90)],
    "dalle3": [(128, 128), (224, 128), (128, 224)], "dalle3_addition": [(128, 128)],
}
"""An eighth of sizes that each source has, width by height."""


def random_pixels(root: Path, official_list: Path, one_in: int) -> Path:
    """A tree with every so many lines of a list; the pixels are random, so that only format and size can tell anything."""
    lines = official_list.read_text(encoding="utf-8").splitlines()[::one_in]
    (root / "annotations").mkdir(parents=True)
    (root / "annotations" / "test_annotations.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for record in imaginet.read_list(str(root / "annotations" / "test_annotations.txt"), imaginet.OFFICIAL):
        rng = np.random.default_rng(hash_of(record.path))
        width, height = SIZES[record.source][int(rng.integers(len(SIZES[record.source])))]
        file = root / record.path
        file.parent.mkdir(parents=True, exist_ok=True)
        kind = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "webp": "WEBP"}[file.suffix.lower().lstrip(".")]
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(file, kind)
    return root


def hash_of(text: str) -> int:
    """The same in every process."""
    return zlib.crc32(text.encode())


def biased_lab(root: Path, lab: Path, one_in: int = 1) -> Path:
    """The lab with real images saved as JPEG of quality 75 and synthetic ones as WebP of quality 80, under the list's names."""
    for name in ("labels.yaml", "SOURCES.tsv"):
        root.mkdir(parents=True, exist_ok=True)
        shutil.copy(lab / name, root / name)
    for split in ("train", "test"):
        lines = sorted((lab / f"annotations_{split}.txt").read_text(encoding="utf-8").splitlines())[::one_in]
        (root / f"{split}_annotations.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for line in lines:
            path, origin = line.rsplit(",", 4)[:2]
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            content = io.BytesIO()
            kind = {"0": {"format": "JPEG", "quality": 75}, "1": {"format": "WEBP", "quality": 80}}[origin]
            Image.open(lab / path).convert("RGB").save(content, **kind)
            (root / path).write_bytes(content.getvalue())
    return root
