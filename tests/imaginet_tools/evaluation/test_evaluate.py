"""An evaluation of any detectors, without a training run: figures, thresholds, tracks and the pages made of them."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from imaginet_tools.evaluation.detectors import PixelStatisticsDetector
from imaginet_tools.evaluation.evaluate import evaluate
from imaginet_tools.evaluation.report import Report
from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.splits import load_splits
from imaginet_tools.inference.detector import Answers, Detector


class Brightness(Detector):
    """Calls bright pictures synthetic, and names a family by nothing better."""

    families = ("GAN", "SD")

    def __init__(self, name="brightness", threshold=None):
        self.name, self.threshold = name, threshold

    def scores(self, pictures):
        bright = np.array([picture.mean() / 255 for picture in pictures])
        return Answers(bright, family=np.stack([bright, 1 - bright], axis=1), feature=np.stack([bright, bright**2], axis=1))


@pytest.fixture(scope="module")
def splits(tiny_dataset):
    return load_splits(DataOptions(dataset=str(tiny_dataset), held_out=0.25), seed=42)


@pytest.fixture(scope="module")
def report(splits):
    baseline = PixelStatisticsDetector(splits.train, splits.held_out)
    return evaluate([Brightness(), baseline], splits.test, ["clean", "jpeg70"], splits.held_out, resamples=20)


def test_figures_are_those_of_scikit_learn_at_the_threshold_fitted_on_held_out_images(report, splits):
    bright = np.array([splits.test.pixels(index).mean() / 255 for index in range(len(splits.test))])
    [row] = [row for row in report.figures if (row.detector, row.condition, row.kind) == ("brightness", "clean", "overall")]
    assert row.metrics.auc.value == pytest.approx(roc_auc_score(splits.test.label, bright))
    [point] = [point for point in report.operating_points if point["name"] == "balanced"]
    assert point["detector"] == "brightness" and point["n_real"] == (splits.held_out.label == 0).sum()
    expected = balanced_accuracy_score(splits.test.label, bright >= point["threshold"])
    assert row.metrics.balanced_accuracy.value == pytest.approx(expected)


def test_the_report_says_which_detector_is_the_baseline_and_needs_no_training(report, tmp_path):
    assert {row.detector: row.baseline for row in report.figures} == {"brightness": False, "pixel statistics": True}
    assert report.training is None and report.data["splits"]["test"]["images"] == 17
    assert {track.name for track in report.tracks} == {"origin", "family"} and {track.condition for track in report.tracks} == {
        "clean", "jpeg70"}
    assert report.embedding_map["images"] == 17
    report.write(tmp_path)
    assert Report.read(tmp_path / "report.json") == report
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "brightness, balanced: call an image synthetic at" in page and "Training took" not in page
    assert "The threshold of brightness was fitted on 12 held-out images" in page


def test_a_threshold_of_its_own_is_kept_and_one_that_cannot_be_fitted_is_said(splits):
    report = evaluate([Brightness(threshold=0.9)], splits.test, ["clean"], resamples=5)
    [row] = [row for row in report.figures if row.kind == "overall"]
    assert row.metrics.threshold == 0.9 and report.operating_points == [] and report.limits == []
    with pytest.raises(ValueError, match="detector brightness has no threshold; give held-out images"):
        evaluate([Brightness()], splits.test, ["clean"])
    with pytest.raises(ValueError, match="names of their own, got brightness, brightness"):
        evaluate([Brightness(), Brightness()], splits.test)


def test_no_two_passes_over_images_have_one_title(splits, capsys):
    baseline = PixelStatisticsDetector(splits.train, splits.held_out)
    evaluate([Brightness(), baseline], splits.test, ["clean", "jpeg70"], splits.held_out, resamples=5)
    shown = capsys.readouterr().err.replace("\r", "\n").splitlines()
    titles = [line.partition(":")[0] for line in shown if ":   0%" in line or ": 0%" in line]
    assert len(titles) == len(set(titles)) == 7  # two fits of the baseline, a threshold, two detectors under two conditions
    assert "brightness on held-out images, clean" in titles and "brightness on test images, clean" in titles
