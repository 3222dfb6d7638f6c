"""Aligned training images: real and synthetic ones with the same sizes and the same kind of compression history."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np

from imaginet_tools.alignment import Facts, Step, align, plan_alignment
from imaginet_tools.headers import read_header
from training.data import REAL, ImageSet

ONE_GROUP = "all content types"


def aligned(images: ImageSet, num_proc: int | None = None) -> ImageSet:
    """The same images as ``imaginet_tools.alignment`` crops and recompresses them; kept in the cache of ``datasets``.

    Only training images are aligned: a detector is scored on pictures as they are. Real and synthetic images of one content type
    are matched; where one content type has a single class, all are matched across content types.

    Args:
        images: as loaded.
        num_proc: processes that recompress.

    Raises:
        ValueError: naming a file that is no image, or for images of one class only.
    """
    with ThreadPoolExecutor() as pool:  # mostly waiting for files
        headers = list(pool.map(lambda index: _header(images, index), range(len(images))))
    content = images.content if _classes_in_each(images) else np.full(len(images), ONE_GROUP)
    label = np.where(images.label == REAL, "real", "synthetic")
    plan = plan_alignment(
        Facts(*facts) for facts in zip(images.path.tolist(), content.tolist(), label.tolist(), headers, strict=True)
    )
    steps = [plan[path] for path in images.path.tolist()]
    rows = images.rows.map(
        _align, with_indices=True, num_proc=num_proc if num_proc and num_proc > 1 else None, desc="Aligning training images",
        fn_kwargs={"paths": images.path.tolist(), "steps": [(*step,) for step in steps]}, writer_batch_size=100,
    )
    return replace(images, rows=rows.cast_column("image", datasets.Image(decode=False)))


def _classes_in_each(images: ImageSet) -> bool:
    return all(len(set(images.label[images.content == content])) == 2 for content in set(images.content))


def _header(images: ImageSet, index: int):
    try:
        return read_header(_content(images.rows[index]["image"]))
    except ValueError as error:
        raise ValueError(f"{images.path[index]} cannot be read as an image ({error}); replace it and run again.") from error


def _align(row: dict, index: int, paths: list[str], steps: list[tuple]) -> dict:
    try:
        return {"image": {"bytes": align(_content(row["image"]), paths[index], Step(*steps[index])), "path": None}}
    except ValueError as error:
        raise ValueError(f"{paths[index]}: {error}.") from error


def _content(image: dict) -> bytes:
    return image["bytes"] if image["bytes"] is not None else Path(image["path"]).read_bytes()
