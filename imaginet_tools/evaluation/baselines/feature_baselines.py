"""Two classifiers of plain numbers, to be read beside every figure: of a file's metadata, and of pixel statistics.

Both are fitted on training images where these are at hand, else by cross-validation on the scored images, each source image in one
fold; then they know these images' sources and are the harder to beat.
"""

from collections.abc import Callable, Sequence

import numpy as np

from imaginet_core.pictures.header import read_header
from imaginet_core.pictures.pixel_statistics import statistics
from imaginet_tools.audit.classifier import FOLDS, folds_of, make_forest
from imaginet_tools.audit.features import metadata
from imaginet_tools.evaluation.pixel_baseline import PixelStatistics
from imaginet_tools.evaluation.stored.score_images import ScoredRows
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.inference.detector import Answers, Detector

STATISTICS, METADATA = "pixel statistics", "metadata"
VERSION = 1
"""Of the features; raised when they change."""
MIN_SOURCE_IMAGES = 10
"""Of each class, to fit a baseline."""


class FeatureScorer:
    """Rows of numbers of a picture: its pixel statistics, or its file's metadata.

    Args:
        kind: STATISTICS or METADATA, which has rows of undegraded files alone.
    """

    batch_size = 1
    only_prepares = True

    def __init__(self, kind: str):
        self.kind, self.name, self.preparation = kind, f"{kind} (baseline)", _statistics_of if kind == STATISTICS else _metadata_of

    def key(self, condition: str) -> dict:
        return {"features": self.kind, "version": VERSION, "condition": condition}

    def rows(self, prepared: list) -> list[dict]:
        return [{"features": each} for each in prepared]


def _statistics_of(content: bytes, pixels: np.ndarray, condition: str) -> list[float]:
    return statistics(pixels).tolist()


def _metadata_of(content: bytes, pixels: np.ndarray, condition: str) -> list[float]:
    return list(metadata(read_header(content), len(content)).values())


class Baseline(Detector):
    """A classifier of features as a detector; it answers by features, not by pictures."""

    is_baseline = True
    threshold = 0.5

    def __init__(self, name: str):
        self.name = name

    def scores(self, pictures):
        raise ValueError(f"The baseline {self.name} answers by features of files; see evaluate_features.")


def evaluate_features(
    kind: str, scored: ScoredRows, images: ImageSet, chosen: np.ndarray, train: tuple[ScoredRows, ImageSet] | None = None
) -> tuple[dict[str, Answers], str]:
    """A baseline's answers under each condition, and the sentence that says what it was fitted on.

    Args:
        kind: STATISTICS or METADATA.
        scored: rows of the scored images; under degradations, too.
        images: all that were scored.
        chosen: int, those that could be read.
        train: rows and images to fit on; by default the scored ones, undegraded, in folds.

    Raises:
        ValueError: where there are fewer than MIN_SOURCE_IMAGES source images of a class to fit on.
    """
    tables = {condition: _table(rows, chosen) for condition, rows in scored.rows.items()}
    kept = images.select(chosen)
    if train is not None:
        rows, of = train
        usable = np.array([index for index in range(len(of)) if rows.rows["clean"][index] is not None])
        fitted_on = of.select(usable)
        _check(fitted_on, kind)
        probabilities = _fit(kind, _table(rows.rows["clean"], usable), fitted_on.label)
        return {name: Answers(probabilities(table)) for name, table in tables.items()}, (
            f"Fitted on {len(fitted_on)} training images."
        )
    _check(kept, kind)
    folds = folds_of(kept.label, kept.source_image)
    found = {name: np.empty(len(kept)) for name in tables}
    for fold in range(FOLDS):
        held = folds == fold
        probabilities = _fit(kind, tables["clean"][~held], kept.label[~held])
        for name, table in tables.items():
            found[name][held] = probabilities(table[held])
    return {name: Answers(each) for name, each in found.items()}, (
        f"Cross-validated on the scored images by source image, in {FOLDS} folds: it knows their kind, as no detector does."
    )


def _fit(kind: str, table: np.ndarray, label: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """From a table to probabilities, after fitting; formats are no linear matter, so metadata get the audit's trees."""
    if kind == STATISTICS:
        return PixelStatistics().fit(table, label).probabilities
    forest = make_forest(len(label)).fit(table, label)
    return lambda other: np.clip(forest.predict_proba(other)[:, 1], 0, 1)


def _table(rows: Sequence[dict | None], chosen: np.ndarray) -> np.ndarray:
    return np.array([rows[index]["features"] for index in chosen], dtype=np.float64)


def _check(images: ImageSet, kind: str) -> None:
    for value, name in enumerate(("real", "synthetic")):
        count = len(set(images.source_image[images.label == value].tolist()))
        if count < MIN_SOURCE_IMAGES:
            raise ValueError(f"The baseline of {kind} needs {MIN_SOURCE_IMAGES} {name} source images; there are {count}.")
