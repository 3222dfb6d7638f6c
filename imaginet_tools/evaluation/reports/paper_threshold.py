"""Thresholds as the paper's code fits them, on images that are scored too: told beside a detector's own, for what they are.

Its evaluation (arXiv 2407.20020) fits a logistic regression of one variable, the network's logit, on a few dozen images and calls
synthetic what then has a probability of 0.5 or more. All of these images lie inside the test sets that are reported.
"""

import os
from collections.abc import Sequence

import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

import imaginet
from imaginet_tools.evaluation.figures import Scored, columns_of_images
from imaginet_tools.evaluation.report_parts import PaperThreshold
from imaginet_tools.images.image_set import ImageSet, read_text
from imaginet_tools.images.layouts.lists import match_line
from imaginet_tools.metrics.detection import MIN_SOURCE_IMAGES, with_interval, without_interval
from imaginet_tools.metrics.groups import Group, groups_of
from imaginet_tools.metrics.resampling import balanced_accuracies_of_draws

NAME = "test_calibration.txt"
"""Of the list of ImagiNet's perturbed test set, beside its other lists."""
KINDS = ("family", "generator", "content")
NO_PENALTY = 1e10
"""Inverse strength of the regression's penalty, as the paper's code has it."""
SMALLEST = 1e-12
"""Stands for a probability of 0 whose logit there is not."""


def find_calibration_list(data_dir: str, annotations: str | None) -> str | None:
    """The list of the images that the paper fits thresholds on, beside the lists of raw data; None where it is not there."""
    places = [f"{folder}/{NAME}" for folder in imaginet.list_folders(data_dir, annotations)]
    return next((place for place in places if os.path.isfile(place)), None)


def read_calibration_list(file: str) -> frozenset[str]:
    """The paths on such a list: ``path,label,…`` as of ImagiNet, ``path,label`` as of the Corvi set, ``path label`` as of the practical one.

    Raises ValueError for an empty one, or one that is not there.
    """
    lines = [line.strip() for line in read_text(file).splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"{file} names no image to fit thresholds on.")
    found = (match_line(line) for line in lines)
    paths = (match["path"] if match else line.rsplit(",", 4)[0] for match, line in zip(found, lines, strict=True))
    return frozenset(path.removeprefix("./") for path in paths)


def fit_paper_threshold(probability: np.ndarray, label: np.ndarray) -> float:
    """The probability at which the logistic regression of the paper's code gives 0.5; an image is called synthetic at or above it.

    It works on the network's logit. A calibrated probability's logit is a linear function of that, so a fit without penalty on either gives
    the same answers.

    Args:
        probability: float (N,), 0 to 1, of the images on the list.
        label: int (N,), 0 real, 1 synthetic.

    Raises:
        ValueError: for images of one class only, and scores that rank them the wrong way round or not at all.
    """
    if len(set(label.tolist())) < 2:
        raise ValueError(f"the {len(label)} images of the list that are scored are of one class only")
    values = logit(np.clip(np.asarray(probability, dtype=np.float64), SMALLEST, 1 - SMALLEST))
    centre, spread = values.mean(), values.std()
    if spread == 0:
        raise ValueError("all images of the list have one score")
    fit = LogisticRegression(C=NO_PENALTY, max_iter=1000, tol=1e-9).fit(((values - centre) / spread)[:, None], label)
    if fit.coef_[0, 0] <= 0:
        raise ValueError("on the images of the list real ones score as high as synthetic ones")
    return float(expit(centre - spread * fit.intercept_[0] / fit.coef_[0, 0]))


def paper_thresholds_of(
    scored: Sequence[Scored], listed: frozenset[str], resamples: int, seed: int
) -> tuple[list[PaperThreshold], list[str]]:
    """Balanced accuracies of undegraded images at such thresholds, of every detector and group, and sentences on what could not be fitted.

    Args:
        scored: every detector, on the same images.
        listed: paths of the images to fit on, which stay in the figures, as in the paper.
        resamples, seed: of the bootstrap over source images.

    Raises:
        ValueError: where none of the images is scored.
    """
    images = scored[0].images
    chosen = np.isin(images.path, sorted(listed))
    if not chosen.any():
        raise ValueError(f"None of the {len(listed)} images of the calibration list is among those of {images.title}, e.g. {min(listed)}.")
    groups = groups_of(images.label, columns_of_images(images), KINDS, "paper")
    found, limits = [], []
    for each in scored:
        if each.condition != "clean":
            continue
        try:
            threshold = fit_paper_threshold(each.answers.probability[chosen], images.label[chosen])
        except ValueError as error:
            limits.append(f"The threshold of {each.detector.name} cannot be fitted as the paper does: {error}.")
            continue
        found += [_figure(each, images, group, threshold, int(chosen.sum()), resamples, seed) for group in groups]
    return found, limits


def _figure(scored: Scored, images: ImageSet, group: Group, threshold: float, fitted_on: int, resamples: int, seed: int) -> PaperThreshold:
    label, probability = images.label[group.chosen], np.asarray(scored.answers.probability[group.chosen], dtype=np.float64)
    _, source = np.unique(images.source_image[group.chosen], return_inverse=True)
    called = probability >= threshold
    value = float((called[label == 1].mean() + (~called[label == 0]).mean()) / 2)
    fewest = min(len(np.unique(source[label == each])) for each in (0, 1))
    if fewest < MIN_SOURCE_IMAGES:
        estimate = without_interval(value, fewest)
    else:
        estimate = with_interval(value, balanced_accuracies_of_draws(label, probability, source, threshold, resamples, seed))
    return PaperThreshold(scored.detector.name, scored.condition, group.kind, group.name, fitted_on, threshold, estimate)
