"""For which pictures the sub-network's answer is enough: fitted on held-out training images, never on test images."""

from types import SimpleNamespace

import numpy as np
from scipy.stats import rankdata

from imaginet_core.detection.early_exit import is_sure, to_network_logit
from imaginet_core.detection.verdict import calibrated_probability
from imaginet_tools.metrics.calibration import BAND_IMAGES, fit_temperature_and_bias, operating_points

LOSS, CONFIDENCE = 0.005, 0.95
"""AUC that may be lost, and how sure it must be that no more is."""
SHARES = np.arange(1, 21) / 20
"""Of the held-out images that may leave."""


def fit_early_exit(
    sub_logit: np.ndarray, logit: np.ndarray, labels: np.ndarray, temperature: float, bias: float, fitted_on: str,
    resamples: int = 200, seed: int = 0,
) -> dict | None:
    """The pair of thresholds on the sub-network's logit beyond which a picture needs no more of the network.

    The 5, 10, ... % of the images leave whose probability by the sub-network is farthest from 0.5, as long as the AUC of all answers
    together falls by at most ``LOSS`` against the whole network's in 95 % of bootstrap resamples (drawn within each class, the same
    for both); the first share with which it falls by more ends the search. Such a sequence keeps the confidence, which a choice
    among all pairs of thresholds would not (Learn then Test, arXiv 2110.01052). The sub-network's logits are brought to the whole
    network's scale by Platt scaling of their own.

    Args:
        sub_logit, logit: float (N,), of the sub-network and of the whole network, higher for synthetic.
        labels: int (N,), 0 real, 1 synthetic.
        temperature, bias: that make a probability of ``logit``.
        fitted_on: what the images are, in words.
        resamples, seed: of the bootstrap.

    Returns:
        dict with ``low`` and ``high``, ``scale`` and ``shift``, see ``imaginet_core.detection.early_exit``; ``images`` (N), ``share`` of them that leave, ``auc`` with and ``auc_whole`` without
        early exit, ``fitted_on``, and ``operating_points``, those of the answers with early exit. None where no share keeps the AUC,
        and with fewer than ``BAND_IMAGES`` images of a class.

    Raises:
        ValueError: if one class is missing or a logit is not finite.
    """
    sub_scale, sub_bias = fit_temperature_and_bias(sub_logit, labels)
    sub_logit, logit = np.asarray(sub_logit, dtype=np.float64), np.asarray(logit, dtype=np.float64)
    labels = np.asarray(labels).astype(int)
    if np.bincount(labels).min() < BAND_IMAGES or np.ptp(sub_logit) == 0:
        return None
    mapping = {"scale": temperature / sub_scale, "shift": (sub_bias - bias) * temperature}
    sureness = np.abs(sub_logit / sub_scale + sub_bias)
    draws = _draws(labels, resamples, seed)
    whole, chosen = area_under_curve(logit[draws], labels[draws]), None
    for share in SHARES:
        least = np.quantile(sureness, 1 - share)
        found = {"low": float((-least - sub_bias) * sub_scale), "high": float((least - sub_bias) * sub_scale), **mapping}
        together = np.where(is_sure(sub_logit, found), to_network_logit(sub_logit, found), logit)
        if np.quantile(whole - area_under_curve(together[draws], labels[draws]), CONFIDENCE) > LOSS:
            break
        chosen = found, together
    if chosen is None:
        return None
    found, together = chosen
    probability = calibrated_probability(together, SimpleNamespace(temperature=temperature, bias=bias))
    return {
        **found, "images": len(labels), "share": float(is_sure(sub_logit, found).mean()),
        "auc": float(area_under_curve(together, labels)), "auc_whole": float(area_under_curve(logit, labels)),
        "fitted_on": fitted_on, "operating_points": operating_points(probability, labels, fitted_on),
    }


def area_under_curve(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The area under the ROC curve along the last axis: float (..., N) and int (..., N) -> float (...)."""
    positive = labels.sum(-1)
    ranks = (rankdata(scores, axis=-1) * labels).sum(-1)
    return (ranks - positive * (positive + 1) / 2) / (positive * (labels.shape[-1] - positive))


def _draws(labels: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """int (resamples, N), numbers of images, of each class as many as there are."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.choice(np.flatnonzero(labels == label), (resamples, (labels == label).sum())) for label in (0, 1)], axis=1)
