"""Splits of a stream: images as they come from the Hub or the disk, without preparing or even knowing the whole data set.

What must be known beforehand is gathered once, at most in one pass over the training stream: held-out images for calibration,
and a sample of the training images for the report. They lie with the test images in the run's own folder. A source image is
held out or not by a hash of its name alone, so that no list of names is needed and none of its images ever trains.
"""

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import datasets
import fsspec
import numpy as np

from imaginet_core.label_words import NAMES, read_labels
from imaginet_core.storage.files import open_regular
from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.image_set import ImageSet, check_columns
from imaginet_tools.images.splits import Splits, check_classes, load_any, plain_errors

SHUFFLED_ROWS = 512
"""Undecoded images among which each loading process draws the next (0.3 GB of ImagiNet's), from several files at a time."""
HELD_OUT_IMAGES, SAMPLE_IMAGES = 2000, 1000
"""Most images that are gathered for calibration, and of those that train for the report; half of them real."""
SAMPLED = "Trained on a stream: the training images counted here, and those of the pixel statistics, are a sample of it."
FOLDER = "streamed"
"""In the run's folder: the gathered images."""
ABSENT = {"content": "uncategorized", "family": "unknown", "generator": "unknown"}
"""Column with class names -> the one class of a stream without it."""
GATHERED = datasets.Features({
    "image": datasets.Image(), "calibration": datasets.Value("bool"),
    **{name: datasets.Value("string") for name in ("label", "content", "family", "generator", "source_image", "path", "part")},
})

log = logging.getLogger(__name__)


def load_streamed_splits(data: DataOptions, seed: int, folder: Path) -> Splits:
    """Opens the training stream and gathers held-out images, a sample of the training images and the test images.

    Every process calls it, the main process first; the others find what it gathered. ``Splits.stream`` holds undecoded images,
    held-out ones among them (see :func:`is_held_out`); ``Splits.train`` is the sample. The class names are all that the columns'
    features name, whether the stream has such images or not.

    Args:
        data: the data set and the share held out.
        seed: draws which source images are held out, and the sample.
        folder: of the run; what is gathered lies in its folder FOLDER.

    Raises:
        ValueError: if a split is missing or empty, has one class only, labels that are not real and synthetic, or columns
            with class names that are not of the feature ClassLabel.
    """
    loaded = load_any(data, streaming=True)
    stream = _undecoded(loaded["train"], f"the train split of {data.dataset}")
    names = [class_names(stream.features, column, data.dataset) for column in ABSENT]
    sample = _gather(stream, "train", data, seed, folder)
    part = np.array(sample["part"])
    train, held_out = (ImageSet.from_rows(sample.select(np.flatnonzero(part == name)), name) for name in ("train", "held_out"))
    check_classes(train, "the training images that the stream gives")
    check_classes(held_out, f"the held-out {data.held_out:.0%} of the source images that the stream gives (raise --held_out)")
    test = None
    if "test" in loaded:
        stream_of_test = _undecoded(loaded["test"], f"the test split of {data.dataset}")
        test = ImageSet.from_rows(_gather(stream_of_test, "test", data, seed, folder), "the test split")
        check_classes(test, "the scored images")
    description = f"{stream.info.description or ''} {SAMPLED}".strip()
    return Splits(train, held_out, test, *names, description=description, stream=stream)


def class_names(features: datasets.Features, column: str, dataset: str) -> list[str]:
    """The classes of a column without "real", in the feature's order. Raises ValueError for a column that does not name them."""
    if column not in features:
        return [ABSENT[column]]
    if not isinstance(features[column], datasets.ClassLabel):
        raise ValueError(
            f"The column {column!r} of {dataset} is no ClassLabel, so a stream does not tell its classes beforehand; cast it to "
            "ClassLabel, or train without --streaming."
        )
    return [name for name in features[column].names if name != "real"]


def is_held_out(source_image: str, share: float, seed: int) -> bool:
    """Whether a source image is kept for calibration: a hash of its name, as a number in [0, 1), is below the share held out."""
    digest = hashlib.sha256(f"held out/{seed}/{source_image}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share


def plain_row(row: dict, features: datasets.Features) -> dict:
    """A row of a stream in the columns of GATHERED, but ``part``; class numbers become names, absent columns their default.

    An image without a path is named by a hash of its bytes. Raises ValueError for a label that is not real or synthetic.
    """
    image = row["image"]
    path = row["path"] if "path" in features else image["path"] if image["bytes"] is None else _hash_of(image["bytes"])
    word = _text(row, features, "label")
    label = NAMES[read_labels([word], path).labels[word]]
    origin = "real" if label == "real" else "unknown"
    return {
        "image": image, "label": label, "path": path, "source_image": _text(row, features, "source_image", path),
        "content": _text(row, features, "content", "uncategorized"), "family": _text(row, features, "family", origin),
        "generator": _text(row, features, "generator", origin), "calibration": bool(row.get("calibration")),
    }


def _undecoded(stream: datasets.IterableDataset, what: str) -> datasets.IterableDataset:
    """The stream with images as bytes or paths. Raises ValueError if it is empty, or has no image and label."""
    if stream.features is None:
        raise ValueError(f"{what} does not tell its columns beforehand; train without --streaming.")
    check_columns(stream.features, what)
    if not isinstance(stream.features["image"], datasets.Image):
        raise ValueError(f"The column 'image' of {what} holds no images but {stream.features['image']}; cast it to Image.")
    stream = stream.cast_column("image", datasets.Image(decode=False))
    if next(iter(stream), None) is None:
        raise ValueError(f"{what} is a stream without any image.")
    return stream


def _gather(stream: datasets.IterableDataset, split: str, data: DataOptions, seed: int, folder: Path) -> datasets.Dataset:
    """What the run needs of a split, in the run's folder; found there if it was gathered before."""
    origin = {**asdict(data), "seed": seed}
    given = {"share": data.held_out, "seed": seed} if split == "train" else {}
    with plain_errors(data.dataset):
        rows = datasets.Dataset.from_generator(
            _sample if split == "train" else _all, features=GATHERED, cache_dir=str(folder / FOLDER),
            gen_kwargs={"stream": stream, **given}, split=datasets.NamedSplit(split),
            fingerprint=f"{split}-{_hash_of(repr(origin).encode())}",
        )
    rows.info.config_name, rows.info.description = stream.info.config_name, stream.info.description
    return rows


def _sample(stream: datasets.IterableDataset, share: float, seed: int) -> Iterator[dict]:
    """Held-out images and some that train, each up to its number of real and of synthetic ones."""
    most, found = {"held_out": HELD_OUT_IMAGES // 2, "train": SAMPLE_IMAGES // 2}, Counter()
    words = set()
    for row in stream.shuffle(seed=seed, buffer_size=SHUFFLED_ROWS):
        words.add(_text(row, stream.features, "label"))
        row = plain_row(row, stream.features)
        part = "held_out" if is_held_out(row["source_image"], share, seed) else "train"
        if found[part, row["label"]] < most[part]:
            found[part, row["label"]] += 1
            yield {**row, "image": with_bytes(row["image"], row["path"]), "part": part}
        if found.total() == 2 * sum(most.values()):
            break
    if guess := read_labels(words, "the train split").guess:
        log.warning(guess)


def _all(stream: datasets.IterableDataset) -> Iterator[dict]:
    for row in stream:
        row = plain_row(row, stream.features)
        yield {**row, "image": with_bytes(row["image"], row["path"]), "part": "test"}


def with_bytes(image: dict, name: str) -> dict:
    """The undecoded image with its file's bytes, read from wherever its path leads. Raises ValueError naming a missing file."""
    if image["bytes"] is not None:
        return image
    try:
        with open_regular(image["path"]) if os.path.exists(image["path"]) else fsspec.open(image["path"], "rb") as file:
            return {"bytes": file.read(), "path": None}
    except OSError as error:
        raise ValueError(f"{name} cannot be read ({error}); see that it is there and run again.") from error


def _text(row: dict, features: datasets.Features, column: str, absent: str | None = None) -> str | None:
    if column not in features:
        return absent
    feature = features[column]
    return feature.int2str(row[column]) if isinstance(feature, datasets.ClassLabel) else str(row[column])


def _hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
