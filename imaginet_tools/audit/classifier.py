"""The audit's classifier: randomised trees (Geurts et al., 2006) on a table of numbers, cross-validated by source image.

Of the classifiers tried (gradient boosting, logistic regression, these) none found more in a few hundred images of the lab, whose
shortcuts are of both kinds: thresholds (a format) and slow trends (a spectrum).
"""

from dataclasses import replace

import numpy as np

from imaginet_tools.audit.findings import Examination, Feature, Group
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.metrics import detection
from imaginet_tools.metrics.groups import groups

MIN_SOURCE_IMAGES = 10
"""Source images of each class that an audit needs at least."""
FOLDS, TREES = 5, 200
WIDENING = (1 + FOLDS / (FOLDS - 1)) ** 0.5
"""By how much an interval over what was tested is widened for the chance in what was learnt from: the training sets of two folds
share most of their images, so the variance of a cross-validated figure is (1 / FOLDS + test / training images) s², s that of one
fold, and not s² / FOLDS (Nadeau and Bengio, 2003, https://doi.org/10.1023/A:1024068626366). Checked with 80 random labellings of
the 320 real images of a test set: without it 0.80 to 0.84 of the intervals held 0.5, with it 0.93 to 0.97."""
MOST_FEATURES, MIN_AUC = 8, 0.53
"""So many features are named at most, of those with this AUC at least."""
ONE_HOT = ("format", "mode", "subsampling")
"""Columns "format_JPEG", "format_PNG", ... are one feature."""


def examine(table: np.ndarray, names: list[str], images: ImageSet, processes: int = 1) -> Examination:
    """What a table of numbers tells of the labels.

    Args:
        table: float (N, F), finite.
        names: of its columns.
        images: N.
        processes: threads for growing the trees.
    """
    from sklearn.metrics import roc_auc_score
    from sklearn.tree import DecisionTreeClassifier

    label = images.label
    folds = folds_of(label, images.source_image)
    forest = make_forest(len(label), processes)
    probability = out_of_fold(forest, table, label, folds)
    alone = []
    for name, columns in _features(names).items():
        tree = DecisionTreeClassifier(max_leaf_nodes=8, min_samples_leaf=max(3, len(label) // 100), **_common(len(label)))
        alone.append(Feature(name, float(roc_auc_score(label, out_of_fold(tree, table[:, columns], label, folds)))))
    alone.sort(key=lambda feature: -feature.auc)
    telling = [feature for feature in alone[:MOST_FEATURES] if feature.auc >= MIN_AUC]
    return Examination(_groups(images, probability), telling)


def make_forest(images: int, processes: int = 1):
    """The classifier of tables of numbers, not fitted yet: randomised trees for so many images."""
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(TREES, max_features=None, min_samples_leaf=3, n_jobs=processes, **_common(images))


def _common(images: int) -> dict:
    # A split needs some evidence, a chi-square of about 4. Else, where the classes are matched value for value, what is held
    # out would be the opposite of what was learnt, and the AUC would fall below 0.5.
    return dict(min_impurity_decrease=2 / images, class_weight="balanced", random_state=0)


def folds_of(label: np.ndarray, source: np.ndarray) -> np.ndarray:
    """int (N,): the fold of each image, that of its source image; the classes have about the same shares in each."""
    from sklearn.model_selection import StratifiedGroupKFold

    found = np.empty(len(label), dtype=int)
    splits = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(label, label, source)
    for fold, (_, test) in enumerate(splits):
        found[test] = fold
    return found


def out_of_fold(classifier, table: np.ndarray, label: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """float (N,): probability of "synthetic" from classifiers that saw no image of the same fold."""
    probability = np.empty(len(label))
    for fold in range(FOLDS):
        held = folds == fold
        probability[held] = classifier.fit(table[~held], label[~held]).predict_proba(table[held])[:, 1]
    return probability


def _features(names: list[str]) -> dict[str, list[int]]:
    """Feature -> its columns."""
    found = {}
    for column, name in enumerate(names):
        start = name.partition("_")[0]
        found.setdefault(start if start in ONE_HOT else name, []).append(column)
    return found


def _groups(images: ImageSet, probability: np.ndarray) -> list[Group]:
    scores = detection.Scores(
        images.label, np.clip(probability, 0, 1), images.content, images.generator, images.source_image
    )
    found = []
    for kind, name, chosen in groups(scores):
        own = scores.select(chosen)
        each = detection.measure(own, threshold=0.5)
        accuracy, auc = _widened(each.balanced_accuracy), _widened(each.auc)
        found.append(Group(kind, name, each.n_real, each.n_synthetic, accuracy, auc, _is_shortcut(auc, own)))
    return found


def _widened(figure):
    """The figure with an interval that knows the chance in the training images, too; within 0 to 1."""
    if figure.low is None:
        return figure
    low, high = (figure.value + WIDENING * (end - figure.value) for end in (figure.low, figure.high))
    return replace(figure, low=max(0.0, low), high=min(1.0, high))


def _is_shortcut(auc, scores) -> bool | None:
    if auc.low is not None:
        return auc.low > 0.5
    # without an interval either all draws gave the same figure, or there are too few to draw from
    fewest = min(len(np.unique(scores.source_image[scores.label == value])) for value in (0, 1))
    return None if fewest < detection.MIN_SOURCE_IMAGES else auc.value > 0.5
