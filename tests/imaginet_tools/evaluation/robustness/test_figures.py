"""Figures over conditions: against scikit-learn and slow versions, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from imaginet_tools.evaluation.robustness.charts import draw_curves, draw_matrix
from imaginet_tools.evaluation.robustness.figures import robustness_of
from imaginet_tools.evaluation.robustness.real_images import means_by_source
from imaginet_tools.evaluation.robustness.sizes import size_spread
from imaginet_tools.metrics.detection import Scores
from tests.imaginet_tools.evaluation.simulate import three_generators

CLEAN = three_generators(400)
SHIFTS = {"jpeg_90": 0.02, "jpeg_50": 0.1, "jpeg_30": 0.2, "hard_noisy": 0.3, "half_and_back": 0.05, "resize_bicubic_0.5": 0.0}


@pytest.fixture(scope="module")
def scores() -> dict[str, Scores]:
    """Each condition moves all scores up and makes them noisier."""
    rng = np.random.default_rng(1)
    found = {"clean": CLEAN}
    for condition, shift in SHIFTS.items():
        moved = CLEAN.probability + shift * (1 + 0.2 * rng.standard_normal(len(CLEAN.label))) + 0.5 * shift * rng.standard_normal(len(CLEAN.label))
        found[condition] = replace(CLEAN, probability=np.clip(moved, 0, 1))
    return found


@pytest.fixture(scope="module")
def told(scores) -> dict:
    return robustness_of(scores, 0.5, resamples=50)


def test_the_pooled_auc_is_that_of_all_conditions_together(scores, told):
    label, probability = (np.concatenate([getattr(each, name) for each in scores.values()]) for name in ("label", "probability"))
    assert told["pooled_auc"]["value"] == pytest.approx(roc_auc_score(label, probability))
    own = [row["auc"]["value"] for row in told["conditions"]]
    assert told["pooled_auc"]["value"] < np.mean(own)  # scores that move with the condition cost what each one's AUC hides
    width = told["pooled_auc"]["high"] - told["pooled_auc"]["low"]
    many = robustness_of({"clean": CLEAN, **{name: CLEAN for name in ("jpeg_90", "jpeg_50")}}, 0.5, 10)["pooled_auc"]
    once = robustness_of({"clean": CLEAN}, 0.5, 10)["pooled_auc"]
    assert many["high"] - many["low"] == pytest.approx(once["high"] - once["low"], rel=0.01)  # copies are no further pictures
    assert width > 0


def test_each_condition_has_its_figures_and_what_the_grid_declares(scores, told):
    for row in told["conditions"]:
        each = scores[row["condition"]]
        assert row["auc"]["value"] == pytest.approx(roc_auc_score(each.label, each.probability))
        false_alarms, recall, _ = roc_curve(each.label, each.probability, drop_intermediate=False)
        assert row["recall_at_5"]["value"] == pytest.approx(recall[false_alarms <= 0.05 + 1e-9].max())
        assert row["auc"]["low"] < row["auc"]["value"] < row["auc"]["high"]
    rows = {row["condition"]: row for row in told["conditions"]}
    assert (rows["jpeg_50"]["kind"], rows["jpeg_50"]["strength"], rows["jpeg_50"]["title"]) == ("jpeg", 50, "JPEG 50")
    assert rows["hard_noisy"]["tier"] == "hard" and rows["hard_noisy"]["strength"] is None and rows["half_and_back"]["kind"] == "half_and_back"


def test_the_matrix_compares_each_generator_with_real_images_of_its_contents(scores, told):
    matrix = told["matrix"]
    assert matrix["generators"] == ["A", "B", "C"] and matrix["conditions"] == list(scores)
    each = scores["jpeg_30"]
    own = (each.generator == "A") | ((each.label == 0) & (each.content == "photos"))
    row = matrix["auc"][matrix["conditions"].index("jpeg_30")]
    assert row[0] == pytest.approx(roc_auc_score(each.label[own], each.probability[own]))
    cells = sorted(value for line in matrix["auc"][1:] for value in line)  # clean is first, and no degradation
    assert [cell["auc"]["value"] for cell in told["worst"]] == pytest.approx(cells[: len(told["worst"])])
    worst = told["worst"][0]
    assert worst["clean"] == matrix["auc"][0][matrix["generators"].index(worst["generator"])] and worst["images"] > 50
    json.dumps(told, allow_nan=False)  # as a report holds it


def test_the_shift_of_real_images_is_told_apart_from_auc(scores, told):
    real = CLEAN.label == 0
    rows = {row["condition"]: row for row in told["real_shifts"]}
    assert "clean" not in rows and next(iter(rows)) == "hard_noisy"  # the largest first
    for condition, row in rows.items():
        after, before = (scores[name].probability[real] for name in (condition, "clean"))
        assert row["shift"]["value"] == pytest.approx((after - before).mean())
        assert row["false_alarm_change"]["value"] == pytest.approx((after >= 0.5).mean() - (before >= 0.5).mean())
    assert rows["resize_bicubic_0.5"]["shift"]["value"] == 0
    assert rows["jpeg_30"]["shift"]["low"] > 0.1


def test_intervals_of_means_hold_the_truth_and_respect_source_pictures():
    rng = np.random.default_rng(0)
    held = 0
    for draw in range(200):
        source = np.repeat(np.arange(40), 5)
        values = 0.3 + rng.standard_normal(40)[source] + 0.2 * rng.standard_normal(200)
        [estimate] = means_by_source(values[:, None], source, 200, draw)
        held += estimate.low <= 0.3 <= estimate.high
    assert 0.88 <= held / 200 <= 0.99
    [alone] = means_by_source(np.ones((4, 1)), np.arange(4), 50, 0)
    assert alone.low is None and "needs 5" in alone.reason


def test_the_spread_over_sizes_names_the_pictures_that_move(scores):
    paths = np.array([f"{number}.png" for number in range(len(CLEAN.label))])
    moved = CLEAN.probability.copy()
    moved[3], moved[8] = abs(moved[3] - 1), moved[8] + 0.01
    sized = {"clean": CLEAN, "resize_bicubic_0.5": replace(CLEAN, probability=moved), "jpeg_50": scores["jpeg_50"]}
    told = size_spread(sized, 0.5, paths, 50)
    assert told["conditions"] == ["clean", "resize_bicubic_0.5"]  # compression is no size
    spread = np.abs(moved - CLEAN.probability)
    assert told["spread"]["value"] == pytest.approx(spread.mean()) and told["percentile_95"] == pytest.approx(np.percentile(spread, 95))
    assert told["worst"][0]["path"] == "3.png" and told["worst"][0]["probability"]["resize_bicubic_0.5"] == moved[3]
    assert told["changed"]["value"] == pytest.approx(((moved >= 0.5) != (CLEAN.probability >= 0.5)).mean())
    assert size_spread({"clean": CLEAN}, 0.5, paths) is None


@pytest.mark.parametrize("wrong, message", [
    (lambda: {"jpeg_50": CLEAN}, "score under clean, too"),
    (lambda: {"clean": CLEAN, "jpeg_50": CLEAN.select(np.arange(400) != 3)}, "under jpeg_50 are of other images"),
    (lambda: {"clean": CLEAN.select(CLEAN.label == 0)}, "figures need real and synthetic ones"),
])
def test_what_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        robustness_of(wrong(), 0.5, 10)


# charts

def test_curves_show_every_detector_and_kind_that_has_two_strengths(told):
    figure = draw_curves({"one": told["conditions"], "two <b>$": told["conditions"]})
    shown = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title() for axes in shown] == ["jpeg", "jpeg"] and {axes.get_ylabel() for axes in shown} == {"AUC", "recall at 5 % false alarms"}
    line = shown[0].get_lines()[0]
    assert line.get_xdata().tolist() == [30, 50, 90]
    assert line.get_ydata().tolist() == [row["auc"]["value"] for name in ("jpeg_30", "jpeg_50", "jpeg_90") for row in told["conditions"] if row["condition"] == name]
    assert draw_curves({"one": told["conditions"][:1]}) is None


def test_the_matrix_is_a_picture_with_every_cell(told):
    matrix = {**told["matrix"], "generators": ["A$x$", "B<b>", "C"]}
    figure = draw_matrix(matrix, "one $")
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert len(axes.texts) == 3 * len(matrix["conditions"]) and axes.images[0].get_array().shape == (len(matrix["conditions"]), 3)
    assert axes.texts[0].get_text() == f"{matrix['auc'][0][0]:.2f}"
