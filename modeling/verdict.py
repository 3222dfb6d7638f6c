"""From a detector's logits to its answer: one rule for every backend (PyTorch, ONNX Runtime, OpenVINO), on numpy alone."""

import numpy as np


def verdict(logits, config, operating_point: str | None = None, *, family_logits=None, generator_logits=None, top_k=None) -> dict:
    """What a detector says of one picture.

    Args:
        logits: float (2,), real and synthetic, calibrated as the model gives them; of several crops the mean.
        config: has ``id2label``, ``operating_points``, ``families`` and ``generators`` as :class:`SelfConConfig`.
        operating_point: name of one of the model's operating points (default: "balanced", and none where there are none).
        family_logits, generator_logits: float (families,) and (generators,), or None without such a classifier.
        top_k: name only this many families and generators, the likeliest ones first (default: all in the model's order).

    Returns:
        dict with ``label``, the name of a class; ``probability`` of "synthetic" (0..1); ``threshold`` and ``operating_point``
        that led to the label (0.5 and None without operating points); ``family`` and ``generator``: names and probabilities
        given that the picture is synthetic, or None.

    Raises:
        ValueError: if the model has no such operating point, too few images were held out to set it, or ``top_k`` is no
            positive number.
    """
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be a positive whole number, got {top_k}.")
    probability = float(softmax(logits)[1])
    if operating_point is None and config.operating_points:
        operating_point = "balanced"
    threshold = 0.5 if operating_point is None else find_threshold(config.operating_points, operating_point)
    return {
        "label": config.id2label[int(probability >= threshold)],
        "probability": probability,
        "threshold": threshold,
        "operating_point": operating_point,
        "family": _name_kinds(config.families, family_logits, top_k),
        "generator": _name_kinds(config.generators, generator_logits, top_k),
    }


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
