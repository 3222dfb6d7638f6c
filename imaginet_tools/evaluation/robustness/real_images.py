"""What degradations do to the scores of REAL images: a shift is a bias, apart from robustness (BIAS-ID, arXiv 2605.31153).

A detector that answers to compression itself calls compressed photographs synthetic, whatever its AUC.
"""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from imaginet_core.pictures.degradation_grid.conditions import condition_title
from imaginet_tools.metrics.detection import MIN_SOURCE_IMAGES, Scores
from imaginet_tools.metrics.estimate import Estimate


def real_shifts(scores: Mapping[str, Scores], threshold: float, resamples: int = 1000, seed: int = 0) -> list[dict]:
    """How the scores of real images move from clean to each other condition, one row each, the largest shift first.

    Args:
        scores: condition -> scores of the same images in the same order, "clean" among them.
        threshold: at or above it an image is called synthetic.
        resamples, seed: of the 95 % percentile intervals by source picture.

    Returns:
        ``condition``, ``title``, ``shift`` (mean change of the probability of "synthetic", -1 to 1), ``false_alarms`` and
        ``clean_false_alarms`` (share of real images called synthetic) and ``false_alarm_change``, each with its interval.
    """
    clean = scores["clean"]
    real = clean.label == 0
    source = np.unique(clean.source_image[real], return_inverse=True)[1]
    before = clean.probability[real]
    rows = []
    for condition, each in scores.items():
        if condition == "clean":
            continue
        after = each.probability[real]
        alarms, clean_alarms = ((values >= threshold).astype(float) for values in (after, before))
        columns = np.stack([after - before, alarms, clean_alarms, alarms - clean_alarms], axis=1)
        names = ("shift", "false_alarms", "clean_false_alarms", "false_alarm_change")
        estimates = means_by_source(columns, source, resamples, seed)
        rows.append({
            "condition": condition, "title": condition_title(condition), "images": int(real.sum()),
            **{name: asdict(estimate) for name, estimate in zip(names, estimates, strict=True)},
        })
    return sorted(rows, key=lambda row: -abs(row["shift"]["value"]))


def means_by_source(columns: np.ndarray, source: np.ndarray, resamples: int, seed: int) -> list[Estimate]:
    """Mean of each column with its 95 % percentile interval over draws of source pictures (cluster bootstrap).

    Args:
        columns: float (N, K).
        source: int (N,), number of each image's source picture, 0 to S - 1, all of which occur.
    """
    means = columns.mean(0)
    count = int(source.max()) + 1
    if count < MIN_SOURCE_IMAGES:
        return [Estimate(float(mean), reason=f"{count} source image(s); an interval needs {MIN_SOURCE_IMAGES}") for mean in means]
    sums = np.stack([np.bincount(source, column, count) for column in (*columns.T, np.ones(len(source)))], axis=1)
    rng = np.random.default_rng(seed)
    drawn = np.stack([rng.multinomial(count, np.full(count, 1 / count)) @ sums for _ in range(resamples)])
    low, high = np.percentile(drawn[:, :-1] / drawn[:, -1:], [2.5, 97.5], axis=0)
    return [Estimate(float(mean), float(a), float(b)) for mean, a, b in zip(means, low, high, strict=True)]
