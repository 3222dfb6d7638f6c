"""Early exit: the AUC that it keeps on fresh images, the images that leave, and none where the sub-network knows nothing."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from imaginet_core.detection.early_exit import is_sure, to_network_logit
from imaginet_tools.metrics.early_exit import area_under_curve, fit_early_exit


def scores(count: int, seed: int, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits of a sub-network and of a better whole network, of images some of which are easy; and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    signal = (2 * labels - 1) * rng.gamma(2, 1.5, count)
    return 0.3 * (signal + rng.normal(0, noise, count)), 2 * (signal + rng.normal(0, 1, count)) - 1, labels


def combined(sub, whole, found) -> np.ndarray:
    return np.where(is_sure(sub, found), to_network_logit(sub, found), whole)


@pytest.mark.slow
def test_on_fresh_images_the_auc_stays_as_often_as_promised_and_many_leave():
    lost = []
    for seed in range(8):
        found = fit_early_exit(*scores(800, seed, 2.0), temperature=1.5, bias=0.2, fitted_on="these")
        assert found["images"] == 800 and found["share"] >= 0.1 and found["fitted_on"] == "these"
        sub, whole, labels = scores(10_000, 100 + seed, 2.0)
        lost.append(roc_auc_score(labels, whole) - roc_auc_score(labels, combined(sub, whole, found)))
        assert is_sure(sub, found).mean() == pytest.approx(found["share"], abs=0.06)
    # each with 95 % confidence: that more than two of eight fall by more has a probability below 1 %
    assert sum(each > 0.005 for each in lost) <= 2 and max(lost) < 0.01
    assert [point["name"] for point in found["operating_points"]] == ["balanced", "false alarms 5%", "false alarms 1%"]


def test_the_figures_are_those_of_the_images(seed=0):
    sub, whole, labels = scores(500, seed, 2.0)
    found = fit_early_exit(sub, whole, labels, 1.5, 0.2, "these")
    assert found["auc_whole"] == pytest.approx(roc_auc_score(labels, whole), abs=1e-12)
    assert found["auc"] == pytest.approx(roc_auc_score(labels, combined(sub, whole, found)), abs=1e-12)
    assert found["share"] == is_sure(sub, found).mean()
    probability = 1 / (1 + np.exp(-(combined(sub, whole, found) / 1.5 + 0.2)))
    point = found["operating_points"][1]
    assert point["false_alarm_rate"] == (probability[labels == 0] >= point["threshold"]).mean()


def test_a_sub_network_that_knows_nothing_lets_none_leave():
    _, whole, labels = scores(800, 0, 2.0)
    assert fit_early_exit(np.random.default_rng(1).normal(size=800), whole, labels, 1.0, 0.0, "") is None
    assert fit_early_exit(np.zeros(800), whole, labels, 1.0, 0.0, "") is None


def test_too_few_images_decide_nothing():
    sub, whole, labels = scores(50, 0, 0.1)
    assert fit_early_exit(sub, whole, labels, 1.0, 0.0, "") is None


def test_the_area_is_scikit_learn_s_with_ties():
    rng = np.random.default_rng(0)
    values, labels = rng.integers(0, 9, (6, 80)), rng.integers(0, 2, (6, 80))
    expected = [roc_auc_score(row, score) for row, score in zip(labels, values, strict=True)]
    np.testing.assert_allclose(area_under_curve(values, labels), expected, atol=1e-12)
