"""From logits to probabilities and thresholds. Everything here is fitted on held-out training images, never on test images."""

import math

import numpy as np
from sklearn.linear_model import LogisticRegression

from evaluation.metrics import sample_size_for


def fit_temperature_and_bias(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Platt scaling (Platt, 1999) with both classes weighing the same.

    The fit is a logistic regression on the standardised logit, with a weak penalty (one over the number of images), so that perfectly separated
    logits get a finite temperature. Logits that rank the wrong way round keep their order: the slope is held positive
    by falling back to temperature 1, and only the bias is fitted.

    Args:
        logits: float (N,), higher for synthetic.
        labels: int (N,), 0 real, 1 synthetic; both must occur.

    Returns:
        (temperature > 0, bias) such that sigmoid(logit / temperature + bias) is the probability of "synthetic" among
        equally many real and synthetic images.

    Raises:
        ValueError: if one class is missing or a logit is not finite.
    """
    _check(logits, labels)
    centre, spread = float(np.mean(logits)), float(np.std(logits)) or 1.0
    fit = LogisticRegression(C=1.0, class_weight="balanced").fit(((logits - centre) / spread)[:, None], labels)
    slope = float(fit.coef_[0, 0]) / spread
    if slope > 0:
        return 1 / slope, float(fit.intercept_[0]) - slope * centre
    midpoint = (logits[labels == 1].mean() + logits[labels == 0].mean()) / 2
    return 1.0, -float(midpoint)


def balanced_threshold(probability: np.ndarray, labels: np.ndarray) -> float:
    """The threshold with the highest balanced accuracy: an image is called synthetic at or above it.

    Candidates are the middles between neighbouring scores; among equally good ones the widest gap wins, then the one nearest 0.5.

    Raises:
        ValueError: if one class is missing.
    """
    _check(probability, labels)
    scores = np.unique(probability)
    if len(scores) == 1:
        return float(scores[0])
    order = np.argsort(probability, kind="stable")
    ordered, synthetic = probability[order], (labels[order] == 1)
    below = np.searchsorted(ordered, scores[1:], side="left")  # images under each candidate
    real_below = np.concatenate([[0], np.cumsum(~synthetic)])[below]
    synthetic_below = below - real_below
    accuracy = (real_below / (~synthetic).sum() + 1 - synthetic_below / synthetic.sum()) / 2
    middles, gaps = (scores[1:] + scores[:-1]) / 2, np.diff(scores)
    ranking = np.lexsort((np.abs(middles - 0.5), -gaps, -np.round(accuracy, 12)))
    return float(middles[ranking[0]])


def threshold_at_false_alarm_rate(real_probability: np.ndarray, rate: float) -> tuple[float | None, str | None]:
    """The lowest threshold at which at most ``rate`` of the real images are called synthetic.

    Args:
        real_probability: float (N,), scores of real images only.
        rate: between 0 and 1, exclusive.

    Returns:
        (threshold, None), or (None, reason) where there are fewer than 3 / rate real images.
    """
    if not 0 < rate < 1:
        raise ValueError(f"A false-alarm rate lies between 0 and 1, got {rate}.")
    needed = sample_size_for(rate)
    if len(real_probability) < needed:
        return None, f"{len(real_probability)} held-out real images; a rate of {rate:.0%} needs {needed}"
    allowed = math.floor(rate * len(real_probability) + 1e-9)
    first_allowed = np.sort(real_probability)[::-1][allowed]  # the highest score that must not be flagged
    return float(np.nextafter(first_allowed, np.inf)), None


def operating_points(probability: np.ndarray, labels: np.ndarray, fitted_on: str, rates=(0.05, 0.01)) -> list[dict]:
    """The thresholds that travel with a model: balanced, and one per false-alarm rate.

    Returns:
        dicts with name, threshold (or null with reason), false_alarm_rate and recall on the held-out images,
        n_real, n_synthetic, fitted_on.
    """
    real, synthetic = probability[labels == 0], probability[labels == 1]
    found = [("balanced", balanced_threshold(probability, labels), None)]
    found += [(f"false alarms {rate:.0%}", *threshold_at_false_alarm_rate(real, rate)) for rate in rates]
    return [
        {
            "name": name, "threshold": threshold, "reason": reason,
            "false_alarm_rate": None if threshold is None else float((real >= threshold).mean()),
            "recall": None if threshold is None else float((synthetic >= threshold).mean()),
            "n_real": len(real), "n_synthetic": len(synthetic), "fitted_on": fitted_on,
        }
        for name, threshold, reason in found
    ]


def _check(values: np.ndarray, labels: np.ndarray) -> None:
    if len(values) != len(labels) or set(np.unique(labels)) != {0, 1}:
        raise ValueError("Calibration needs one label per score, and both real (0) and synthetic (1) images.")
    if not np.isfinite(values).all():
        raise ValueError("Calibration needs finite scores; some are not.")
