"""How far probabilities are from the truth: equal error rate, Brier score, log loss, calibration error.

A detector's probability is that among equally many real and synthetic images. So, but for what is called plain, both classes weigh
the same: an image weighs the more the fewer of its class there are.
"""

import numpy as np

BINS = 15
"""Of equal width, in which the calibration error compares probabilities with frequencies (Guo et al., 2017, arXiv 1706.04599)."""
LEAST = float(np.finfo(np.float64).eps)
"""A probability of 0 or 1 that is wrong counts as this far from it in the log loss, as in scikit-learn: a loss of 36."""


def crossing_between(before: tuple[float, float], after: tuple[float, float]) -> float:
    """The equal error rate: where false alarms and missed images are equal, on the straight line between the two thresholds around that place.

    Args:
        before, after: (rate of false alarms, rate of missed images).
    """
    gap, further = before[1] - before[0], after[0] - after[1]
    return float(before[0] + gap / (gap + further) * (after[0] - before[0]))


def log_losses(label: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """float (N,): minus the natural logarithm of the probability of each image's own label, 0 (best) to 36.04.

    Args:
        label: int (N,), 0 real, 1 synthetic.
        probability: float (N,) of being synthetic, 0 to 1.
    """
    return -np.log(np.clip(np.where(label == 1, probability, 1 - probability), LEAST, 1.0))


def bins_of(probability: np.ndarray) -> np.ndarray:
    """int (N,), 0 to BINS - 1: the bin of each probability."""
    return np.minimum((probability * BINS).astype(int), BINS - 1)


def reliability(label: np.ndarray, probability: np.ndarray) -> list[dict]:
    """A reliability diagram: of each of BINS bins with images the mean ``probability``, the ``frequency`` of synthetic images, both
    classes weighing the same, and the number of ``images``.

    Args: as :func:`log_losses`; both labels must occur.
    """
    bins = bins_of(probability)
    weight = np.where(label == 1, 0.5 / (label == 1).sum(), 0.5 / (label == 0).sum())
    total, mean, positive, images = (
        np.bincount(bins, column, BINS) for column in (weight, weight * probability, weight * label, np.ones(len(label)))
    )
    return [
        {"probability": float(mean[at] / total[at]), "frequency": float(positive[at] / total[at]), "images": int(images[at])}
        for at in np.flatnonzero(images)
    ]
