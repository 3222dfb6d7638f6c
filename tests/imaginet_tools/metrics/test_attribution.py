"""Both tracks: counts against scikit-learn, intervals against the known error of a share, unknown classes, odd sizes."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, recall_score

from imaginet_tools.metrics.attribution import make_track, shares_right

ANSWERS = ["real", "GAN", "SD"]


def answered(n=300, seed=0, right=0.8):
    """True classes, answers that are right that often, the second step's answers, source images (one each)."""
    rng = np.random.default_rng(seed)
    true = rng.choice(ANSWERS, n)
    alone = np.where(rng.random(n) < right, true, rng.choice(["GAN", "SD"], n))
    alone[alone == "real"] = "GAN"
    return true, np.where(rng.random(n) < 0.3, "real", alone), alone, np.arange(n).astype(str)


def test_counts_and_shares_are_scikit_learn_s():
    true, answer, alone, source = answered()
    track = make_track("family", "clean", true, answer, ANSWERS, source, alone, resamples=50)
    assert track.counts == confusion_matrix(true, answer, labels=ANSWERS).tolist()
    recall = recall_score(true, answer, labels=ANSWERS, average=None)
    assert [each.accuracy.value for each in track.classes] == pytest.approx(recall)
    assert track.accuracy.value == pytest.approx(recall.mean())
    synthetic = true != "real"
    alone_recall = recall_score(true[synthetic], alone[synthetic], labels=ANSWERS[1:], average=None)
    assert track.classes[0].accuracy_if_synthetic is None  # a real image is not asked for its generator
    assert [each.accuracy_if_synthetic.value for each in track.classes[1:]] == pytest.approx(alone_recall)
    assert track.accuracy_if_synthetic.value == pytest.approx(alone_recall.mean())
    assert [each.images for each in track.classes] == [(true == each).sum() for each in ANSWERS]


def test_intervals_hold_the_true_share_about_as_often_as_they_say():
    held = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        source = np.repeat(np.arange(60), 3)
        right = rng.random(60)[source] < 0.7  # images of one source are right or wrong together
        (estimate,), mean = shares_right(right, np.zeros(180, int), source.astype(str), np.array([True]), 200, seed)
        assert mean == estimate
        held.append(estimate.low <= 0.7 <= estimate.high)
    assert 0.85 <= np.mean(held) <= 1
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * np.sqrt(0.7 * 0.3 / 60), rel=0.25)


def test_a_class_without_training_images_has_a_row_and_no_figure():
    true = np.array(["real"] * 10 + ["GAN"] * 10 + ["FLUX"] * 10)
    answer = np.array(["real"] * 10 + ["GAN"] * 10 + ["real"] * 4 + ["SD"] * 6)
    track = make_track("family", "clean", true, answer, ANSWERS, np.arange(30).astype(str), answer, resamples=20)
    flux = track.classes[-1]
    assert (flux.name, flux.images, flux.known, flux.accuracy, flux.accuracy_if_synthetic) == ("FLUX", 10, False, None, None)
    assert track.counts == [[10, 0, 0], [0, 10, 0], [4, 0, 6]]
    assert [each.name for each in track.classes] == ["real", "GAN", "FLUX"]  # SD has no test image
    assert track.accuracy.value == 1  # of the known ones


def test_few_source_images_and_no_mistakes_give_no_interval_but_a_reason():
    true = np.array(["real"] * 20 + ["GAN"] * 3)
    track = make_track("family", "clean", true, true, ANSWERS, np.arange(23).astype(str), resamples=20)
    real, gan = track.classes
    assert real.accuracy.low is None and "cannot show rarer mistakes" in real.accuracy.reason
    assert gan.accuracy.low is None and "3 source image(s)" in gan.accuracy.reason
    assert gan.accuracy_if_synthetic is None and track.accuracy_if_synthetic is None


def test_strange_answers_are_refused():
    with pytest.raises(ValueError, match="track origin .*real, synthetic"):
        make_track("origin", "clean", np.array(["real"]), np.array(["fake"]), ["real", "synthetic"], np.array(["a"]))
