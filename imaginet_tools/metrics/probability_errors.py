"""How far probabilities are from the truth, both classes weighing the same: equal error rate, Brier score, calibration error.

A detector's probability is that among equally many real and synthetic images, so that an image weighs the more the fewer of its
class there are.
"""

import numpy as np

BINS = 15
"""Of equal width, in which the calibration error compares probabilities with frequencies (Guo et al., 2017, arXiv 1706.04599)."""


def equal_error_rate(label: np.ndarray, probability: np.ndarray) -> float:
    """The rate of false alarms where it equals that of missed synthetic images, between two thresholds by a straight line.

    Args: as :func:`brier_score`.
    """
    order = np.argsort(-probability, kind="stable")
    synthetic, ordered = label[order] == 1, probability[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    true, false = np.cumsum(synthetic)[ends], np.cumsum(~synthetic)[ends]
    return crossing(false / false[-1], 1 - true / true[-1])


def crossing(false_alarms: np.ndarray, missed: np.ndarray) -> float:
    """Where two rates meet, float (thresholds,), of thresholds that fall from above all scores; the first rises, the second falls."""
    false_alarms, missed = np.concatenate([[0.0], false_alarms]), np.concatenate([[1.0], missed])
    after = int(np.argmax(false_alarms >= missed))
    before = after - 1
    gap, further = missed[before] - false_alarms[before], false_alarms[after] - missed[after]
    share = gap / (gap + further)
    return float(false_alarms[before] + share * (false_alarms[after] - false_alarms[before]))


def brier_score(label: np.ndarray, probability: np.ndarray, times: np.ndarray | None = None) -> float:
    """Mean squared difference between probability and label, 0 (best) to 1; 0.25 for a detector that always says 0.5.

    Args:
        label: int (N,), 0 real, 1 synthetic; both must occur.
        probability: float (N,) of being synthetic, 0 to 1.
        times: how often each image counts, float (N,); once by default.
    """
    return float((_weights(label, times) * (probability - label) ** 2).sum())


def expected_calibration_error(label: np.ndarray, probability: np.ndarray, times: np.ndarray | None = None) -> float:
    """Mean difference between probability and frequency, over BINS bins of probability weighted by what lies in them, 0 to 1.

    Args: as :func:`brier_score`.
    """
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    return float(np.abs(np.bincount(bins, _weights(label, times) * (probability - label), BINS)).sum())


def _weights(label: np.ndarray, times: np.ndarray | None) -> np.ndarray:
    times = np.ones(len(label)) if times is None else times
    return times * np.where(label == 1, 0.5 / times[label == 1].sum(), 0.5 / times[label == 0].sum())
