"""The images of one run: loading, and the split by source image.

Any data set that ``datasets.load_dataset`` gives with an ``image`` and a ``label`` (real, synthetic) column will do; the other
columns of ImagiNet (content, family, generator, source_image, path) are used where present.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import datasets
import numpy as np

import imaginet
from imaginet_core.pictures.partial_decode import PictureFile
from imaginet_tools.images.loading import load_any
from training.options import TrainingOptions

REAL, SYNTHETIC = 0, 1
LABELS = {"real": REAL, "synthetic": SYNTHETIC, "0": REAL, "1": SYNTHETIC}
"""What a data set may call the two classes."""


@dataclass(frozen=True)
class ImageSet:
    """Images with their labels, in a fixed order.

    Attributes:
        rows: the ``datasets.Dataset`` behind it; its ``image`` column holds undecoded bytes or a path.
        label: int (N,), 0 real, 1 synthetic.
        content, family, generator, source_image, path: str (N,); family and generator are "real" for real images.
        calibration: bool (N,), whether the data set marks it as one for the classifier stage (upstream's calibration list).
    """

    rows: datasets.Dataset
    label: np.ndarray
    content: np.ndarray
    family: np.ndarray
    generator: np.ndarray
    source_image: np.ndarray
    path: np.ndarray
    calibration: np.ndarray

    def __len__(self) -> int:
        return len(self.label)

    def select(self, chosen: np.ndarray) -> "ImageSet":
        """The images where ``chosen`` (bool (N,) or int indices) says so."""
        columns = ("label", "content", "family", "generator", "source_image", "path", "calibration")
        indices = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        return replace(self, rows=self.rows.select(indices), **{name: getattr(self, name)[indices] for name in columns})

    def pixels(self, index: int) -> np.ndarray:
        """Image ``index`` decoded: uint8 RGB (H, W, 3). Raises ValueError naming a file that is no image."""
        with PictureFile(self.rows[int(index)]["image"], self.path[index]) as picture:
            return picture.read()

    def fingerprint(self) -> str:
        """A short hash of paths and labels, for reports."""
        digest = hashlib.sha256()
        for row in zip(self.path, self.label, self.generator, strict=True):
            digest.update("\t".join(map(str, row)).encode() + b"\n")
        return digest.hexdigest()[:16]

    def counts(self) -> dict:
        """Images, real, synthetic, source images, and images per content and generator."""
        tally = lambda column: {str(k): int(v) for k, v in zip(*np.unique(column, return_counts=True), strict=True)}
        return {
            "images": len(self), "real": int((self.label == REAL).sum()), "synthetic": int((self.label == SYNTHETIC).sum()),
            "source_images": len(np.unique(self.source_image)),
            "content": tally(self.content), "generator": tally(self.generator),
        }


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


def load_splits(options: TrainingOptions) -> Splits:
    """Loads the data set and cuts it by source image.

    With ``options.fold`` the scored part is a fold of the training list and the test list is not touched. Of what is left
    for training, ``options.held_out`` of the source images are kept for calibration.

    Raises:
        ValueError: if a split is missing or empty, has one class only, or labels that are not real and synthetic.
    """
    loaded = load_any(options)
    pool = as_image_set(loaded["train"], f"the train split of {options.dataset}")
    test = as_image_set(loaded["test"], f"the test split of {options.dataset}") if "test" in loaded else None
    if options.fold is not None:
        number, count = options.fold_numbers()
        in_fold = np.floor(_position(pool.source_image, "fold") * count) == number - 1
        pool, test = pool.select(~in_fold), pool.select(in_fold)
    kept = _position(pool.source_image, f"held out/{options.seed}") < options.held_out
    train, held_out = pool.select(~kept), pool.select(kept)
    check_classes(train, "the training images")
    check_classes(held_out, f"the held-out {options.held_out:.0%} of the training source images (raise --held_out)")
    if test is not None:
        check_classes(test, "the scored images")
    return Splits(
        train, held_out, test, *(class_names(loaded["train"], pool, name) for name in ("content", "family", "generator")),
        description=loaded["train"].info.description.strip(),
    )


def as_image_set(rows: datasets.Dataset, what: str) -> ImageSet:
    """Reads the columns of ``rows``; absent ones become one value for all. Raises ValueError for wrong or missing labels."""
    check_columns(rows.column_names, what)
    label = _text(rows, "label") if isinstance(rows.features["label"], datasets.ClassLabel) else np.asarray(rows["label"])
    strange = sorted({str(value) for value in label} - set(LABELS))
    if strange:
        raise ValueError(f"{what} has the label {strange[0]!r}; labels must be real and synthetic, or 0 and 1.")
    label = np.array([LABELS[str(value)] for value in label], dtype=np.int64)

    path = _text(rows, "path", np.arange(len(rows)).astype(str))
    origin = np.where(label == REAL, "real", "unknown")
    return ImageSet(
        rows=rows.select_columns("image").cast_column("image", datasets.Image(decode=False)),
        label=label, path=path, source_image=_text(rows, "source_image", path),
        content=_text(rows, "content", np.full(len(rows), "uncategorized")),
        family=_text(rows, "family", origin), generator=_text(rows, "generator", origin),
        calibration=np.array([bool(marked) for marked in rows["calibration"]], dtype=bool)  # null without the list
        if "calibration" in rows.column_names else np.zeros(len(rows), dtype=bool),
    )


def check_columns(names: Iterable[str], what: str) -> None:
    """Raises ValueError unless there are columns with images and labels."""
    for column in ("image", "label"):
        if column not in names:
            raise ValueError(f"{what} has no column {column!r} (it has {', '.join(names)}).")


def class_names(rows: datasets.Dataset, pool: ImageSet, column: str) -> list[str]:
    """Names of the classes of ``column`` in the data set's own order, without "real"; only those with training images."""
    present = set(getattr(pool, column)) - {"real"}
    feature = rows.features.get(column)
    ordered = feature.names if isinstance(feature, datasets.ClassLabel) else sorted(present)
    return [name for name in ordered if name in present]


def check_classes(images: ImageSet, what: str) -> None:
    """Raises ValueError unless there are real and synthetic images."""
    for value, name in ((REAL, "real"), (SYNTHETIC, "synthetic")):
        if not (images.label == value).any():
            raise ValueError(f"{what} hold no {name} image; both classes are needed.")


def calibration_images(images: ImageSet, file: str | None) -> np.ndarray:
    """Numbers of the training images of stage 2, int: those on the list ``file``, else those that the data set marks, else all.

    Raises ValueError if none of the images is on the list, or those that are have one class only.
    """
    if file is not None:
        chosen = on_list(images, file)
    else:
        chosen = images.calibration if images.calibration.any() else np.ones(len(images), dtype=bool)
    check_classes(images.select(chosen), "the images of the calibration list")
    return np.flatnonzero(chosen)


def on_list(images: ImageSet, file: str) -> np.ndarray:
    """Which images' paths are on the list, bool (N,). Raises ValueError if none is."""
    listed = imaginet.listed_paths(file)
    chosen = np.array([path.removeprefix("./") in listed for path in images.path])
    if not chosen.any():
        raise ValueError(f"No training image is on the calibration list {file}; check that its paths are those of the data set.")
    return chosen


def sentence(error: Exception) -> str:
    """What an error says. One from a loading worker arrives with the worker's traceback around it; its last line says it."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[-1].removeprefix(f"{type(error).__name__}: ") if text.startswith("Caught ") else text


def _text(rows: datasets.Dataset, column: str, default: np.ndarray | None = None) -> np.ndarray:
    if column not in rows.column_names:
        return default
    values, feature = rows[column], rows.features[column]
    if isinstance(feature, datasets.ClassLabel):
        return np.array(feature.names)[np.asarray(values)]
    return np.array([str(value) for value in values])


def evenly(indices: np.ndarray, most: int) -> np.ndarray:
    """At most ``most`` of the indices, evenly spread."""
    return indices[np.unique(np.linspace(0, len(indices) - 1, min(most, len(indices))).round().astype(int))]


def _position(names: np.ndarray, salt: str) -> np.ndarray:
    """A place in [0, 1) for each name, evenly spread over the different names in an order drawn by hash; float (N,)."""
    unique = sorted(set(names), key=lambda name: hashlib.sha256(f"{salt}/{name}".encode()).digest())
    place = {name: i / len(unique) for i, name in enumerate(unique)}
    return np.array([place[name] for name in names])
