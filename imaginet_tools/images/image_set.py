"""The images of one run: loading, and the split by source image.

Any data set that ``datasets.load_dataset`` gives with an ``image`` and a ``label`` (real, synthetic) column will do; the other
columns of ImagiNet (content, family, generator, source_image, path) are used where present.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import datasets
import numpy as np

from imaginet_core.pictures.partial_decode import PictureFile

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
