"""From the windows of a picture to its one answer: the rules by which their logits are combined, on numpy alone."""

from collections.abc import Callable

import numpy as np

from imaginet_core.detection.verdict import calibrated_probability

TOP = 0.25
"""Share of the windows that "top share" looks at, the most synthetic ones; at least one."""


MEAN = "mean logit"
"""The rule of a picture's crops everywhere, and the one of windows unless another is asked for; why, docs/scoring.md tells."""


def combine_windows(logits: np.ndarray, rule: str, calibration) -> np.ndarray:
    """The logit of a picture, float64 (...).

    Args:
        logits: float (..., n), of its n ≥ 1 windows, higher for synthetic, before temperature and bias.
        rule: a name in RULES.
        calibration: has ``temperature`` and ``bias``.
    """
    return RULES[rule](np.asarray(logits, dtype=np.float64), calibration)


def check_rule(rule: str) -> str:
    """``rule`` itself. Raises ValueError unless there is one of that name."""
    if rule not in RULES:
        raise ValueError(f"There is no rule {rule!r} for windows; there is: {', '.join(RULES)}.")
    return rule


def _mean_probability(logits: np.ndarray, calibration) -> np.ndarray:
    """The logit whose probability is the mean of all windows'; log-odds are kept finite."""
    probability = np.clip(calibrated_probability(logits, calibration).mean(-1), 1e-12, 1 - 1e-12)
    return (np.log(probability) - np.log1p(-probability) - calibration.bias) * calibration.temperature


def _top_share(logits: np.ndarray, calibration) -> np.ndarray:
    return np.sort(logits, axis=-1)[..., -max(1, round(TOP * logits.shape[-1])) :].mean(-1)


RULES: dict[str, Callable[[np.ndarray, object], np.ndarray]] = {
    MEAN: lambda logits, calibration: logits.mean(-1),
    "mean probability": _mean_probability,
    "top share": _top_share,
    "max": lambda logits, calibration: logits.max(-1),
}
"""Name -> rule."""
