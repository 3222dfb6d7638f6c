"""Every figure in every draw of source images: the scores are sorted once, a draw only says how often each image counts.

Figures that are sums over images (errors of probabilities, shares of right answers) are one product of matrices over all draws;
figures of ranks (AUC, average precision, equal error rate, recall at a false-alarm rate) need two running sums a draw.
"""

import bisect
from collections.abc import Iterator

import numpy as np

from imaginet_tools.metrics.probability_errors import BINS, bins_of, crossing_between, log_losses

RATES = (0.01, 0.05, 0.1)
"""Shares of real images flagged at which the recall is told."""
FIGURES = (
    "balanced_accuracy", "auc", "average_precision", "equal_error_rate", "brier_score", "calibration_error", "recall_at_1",
    "recall_at_5", "recall_at_10", "balanced_log_loss", "log_loss", "plain_calibration_error", "real_accuracy",
    "synthetic_accuracy", "accuracy",
)
"""The columns of :func:`figures_of_draws`."""
CHUNK = 2**21
"""Numbers in memory at a time, of what is held for several draws."""


def draws_of_sources(source: np.ndarray, label: np.ndarray, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each source image was drawn, int (sources,), for each of ``resamples`` draws.

    As many are drawn as there are, each as likely as the other. A draw without one of the classes is drawn again. The draws depend
    on sources and labels alone, so that all detectors get the same ones on the same images.

    Args:
        source: int (N,), number of each image's source image, 0 to S - 1.
        label: int (N,), 0 or 1; both occur.
    """
    generator, count = np.random.default_rng(seed), int(source.max()) + 1
    has = [np.bincount(source[label == value], minlength=count) > 0 for value in (0, 1)]
    for _ in range(resamples):
        while True:
            times = np.bincount(generator.integers(count, size=count), minlength=count)
            if all((times[each] > 0).any() for each in has):
                break
        yield times


def figures_of_draws(
    label: np.ndarray, probability: np.ndarray, source: np.ndarray, threshold: float, resamples: int = 1000, seed: int = 0
) -> np.ndarray:
    """float (resamples, len(FIGURES)): each figure in each draw of source images.

    Args:
        label: int (N,), 0 real, 1 synthetic; both must occur.
        probability: float64 (N,) of being synthetic, 0 to 1.
        source: int (N,), number of each image's source image, 0 to S - 1, all of which occur.
        threshold: at or above it an image is called synthetic.
    """
    sums, ranking = _Sums(label, probability, source, threshold), Ranking(label, probability, source)
    found, chunk = np.empty((resamples, len(FIGURES))), max(1, CHUNK // (int(source.max()) + 1))
    draws, done = draws_of_sources(source, label, resamples, seed), 0
    while done < resamples:
        times = np.stack([next(draws) for _ in range(min(chunk, resamples - done))])
        for number, figures in enumerate(map(ranking.figures, times), start=done):
            found[number, :len(figures)] = figures
        found[done : done + len(times)] = _in_order(found[done : done + len(times), :6], sums.figures(times))
        done += len(times)
    return found


def balanced_accuracies_of_draws(
    label: np.ndarray, probability: np.ndarray, source: np.ndarray, threshold: float, resamples: int = 1000, seed: int = 0
) -> np.ndarray:
    """float (resamples,): the first of FIGURES in the same draws, without the work for the others. Args: as :func:`figures_of_draws`."""
    sums, draws = _Sums(label, probability, source, threshold), draws_of_sources(source, label, resamples, seed)
    return np.concatenate([sums.figures(times[None])[:, 0] for times in draws])


def figures_of_all(label: np.ndarray, probability: np.ndarray, threshold: float) -> dict[str, float]:
    """The same figures where each image counts once. Args: as :func:`figures_of_draws`."""
    source = np.zeros(len(label), dtype=np.int64)
    once = np.ones((1, 1), dtype=np.int64)
    ranks = np.array([Ranking(label, probability, source).figures(once[0])])
    return dict(zip(FIGURES, _in_order(ranks, _Sums(label, probability, source, threshold).figures(once))[0].tolist(), strict=True))


def _in_order(ranks: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """(D, 6) and (D, 9) as (D, 15), in the order of FIGURES."""
    auc, precision, equal, *recalls = ranks.T
    balanced, brier, calibration, *others = sums.T
    return np.stack([balanced, auc, precision, equal, brier, calibration, *recalls, *others], axis=1)


class Ranking:
    """Scores sorted once, equal ones as one step of the threshold.

    Args: as :func:`figures_of_draws`.
    """

    def __init__(self, label: np.ndarray, probability: np.ndarray, source: np.ndarray):
        order = np.argsort(-probability, kind="stable")
        ordered = probability[order]
        self.source, self.synthetic = source[order], (label[order] == 1).astype(np.int64)
        ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
        self.ends = None if len(ends) == len(ordered) else ends

    def figures(self, times: np.ndarray) -> tuple[float, ...]:
        """AUC, average precision, equal error rate and the recall at each of RATES, where each source image counts ``times`` often.

        Ties count half in the AUC; the average precision is scikit-learn's; the recall is the highest that any threshold gives
        which flags that share of the real images at most.
        """
        drawn = times.take(self.source)
        found = np.cumsum(drawn * self.synthetic)
        flagged = np.cumsum(drawn)
        if self.ends is not None:
            found, flagged = found[self.ends], flagged[self.ends]
        alarms = flagged - found
        real, synthetic = int(alarms[-1]), int(found[-1])
        steps = np.diff(found, prepend=0)
        # a step of the threshold over several images is a straight line of the ROC curve: ties count half
        area = (steps * (2 * real - alarms)).sum() - (steps[1:] * alarms[:-1]).sum()
        precision = (steps * (found / np.maximum(flagged, 1))).sum() / synthetic
        recalls = [self._recall(alarms, found, rate * real) / synthetic for rate in RATES]
        return area / (2 * real * synthetic), precision, self._equal_error(alarms, found, real, synthetic), *recalls

    @staticmethod
    def _recall(alarms: np.ndarray, found: np.ndarray, most: float) -> int:
        place = int(np.searchsorted(alarms, most + 1e-9, side="right"))
        return int(found[place - 1]) if place else 0

    @staticmethod
    def _equal_error(alarms: np.ndarray, found: np.ndarray, real: int, synthetic: int) -> float:
        rates = lambda at: (alarms[at] / real, 1 - found[at] / synthetic)
        after = bisect.bisect_left(range(len(alarms) - 1), 0, key=lambda at: alarms[at] / real - 1 + found[at] / synthetic)
        return crossing_between((0.0, 1.0) if after == 0 else rates(after - 1), rates(after))


class _Sums:
    """What each source image adds to the figures that are sums over images."""

    def __init__(self, label: np.ndarray, probability: np.ndarray, source: np.ndarray, threshold: float):
        count = int(source.max()) + 1
        right = (probability >= threshold) == (label == 1)
        columns = [np.ones(len(label)), right, (probability - label) ** 2, log_losses(label, probability)]
        self.table = np.stack([
            np.bincount(source, column * (label == value), count) for column in columns for value in (0, 1)
        ], axis=1)
        cells = source * BINS + bins_of(probability)
        self.gaps = np.concatenate([
            np.bincount(cells, (probability - label) * (label == value), count * BINS).reshape(count, BINS) for value in (0, 1)
        ], axis=1)

    def figures(self, times: np.ndarray) -> np.ndarray:
        """float (D, 9), of int (D, sources): balanced accuracy, Brier score, balanced calibration error, balanced and plain log
        loss, plain calibration error, accuracy on real, on synthetic and on all images."""
        times = times.astype(np.float64)
        real, synthetic, spared, found, *rest = (times @ self.table).T
        squares, losses = (rest[0], rest[1]), (rest[2], rest[3])
        of_real, of_synthetic = np.split(times @ self.gaps, 2, axis=1)
        mean = lambda both: (both[0] / real + both[1] / synthetic) / 2
        gaps = of_real / (2 * real)[:, None] + of_synthetic / (2 * synthetic)[:, None]
        count = real + synthetic
        return np.stack([
            mean((spared, found)), mean(squares), np.abs(gaps).sum(1), mean(losses), sum(losses) / count,
            np.abs(of_real + of_synthetic).sum(1) / count, spared / real, found / synthetic, (spared + found) / count,
        ], axis=1)
