"""How far one picture's score moves with its size alone: the same picture at other sizes should be the same answer."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from imaginet_core.pictures.degradation_grid.conditions import GRID
from imaginet_tools.evaluation.robustness.real_images import means_by_source
from imaginet_tools.metrics.detection import Scores

KIND = "resize_bicubic"
SIZES = ("clean", *(name for name, each in GRID.items() if each.kind == KIND))
"""Conditions that a picture's sizes are taken from: its own and those of KIND."""
WORST = 5


def size_spread(scores: Mapping[str, Scores], threshold: float, paths: np.ndarray, resamples: int = 1000, seed: int = 0) -> dict | None:
    """The spread of each picture's probability over sizes; None where fewer than two of SIZES were scored.

    Args:
        scores: condition -> scores of the same images in the same order.
        threshold: at or above it an image is called synthetic.
        paths: str (N,), the images' names.
        resamples, seed: of the 95 % percentile intervals by source picture.

    Returns:
        ``conditions``; ``spread`` (mean over pictures of highest less lowest probability) and ``changed`` (share of pictures that are
        called real at one size and synthetic at another), each with its interval; ``median`` and ``percentile_95`` of the spread;
        and ``worst``, the pictures that move most, with their probability by condition.
    """
    conditions = [name for name in SIZES if name in scores]
    if len(conditions) < 2:
        return None
    first = scores[conditions[0]]
    table = np.stack([scores[name].probability for name in conditions], axis=1)
    spread = table.max(1) - table.min(1)
    called = table >= threshold
    changed = called.any(1) & ~called.all(1)
    source = np.unique(first.source_image, return_inverse=True)[1]
    of_spread, of_changed = means_by_source(np.stack([spread, changed.astype(float)], axis=1), source, resamples, seed)
    worst = np.argsort(-spread, kind="stable")[:WORST]
    return {
        "conditions": conditions, "images": len(spread), "spread": asdict(of_spread), "changed": asdict(of_changed),
        "median": float(np.median(spread)), "percentile_95": float(np.percentile(spread, 95)),
        "worst": [
            {"path": str(paths[index]), "label": int(first.label[index]),
             "probability": {name: float(value) for name, value in zip(conditions, table[index], strict=True)}}
            for index in worst
        ],
    }
