"""Figures against scikit-learn on rows repeated by hand, and intervals against simulated truth."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq
from sklearn.metrics import (
    accuracy_score, average_precision_score, balanced_accuracy_score, brier_score_loss, log_loss, recall_score, roc_auc_score, roc_curve,
)

from imaginet_tools.metrics.detection import FIGURES, MIN_SOURCE_IMAGES, Estimate, Scores, measure, sample_size_for
from imaginet_tools.metrics.groups import CROSSED, groups, groups_of
from tests.imaginet_tools.evaluation.simulate import clustered_scores, three_generators


def scores_of(label, probability, source=None):
    label, n = np.asarray(label), len(label)
    source = np.arange(n).astype(str) if source is None else np.asarray(source).astype(str)
    return Scores(label, np.asarray(probability), np.full(n, "photos"), np.where(label == 1, "A", "real"), source)


def slow_equal_error_rate(label, probability):
    """By root finding on scikit-learn's ROC curve."""
    false_alarms, recall, _ = roc_curve(label, probability, drop_intermediate=False)
    along = np.arange(len(false_alarms))
    place = brentq(lambda at: np.interp(at, along, false_alarms) - 1 + np.interp(at, along, recall), 0, along[-1], xtol=1e-14)
    return np.interp(place, along, false_alarms)


def slow_calibration_error(label, probability, weight):
    """Bin by bin, of images that weigh so much."""
    error = 0.0
    for number in range(15):
        chosen = (probability >= number / 15) & ((probability < (number + 1) / 15) | (number == 14))
        if chosen.any():
            frequency, mean = (np.average(values[chosen], weights=weight[chosen]) for values in (label, probability))
            error += weight[chosen].sum() * abs(frequency - mean)
    return error


def slow_recall(label, probability, rate):
    """Threshold by threshold, the lowest score of all included."""
    thresholds = [np.inf, *np.unique(probability)]
    kept = [threshold for threshold in thresholds if (probability[label == 0] >= threshold).mean() <= rate]
    return max((probability[label == 1] >= threshold).mean() for threshold in kept)


def slow_figures(label, probability, threshold):
    weight = np.where(label == 1, 0.5 / (label == 1).sum(), 0.5 / (label == 0).sum())
    flagged, same = probability >= threshold, np.full(len(label), 1 / len(label))
    return (
        balanced_accuracy_score(label, flagged), roc_auc_score(label, probability),
        average_precision_score(label, probability), slow_equal_error_rate(label, probability),
        brier_score_loss(label, probability, sample_weight=weight), slow_calibration_error(label, probability, weight),
        *(slow_recall(label, probability, rate) for rate in (0.01, 0.05, 0.1)),
        log_loss(label, probability, sample_weight=weight), log_loss(label, probability),
        slow_calibration_error(label, probability, same),
        recall_score(label, flagged, pos_label=0), recall_score(label, flagged), accuracy_score(label, flagged),
    )


def slow_bootstrap(scores: Scores, threshold: float, resamples: int, seed: int):
    """Every drawn source image's rows written out again, figures by scikit-learn; and how many draws lacked a class."""
    rng, sources = np.random.default_rng(seed), sorted(set(scores.source_image))
    rows = [np.flatnonzero(scores.source_image == source) for source in sources]
    figures, redrawn = [], 0
    while len(figures) < resamples:
        drawn = np.concatenate([rows[i] for i in rng.integers(len(sources), size=len(sources))])
        if len(set(scores.label[drawn])) == 2:
            figures.append(slow_figures(scores.label[drawn], scores.probability[drawn], threshold))
        else:
            redrawn += 1
    return np.percentile(figures, [2.5, 97.5], axis=0), redrawn


def tied_scores():
    """Scores of one decimal; sources of 1 to 4 images, some with both classes, some real ones twice."""
    rng = np.random.default_rng(1)
    source = np.sort(rng.integers(0, 30, 70))
    label = rng.integers(0, 2, 70)
    return scores_of(label, np.round(np.clip(0.4 + 0.2 * label + 0.2 * rng.standard_normal(70), 0, 1), 1), source)


def few_real_scores():
    """Five real among sixty: some draws have none."""
    rng = np.random.default_rng(2)
    label = np.r_[np.zeros(5, int), np.ones(55, int)]
    return scores_of(label, rng.random(60) * 0.6 + 0.3 * label)


@pytest.mark.parametrize("scores, seed, redraws", [
    (tied_scores(), 0, False), (clustered_scores(20, 3, seed=3), 1, False), (few_real_scores(), 24, True),
], ids=["ties", "clusters", "draws without real images"])
def test_bootstrap_equals_rows_repeated_by_hand(scores, seed, redraws):
    metrics = measure(scores, 0.5, resamples=100, seed=seed)
    (low, high), redrawn = slow_bootstrap(scores, 0.5, 100, seed)
    assert (redrawn > 0) == redraws
    for i, (name, value) in enumerate(zip(FIGURES, slow_figures(scores.label, scores.probability, 0.5), strict=True)):
        estimate = getattr(metrics, name)
        if high[i] - low[i] < 1e-12:
            assert estimate.low is None and estimate.value == pytest.approx(value, abs=1e-10)
            continue
        np.testing.assert_allclose((estimate.value, estimate.low, estimate.high), (value, low[i], high[i]), atol=1e-10, err_msg=name)
        assert estimate.reason is None


def test_figures_do_not_depend_on_the_order_of_images_and_repeat_with_the_seed():
    scores = tied_scores()
    shuffled = scores.select(np.random.default_rng(0).permutation(len(scores.label)))
    assert measure(shuffled, 0.5, 200) == measure(scores, 0.5, 200)
    assert measure(scores, 0.5, 200, seed=1) != measure(scores, 0.5, 200, seed=0)


def test_counts_say_what_the_figures_rest_on():
    metrics = measure(scores_of([0, 0, 0, 1, 1], [0.1, 0.2, 0.7, 0.4, 0.9], [1, 1, 2, 2, 3]), 0.4)
    assert (metrics.n_real, metrics.n_synthetic, metrics.n_source_images, metrics.threshold) == (3, 2, 3, 0.4)
    assert metrics.balanced_accuracy.value == pytest.approx((2 / 3 + 1) / 2)  # a score at the threshold is called synthetic


@pytest.mark.slow
def test_intervals_cover_the_truth_and_only_so_when_sources_are_drawn():
    """Images of a source share half of their score's variance: drawing images one by one would claim too much."""
    truth = measure(clustered_scores(20000, 5, effect=2, seed=99), 0.5, resamples=2).auc.value
    by_source = by_image = 0
    for seed in range(100):
        scores = clustered_scores(60, 5, effect=2, seed=seed)
        one_by_one = replace(scores, source_image=np.arange(300).astype(str))
        intervals = [measure(each, 0.5, resamples=200, seed=seed).auc for each in (scores, one_by_one)]
        by_source, by_image = (
            count + (each.low <= truth <= each.high) for count, each in zip((by_source, by_image), intervals, strict=True)
        )
    assert by_source >= 88  # 95 expected; a percentile interval of 60 sources is a little short
    assert by_image <= by_source - 15


def test_intervals_widen_when_images_share_sources():
    scores = clustered_scores(300, 1, seed=5)
    copies = scores.select(np.repeat(np.arange(300), 4))  # four copies of each image: no news
    width = lambda each: each.auc.high - each.auc.low
    single = width(measure(scores, 0.5))
    assert width(measure(copies, 0.5)) == pytest.approx(single, rel=0.1)
    pretended = measure(replace(copies, source_image=np.arange(1200).astype(str)), 0.5)
    assert width(pretended) == pytest.approx(single / 2, rel=0.15)


def test_too_few_source_images_give_a_reason_and_no_interval():
    rng = np.random.default_rng(0)
    label = np.r_[np.zeros(40, int), np.ones(40, int)]
    for real_sources in (MIN_SOURCE_IMAGES - 1, MIN_SOURCE_IMAGES):
        source = np.r_[np.arange(40) % real_sources, 100 + np.arange(40)]
        metrics = measure(scores_of(label, rng.random(80), source), 0.5, resamples=50)
        for name in FIGURES:
            estimate = getattr(metrics, name)
            if real_sources < MIN_SOURCE_IMAGES:
                assert estimate.low is None and estimate.high is None
                assert f"{real_sources} source image(s) in one class" in estimate.reason
            else:
                assert estimate.low <= estimate.value <= estimate.high


def test_no_mistake_seen_gives_no_interval_of_width_zero():
    metrics = measure(scores_of([0] * 10 + [1] * 10, np.linspace(0.05, 0.95, 20)), 0.8)
    assert metrics.auc == Estimate(1.0, reason=metrics.auc.reason) and "the same in all 1000 draws" in metrics.auc.reason
    assert metrics.average_precision.low is None
    assert metrics.balanced_accuracy.low < metrics.balanced_accuracy.value < 1  # the threshold lies badly


def test_a_threshold_between_two_float32_scores_keeps_its_side():
    low = np.float32(0.3)
    probability = np.array([low, np.nextafter(low, np.float32(1))], dtype=np.float32)
    threshold = float(probability.astype(float).mean())
    assert measure(scores_of([0, 1], probability), threshold).balanced_accuracy.value == 1


def test_estimates_print_with_their_interval():
    assert str(Estimate(0.91234, 0.9, 0.95)) == "0.912 [0.900, 0.950]"
    assert str(Estimate(1.0, reason="few")) == "1.000"


# groups

def test_a_generator_is_compared_with_real_images_of_its_contents_only():
    scores = three_generators()
    found = {(kind, name): chosen for kind, name, chosen in groups(scores)}
    assert list(found) == [
        ("overall", "all"), ("content", "faces"), ("content", "photos"),
        ("generator", "A"), ("generator", "B"), ("generator", "C"),
    ]
    assert found["overall", "all"].all()
    np.testing.assert_array_equal(found["content", "faces"], scores.content == "faces")
    for generator, contents in (("A", {"photos"}), ("B", {"faces"}), ("C", {"photos", "faces"})):
        chosen = found["generator", generator]
        assert set(scores.generator[chosen]) == {generator, "real"}
        assert (chosen & (scores.generator == generator)).sum() == (scores.generator == generator).sum()
        real = sum(name == "real" and content in contents for content, name in zip(scores.content, scores.generator, strict=True))
        assert (scores.generator[chosen] == "real").sum() == real


def test_groups_of_one_class_are_left_out_but_the_whole_is_not():
    contents, generators = ["paintings", "photos", "photos", "faces"], ["A", "B", "real", "B"]
    scores = Scores([1, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], contents, generators, list("abcd"))
    assert [(kind, name) for kind, name, _ in groups(scores)] == [("overall", "all"), ("content", "photos"), ("generator", "B")]
    assert [(kind, name) for kind, name, _ in groups(scores.select(scores.label == 1))] == [("overall", "all")]


# bad input

@pytest.mark.parametrize("changes, message", [
    ({"label": [0, 1]}, "one length"),
    ({"label": [0, 2, 1]}, "0 .real. or 1 .synthetic."),
    ({"probability": [0.1, np.nan, 0.2]}, "image 1 .of source image y. must lie between 0 and 1, got nan"),
    ({"probability": [0.1, 0.2, 1.5]}, "image 2 .of source image z. .* got 1.5"),
])
def test_wrong_scores_are_named(changes, message):
    columns = {
        "label": [0, 1, 1], "probability": [0.1, 0.2, 0.3], "content": ["photos"] * 3, "generator": ["real", "A", "A"],
        "source_image": ["x", "y", "z"],
    }
    with pytest.raises(ValueError, match=message):
        Scores(**{**columns, **changes})


@pytest.mark.parametrize("label, message", [([], "There are 0 images"), ([1, 1], "2 synthetic images"), ([0], "1 real images")])
def test_one_class_alone_cannot_be_measured(label, message):
    with pytest.raises(ValueError, match=message):
        measure(scores_of(np.array(label, dtype=int), np.full(len(label), 0.5)), 0.5)


def test_a_false_alarm_rate_needs_three_expected_alarms():
    assert [sample_size_for(rate) for rate in (0.05, 0.01, 0.1, 0.07)] == [60, 300, 30, 43]


# recall and other figures of an independent library

def test_figures_are_those_of_torchmetrics():
    torch = pytest.importorskip("torch")
    from torchmetrics.functional.classification import binary_auroc, binary_average_precision, binary_sensitivity_at_specificity

    scores = clustered_scores(60, 5, seed=8)
    metrics = measure(scores, 0.5, resamples=2)
    probability, label = torch.from_numpy(scores.probability), torch.from_numpy(scores.label)
    assert metrics.auc.value == pytest.approx(float(binary_auroc(probability, label)), abs=1e-6)
    assert metrics.average_precision.value == pytest.approx(float(binary_average_precision(probability, label)), abs=1e-6)
    for rate, recall in ((0.01, metrics.recall_at_1), (0.05, metrics.recall_at_5), (0.1, metrics.recall_at_10)):
        expected, _ = binary_sensitivity_at_specificity(probability, label, 1 - rate)
        assert recall.value == pytest.approx(float(expected), abs=1e-6)


# groups

def test_families_generators_in_contents_and_other_columns_are_groups_too():
    scores = three_generators()
    family = np.where(scores.generator == "real", "real", np.where(scores.generator == "A", "GAN", "SD"))
    released = np.where(scores.label == 0, "", np.where(scores.generator == "C", "2024", "2023"))
    platform = np.where(np.arange(240) % 3 == 0, "x", "y")
    columns = {"content": scores.content, "generator": scores.generator, "family": family, "released": released, "platform": platform}
    for protocol in ("content", "paper"):
        found = {
            (kind, name): chosen
            for kind, name, chosen in groups_of(scores.label, columns, ("family", CROSSED, "released", "platform"), protocol)
        }
        real = lambda of: ((scores.label == 0) & (np.isin(scores.content, of) if protocol == "content" else True)).sum()
        expected = {
            ("family", "GAN"): (family == "GAN").sum() + real(["photos"]),
            ("family", "SD"): (family == "SD").sum() + real(["photos", "faces"]),
            (CROSSED, "C, faces"): ((scores.generator == "C") & (scores.content == "faces")).sum() + real(["faces"]),
            ("released", "2023"): (released == "2023").sum() + real(["photos", "faces"]),
            ("platform", "x"): (platform == "x").sum(),  # real and synthetic ones have a platform
        }
        assert {name: int(found[name].sum()) for name in expected} == expected
        assert ("released", "") not in found and ("family", "real") not in found
