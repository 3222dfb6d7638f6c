"""The drawn figures: valid pictures with something on them, also for the odd runs."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from scipy.ndimage import label

from imaginet_core.pictures.degradations import CONDITION_TITLES
from imaginet_tools.evaluation.charts import (
    draw_confusion, draw_det, draw_history, draw_map, draw_reliability, draw_roc, draw_score_histogram, save_figure,
)
from imaginet_tools.evaluation.figures import curve_of
from imaginet_tools.metrics.attribution import make_track
from imaginet_tools.metrics.detection import measure
from tests.imaginet_tools.evaluation.simulate import three_generators


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
        packed = np.unique(np.asarray(image.convert("RGB")).astype(int) @ [65536, 256, 1])
        return np.stack([packed // 65536, packed // 256 % 256, packed % 256], axis=1)


def shades(seen):
    """How many colours that differ visibly."""
    return len(np.unique((seen + 5) // 10, axis=0))


def saturated(file):
    """Whether something is drawn in colour: lines or bars, not axes and letters alone."""
    seen = colours(file).astype(int)
    return bool((seen.max(1) - seen.min(1) > 80).any())


def curves(detectors=("model", "pixel statistics"), conditions=(*CONDITION_TITLES, "jpeg40")):
    found = []
    for seed, (detector, condition) in enumerate((detector, condition) for detector in detectors for condition in conditions):
        scores = three_generators(seed=seed)
        found.append(curve_of(detector, condition, scores.label, scores.probability, detector == "pixel statistics"))
    return found


@pytest.mark.parametrize("draw", [draw_roc, draw_det, draw_reliability])
def test_curves_of_each_detector_and_condition(tmp_path, draw):
    save_figure(draw(curves()), tmp_path / "all.png")
    assert saturated(tmp_path / "all.png")
    save_figure(draw(curves(("model",), ("clean",))), tmp_path / "one.png")
    assert len(colours(tmp_path / "one.png")) < len(colours(tmp_path / "all.png"))


def test_a_curve_has_the_area_of_its_auc_and_the_calibration_error_of_its_bins():
    scores = three_generators()
    [each] = curves(("model",), ("clean",))
    metrics = measure(scores, 0.5, resamples=2)
    assert np.trapezoid(*np.array(each.roc).T[::-1]) == pytest.approx(metrics.auc.value)
    assert sum(point["images"] for point in each.reliability) == 240 == sum(bin["real"] + bin["synthetic"] for bin in each.histogram)
    few = [scores.select(np.floor(scores.probability * 15) == number) for number in range(15)]
    means = [part.probability.mean() for part in few if len(part.label)]
    assert [point["probability"] for point in each.reliability] == pytest.approx(means, abs=0.02)


@pytest.mark.parametrize("conditions", [["clean"], list(CONDITION_TITLES), ["clean", "jpeg40"]])
def test_score_histograms_have_a_panel_per_condition(tmp_path, conditions):
    save_figure(draw_score_histogram({condition: three_generators() for condition in conditions}, 0.5), tmp_path / "scores.png")
    assert saturated(tmp_path / "scores.png")
    with Image.open(tmp_path / "scores.png") as image:
        assert image.width == 480 * len(conditions)


@pytest.mark.parametrize("stages, epochs", [
    (("contrastive", "classifiers"), 3), (("contrastive", "classifiers"), 1), (("classifiers",), 2), (("contrastive",), 1),
])
def test_history_is_drawn_also_for_a_single_epoch_or_stage(tmp_path, stages, epochs):
    save_figure(draw_history(history(stages, epochs)), tmp_path / "training.png")
    assert saturated(tmp_path / "training.png")


def test_a_single_epoch_is_a_visible_point(tmp_path):
    save_figure(draw_history(history(("classifiers",), 1)), tmp_path / "training.png")
    pixels = np.asarray(Image.open(tmp_path / "training.png").convert("RGB")).astype(int)
    _, blots = label(pixels.max(2) - pixels.min(2) > 80)
    assert blots == 2  # the legend's line and the point


def test_every_term_of_the_loss_is_drawn(tmp_path):
    rows = history(("contrastive",))
    save_figure(draw_history(rows), tmp_path / "few.png")
    save_figure(draw_history([{**row, "consistency": 0.5} for row in rows]), tmp_path / "more.png")
    save_figure(draw_history([{**row, "consistency": 0.5} if row["epoch"] else row for row in rows]), tmp_path / "late.png")  # from epoch 1 on
    count = [shades(colours(tmp_path / f"{name}.png")) for name in ("few", "more", "late")]
    assert count[0] < count[1] and count[0] < count[2]


def legends_and_panels(figure):
    """Where the legends and the panels of a drawn figure lie."""
    FigureCanvasAgg(figure).draw()
    renderer = figure.canvas.get_renderer()
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    return [legend.get_window_extent(renderer) for legend in legends], [axes.get_window_extent(renderer) for axes in figure.axes]


@pytest.mark.parametrize("kind", ["roc", "scores", "history", "one epoch", "map"])
def test_legends_lie_beside_what_is_drawn_and_inside_the_picture(kind):
    scores = {(detector, condition): three_generators() for detector in ("model", "pixel statistics") for condition in CONDITION_TITLES}
    points = [{"x": float(n), "y": float(n % 7), "label": "real", "generator": name} for n in range(30) for name in ("real", "A", "B")]
    figure = {
        "roc": lambda: draw_roc(curves()), "history": lambda: draw_history(history()),
        "scores": lambda: draw_score_histogram({condition: each for (_, condition), each in scores.items()}, 0.5),
        "one epoch": lambda: draw_history(history(epochs=1)),
        "map": lambda: draw_map({"method": "PCA", "images": 90, "points": points}),
    }[kind]()
    legends, panels = legends_and_panels(figure)
    assert legends and not any(legend.overlaps(panel) for legend in legends for panel in panels)
    width, height = figure.get_size_inches() * figure.dpi
    assert all(legend.x0 >= 0 and legend.y0 >= 0 and legend.x1 <= width and legend.y1 <= height for legend in legends)


def test_the_threshold_s_line_is_named_with_its_value():
    figure = draw_score_histogram({"clean": three_generators()}, 0.37)
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"real", "synthetic", "threshold 0.37"}


def test_a_constant_learning_rate_has_no_axis_but_stands_in_the_title():
    rows = [{"stage": "classifiers", "epoch": epoch, "learning_rate": 0.05, "loss": 1.0 / (epoch + 1)} for epoch in range(3)]
    figure = draw_history(rows)
    assert [axes.get_title() for axes in figure.axes] == ["stage: classifiers, learning rate 0.05"]
    changing = draw_history([{**row, "learning_rate": 0.05 / (row["epoch"] + 1)} for row in rows])
    assert [axes.get_ylabel() for axes in changing.axes] == ["loss", "learning rate"]


def answers(n=200, classes=9):
    names = ["real", *(f"generator {number}" for number in range(1, classes))]
    rng = np.random.default_rng(0)
    true = rng.choice(names, n)
    return names, true, np.where(rng.random(n) < 0.7, true, rng.choice(names, n)), np.arange(n).astype(str)


def test_confusion_matrices_stand_side_by_side_and_dark_cells_are_the_frequent_ones(tmp_path):
    names, true, answer, source = answers()
    said = (true, answer, np.full(len(true), "real"))
    tracks = [make_track("generator", "clean", true, each, names, source, resamples=5) for each in said]
    for number, track in enumerate(tracks):
        save_figure(draw_confusion([track]), tmp_path / f"{number}.png")
    save_figure(draw_confusion(tracks), tmp_path / "all.png")
    wide, one = (Image.open(tmp_path / f"{name}.png").width for name in ("all", 0))
    assert wide > 2 * one
    full = (8, 48, 107)  # the colour of a share of 1
    dark = [(np.asarray(Image.open(tmp_path / f"{number}.png").convert("RGB")) == full).all(2).mean() for number in range(3)]
    assert dark[0] > 1.5 * dark[1] and dark[0] == pytest.approx(dark[2], rel=0.2)  # one full cell in each row, wherever it is


@pytest.mark.parametrize("generators", [1, 8, 30])
def test_the_map_gives_each_generator_a_colour_of_its_own(tmp_path, generators):
    rng = np.random.default_rng(0)
    names = ["real", *(f"generator {number}" for number in range(generators))]
    label = lambda name: "real" if name == "real" else "synthetic"
    points = [
        {"x": float(rng.random()), "y": float(rng.random()), "label": label(name), "generator": name}
        for name in names for _ in range(20)
    ]
    save_figure(draw_map({"method": "t-SNE", "images": len(points), "points": points}), tmp_path / "map.png")
    assert saturated(tmp_path / "map.png") and shades(colours(tmp_path / "map.png")) > 2 * generators


def test_a_run_without_epochs_gets_a_picture_that_says_so(tmp_path):
    save_figure(draw_history([]), tmp_path / "training.png")
    assert len(colours(tmp_path / "training.png")) > 2 and not saturated(tmp_path / "training.png")


def test_drawing_leaves_the_notebook_s_display_alone(tmp_path):
    import matplotlib
    import matplotlib.pyplot as plt

    before = matplotlib.get_backend(), plt.get_fignums()
    save_figure(draw_history(history()), tmp_path / "training.png")
    assert (matplotlib.get_backend(), plt.get_fignums()) == before
