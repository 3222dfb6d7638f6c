"""The drawn figures: valid pictures with something on them, also for the odd runs."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import label

from degradations import CONDITION_TITLES
from evaluation.figures import draw_history, draw_roc, draw_score_histogram
from tests.evaluation.simulate import three_generators


def history(stages=("contrastive", "classifiers"), epochs=3):
    terms = {"contrastive": {"origin": 1.0, "family": 0.4}, "classifiers": {}}
    return [
        {"stage": stage, "epoch": epoch, "learning_rate": 0.1 / (epoch + 1), "loss": 2.0 - 0.3 * epoch, **terms[stage]}
        for stage in stages for epoch in range(epochs)
    ]


def colours(file):
    with Image.open(file) as image:
        image.load()
        assert image.format == "PNG" and min(image.size) > 200
        return np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)


def saturated(file):
    """Whether something is drawn in colour: lines or bars, not axes and letters alone."""
    seen = colours(file).astype(int)
    return bool((seen.max(1) - seen.min(1) > 80).any())


def test_roc_curves(tmp_path):
    scores = {(detector, condition): three_generators(seed=seed) for seed, (detector, condition) in enumerate(
        (detector, condition) for detector in ("model", "pixel statistics") for condition in (*CONDITION_TITLES, "jpeg40"))}
    draw_roc(scores, tmp_path / "roc.png")
    assert saturated(tmp_path / "roc.png")
    draw_roc({("model", "clean"): three_generators()}, tmp_path / "one.png")
    assert len(colours(tmp_path / "one.png")) < len(colours(tmp_path / "roc.png"))


@pytest.mark.parametrize("conditions", [["clean"], list(CONDITION_TITLES), ["clean", "jpeg40"]])
def test_score_histograms_have_a_panel_per_condition(tmp_path, conditions):
    draw_score_histogram({condition: three_generators() for condition in conditions}, 0.5, tmp_path / "scores.png")
    assert saturated(tmp_path / "scores.png")
    with Image.open(tmp_path / "scores.png") as image:
        assert image.width == 480 * len(conditions)


@pytest.mark.parametrize("stages, epochs", [
    (("contrastive", "classifiers"), 3), (("contrastive", "classifiers"), 1), (("classifiers",), 2), (("contrastive",), 1),
])
def test_history_is_drawn_also_for_a_single_epoch_or_stage(tmp_path, stages, epochs):
    draw_history(history(stages, epochs), tmp_path / "training.png")
    assert saturated(tmp_path / "training.png")


def test_a_single_epoch_is_a_visible_point(tmp_path):
    draw_history(history(("classifiers",), 1), tmp_path / "training.png")
    pixels = np.asarray(Image.open(tmp_path / "training.png").convert("RGB")).astype(int)
    _, blots = label(pixels.max(2) - pixels.min(2) > 80)
    assert blots == 2  # the legend's line and the point


def test_a_run_without_epochs_gets_a_picture_that_says_so(tmp_path):
    draw_history([], tmp_path / "training.png")
    assert len(colours(tmp_path / "training.png")) > 2 and not saturated(tmp_path / "training.png")


def test_drawing_leaves_the_notebook_s_display_alone(tmp_path):
    import matplotlib
    import matplotlib.pyplot as plt

    before = matplotlib.get_backend(), plt.get_fignums()
    draw_history(history(), tmp_path / "training.png")
    assert (matplotlib.get_backend(), plt.get_fignums()) == before
