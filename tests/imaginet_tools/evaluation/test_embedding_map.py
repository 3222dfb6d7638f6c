"""The map of features: what parts in many dimensions parts on it, the same every time, and odd sizes."""

import json

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from imaginet_tools.evaluation.embedding_map import MOST_IMAGES, embedding_map


def features(n: int, seed: int = 0, size: int = 40):
    """Three groups far apart: real images, and those of two generators."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, n)
    centres = 8 * np.random.default_rng(9).standard_normal((3, size))
    return rng.standard_normal((n, size)) + centres[group], (group > 0).astype(int), np.array(["real", "A", "B"])[group]


@pytest.mark.parametrize("n, method", [(120, "t-SNE"), (20, "PCA")])
def test_groups_stay_apart(n, method):
    found = embedding_map(*features(n), seed=1)
    assert found["method"] == method and found["images"] == n == len(found["points"])
    places = np.array([(point["x"], point["y"]) for point in found["points"]])
    names = [point["generator"] for point in found["points"]]
    assert KNeighborsClassifier(3).fit(places, names).score(places, names) > 0.95
    kinds = {(point["label"], point["generator"]) for point in found["points"]}
    assert kinds == {("real", "real"), ("synthetic", "A"), ("synthetic", "B")}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_same_images_give_the_same_map():
    assert embedding_map(*features(60), seed=2) == embedding_map(*features(60), seed=2)


def test_no_more_points_than_can_be_seen():
    same = np.ones((MOST_IMAGES + 40, 3))  # all the same, so nothing is laid out
    found = embedding_map(same, np.zeros(len(same), int), np.full(len(same), "real"))
    assert found["images"] == MOST_IMAGES + 40 and len(found["points"]) == MOST_IMAGES
    assert {(point["x"], point["y"]) for point in found["points"]} == {(0, 0)}
    numbers = np.arange(len(same))
    maps = [embedding_map(same, np.ones(len(same), int), numbers, seed) for seed in (0, 0, 1)]
    named = [[point["generator"] for point in each["points"]] for each in maps]
    assert named[0] == named[1] != named[2]  # which are left out is drawn


@pytest.mark.parametrize("shape", [(1, 5), (2, 5), (4, 1)])
def test_a_handful_of_images_or_dimensions_is_enough(shape):
    feature = np.random.default_rng(0).standard_normal(shape)
    assert len(embedding_map(feature, np.zeros(shape[0], int), np.full(shape[0], "real"))["points"]) == shape[0]


@pytest.mark.parametrize("feature", [np.zeros((0, 3)), np.array([[1.0, np.nan]])])
def test_features_that_are_none_are_refused(feature):
    with pytest.raises(ValueError, match="finite"):
        embedding_map(feature, np.zeros(len(feature), int), np.full(len(feature), "real"))
