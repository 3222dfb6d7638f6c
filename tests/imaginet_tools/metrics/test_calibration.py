"""Calibration and thresholds: against simulated truth and brute force, never more false alarms than allowed."""

import json

import numpy as np
import pytest
from scipy.stats import beta
from sklearn.metrics import balanced_accuracy_score

from imaginet_tools.metrics.calibration import (
    balanced_threshold,
    fit_temperature_and_bias,
    operating_points,
    rate_points,
    threshold_at_false_alarm_rate,
    uncertain_band,
)
from tests.imaginet_tools.evaluation.simulate import SHAPES, shaped_logits


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def simulated_logits(temperature, bias, n=40000, seed=0):
    """Logits of which sigmoid(logit / temperature + bias) is exactly the probability of "synthetic", classes equally many."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(0, 2, n)
    return temperature * (log_odds - bias), (rng.random(n) < sigmoid(log_odds)).astype(int)


# temperature and bias

@pytest.mark.parametrize("temperature, bias", [(1, 0), (5, -2), (0.02, 3), (300, 1)])
def test_known_temperature_and_bias_are_recovered(temperature, bias):
    found = fit_temperature_and_bias(*simulated_logits(temperature, bias))
    assert found[0] == pytest.approx(temperature, rel=0.05) and found[1] == pytest.approx(bias, abs=0.06)


def test_both_classes_weigh_the_same_however_many_there_are():
    logits, labels = simulated_logits(3, 1)
    kept = (labels == 1) | (np.arange(len(labels)) % 10 == 0)  # one real image in ten
    temperature, bias = fit_temperature_and_bias(logits[kept], labels[kept])
    assert temperature == pytest.approx(3, rel=0.07) and bias == pytest.approx(1, abs=0.1)


def test_probabilities_after_calibration_are_frequencies():
    logits, labels = simulated_logits(7, -1, seed=1)
    temperature, bias = fit_temperature_and_bias(logits[:20000], labels[:20000])
    probability = sigmoid(logits[20000:] / temperature + bias)
    for low in (0.1, 0.3, 0.5, 0.7):
        chosen = (probability >= low) & (probability < low + 0.2)
        assert labels[20000:][chosen].mean() == pytest.approx(probability[chosen].mean(), abs=0.04)


@pytest.mark.parametrize("n", [2, 10, 500])
def test_perfectly_separated_logits_get_a_finite_temperature(n):
    logits = np.r_[np.linspace(-9, -8, n), np.linspace(8, 9, n)]
    temperature, bias = fit_temperature_and_bias(logits, np.repeat([0, 1], n))
    assert 0 < temperature < np.inf and abs(bias) < 0.1
    assert (sigmoid(logits / temperature + bias)[n:] > 0.6).all()


NEARLY_SYMMETRIC = np.tile([0, 1, 1, 0], 25)
NEARLY_SYMMETRIC[50:52] = 0, 1  # the logits tell a trace of the labels


@pytest.mark.parametrize("labels", [np.repeat([1, 0], 50), NEARLY_SYMMETRIC], ids=["inverted", "nearly uninformative"])
def test_logits_that_tell_nothing_keep_their_order_and_come_close_to_a_half(labels):
    logits = np.linspace(-400, 900, 100)
    temperature, bias = fit_temperature_and_bias(logits, labels)
    probability = sigmoid(logits / temperature + bias)
    assert (np.diff(probability) > 0).all()
    assert abs(probability - 0.5).max() < 0.05
    assert temperature == pytest.approx(100 * logits.std())  # scaled down so far and no further


@pytest.mark.parametrize("value", [0.0, 0.1, -350.0])
def test_equal_logits_become_a_half(value):
    temperature, bias = fit_temperature_and_bias(np.full(3, value), np.array([0, 1, 1]))
    assert temperature > 0 and sigmoid(value / temperature + bias) == pytest.approx(0.5)


# balanced threshold

def slow_thresholds(probability, labels):
    """Every threshold that parts the images in another way, with false alarms and recall at each."""
    thresholds = np.append(np.unique(probability), 2.0)
    flagged = [[(probability[labels == value] >= each).mean() for each in thresholds] for value in (0, 1)]
    return thresholds, *np.array(flagged)


@pytest.mark.parametrize("decimals", [1, 2, 12])
@pytest.mark.parametrize("effect", [-0.4, 0, 0.1, 0.5])
def test_balanced_threshold_is_within_one_standard_error_of_the_best_of_all(decimals, effect):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        labels = np.r_[0, 1, rng.random(rng.integers(3, 60)) < 0.3].astype(int)
        probability = np.round(sigmoid(rng.standard_normal(len(labels)) + 4 * effect * labels), decimals)
        _, alarms, recall = slow_thresholds(probability, labels)
        accuracy = (1 - alarms + recall) / 2
        best = np.isclose(accuracy, accuracy.max())
        real, synthetic = np.bincount(labels)
        error = np.sqrt(alarms * (1 - alarms) / real + recall * (1 - recall) / synthetic)[best].max() / 2
        found = balanced_accuracy_score(labels, probability >= balanced_threshold(probability, labels))
        assert accuracy.max() + 1e-9 >= found >= accuracy.max() - error - 1e-9


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("images", [60, 300])
def test_on_fresh_images_the_balanced_threshold_is_better_than_the_single_best_one(shape, images):
    fresh, fresh_labels = shaped_logits(shape, 8000, seed=10**6)
    gains = []
    for seed in range(40):
        scores, labels = shaped_logits(shape, images, seed)
        thresholds, alarms, recall = slow_thresholds(scores, labels)
        place = np.argmax(recall - alarms)
        single = (thresholds[place] + thresholds[place - 1]) / 2 if place else thresholds[0]
        chosen = balanced_threshold(scores, labels)
        gains.append(np.subtract(*(balanced_accuracy_score(fresh_labels, fresh >= each) for each in (chosen, single))))
    assert np.mean(gains) > 0


def test_separated_classes_are_cut_in_the_middle_of_the_gap():
    assert balanced_threshold(np.array([0.1, 0.2, 0.6, 0.7]), np.array([0, 0, 1, 1])) == pytest.approx(0.4)


def test_of_nearly_equal_thresholds_the_one_in_their_middle_is_taken():
    # 21 real images up to 0.19 and one at 0.95; 20 synthetic ones from 0.8, one at 0.05, one at 0.22: just below the last there
    # are two mistakes, up to 0.8 three
    probability = np.r_[np.linspace(0, 0.19, 21), 0.95, np.linspace(0.8, 0.99, 20), 0.05, 0.22]
    labels = np.repeat([0, 1], 22)
    assert balanced_threshold(probability, labels) == pytest.approx((0.22 + 0.8) / 2)


def test_neighbouring_floating_point_scores_are_still_told_apart():
    for kind in (np.float64, np.float32):
        low = kind(0.7)
        probability = np.array([low, np.nextafter(low, kind(1))], dtype=kind)
        assert (probability.astype(float) >= balanced_threshold(probability, np.array([0, 1]))).tolist() == [False, True]


# false alarms

@pytest.mark.parametrize("rate, needed", [(0.05, 59), (0.01, 299)])
def test_a_false_alarm_rate_needs_enough_real_images(rate, needed):
    scores = np.random.default_rng(0).random(needed)
    threshold, reason = threshold_at_false_alarm_rate(scores[1:], rate)
    assert threshold is None and reason == f"{needed - 1} held-out real images; a rate of {rate:.0%} needs {needed}"
    threshold, reason = threshold_at_false_alarm_rate(scores, rate)
    assert reason is None and (scores >= threshold).sum() == 0


@pytest.mark.parametrize("decimals", [1, 2, 12])
def test_the_upper_bound_of_clopper_and_pearson_is_kept_and_no_stricter_threshold_would_do(decimals):
    for seed in range(40):
        rng = np.random.default_rng(seed)
        scores = np.round(rng.beta(1, 3, rng.integers(60, 400)), decimals).astype([np.float64, np.float32][seed % 2])
        rate = [0.05, 0.1, 0.2][seed % 3]
        threshold, _ = threshold_at_false_alarm_rate(scores, rate)
        bound = lambda alarms: beta.ppf(0.95, alarms + 1, len(scores) - alarms)  # one-sided, of the rate
        assert bound((scores.astype(float) >= threshold).sum()) <= rate + 1e-12
        spared = scores[scores.astype(float) < threshold].max()
        assert bound((scores >= spared).sum()) > rate  # to flag the next lower score too would be too many


@pytest.mark.parametrize("images, rate", [(100, 0.05), (400, 0.05), (600, 0.01)])
def test_on_fresh_images_the_rate_is_kept_in_at_least_the_stated_share_of_draws(images, rate):
    kept = []
    for seed in range(2000):
        scores = np.random.default_rng(seed).random(images)  # the true rate of a threshold is 1 - threshold
        kept.append(1 - threshold_at_false_alarm_rate(scores, rate)[0] <= rate)
    assert np.mean(kept) >= 0.95 - 0.015  # three standard errors of 2,000 draws
    assert np.mean(kept) < 0.995  # and it is not idle


@pytest.mark.parametrize("images, rate", [(59, 0.05), (200, 0.05), (1000, 0.01)])
def test_mapies_risk_control_allows_the_same_thresholds(images, rate):
    risk_control = pytest.importorskip("mapie.risk_control", reason="mapie is not installed")
    rng = np.random.default_rng(images)
    scores = np.r_[rng.beta(2, 5, images), rng.beta(5, 2, images)]
    labels = np.repeat([0, 1], images)
    ours, _ = threshold_at_false_alarm_rate(scores[:images], rate)
    grid = np.sort(np.r_[np.linspace(0, 1, 301), ours])[::-1]
    controller = risk_control.BinaryClassificationController(
        lambda given: np.c_[1 - given[:, 0], given[:, 0]], risk_control.false_positive_rate, target_level=rate, confidence_level=0.95,
        best_predict_param_choice="recall", list_predict_params=grid, fwer_method="fixed_sequence",
    )
    controller.calibrate(scores[:, None], labels)
    allowed = np.min(controller.valid_predict_params)
    assert (scores[:images] >= allowed).sum() <= (scores[:images] >= ours).sum()
    assert ours in controller.valid_predict_params


def test_ties_at_the_top():
    scores = np.r_[np.linspace(0, 0.5, 50), np.full(10, 0.9)]
    threshold, reason = threshold_at_false_alarm_rate(scores, 0.05)
    assert reason is None and 0.9 < threshold < 1
    threshold, reason = threshold_at_false_alarm_rate(np.where(scores == 0.9, 1.0, scores), 0.05)
    assert threshold is None and "score 1" in reason


# operating points

def held_out(n=350, kind=np.float32):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], n)
    return sigmoid(rng.standard_normal(2 * n) + 2 * labels - 1).astype(kind), labels


def test_operating_points_are_plain_json_and_their_rates_are_those_of_the_held_out_images():
    probability, labels = held_out()
    points = operating_points(probability, labels, "700 held-out images")
    assert json.loads(json.dumps(points, allow_nan=False)) == points
    assert [point["name"] for point in points] == ["balanced", "false alarms 5%", "false alarms 1%"]
    for point in points:
        assert point["false_alarm_rate"] == (probability[labels == 0].astype(float) >= point["threshold"]).mean()
        assert point["recall"] == (probability[labels == 1].astype(float) >= point["threshold"]).mean()
        assert (point["n_real"], point["n_synthetic"], point["fitted_on"]) == (350, 350, "700 held-out images")
        assert point["reason"] is None
    assert points[1]["false_alarm_rate"] <= 0.05 and points[2]["false_alarm_rate"] <= 0.01
    assert points[0]["threshold"] < points[1]["threshold"] < points[2]["threshold"]


def test_operating_points_without_enough_real_images_say_so():
    points = operating_points(*held_out(100), "few", rates=(0.05, 0.01, 0.005))
    assert [point["threshold"] is None for point in points] == [False, False, True, True]
    assert points[2]["reason"] == "100 held-out real images; a rate of 1% needs 299"
    assert points[3]["name"] == "false alarms 0.5%" and points[3]["reason"].endswith("0.5% needs 598")
    assert points[3]["false_alarm_rate"] is None and points[3]["recall"] is None


def test_of_real_images_alone_the_rates_get_thresholds_without_recall():
    points = rate_points(np.linspace(0, 0.9, 300), np.zeros(300, int), "own pictures")
    assert [point["name"] for point in points] == ["false alarms 5%", "false alarms 1%"]
    assert all(point["recall"] is None and point["confidence"] == 0.95 and point["n_real"] == 300 for point in points)


# where a label would be a guess

def test_outside_the_band_labels_are_wrong_as_often_as_said_and_inside_more_often():
    rng = np.random.default_rng(3)
    probability = rng.random(20_000)
    labels = (rng.random(20_000) < probability).astype(int)  # perfectly calibrated: wrong with min(p, 1 - p)
    band = uncertain_band(probability, labels)
    assert band["low"] == pytest.approx(0.25, abs=0.03) and band["high"] == pytest.approx(0.75, abs=0.03)
    assert band["share"] == pytest.approx(0.5, abs=0.05) and (band["error"], band["images"]) == (0.25, 20_000)
    rare = (labels == 1) | (np.arange(20_000) % 10 == 0)  # one real image in ten: the classes weigh the same
    assert uncertain_band(probability[rare], labels[rare])["low"] == pytest.approx(0.25, abs=0.08)


def test_separated_classes_and_few_images_have_no_band():
    apart = np.r_[np.linspace(0, 0.4, 50), np.linspace(0.6, 1, 50)]
    assert uncertain_band(apart, np.repeat([0, 1], 50)) is None
    assert uncertain_band(np.random.default_rng(0).random(58), np.repeat([0, 1], 29)) is None


def test_a_band_holds_the_thresholds_that_disagree_and_all_between_them():
    probability, labels = np.r_[np.linspace(0, 0.4, 50), np.linspace(0.6, 1, 50)], np.repeat([0, 1], 50)
    assert uncertain_band(probability, labels, thresholds=[0.5]) is None
    band = uncertain_band(probability, labels, thresholds=[0.5, 0.2])
    inside = (probability >= 0.2) & (probability <= 0.5)
    assert (band["low"], band["high"]) == (0.2, 0.5) and band["share"] == pytest.approx(inside.mean())
    mixed = np.random.default_rng(3).random(2000)
    drawn = (np.random.default_rng(4).random(2000) < mixed).astype(int)
    alone, wider = uncertain_band(mixed, drawn), uncertain_band(mixed, drawn, thresholds=[0.4, 0.95])
    assert wider["low"] == alone["low"] < 0.4 and wider["high"] == 0.95 > alone["high"]
    assert uncertain_band(mixed[:40], drawn[:40], thresholds=[0.2, 0.5]) is None  # so few images tell nothing


# bad input

@pytest.mark.parametrize("function", [fit_temperature_and_bias, balanced_threshold, lambda *both: operating_points(*both, "x")])
@pytest.mark.parametrize("values, labels, message", [
    ([0.1, 0.2], [1, 1], "both real .0. and synthetic .1."),
    ([0.1, 0.2, 0.3], [0, 1], "one label per score"),
    ([[0.1], [0.2]], [0, 1], "one label per score"),
    ([0.1, np.nan], [0, 1], "finite"),
    ([], [], "both real"),
])
def test_unusable_scores_are_refused(function, values, labels, message):
    with pytest.raises(ValueError, match=message):
        function(np.array(values), np.array(labels))


def test_unusable_rates_and_scores_of_real_images_are_refused():
    with pytest.raises(ValueError, match="between 0 and 1, got 5"):
        threshold_at_false_alarm_rate(np.zeros(100), 5)
    with pytest.raises(ValueError, match="between 0 and 1; some do not"):
        threshold_at_false_alarm_rate(np.full(100, np.nan), 0.05)
