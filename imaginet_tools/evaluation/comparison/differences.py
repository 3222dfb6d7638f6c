"""Differences between detectors on the same images, and their ranks, from the same draws of source images for all."""

import itertools
from collections.abc import Sequence

import numpy as np

from imaginet_tools.evaluation.figures import Scored
from imaginet_tools.evaluation.report_parts import Difference, Rank
from imaginet_tools.metrics.detection import MIN_SOURCE_IMAGES, with_interval, without_interval
from imaginet_tools.metrics.estimate import Estimate
from imaginet_tools.metrics.resampling import FIGURES, figures_of_all, figures_of_draws

COMPARED = ("auc", "balanced_accuracy")
"""Figures that detectors are compared by; the first ranks them. Higher is better for both."""


class Draws:
    """The compared figures of all detectors under one condition, over all images and in every draw of source images.

    Args:
        scored: of one condition and the same images, at least one.
        resamples, seed: of the bootstrap.

    Attributes:
        fewest: source images of the rarer class.
    """

    def __init__(self, scored: Sequence[Scored], resamples: int, seed: int):
        images = scored[0].images
        _, source = np.unique(images.source_image, return_inverse=True)
        label = images.label
        self.condition, self.scored = scored[0].condition, list(scored)
        self.fewest = min(len(np.unique(source[label == value])) for value in (0, 1))
        columns = [FIGURES.index(name) for name in COMPARED]
        self.values, self.draws = {}, {}
        for each in scored:
            given = label, np.asarray(each.answers.probability, dtype=np.float64)
            points = figures_of_all(*given, each.threshold)
            self.values[each.detector.name] = [points[name] for name in COMPARED]
            if self.fewest >= MIN_SOURCE_IMAGES:
                self.draws[each.detector.name] = figures_of_draws(*given, source, each.threshold, resamples, seed)[:, columns]

    def difference(self, first: str, second: str) -> list[Difference]:
        """The first detector's figures minus the second's."""
        return [
            Difference(first, second, self.condition, figure, self._difference(first, second, number))
            for number, figure in enumerate(COMPARED)
        ]

    def _difference(self, first: str, second: str, number: int) -> Estimate:
        value = self.values[first][number] - self.values[second][number]
        if not self.draws:
            return without_interval(value, self.fewest)
        return with_interval(value, self.draws[first][:, number] - self.draws[second][:, number])

    def ranks(self, names: Sequence[str]) -> list[Rank]:
        """Places by the first compared figure, 1 the best; equal detectors share the mean of their places."""
        place = lambda values: 1 + (values[:, None, :] > values[:, :, None]).sum(2) + ((values[:, None, :] == values[:, :, None]).sum(2) - 1) / 2
        [ranks] = place(np.array([[self.values[name][0] for name in names]]))
        if not self.draws:
            return [
                Rank(name, self.condition, COMPARED[0], without_interval(float(rank), self.fewest), float(rank == ranks.min()))
                for name, rank in zip(names, ranks, strict=True)
            ]
        drawn = np.column_stack([self.draws[name][:, 0] for name in names])
        places, best = place(drawn), drawn == drawn.max(1, keepdims=True)
        low, high = np.percentile(places, [2.5, 97.5], axis=0)
        return [
            Rank(name, self.condition, COMPARED[0], Estimate(float(ranks[i]), float(low[i]), float(high[i])), float(best[:, i].mean()))
            for i, name in enumerate(names)
        ]


def compare_detectors(
    scored: Sequence[Scored], resamples: int, seed: int, headline: str | None = None
) -> tuple[list[Difference], list[Difference], list[Rank]]:
    """What several detectors differ by, under each condition.

    Args:
        scored: of the same images.
        resamples, seed: of the bootstrap.
        headline: name of the baseline that each detector's gain is told over; None without one.

    Returns:
        gains over that baseline, differences of every two detectors that are no baselines, ranks of these (none of one alone).
    """
    gains, differences, ranks = [], [], []
    for condition in dict.fromkeys(each.condition for each in scored):
        own = [each for each in scored if each.condition == condition]
        names = [each.detector.name for each in own if not each.detector.is_baseline]
        has_headline = any(each.detector.name == headline for each in own)
        if len(names) < 2 and not has_headline:
            continue
        draws = Draws(own, resamples, seed)
        if has_headline:
            gains += [each for name in names for each in draws.difference(name, headline)]
        if len(names) > 1:
            differences += [each for pair in itertools.combinations(names, 2) for each in draws.difference(*pair)]
            ranks += draws.ranks(names)
    return gains, differences, ranks
