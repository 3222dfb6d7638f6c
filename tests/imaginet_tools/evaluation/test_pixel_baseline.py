"""The baseline learns what statistics tell, and weighs both classes the same."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from imaginet_core.pictures.degradations import gaussian_blur
from imaginet_core.pictures.pixel_statistics import statistics
from imaginet_tools.evaluation.pixel_baseline import PixelStatistics
from tests.imaginet_tools.evaluation.simulate import picture


def test_the_regression_tells_blurred_from_sharp():
    sharp = [picture(seed) for seed in range(40)]
    blurred = [gaussian_blur(picture(seed), 3) for seed in range(40, 60)]
    features, labels = np.array([statistics(image) for image in sharp + blurred]), np.repeat([0, 1], [40, 20])
    trained_on = np.arange(60) % 2 == 0
    probability = PixelStatistics().fit(features[trained_on], labels[trained_on]).probabilities(features[~trained_on])
    assert probability.shape == (30,) and ((probability > 0) & (probability < 1)).all()
    assert roc_auc_score(labels[~trained_on], probability) > 0.99
    assert ((probability >= 0.5) == labels[~trained_on]).mean() > 0.95


def test_the_regression_weighs_both_classes_the_same():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((2000, 13))  # nothing to learn
    labels = (np.arange(2000) % 10 == 0).astype(int)
    assert PixelStatistics().fit(features, labels).probabilities(features).mean() == pytest.approx(0.5, abs=0.03)
