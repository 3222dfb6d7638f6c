"""Figures of one detector over conditions: one pooled AUC, curves over strength, the matrix degradation × generator, its worst cells."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from imaginet_core.pictures.degradation_grid.conditions import GRID, condition_title
from imaginet_tools.evaluation.robustness.real_images import real_shifts
from imaginet_tools.metrics.delong import auc_of, delong
from imaginet_tools.metrics.detection import MIN_SOURCE_IMAGES, Scores, columns_of, with_interval, without_interval
from imaginet_tools.metrics.estimate import Estimate
from imaginet_tools.metrics.groups import groups_of
from imaginet_tools.metrics.resampling import RATES, Ranking, draws_of_sources

WORST = 10
"""Cells of the matrix that are named."""
RECALL = "recall_at_5"
_PLACE = 3 + RATES.index(0.05)
"""Of this figure among those of ``Ranking.figures``."""


def robustness_of(scores: Mapping[str, Scores], threshold: float, resamples: int = 200, seed: int = 0) -> dict:
    """Everything that is told of a detector's scores under several conditions, as plain values.

    Args:
        scores: condition -> scores of the same images in the same order, "clean" among them.
        threshold: at or above it an image is called synthetic.
        resamples: draws of source images of the intervals that are no DeLong intervals.
        seed: of these.

    Returns:
        ``pooled_auc``, ``conditions`` (:func:`condition_rows`), ``matrix`` (:func:`matrix_of`), ``worst`` (:func:`worst_cells`) and
        ``real_shifts`` (``real_images.real_shifts``).

    Raises:
        ValueError: for other images under one of the conditions, no "clean", or images of one class only.
    """
    check_same_images(scores)
    matrix = matrix_of(scores)
    return {
        "pooled_auc": asdict(pooled_auc(scores)), "conditions": condition_rows(scores, resamples, seed), "matrix": matrix,
        "worst": worst_cells(scores, matrix), "real_shifts": real_shifts(scores, threshold, resamples, seed),
    }


def check_same_images(scores: Mapping[str, Scores]) -> None:
    """Raises ValueError unless all conditions have the same images in the same order, and one of them is "clean"."""
    if "clean" not in scores:
        raise ValueError(f"Degraded scores are compared with clean ones; score under clean, too (there is {', '.join(scores) or 'none'}).")
    clean = scores["clean"]
    for condition, each in scores.items():
        if len(each.label) != len(clean.label) or (each.label != clean.label).any() or (each.source_image != clean.source_image).any():
            raise ValueError(f"The scores under {condition} are of other images than those under clean; score the same images.")


def pooled_auc(scores: Mapping[str, Scores]) -> Estimate:
    """One AUC over all images under all conditions together, as NTIRE 2026 (arXiv 2604.11487) ranks detectors.

    It asks more than each condition's own AUC: one threshold must do for all of them. The interval takes a source picture's images
    under all conditions as one (``metrics.delong``).
    """
    label, probability, source = (
        np.concatenate([getattr(each, name) for each in scores.values()]) for name in ("label", "probability", "source_image")
    )
    columns_of(next(iter(scores.values())))  # refuses images of one class
    return delong(label, probability, np.unique(source, return_inverse=True)[1])


def condition_rows(scores: Mapping[str, Scores], resamples: int = 200, seed: int = 0) -> list[dict]:
    """AUC (DeLong interval) and recall at 5 % false alarms (percentile interval by source picture) under each condition.

    Beside them ``condition``, ``title``, ``kind``, ``strength`` (None for chains), ``tier`` and ``source`` as the grid declares them.
    """
    rows = []
    for condition, each in scores.items():
        label, probability, source = columns_of(each)
        declared = GRID.get(condition)
        point = Ranking(label, probability, np.zeros(len(label), dtype=np.int64)).figures(np.ones(1, dtype=np.int64))[_PLACE]
        rows.append({
            "condition": condition, "title": condition_title(condition), "kind": declared.kind if declared else condition,
            "strength": None if declared is None or np.isnan(declared.strength) else float(declared.strength),
            "tier": declared.tier if declared else "", "source": declared.source if declared else "",
            "auc": asdict(delong(label, probability, source)),
            RECALL: asdict(_recall(float(point), label, probability, source, resamples, seed)),
        })
    return rows


def _recall(point: float, label: np.ndarray, probability: np.ndarray, source: np.ndarray, resamples: int, seed: int) -> Estimate:
    fewest = min(len(np.unique(source[label == value])) for value in (0, 1))
    if fewest < MIN_SOURCE_IMAGES:
        return without_interval(point, fewest)
    ranking = Ranking(label, probability, source)
    drawn = [ranking.figures(times)[_PLACE] for times in draws_of_sources(source, label, resamples, seed)]
    return with_interval(point, np.array(drawn))


def matrix_of(scores: Mapping[str, Scores]) -> dict:
    """AUC of each generator under each condition: ``conditions``, ``titles``, ``generators``, ``auc`` (rows are conditions).

    A generator's images are compared with the real images of its content types under the same condition; None where there are none.
    """
    clean = scores["clean"]
    parts = _generators(clean)
    auc = [[float(auc_of(each.label[chosen], each.probability[chosen])) for chosen in parts.values()] for each in scores.values()]
    return {"conditions": list(scores), "titles": [condition_title(name) for name in scores], "generators": list(parts), "auc": auc}


def worst_cells(scores: Mapping[str, Scores], matrix: dict) -> list[dict]:
    """The WORST cells of the matrix but for clean images, the lowest AUC first: ``condition``, ``title``, ``generator``, ``auc`` with its interval, ``clean``
    (the generator's AUC without degradation) and ``images``."""
    parts = _generators(scores["clean"])
    cells = [
        (auc, row, column) for row, line in enumerate(matrix["auc"]) if matrix["conditions"][row] != "clean"
        for column, auc in enumerate(line)
    ]
    found = []
    for _, row, column in sorted(cells)[:WORST]:
        condition, generator = matrix["conditions"][row], matrix["generators"][column]
        chosen, each = parts[generator], scores[condition]
        source = np.unique(each.source_image[chosen], return_inverse=True)[1]
        estimate = delong(each.label[chosen], each.probability[chosen], source)
        found.append({
            "condition": condition, "title": matrix["titles"][row], "generator": generator, "auc": asdict(estimate),
            "clean": matrix["auc"][matrix["conditions"].index("clean")][column], "images": int(chosen.sum()),
        })
    return found


def _generators(scores: Scores) -> dict[str, np.ndarray]:
    """Generator -> bool (N,), its images and the real ones that they are compared with."""
    columns = {"content": scores.content, "generator": scores.generator}
    return {each.name: each.chosen for each in groups_of(scores.label, columns, ("generator",)) if each.kind == "generator"}
