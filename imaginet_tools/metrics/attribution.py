"""Both tracks as classes: confusion matrices, and the accuracy on each class.

The first track is the origin: real or synthetic. The second asks where an image comes from, with "real" as one of the answers
(ImagiNet, arXiv 2407.20020): by family, and here also by generator. The model answers in two steps: an image whose probability
of "synthetic" is below the balanced threshold is "real"; any other gets the class that the family (or generator) classifier
finds most likely. The paper's figures are those of its 4-way classifier on synthetic images alone, without the first step; the
same is given here as the accuracy "if known to be synthetic".
"""

from dataclasses import dataclass

import numpy as np

from imaginet_tools.metrics.delong import auc_of
from imaginet_tools.metrics.detection import MIN_SOURCE_IMAGES, with_interval, without_interval
from imaginet_tools.metrics.estimate import Estimate
from imaginet_tools.metrics.resampling import Ranking, draws_of_sources

REAL = "real"


@dataclass(frozen=True)
class ClassFigures:
    """How images of one class are answered.

    Attributes:
        name: of the class.
        images, source_images: how many.
        known: whether the model can give this answer at all; of a generator without training images it cannot.
        accuracy: share of its images that are named so; None for a class that is not known.
        accuracy_if_synthetic: the same of the second step alone; None also for real images and in the first track.
        auc: of this class against all others together, from the class's probability; None where no probabilities are given.
    """

    name: str
    images: int
    source_images: int
    known: bool
    accuracy: Estimate | None
    accuracy_if_synthetic: Estimate | None
    auc: Estimate | None = None


@dataclass(frozen=True)
class Track:
    """One track under one condition.

    Attributes:
        name: "origin", "family" or "generator".
        condition: a name in ``degradations.CONDITIONS``.
        answers: what the model can say, in the order of the columns of ``counts``.
        counts: rows of images by class (in the order of ``classes``), columns by answer.
        classes: figures of each class that occurs.
        accuracy, accuracy_if_synthetic: mean over the known classes, so that each weighs the same.
        detector: whose answers; "" in reports before 0.3, which have one detector's alone.
    """

    name: str
    condition: str
    answers: list[str]
    counts: list[list[int]]
    classes: list[ClassFigures]
    accuracy: Estimate | None
    accuracy_if_synthetic: Estimate | None
    detector: str = ""


def make_track(
    name: str, condition: str, true: np.ndarray, answer: np.ndarray, answers: list[str], source_image: np.ndarray,
    if_synthetic: np.ndarray | None = None, resamples: int = 1000, seed: int = 0, probability: np.ndarray | None = None,
) -> Track:
    """Counts and shares of right answers with 95 % intervals over source images.

    Args:
        name, condition: of the track.
        true: str (N,), each image's class; "real" for real images.
        answer: str (N,), the model's.
        answers: all that it can give, in order.
        source_image: str (N,); all images of one are drawn together.
        if_synthetic: str (N,), the second step's answers alone.
        resamples, seed: of the bootstrap.
        probability: float (N, len(answers)), of each answer, for the AUC of each class against all others; None leaves it out.

    Raises:
        ValueError: if an answer is none of ``answers``, or there are no images.
    """
    if len(true) == 0 or not np.isin(answer, answers).all():
        raise ValueError(f"The track {name} needs images, and answers out of {', '.join(answers)}.")
    classes = [*(each for each in answers if each in true), *sorted(set(true) - set(answers))]
    counts = [[int(((true == row) & (answer == column)).sum()) for column in answers] for row in classes]
    group = np.array([classes.index(each) for each in true])
    known = np.array([each in answers for each in classes])
    shares, mean = shares_right(answer == true, group, source_image, known, resamples, seed)
    alone, alone_mean = [None] * len(classes), None
    if if_synthetic is not None:
        asked = known & np.array([each != REAL for each in classes])
        alone, alone_mean = shares_right(if_synthetic == true, group, source_image, asked, resamples, seed)
    aucs = [
        _auc(true == each, probability[:, answers.index(each)], source_image, resamples, seed)
        if probability is not None and each in answers and len(classes) > 1 else None for each in classes
    ]
    figures = [
        ClassFigures(each, int((group == number).sum()), len(np.unique(source_image[group == number])), bool(known[number]),
                     shares[number], alone[number], aucs[number])
        for number, each in enumerate(classes)
    ]
    return Track(name, condition, list(answers), counts, figures, mean, alone_mean)


def _auc(is_class: np.ndarray, probability: np.ndarray, source_image: np.ndarray, resamples: int, seed: int) -> Estimate:
    """The AUC of one class against all others, with its interval over source images."""
    label, (_, source) = is_class.astype(int), np.unique(source_image, return_inverse=True)
    value, fewest = auc_of(label, probability), min(len(np.unique(source[label == value])) for value in (0, 1))
    if fewest < MIN_SOURCE_IMAGES:
        return without_interval(value, fewest)
    ranking = Ranking(label, probability, source)
    return with_interval(value, np.array([ranking.figures(times)[0] for times in draws_of_sources(source, label, resamples, seed)]))


def shares_right(
    right: np.ndarray, group: np.ndarray, source_image: np.ndarray, asked: np.ndarray, resamples: int = 1000, seed: int = 0,
) -> tuple[list[Estimate | None], Estimate | None]:
    """The share of right answers in each group that is asked for, and the mean of these shares.

    Intervals are 95 % percentiles of ``resamples`` draws of source images. A group missing in a draw does not count there.

    Args:
        right: bool (N,).
        group: int (N,), 0 to G - 1.
        source_image: str (N,).
        asked: bool (G,).

    Returns:
        estimates, None where not asked for; their mean, None if none is.
    """
    if not asked.any():
        return [None] * len(asked), None
    _, source = np.unique(source_image, return_inverse=True)
    shape = source.max() + 1, len(asked)
    images, hits = np.zeros(shape), np.zeros(shape)
    np.add.at(images, (source, group), 1)
    np.add.at(hits, (source, group), right)
    rng, draws = np.random.default_rng(seed), []
    for _ in range(resamples):
        times = np.bincount(rng.integers(shape[0], size=shape[0]), minlength=shape[0])
        with np.errstate(invalid="ignore"):
            draws.append((times @ hits) / (times @ images))  # not a number where the draw has no image of the group
    draws, sources = np.array(draws), (images > 0).sum(0)
    values = hits.sum(0) / images.sum(0)
    estimates = [
        _estimate(values[number], draws[:, number], sources[number]) if asked[number] else None for number in range(len(asked))
    ]
    drawn = draws[:, asked]
    means = drawn[~np.isnan(drawn).all(1)]
    return estimates, _estimate(values[asked].mean(), np.nanmean(means, axis=1), sources[asked].min())


def _estimate(value: float, draws: np.ndarray, sources: int) -> Estimate:
    if sources < MIN_SOURCE_IMAGES:
        return without_interval(float(value), sources)
    return with_interval(float(value), draws[~np.isnan(draws)])
