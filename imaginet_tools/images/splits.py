"""A data set and its splits by source image: what trains, what is held out for calibration, what is scored.

Any data set that ``datasets.load_dataset`` gives, or that ``save_to_disk`` wrote, with images and labels will do.
"""

import hashlib
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import datasets
import numpy as np

import imaginet  # registers its builder with load_dataset, too
from imaginet_core.pictures.integrity import check_picture
from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.image_set import REAL, SYNTHETIC, ImageSet

SHARDS = 64
"""Parts that a data set of ``save_to_disk`` is streamed in, so that processes and workers can share them."""

VALIDATION = ("validation", "val", "valid", "dev")
"""What data sets call a split for validation."""
Loaded = datasets.DatasetDict | datasets.IterableDatasetDict


log = logging.getLogger(__name__)


class Splits(NamedTuple):
    """What a run works on: ``held_out`` comes from the training list, ``test`` is only scored (None if there is none).

    With a ``stream`` to train on, ``train`` is a sample of it for report and pictures.
    """

    train: ImageSet
    held_out: ImageSet
    test: ImageSet | None
    contents: list[str]
    families: list[str]
    generators: list[str]
    description: str
    stream: datasets.IterableDataset | None = None

    def as_seen(self, turn_upright: bool) -> "Splits":
        """The same images, turned upright by their EXIF orientation or as they are stored, all of them alike."""
        seen = lambda images: None if images is None else replace(images, turn_upright=turn_upright)
        return self._replace(train=seen(self.train), held_out=seen(self.held_out), test=seen(self.test))


def load_splits(data: DataOptions, seed: int, real_only: bool = False) -> Splits:
    """Loads the data set and splits it by source image; ``seed`` draws which source images are held out.

    With ``data.fold`` the scored part is a fold of the training list and the test list is not touched. Of what is left
    for training, ``data.held_out`` of the source images are kept for calibration. With ``real_only`` the images to train on may all be
    real.

    Raises:
        ValueError: if a split is missing or empty, has one class only (but for ``real_only``), or labels that are not real and synthetic.
    """
    loaded = load_any(data)
    pool, test = (
        _decodable(ImageSet.from_rows(loaded[name], f"the {name} split of {data.dataset}"), data) if name in loaded else None
        for name in ("train", "test")
    )
    if data.fold is not None:
        scored = in_fold(pool.source_image, *data.fold_numbers())
        pool, test = pool.select(~scored), pool.select(scored)
    kept = _position(pool.source_image, f"held out/{seed}") < data.held_out
    train, held_out = pool.select(~kept), pool.select(kept)
    check_classes(train, "the training images", real_only)
    check_classes(held_out, f"the held-out {data.held_out:.0%} of the training source images (raise --held_out)", real_only)
    if test is not None:
        check_classes(test, "the scored images")
    return Splits(
        train, held_out, test, *(class_names(loaded["train"], pool, name) for name in ("content", "family", "generator")),
        description=loaded["train"].info.description.strip(),
    )


def _decodable(images: ImageSet, data: DataOptions) -> ImageSet:
    """The images that can be decoded; of ImagiNet's builder all can, as it has looked at them. Raises ValueError as ``leave_out_corrupt`` does."""
    return images if data.dataset == "imaginet" else leave_out_corrupt(images, data.on_corrupt)


def leave_out_corrupt(images: ImageSet, on_corrupt: str = "error") -> ImageSet:
    """Looks at every image, before hours of work, and gives those that can be decoded.

    Args:
        images: of which the files are read once.
        on_corrupt: "skip" leaves the others out with a warning that names some.

    Raises:
        ValueError: with "error", naming up to ten images that cannot be decoded.
    """

    def reason_of(index: int) -> str | None:
        try:
            check_picture(images.content_of(index))
        except ValueError as error:
            return str(error)
        return None

    bar = datasets.utils.tqdm(total=len(images), unit=" images", desc=f"Checking {images.title}")
    with ThreadPoolExecutor() as pool, bar:  # reading, inflating and decoding wait for no other thread
        reasons = []
        for reason in pool.map(reason_of, range(len(images))):
            reasons.append(reason)
            bar.update()
    corrupt = [f"{path}: {reason}" for path, reason in zip(images.path.tolist(), reasons, strict=True) if reason is not None]
    if not corrupt:
        return images
    named = f"{len(corrupt)} image(s) of {images.title} cannot be decoded ({'; '.join(corrupt[:10])}{'; …' if len(corrupt) > 10 else ''})"
    if on_corrupt == "error":
        raise ValueError(f"{named}. Replace them, or leave them out with --on_corrupt skip.")
    log.warning(f"{named} and are left out.")
    return images.select(np.array([reason is None for reason in reasons]))


def load_any(data: DataOptions, streaming: bool = False) -> Loaded:
    """The data set of the options by split, with at least the split "train"; images and labels are in ``image`` and ``label``.

    Without a split "test", a split for validation takes its place.

    Args:
        data: ``dataset`` with its ``config_name``, ``data_dir``, ``annotations``, ``locations``, ``registry`` and columns.
        streaming: give streams, which prepare nothing.

    Raises:
        ValueError: if it cannot be built, a split is empty, there is no train split, or no such column.
        OSError: if there is no such data set.
    """
    folder = Path(data.dataset)
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        loaded = _saved(folder, data, streaming)
    else:
        loaded = _load(data, streaming)
    if "train" not in loaded:
        raise ValueError(f"{data.dataset} has no train split (only {', '.join(loaded)}); training needs one.")
    for name in [name for name in VALIDATION if name in loaded]:
        if "test" in loaded:
            log.warning(f"The split {name} of {data.dataset} is not used: what is held out comes from the split train.")
        else:
            log.warning(f"{data.dataset} has no split test; its split {name} is scored in its place.")
            loaded["test"] = loaded.pop(name)
    return type(loaded)({name: _with_our_names(rows, data) for name, rows in loaded.items()})


def _with_our_names(rows: datasets.Dataset | datasets.IterableDataset, data: DataOptions):
    """The rows with the columns of images and labels called ``image`` and ``label``."""
    if rows.column_names is None:
        return rows
    for wanted, column in (("image", data.image_column), ("label", data.label_column)):
        if column != wanted and column in rows.column_names:
            rows = rows.remove_columns(wanted) if wanted in rows.column_names else rows
            rows = rows.rename_column(column, wanted)
        elif column != wanted:
            there = ", ".join(rows.column_names)
            raise ValueError(f"{data.dataset} has no column {column!r} (it has {there}); name another with --{wanted}_column.")
    return rows


def _load(data: DataOptions, streaming: bool) -> Loaded:
    given = {name: getattr(data, name) for name in ("data_dir", "annotations", "locations", "registry")}
    keywords = {name: value for name, value in given.items() if value}
    if data.dataset == "imaginet" and data.on_corrupt != "error":
        keywords["on_corrupt"] = data.on_corrupt
    with plain_errors(data.dataset):
        return datasets.load_dataset(data.dataset, data.config_name, streaming=streaming, **keywords)


@contextmanager
def plain_errors(name: str) -> Iterator[None]:
    """Turns what datasets raises while it builds the data set ``name`` into a ValueError that says why."""
    try:
        yield
    except datasets.exceptions.DatasetGenerationError as error:  # only says that it failed; its cause says why
        raise ValueError(f"{name} could not be built: {error.__cause__ or error}") from error
    except ValueError as error:
        if "corresponds to no data" in str(error):  # what datasets says of a split without rows
            raise ValueError(f"A split of {name} has no image ({error})") from error
        raise


def _saved(folder: Path, data: DataOptions, streaming: bool) -> Loaded:
    """What ``Dataset.save_to_disk`` (one split, taken as train) or ``DatasetDict.save_to_disk`` wrote."""
    if data.config_name or data.data_dir:
        raise ValueError(f"{folder}, written by save_to_disk, has no configurations; leave --config_name and --data_dir out.")
    try:
        loaded = datasets.load_from_disk(str(folder))
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{folder} was written by save_to_disk but cannot be read ({error}); write it again.") from error
    splits = loaded if isinstance(loaded, datasets.DatasetDict) else datasets.DatasetDict({"train": loaded})
    if not streaming:
        return splits
    return datasets.IterableDatasetDict({
        name: rows.to_iterable_dataset(num_shards=max(1, min(SHARDS, len(rows)))) for name, rows in splits.items()
    })


def class_names(rows: datasets.Dataset, pool: ImageSet, column: str) -> list[str]:
    """Names of the classes of ``column`` in the data set's own order, without "real"; only those with training images."""
    present = set(getattr(pool, column)) - {"real"}
    feature = rows.features.get(column)
    ordered = feature.names if isinstance(feature, datasets.ClassLabel) else sorted(present)
    return [name for name in ordered if name in present]


def check_classes(images: ImageSet, what: str, real_only: bool = False) -> None:
    """Raises ValueError unless there are real and synthetic images; with ``real_only``, real ones are enough."""
    for value, name in ((REAL, "real"), (SYNTHETIC, "synthetic")):
        if not (images.label == value).any() and not (real_only and value == SYNTHETIC):
            raise ValueError(f"{what} hold no {name} image; both classes are needed.")


def calibration_images(images: ImageSet, file: str | None, real_only: bool = False) -> np.ndarray:
    """Numbers of the training images of stage 2, int: those on the list ``file``, else those that the data set marks, else all.

    Raises ValueError if none of the images is on the list, or those that are have one class only.
    """
    if file is not None:
        chosen = on_list(images, file)
    else:
        chosen = images.calibration if images.calibration.any() else np.ones(len(images), dtype=bool)
    check_classes(images.select(chosen), "the images of the calibration list", real_only)
    return np.flatnonzero(chosen)


def on_list(images: ImageSet, file: str) -> np.ndarray:
    """Which images' paths are on the list, bool (N,). Raises ValueError if none is."""
    listed = imaginet.listed_paths(file)
    chosen = np.array([path.removeprefix("./") in listed for path in images.path])
    if not chosen.any():
        raise ValueError(f"No training image is on the calibration list {file}; check that its paths are those of the data set.")
    return chosen


def in_fold(source_image: np.ndarray, number: int, count: int) -> np.ndarray:
    """Which images lie in fold ``number``, from 1, of ``count``: bool (N,) of their source images str (N,)."""
    return np.floor(_position(source_image, "fold") * count) == number - 1


def _position(names: np.ndarray, salt: str) -> np.ndarray:
    """A place in [0, 1) for each name, evenly spread over the different names in an order drawn by hash; float (N,)."""
    unique = sorted(set(names), key=lambda name: hashlib.sha256(f"{salt}/{name}".encode()).digest())
    place = {name: i / len(unique) for i, name in enumerate(unique)}
    return np.array([place[name] for name in names])
