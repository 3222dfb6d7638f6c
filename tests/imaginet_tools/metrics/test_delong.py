"""DeLong's interval against its definition, written out pair by pair, and against simulated truth."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from imaginet_tools.metrics.delong import auc_of, delong


def slow_delong(label, score):
    """The variance as DeLong et al. (1988) define it, from every pair of images."""
    synthetic, real = score[label == 1][:, None], score[label == 0][None]
    wins = (synthetic > real) + 0.5 * (synthetic == real)
    variance = wins.mean(1).var(ddof=1) / len(synthetic) + wins.mean(0).var(ddof=1) / real.shape[1]
    return wins.mean(), norm.ppf(0.975) * np.sqrt(variance)


@pytest.mark.parametrize("decimals", [1, 12], ids=["ties", "no ties"])
def test_images_of_their_own_sources_get_delong_s_interval(decimals):
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 90)
    score = np.round(0.3 * label + rng.random(90), decimals)
    auc, reach = slow_delong(label, score)
    found = delong(label, score, np.arange(90))
    assert auc_of(label, score) == pytest.approx(roc_auc_score(label, score)) == pytest.approx(found.value)
    assert (found.low, found.high) == pytest.approx((auc - reach, min(1, auc + reach)), abs=1e-12)


def test_copies_of_images_are_no_news():
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, 200)
    score = label + 1.5 * rng.standard_normal(200)
    one = delong(label, score, np.arange(200))
    copies = delong(np.repeat(label, 5), np.repeat(score, 5), np.repeat(np.arange(200), 5))
    assert (copies.value, copies.low, copies.high) == pytest.approx((one.value, one.low, one.high), abs=1e-12)


def test_a_source_with_both_classes_makes_the_interval_narrower_where_scores_go_together():
    """A real picture and its synthetic twin share what makes both score high: their difference varies less."""
    rng = np.random.default_rng(2)
    shared = rng.standard_normal(300)
    label, score = np.r_[np.zeros(300, int), np.ones(300, int)], np.r_[shared, shared + 0.3] + 0.3 * rng.standard_normal(600)
    source = np.tile(np.arange(300), 2)
    width = lambda each: each.high - each.low
    assert width(delong(label, score, source)) < 0.6 * width(delong(label, score, np.arange(600)))


def test_intervals_hold_the_truth_at_their_rate():
    rng, held = np.random.default_rng(3), 0
    for _ in range(300):
        label = np.r_[np.zeros(100, int), np.ones(60, int)]
        found = delong(label, label + rng.standard_normal(160), np.arange(160))
        held += found.low <= norm.cdf(1 / np.sqrt(2)) <= found.high
    assert 275 <= held <= 296  # 285 expected


def test_no_error_and_one_source_give_a_reason():
    assert "cannot be told" in delong(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9]), np.arange(4)).reason
    assert "one source image" in delong(np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.5, 0.9]), np.array([0, 0, 1, 2])).reason
