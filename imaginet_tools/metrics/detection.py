"""Balanced accuracy, AUC, average precision and the errors of probabilities, with 95 % intervals that respect source images.

Crops of one picture resemble each other, so the bootstrap draws source images, not images: all images of a drawn source
enter together (cluster bootstrap; Field and Welsh, 2007, https://doi.org/10.1111/j.1467-9868.2007.00593.x).
"""

import math
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from imaginet_tools.metrics.estimate import Estimate
from imaginet_tools.metrics.probability_errors import brier_score, crossing, equal_error_rate, expected_calibration_error

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


def balanced_accuracy(label: np.ndarray, probability: np.ndarray, threshold: float) -> float:
    """Mean of the shares of real images below and of synthetic images at or above the threshold, 0 to 1."""
    synthetic = label == 1
    flagged = probability >= threshold
    return float((flagged[synthetic].mean() + (~flagged[~synthetic]).mean()) / 2)


@dataclass(frozen=True)
class Metrics:
    """The figures of one group of images, and what they rest on; those that reports before 0.2 had not are None in them."""

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


def measure(scores: Scores, threshold: float, resamples: int = 1000, seed: int = 0) -> Metrics:
    """All figures with 95 % percentile intervals from ``resamples`` draws of source images.

    A draw without one of the classes says nothing about any of the figures and is drawn again. Point values of AUC and
    average precision are scikit-learn's; ties count half. A figure that is the same in every draw (as with no mistake at
    all) gets no interval: resampling cannot show how rare the mistakes are that were not seen.

    Raises:
        ValueError: if there are no images, or of one class only.
    """
    label, probability = scores.label, scores.probability
    if len(label) == 0 or label.min() == label.max():
        kind = "" if len(label) == 0 else (" synthetic" if label[0] else " real")
        raise ValueError(f"There are {len(label)}{kind} images and no others to score; figures need real and synthetic ones.")
    sources, source = np.unique(scores.source_image, return_inverse=True)
    order = np.lexsort((source, label, -probability))  # sums do not depend on the order in which images came
    label, probability, source = label[order], probability[order], source[order]
    points = {
        "balanced_accuracy": balanced_accuracy(label, probability, threshold),
        "auc": float(roc_auc_score(label, probability)),
        "average_precision": float(average_precision_score(label, probability)),
        "equal_error_rate": equal_error_rate(label, probability),
        "brier_score": brier_score(label, probability),
        "calibration_error": expected_calibration_error(label, probability),
    }
    fewest = min(len(np.unique(source[label == value])) for value in (0, 1))
    if fewest < MIN_SOURCE_IMAGES:
        estimates = {name: without_interval(value, fewest) for name, value in points.items()}
    else:
        draws = _bootstrap(label, probability, source, threshold, resamples, seed)
        estimates = {name: with_interval(value, draws[:, i]) for i, (name, value) in enumerate(points.items())}
    return Metrics(int((label == 0).sum()), int((label == 1).sum()), len(sources), float(threshold), **estimates)


def without_interval(value: float, sources: int) -> Estimate:
    """A figure that rests on fewer than MIN_SOURCE_IMAGES source images of a class."""
    return Estimate(value, reason=f"{sources} source image(s) in one class; an interval needs {MIN_SOURCE_IMAGES}")


def with_interval(value: float, draws: np.ndarray) -> Estimate:
    """A figure with the 95 % percentile interval of its values in draws of source images, float (draws,)."""
    if np.ptp(draws) < 1e-12:
        return Estimate(value, reason=f"the same in all {len(draws)} draws of source images; they cannot show rarer mistakes")
    low, high = np.percentile(draws, [2.5, 97.5])
    return Estimate(value, float(low), float(high))


def _bootstrap(label, probability, source, threshold, resamples, seed) -> np.ndarray:
    """float (resamples, 6): the figures of each draw, computed from how often each image was drawn."""
    # one sort for all draws: images in descending score, equal scores in one run
    order = np.argsort(-probability, kind="stable")
    label, probability, source = label[order] == 1, probability[order], source[order]
    run_ends = np.append(np.flatnonzero(np.diff(probability)), len(probability) - 1)
    flagged = probability >= threshold
    generator, n_sources = np.random.default_rng(seed), int(source.max()) + 1
    figures = np.empty((resamples, 6))
    for draw in range(resamples):
        real = synthetic = 0
        while real == 0 or synthetic == 0:
            times = np.bincount(generator.integers(n_sources, size=n_sources), minlength=n_sources)[source]
            synthetic, real = int(times[label].sum()), int(times[~label].sum())
        true = np.cumsum(times * label)[run_ends]
        false = np.cumsum(times * ~label)[run_ends]
        hits = times[flagged & label].sum() / synthetic
        alarms = times[flagged & ~label].sum() / real
        new_true, new_false = np.diff(true, prepend=0), np.diff(false, prepend=0)
        auc = (new_true * (real - false) + new_true * new_false / 2).sum() / (real * synthetic)
        drawn = true + false > 0
        precision = true[drawn] / (true + false)[drawn]
        figures[draw] = (
            (hits + 1 - alarms) / 2, auc, (new_true[drawn] * precision).sum() / synthetic, crossing(false / real, 1 - true / synthetic),
            brier_score(label, probability, times), expected_calibration_error(label, probability, times),
        )
    return figures


def groups(scores: Scores) -> list[tuple[str, str, np.ndarray]]:
    """(kind, name, bool (N,)) of every group that figures are given for.

    Overall; each content type that has both classes; each generator, its images against the real ones of the content
    types that it has (not of any content). Contents and generators without an image to compare with are left out.
    """
    found = [("overall", "all", np.ones(len(scores.label), dtype=bool))]
    real = scores.label == 0
    for content in sorted(set(scores.content)):
        found.append(("content", str(content), scores.content == content))
    for generator in sorted(set(scores.generator) - {"real"}):
        own = scores.generator == generator
        found.append(("generator", str(generator), own | (real & np.isin(scores.content, scores.content[own]))))
    return [(kind, name, chosen) for kind, name, chosen in found if kind == "overall" or 0 < scores.label[chosen].mean() < 1]


def sample_size_for(rate: float) -> int:
    """Real images needed to set a threshold at a false-alarm rate: three expected alarms (60 at 5 %, 300 at 1 %)."""
    return math.ceil(3 / rate - 1e-9)
