"""The figures of a row out of its stored scores: mean and worst AUC over the generators left out, and what the threshold is worth."""

from typing import NamedTuple

import numpy as np
from sklearn.metrics import balanced_accuracy_score, roc_curve

from imaginet_tools.metrics.detection import with_interval
from imaginet_tools.metrics.estimate import Estimate
from imaginet_tools.metrics.resampling import Ranking, draws_of_sources


class Figures(NamedTuple):
    """A row's figures for one column of the table.

    Attributes:
        by_generator: AUC of each generator, left out, against real pictures.
        mean, worst: of these; in each draw of source pictures the mean and the lowest of that draw.
        at_threshold, at_best: mean balanced accuracy at the stored threshold, and at the threshold that is best for the very
            pictures scored, which nobody knows beforehand.
        mean_draws: float (draws,), for differences between rows.
    """

    by_generator: dict[str, float]
    mean: Estimate
    worst: Estimate
    at_threshold: float
    at_best: float
    mean_draws: np.ndarray


def figures_of(row: dict, column: str, resamples: int = 1000, seed: int = 0) -> Figures:
    """A row's figures under one of ``scores.CONDITIONS``, with 95 % intervals from draws of source pictures, the same for all rows.

    Args:
        row: as ``runs.make_row`` gives it.
        column: a key of ``scores.CONDITIONS``.
        resamples, seed: of the draws.
    """
    runs = row["runs"]
    names, number = np.unique(np.concatenate([run["source_image"] for run in runs]), return_inverse=True)
    sources = np.split(number, np.cumsum([len(run["label"]) for run in runs])[:-1])
    labels = [np.array(run["label"]) for run in runs]
    rankings = [
        Ranking(label, np.array(run["probability"][column]), source)
        for run, label, source in zip(runs, labels, sources, strict=True)
    ]
    points = _areas(rankings, np.ones(len(names), dtype=np.int64))
    draws = np.array([
        _areas(rankings, times) for times in draws_of_sources(number, np.concatenate(labels), resamples, seed)
        if all(_has_both(label, times[source]) for label, source in zip(labels, sources, strict=True))
    ])
    at = [_balanced(run, column) for run in runs]
    return Figures(
        {run["generator"]: float(point) for run, point in zip(runs, points, strict=True)},
        with_interval(float(points.mean()), draws.mean(axis=1)), with_interval(float(points.min()), draws.min(axis=1)),
        *np.mean(at, axis=0).tolist(), draws.mean(axis=1),
    )


def difference(one: Figures, other: Figures) -> Estimate:
    """How much higher the mean AUC of ``one`` is, on the same pictures in the same draws."""
    return with_interval(one.mean.value - other.mean.value, one.mean_draws - other.mean_draws)


def _areas(rankings: list[Ranking], times: np.ndarray) -> np.ndarray:
    """AUC of each run, where each source picture counts ``times`` often; float (runs,)."""
    return np.array([ranking.figures(times)[0] for ranking in rankings])


def _has_both(label: np.ndarray, times: np.ndarray) -> bool:
    return all((times[label == value] > 0).any() for value in (0, 1))


def _balanced(run: dict, column: str) -> tuple[float, float]:
    """Balanced accuracy at the stored threshold, and at the best one for these pictures."""
    label, probability = np.array(run["label"]), np.array(run["probability"][column])
    alarms, found, _ = roc_curve(label, probability)
    return balanced_accuracy_score(label, probability >= run["threshold"]), float((found + 1 - alarms).max() / 2)
