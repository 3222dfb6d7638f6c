"""Decodes every image of the data set and lists what is wrong: broken files, wrong names, duplicates.

Near-duplicates between train and test are found by the perceptual hash of the imagehash library (pHash, 64 bits).
"""

import hashlib
import importlib.util
import os
from typing import NamedTuple

import numpy as np
from PIL import Image

import imaginet
from imaginet_core.parallel import in_processes
from imaginet_core.pictures.decode import read_picture
from imaginet_core.pictures.sources import LIMITS, PictureError, PictureTooLargeError

FORMATS = {
    "jpg": "JPEG", "jpeg": "JPEG", "jfif": "JPEG", "png": "PNG", "webp": "WEBP", "bmp": "BMP", "gif": "GIF", "tif": "TIFF",
    "tiff": "TIFF", "avif": "AVIF", "heic": "HEIF", "heif": "HEIF",
}
NEAR = 4
"""Bits in which the hashes of near-duplicates may differ, of 64."""
KINDS = {
    "empty": "empty files",
    "broken": "broken or truncated images",
    "oversized": f"images of more than {LIMITS.pixels:,} pixels",
    "mislabelled": "names whose suffix is not the format",
    "duplicates": "groups of equal files",
    "near_duplicates": "near-duplicates between train and test",
}


class Examined(NamedTuple):
    """What one image's file showed: sha256 of its bytes, perceptual hash (int, None if broken), and (kind, reason) or None."""

    path: str
    digest: str
    hash: int | None
    finding: tuple | None


def verify(raw: imaginet.Raw, processes: int) -> dict[str, list]:
    """Examines all images that are there, in parallel, with a progress bar.

    Args:
        raw: see ``imaginet.read_raw``.
        processes: at least 1.

    Returns:
        kind (see KINDS) -> findings: dicts with path and reason; for duplicates {"paths": [...]}; for near-duplicates
        {"train": path, "test": path, "bits": distance}.

    Raises:
        ModuleNotFoundError: without the imagehash library.
    """
    if importlib.util.find_spec("imagehash") is None:
        raise ModuleNotFoundError('Verifying needs the imagehash library: pip install "imaginet[verify]", or pip install imagehash.')
    findings = {kind: [] for kind in KINDS}
    for record in raw.missing:
        file = f"{raw.root}/{record.path}"
        if os.path.isfile(file):
            findings["empty"].append({"path": record.path, "reason": "0 bytes"})
        elif os.path.lexists(file):
            findings["broken"].append({"path": record.path, "reason": "it is no regular file"})
    records = [record for of_split in raw.splits.values() for record in of_split]
    split_of = {record.path: split for split, of_split in raw.splits.items() for record in of_split}

    def note_unreadable(record: imaginet.Record, error: imaginet.ImageError) -> None:
        findings["broken"].append({"path": record.path, "reason": str(error)})

    images = imaginet.read_images(raw, records, title="verifying", on_error=note_unreadable)
    jobs = ((record.path, content) for record, content in images)
    examined = {each.path: each for each in in_processes(examine, jobs, processes)}
    for each in examined.values():
        if each.finding:
            findings[each.finding[0]].append({"path": each.path, "reason": each.finding[1]})
    findings["duplicates"] = _duplicates(examined)
    findings["near_duplicates"] = _near_duplicates(examined, split_of)
    for kind in ("empty", "broken", "oversized", "mislabelled"):
        findings[kind].sort(key=lambda finding: finding["path"])
    return findings


def examine(image: tuple[str, bytes]) -> Examined:
    """Decodes an image, given as (path, the file's bytes)."""
    import imagehash

    path, content = image
    code, finding = None, None
    try:
        picture = read_picture(content, notes=False, limits=LIMITS)
        if FORMATS.get(path.rpartition(".")[2].lower()) != picture.format:
            finding = ("mislabelled", f"it is {picture.format}")
        code = int(str(imagehash.phash(Image.fromarray(picture.pixels))), 16)
    except PictureError as error:
        finding = ("oversized" if isinstance(error, PictureTooLargeError) else "broken", error.reason)
    return Examined(path, hashlib.sha256(content).hexdigest(), code, finding)


def _duplicates(examined: dict[str, Examined]) -> list[dict]:
    groups = {}
    for path, each in examined.items():
        groups.setdefault(each.digest, []).append(path)
    return sorted(({"paths": sorted(paths)} for paths in groups.values() if len(paths) > 1), key=lambda group: group["paths"])


def _near_duplicates(examined: dict[str, Examined], split_of: dict[str, str]) -> list[dict]:
    """Pairs across the splits whose hashes differ in at most NEAR bits; a flat picture's hash says nothing and is left out."""
    paths = {split: sorted(path for path in examined if split_of[path] == split and _is_informative(examined[path].hash)) for split in imaginet.LIST_NAMES}
    train = np.array([examined[path].hash for path in paths["train"]], dtype=np.uint64)
    found = []
    for path in paths["test"] if len(train) else ():
        bits = np.bitwise_count(train ^ np.uint64(examined[path].hash))
        found += [{"train": paths["train"][i], "test": path, "bits": int(bits[i])} for i in np.flatnonzero(bits <= NEAR)]
    return found


def _is_informative(code: int | None) -> bool:
    return code is not None and 16 <= code.bit_count() <= 48


def describe(findings: dict[str, list], examples: int = 5) -> str:
    """The findings as text: a line per kind, with the first few of each."""
    lines = []
    for kind, title in KINDS.items():
        lines.append(f"{title}: {len(findings[kind]):,}")
        for finding in findings[kind][:examples]:
            if kind == "duplicates":
                lines.append(f"  {', '.join(finding['paths'])}")
            elif kind == "near_duplicates":
                lines.append(f"  {finding['train']} (train) and {finding['test']} (test): {finding['bits']} bits apart")
            else:
                lines.append(f"  {finding['path']}: {finding['reason']}")
    return "\n".join(lines)
