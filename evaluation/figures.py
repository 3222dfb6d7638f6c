"""Pictures of results: ROC curves, how scores spread, and the course of training. PNG files, drawn without a display."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure  # not pyplot, which would keep figures and choose a display for the whole process
from sklearn.metrics import roc_curve

from degradations import CONDITION_TITLES
from evaluation.metrics import Scores


def draw_roc(scores: dict[tuple[str, str], Scores], file: Path) -> None:
    """ROC curves of each (detector, condition), at least one; the baseline's are dashed."""
    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.subplots()
    colours = {condition: f"C{number}" for number, condition in enumerate(dict.fromkeys(condition for _, condition in scores))}
    for (detector, condition), each in scores.items():
        false_alarms, recall, _ = roc_curve(each.label, each.probability)
        style = "-" if detector == "model" else "--"
        axes.plot(false_alarms, recall, style, color=colours[condition], label=f"{detector}, {_title(condition)}")
    axes.plot([0, 1], [0, 1], ":", color="grey", linewidth=1)
    axes.set(xlabel="false alarms (share of real images)", ylabel="recall (share of synthetic images)", title="ROC curves")
    axes.legend(fontsize=8, loc="lower right")
    _save(figure, file)


def draw_score_histogram(scores: dict[str, Scores], threshold: float, file: Path) -> None:
    """How the model's probabilities spread over real and synthetic images, one panel per condition, at least one."""
    figure = Figure(figsize=(4 * len(scores), 3), layout="constrained")
    panels = figure.subplots(1, len(scores), sharey=True, squeeze=False)
    for axes, (condition, each) in zip(panels[0], scores.items(), strict=True):
        for value, name in enumerate(("real", "synthetic")):
            axes.hist(each.probability[each.label == value], bins=np.linspace(0, 1, 21), alpha=0.6, label=name)
        axes.axvline(threshold, color="black", linewidth=1)
        axes.set(xlabel="probability of synthetic", title=_title(condition))
    panels[0][0].set_ylabel("images")
    panels[0][0].legend()
    _save(figure, file)


def draw_history(history: list[dict], file: Path) -> None:
    """Loss and learning rate by epoch; a panel for each stage, and a sentence in its place where no epoch was trained."""
    stages = list(dict.fromkeys(row["stage"] for row in history))
    figure = Figure(figsize=(5 * max(1, len(stages)), 3.5), layout="constrained")
    panels = figure.subplots(1, max(1, len(stages)), squeeze=False)
    if not stages:
        panels[0][0].set_axis_off()
        panels[0][0].text(0.5, 0.5, "no epoch was trained", ha="center", va="center")
    for axes, stage in zip(panels[0], stages, strict=False):
        rows = [row for row in history if row["stage"] == stage]
        epochs = [row["epoch"] for row in rows]
        for name in ("loss", "origin", "family", "cross_entropy"):
            if name in rows[0]:
                axes.plot(epochs, [row[name] for row in rows], marker=".", label=name)  # a single epoch has no line
        axes.set(xlabel="epoch", ylabel="loss", title=f"stage: {stage}")
        axes.legend(fontsize=8)
        rate = axes.twinx()
        rate.plot(epochs, [row["learning_rate"] for row in rows], ":", marker=".", color="grey")
        rate.set_ylabel("learning rate", color="grey")
        axes.set_zorder(rate.get_zorder() + 1)  # the losses in front
        axes.patch.set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    _save(figure, file)


def _title(condition: str) -> str:
    return CONDITION_TITLES.get(condition, condition)


def _save(figure: Figure, file: Path) -> None:
    figure.savefig(file, dpi=120, format="png")
