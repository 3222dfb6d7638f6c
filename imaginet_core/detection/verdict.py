"""From a detector's logits to its answer: one rule for every backend (PyTorch, ONNX Runtime, OpenVINO), on numpy alone."""

import numpy as np

MOST_PADDING = 0.5
"""Share of what is looked at that may be the picture mirrored at its edges; with more there is too little to judge."""
UNCERTAIN = "uncertain"
"""The outcome where a label would be a guess."""


def verdict(
    logits, config, operating_point: str | None = None, *, family_logits=None, generator_logits=None, top_k=None, notes=()
) -> dict:
    """What a detector says of one picture.

    Args:
        logits: float (2,), real and synthetic, calibrated as the model gives them; of several crops the mean.
        config: has ``id2label``, ``operating_points``, ``uncertain``, ``families`` and ``generators`` as :class:`SelfConConfig`.
        operating_point: name of one of the model's operating points (default: "balanced", and none where there are none).
        family_logits, generator_logits: float (families,) and (generators,), or None without such a classifier.
        top_k: name only this many families and generators, the likeliest ones first (default: all in the model's order).
        notes: of the picture's reader, see ``picture_notes.Note``.

    Returns:
        dict with ``label``, the name of a class; ``probability`` of "synthetic" (0..1) and ``log_odds``, its logit; ``threshold``
        and ``operating_point`` that led to the label (0.5 and None without operating points); ``outcome``, the label or
        "uncertain", see :func:`is_uncertain`; ``family`` and ``generator``: names and probabilities given that the picture is
        synthetic, or None.

    Raises:
        ValueError: if the model has no such operating point, too few images were held out to set it, or ``top_k`` is no
            positive number.
    """
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be a positive whole number, got {top_k}.")
    probability = float(softmax(logits)[1])
    operating_point, threshold = choose_threshold(config.operating_points, operating_point)
    label = config.id2label[int(probability >= threshold)]
    return {
        "label": label,
        "probability": probability,
        "log_odds": float(logits[1]) - float(logits[0]),
        "threshold": threshold,
        "operating_point": operating_point,
        "outcome": UNCERTAIN if is_uncertain(probability, getattr(config, "uncertain", None), notes) else label,
        "family": _name_kinds(config.families, family_logits, top_k),
        "generator": _name_kinds(config.generators, generator_logits, top_k),
    }


def is_uncertain(probability: float, band: dict | None, notes=()) -> bool:
    """Whether a label would be a guess: where the probability is in the band (``low`` ≤ probability ≤ ``high``; None for a model without
    one) in which the model was often wrong on images held out of its training, or another threshold that was set on them would say
    another label; or where there is too little of the picture to judge: it is flat, or more than half of what is looked at is padding."""
    if any(note.name == "flat" or note.name == "padded" and (note.share or 0) > MOST_PADDING for note in notes):
        return True
    return band is not None and band["low"] <= probability <= band["high"]


def choose_threshold(operating_points: list[dict], name: str | None = None) -> tuple[str | None, float]:
    """Operating point and threshold: those of ``name``, by default "balanced", and (None, 0.5) without operating points.

    Raises:
        ValueError: as :func:`find_threshold`.
    """
    if name is None and operating_points:
        name = "balanced"
    return name, 0.5 if name is None else find_threshold(operating_points, name)


def calibrated_probability(logit, calibration) -> np.ndarray:
    """The probability of "synthetic", float64 (N,), of a classifier's own logits, float (N,).

    Args:
        calibration: has ``temperature`` and ``bias``, as :class:`SelfConConfig`.
    """
    with np.errstate(over="ignore"):  # of exp, whose infinity gives the right 0
        return 1 / (1 + np.exp(-(np.asarray(logit, dtype=np.float64) / calibration.temperature + calibration.bias)))


def softmax(logits) -> np.ndarray:
    """float (N,) -> probabilities, float64 (N,)."""
    logits = np.asarray(logits, dtype=np.float64)
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def find_threshold(operating_points: list[dict], name: str) -> float:
    """The threshold of the operating point ``name``. Raises ValueError if there is none or it was never set."""
    points = {point["name"]: point for point in operating_points}
    if name not in points:
        raise ValueError(f"This model has no operating point {name!r}; it has: {', '.join(points) or 'none'}.")
    if points[name]["threshold"] is None:
        raise ValueError(f"The operating point {name!r} of this model was never set: {points[name]['reason']}.")
    return points[name]["threshold"]


def _name_kinds(names: list[str], logits, top_k: int | None) -> dict[str, float] | None:
    if logits is None:
        return None
    named = dict(zip(names, softmax(logits).tolist(), strict=True))
    if top_k is not None:
        named = dict(sorted(named.items(), key=lambda kind: -kind[1])[:top_k])
    return named
