"""Balanced accuracy, AUC, average precision and the errors of probabilities, with 95 % intervals that respect source images.

Crops of one picture resemble each other, so the bootstrap draws source images, not images: all images of a drawn source
enter together (cluster bootstrap; Field and Welsh, 2007, https://doi.org/10.1111/j.1467-9868.2007.00593.x).
"""

import math
from dataclasses import dataclass

import numpy as np

from imaginet_tools.metrics.delong import delong
from imaginet_tools.metrics.estimate import Estimate
from imaginet_tools.metrics.resampling import FIGURES, figures_of_all, figures_of_draws


MIN_SOURCE_IMAGES = 5
"""Of each class; with fewer, an interval would pretend to know more than it does and is left out."""


@dataclass(frozen=True)
class Scores:
    """What a detector said of some images.

    Attributes:
        label: int (N,), 0 real, 1 synthetic.
        probability: float (N,) of being synthetic, 0 to 1.
        content, generator, source_image: str (N,); generator is "real" for real images.

    Raises:
        ValueError: if the columns differ in length, or a label or probability lies outside its range.
    """

    label: np.ndarray
    probability: np.ndarray
    content: np.ndarray
    generator: np.ndarray
    source_image: np.ndarray

    def __post_init__(self):
        # double precision: a threshold between two float32 values would be rounded to one of them when compared
        object.__setattr__(self, "probability", np.asarray(self.probability, dtype=np.float64))
        for name in ("label", "content", "generator", "source_image"):
            object.__setattr__(self, name, np.asarray(getattr(self, name)))
        lengths = {name: len(getattr(self, name)) for name in self.__dataclass_fields__}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"All columns of scores must have one length, got {lengths}.")
        if not np.isin(self.label, (0, 1)).all():
            raise ValueError("Labels must be 0 (real) or 1 (synthetic).")
        wrong = np.flatnonzero(~((self.probability >= 0) & (self.probability <= 1)))  # not-a-number too
        if len(wrong):
            raise ValueError(
                f"The probability of image {wrong[0]} (of source image {self.source_image[wrong[0]]}) must lie between 0 and 1, "
                f"got {self.probability[wrong[0]]}."
            )

    def select(self, chosen: np.ndarray) -> "Scores":
        """The images where ``chosen`` (bool (N,)) is true."""
        return Scores(**{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})


@dataclass(frozen=True)
class Metrics:
    """The figures of one group of images, and what they rest on; those that older reports have not are None in them.

    Attributes:
        threshold: at or above it an image is called synthetic: what balanced accuracy and the three accuracies rest on.
        balanced_accuracy: mean of ``real_accuracy`` and ``synthetic_accuracy``.
        auc, average_precision: of the scores' order; scikit-learn's.
        auc_delong: the AUC with an interval that needs no resampling (``metrics.delong``).
        equal_error_rate: rate of false alarms where it equals that of missed synthetic images.
        recall_at_1, recall_at_5, recall_at_10: share of synthetic images found by the best threshold that flags 1, 5, 10 % of
            these real images at most.
        brier_score, balanced_log_loss, calibration_error: errors of the probabilities, both classes weighing the same.
        log_loss, plain_calibration_error: the same, each image weighing the same.
        real_accuracy, synthetic_accuracy, accuracy: share of right answers on real, synthetic, all images ("fake accuracy" is the
            second).
    """

    n_real: int
    n_synthetic: int
    n_source_images: int
    threshold: float
    balanced_accuracy: Estimate
    auc: Estimate
    average_precision: Estimate
    equal_error_rate: Estimate | None = None
    brier_score: Estimate | None = None
    calibration_error: Estimate | None = None
    recall_at_1: Estimate | None = None
    recall_at_5: Estimate | None = None
    recall_at_10: Estimate | None = None
    balanced_log_loss: Estimate | None = None
    log_loss: Estimate | None = None
    plain_calibration_error: Estimate | None = None
    real_accuracy: Estimate | None = None
    synthetic_accuracy: Estimate | None = None
    accuracy: Estimate | None = None
    auc_delong: Estimate | None = None


def measure(scores: Scores, threshold: float, resamples: int = 1000, seed: int = 0) -> Metrics:
    """All figures with 95 % percentile intervals from ``resamples`` draws of source images.

    A draw without one of the classes says nothing about any of the figures and is drawn again. A figure that is the same in every
    draw (as with no mistake at all) gets no interval: resampling cannot show how rare the mistakes are that were not seen.

    Raises:
        ValueError: if there are no images, or of one class only.
    """
    label, probability, source = columns_of(scores)
    points = figures_of_all(label, probability, threshold)
    fewest = min(len(np.unique(source[label == value])) for value in (0, 1))
    if fewest < MIN_SOURCE_IMAGES:
        estimates = {name: without_interval(value, fewest) for name, value in points.items()}
        estimates["auc_delong"] = without_interval(points["auc"], fewest)
    else:
        draws = figures_of_draws(label, probability, source, threshold, resamples, seed)
        estimates = {name: with_interval(value, draws[:, i]) for i, (name, value) in enumerate(points.items())}
        estimates["auc_delong"] = delong(label, probability, source)
    return Metrics(int((label == 0).sum()), int((label == 1).sum()), int(source.max()) + 1, float(threshold), **estimates)


def columns_of(scores: Scores) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probabilities and numbers of source images, sorted so that no sum depends on the order in which images came.

    Raises ValueError if there are no images, or of one class only.
    """
    label, probability = scores.label, scores.probability
    if len(label) == 0 or label.min() == label.max():
        kind = "" if len(label) == 0 else (" synthetic" if label[0] else " real")
        raise ValueError(f"There are {len(label)}{kind} images and no others to score; figures need real and synthetic ones.")
    _, source = np.unique(scores.source_image, return_inverse=True)
    order = np.lexsort((source, label, -probability))
    return label[order], probability[order], source[order]


def without_interval(value: float, sources: int) -> Estimate:
    """A figure that rests on fewer than MIN_SOURCE_IMAGES source images of a class."""
    return Estimate(value, reason=f"{sources} source image(s) in one class; an interval needs {MIN_SOURCE_IMAGES}")


def with_interval(value: float, draws: np.ndarray) -> Estimate:
    """A figure with the 95 % percentile interval of its values in draws of source images, float (draws,)."""
    if np.ptp(draws) < 1e-12:
        return Estimate(value, reason=f"the same in all {len(draws)} draws of source images; they cannot show rarer mistakes")
    low, high = np.percentile(draws, [2.5, 97.5])
    return Estimate(value, float(low), float(high))


def sample_size_for(rate: float) -> int:
    """Real images needed to set a threshold at a false-alarm rate: three expected alarms (60 at 5 %, 300 at 1 %)."""
    return math.ceil(3 / rate - 1e-9)
