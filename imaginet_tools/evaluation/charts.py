"""Charts of results: ROC curves, how scores spread, which class is taken for which, a map of features, the course of training.

Each is returned as a figure of matplotlib, drawn without a display; :func:`save_figure` writes it.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure  # not pyplot, which would keep figures and choose a display for the whole process
from scipy.stats import norm

from imaginet_core.pictures.degradation_grid.conditions import condition_title
from imaginet_core.storage.safe_writes import write_aside
from imaginet_tools.evaluation.report_parts import Curves
from imaginet_tools.metrics.attribution import Track
from imaginet_tools.metrics.detection import Scores

NO_TERMS = ("stage", "epoch", "learning_rate", "loss", "seconds", "images")
"""Of a row of the history; whatever else it holds is a term of the loss."""


def draw_roc(curves: Sequence[Curves]) -> Figure:
    """ROC curves of each detector and condition, at least one; those of baselines are dashed."""
    figure = Figure(figsize=(6, 6 + 0.1 * len(curves)), layout="constrained")
    axes = figure.subplots()
    for each, style in zip(curves, _styles(curves), strict=True):
        axes.plot(*np.array(each.roc).T, label=f"{each.detector}, {condition_title(each.condition)}", **style)
    axes.plot([0, 1], [0, 1], ":", color="grey", linewidth=1, label="chance")
    axes.set(xlabel="false alarms (share of real images)", ylabel="recall (share of synthetic images)", title="ROC curves")
    _legend_below(figure, axes, columns=2)
    return figure


def draw_det(curves: Sequence[Curves]) -> Figure:
    """Detection error trade-off (Martin et al., 1997): missed images against false alarms, both axes by normal deviates, so that the
    low rates that matter have room; rates below 0.1 % and above 99.9 % lie outside."""
    figure = Figure(figsize=(6, 6 + 0.1 * len(curves)), layout="constrained")
    axes = figure.subplots()
    for each, style in zip(curves, _styles(curves), strict=True):
        alarms, recall = np.clip(np.array(each.roc).T, 1e-4, 1 - 1e-4)
        axes.plot(norm.ppf(alarms), norm.ppf(1 - recall), label=f"{each.detector}, {condition_title(each.condition)}", **style)
    ticks = np.array([0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 0.8, 0.95, 0.99])
    names = [f"{tick:.1%}" if tick < 0.01 else f"{tick:.0%}" for tick in ticks]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(norm.ppf(ticks), names)
    limits = norm.ppf([0.001, 0.999])
    axes.set(
        xlim=limits, ylim=limits, xlabel="false alarms (share of real images)", ylabel="missed (share of synthetic images)",
        title="Detection error trade-off",
    )
    axes.grid(alpha=0.3)
    _legend_below(figure, axes, columns=2)
    return figure


def draw_reliability(curves: Sequence[Curves]) -> Figure:
    """How often images of a probability are synthetic, both classes weighing the same; on the diagonal a probability means what it says."""
    figure = Figure(figsize=(6, 6 + 0.1 * len(curves)), layout="constrained")
    axes = figure.subplots()
    for each, style in zip(curves, _styles(curves), strict=True):
        points = [(point["probability"], point["frequency"]) for point in each.reliability]
        axes.plot(*np.array(points).T, marker=".", label=f"{each.detector}, {condition_title(each.condition)}", **style)
    axes.plot([0, 1], [0, 1], ":", color="grey", linewidth=1, label="what is said is so")
    axes.set(xlabel="probability of synthetic", ylabel="share of synthetic images", title="Reliability", xlim=(0, 1), ylim=(0, 1))
    _legend_below(figure, axes, columns=2)
    return figure


def _styles(curves: Sequence[Curves]) -> list[dict]:
    """Line of each curve: a colour a condition where there is one detector beside baselines, else one a detector; baselines dashed."""
    own = {each.detector for each in curves if not each.baseline}
    key = (lambda each: each.condition) if len(own) < 2 else (lambda each: each.detector)
    colours = {name: f"C{number % 10}" for number, name in enumerate(dict.fromkeys(map(key, curves)))}
    return [{"linestyle": "--" if each.baseline else "-", "color": colours[key(each)]} for each in curves]


def draw_score_histogram(scores: dict[str, Scores], threshold: float) -> Figure:
    """How the model's probabilities spread over real and synthetic images, one panel per condition, at least one."""
    figure = Figure(figsize=(4 * len(scores), 3.3), layout="constrained")
    panels = figure.subplots(1, len(scores), sharey=True, squeeze=False)
    for axes, (condition, each) in zip(panels[0], scores.items(), strict=True):
        for value, name in enumerate(("real", "synthetic")):
            axes.hist(each.probability[each.label == value], bins=np.linspace(0, 1, 21), alpha=0.6, label=name)
        axes.axvline(threshold, color="black", linewidth=1, label=f"threshold {threshold:.2f}")
        axes.set(xlabel="probability of synthetic", title=condition_title(condition))
    panels[0][0].set_ylabel("images")
    _legend_below(figure, panels[0][0], columns=3)
    return figure


def draw_history(history: list[dict]) -> Figure:
    """Loss, its terms and the learning rate by epoch; a panel per stage, or a sentence where no epoch was trained.

    A learning rate that stays as it is has no axis and stands in the title.
    """
    stages = list(dict.fromkeys(row["stage"] for row in history))
    figure = Figure(figsize=(5 * max(1, len(stages)), 3.8), layout="constrained")
    panels = figure.subplots(1, max(1, len(stages)), squeeze=False)
    if not stages:
        panels[0][0].set_axis_off()
        panels[0][0].text(0.5, 0.5, "no epoch was trained", ha="center", va="center")
    for axes, stage in zip(panels[0], stages, strict=False):
        _draw_stage(axes, [row for row in history if row["stage"] == stage], stage)
    return figure


def _draw_stage(axes, rows: list[dict], stage: str) -> None:
    epochs = [row["epoch"] for row in rows]
    terms = dict.fromkeys(name for row in rows for name in row if name not in NO_TERMS)
    for name in ("loss", *terms):
        values = [row.get(name, np.nan) for row in rows]
        axes.plot(epochs, values, marker=".", label=name.replace("_", " "))  # a single epoch has no line
    axes.set(xlabel="epoch", ylabel="loss", title=f"stage: {stage}")
    lines, rates = axes.get_legend_handles_labels()[0], [row["learning_rate"] for row in rows]
    if len(set(rates)) == 1:
        axes.set_title(f"stage: {stage}, learning rate {rates[0]:.3g}")
    else:
        rate = axes.twinx()
        lines += rate.plot(epochs, rates, ":", marker=".", color="grey", label="learning rate")
        rate.set_ylabel("learning rate", color="grey")
        axes.set_zorder(rate.get_zorder() + 1)  # the losses in front
        axes.patch.set_visible(False)
    axes.legend(handles=lines, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3)
    axes.xaxis.get_major_locator().set_params(integer=True)


def draw_confusion(tracks: list[Track]) -> Figure:
    """A panel per track, at least one: rows are the images' classes, columns the answers, with counts and shares of the row."""
    sizes = [(len(track.answers) + 3, len(track.classes) + 2) for track in tracks]
    widths, heights = zip(*sizes, strict=True)
    figure = Figure(figsize=(0.8 * sum(widths) + 1, 0.7 * max(heights) + 1.2), layout="constrained")
    panels = figure.subplots(1, len(tracks), squeeze=False, width_ratios=widths)
    for axes, track in zip(panels[0], tracks, strict=True):
        counts = np.array(track.counts)
        shares = counts / counts.sum(1, keepdims=True)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(counts.shape):
            style = {"ha": "center", "va": "center", "fontsize": 7, "color": "white" if shares[row, column] > 0.6 else "black"}
            axes.text(column, row, f"{counts[row, column]}\n{shares[row, column]:.0%}", **style)
        names = [each.name if each.known else f"{each.name} (never seen)" for each in track.classes]
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.set_xticks(range(len(track.answers)), track.answers, fontsize=8, rotation=45, ha="right")
        axes.set(xlabel="answer", ylabel="truth", title=f"{track.name}, {condition_title(track.condition)}")
    return figure


def draw_map(embedding_map: dict) -> Figure:
    """The points of ``imaginet_tools.evaluation.embedding_map``: coloured by origin on the left, by generator on the right."""
    points = embedding_map["points"]
    place = np.array([(point["x"], point["y"]) for point in points])
    figure = Figure(figsize=(11, 6), layout="constrained")
    for axes, column in zip(figure.subplots(1, 2), ("label", "generator"), strict=True):
        value = np.array([point[column] for point in points])
        names = sorted(set(value), key=lambda name: (name != "real", name))
        for number, name in enumerate(names):
            colour = _colour(number, len(names))
            axes.scatter(*place[value == name].T, s=12, color=colour, label=name, alpha=0.8, linewidths=0)
        axes.legend(fontsize=7, markerscale=1.5, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=min(4, len(names)))
        axes.set(xticks=[], yticks=[], title="by origin" if column == "label" else "by generator")
    of_all = f" of {embedding_map['images']}" if len(points) < embedding_map["images"] else ""
    figure.suptitle(f"Features of {len(points)}{of_all} images in two dimensions ({embedding_map['method']})", fontsize=10)
    return figure


def _legend_below(figure: Figure, axes, columns: int) -> None:
    """Names what is drawn below the panels, where it covers nothing."""
    figure.legend(*axes.get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=columns)


def _colour(number: int, of: int):
    """Distinct colours: ten by hand, beyond them evenly along the spectrum."""
    return f"C{number}" if of <= 10 else colormaps["turbo"](number / (of - 1))


def save_figure(figure: Figure, file: str | Path) -> None:
    """Writes a figure as a PNG file, whole or not at all."""
    with write_aside(file) as aside:
        figure.savefig(aside, dpi=120, format="png")
