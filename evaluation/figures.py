"""Pictures of results: ROC curves, how scores spread, and the course of training. PNG files, drawn without a display."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
from sklearn.metrics import roc_curve  # noqa: E402

from degradations import CONDITION_TITLES  # noqa: E402
from evaluation.metrics import Scores  # noqa: E402


def draw_roc(scores: dict[tuple[str, str], Scores], file: Path) -> None:
    """ROC curves of each (detector, condition); the baseline's are dashed."""
    figure, axes = plt.subplots(figsize=(6, 6), layout="constrained")
    colours = dict(zip(CONDITION_TITLES, plt.rcParams["axes.prop_cycle"].by_key()["color"], strict=False))
    for (detector, condition), each in scores.items():
        false_alarms, recall, _ = roc_curve(each.label, each.probability)
        style = "-" if detector == "model" else "--"
        axes.plot(false_alarms, recall, style, color=colours[condition], label=f"{detector}, {CONDITION_TITLES[condition]}")
    axes.plot([0, 1], [0, 1], ":", color="grey", linewidth=1)
    axes.set(xlabel="false alarms (share of real images)", ylabel="recall (share of synthetic images)", title="ROC curves")
    axes.legend(fontsize=8, loc="lower right")
    _save(figure, file)


def draw_score_histogram(scores: dict[str, Scores], threshold: float, file: Path) -> None:
    """How the model's probabilities spread over real and synthetic images, one panel per condition."""
    figure, panels = plt.subplots(1, len(scores), figsize=(4 * len(scores), 3), sharey=True, squeeze=False, layout="constrained")
    for axes, (condition, each) in zip(panels[0], scores.items(), strict=True):
        for value, name in enumerate(("real", "synthetic")):
            axes.hist(each.probability[each.label == value], bins=np.linspace(0, 1, 21), alpha=0.6, label=name)
        axes.axvline(threshold, color="black", linewidth=1)
        axes.set(xlabel="probability of synthetic", title=CONDITION_TITLES[condition])
    panels[0][0].set_ylabel("images")
    panels[0][0].legend()
    _save(figure, file)


def draw_history(history: list[dict], file: Path) -> None:
    """Loss and learning rate by epoch; a panel for each stage."""
    stages = list(dict.fromkeys(row["stage"] for row in history))
    figure, panels = plt.subplots(1, max(1, len(stages)), figsize=(5 * max(1, len(stages)), 3.5), squeeze=False, layout="constrained")
    for axes, stage in zip(panels[0], stages, strict=False):
        rows = [row for row in history if row["stage"] == stage]
        epochs = [row["epoch"] for row in rows]
        for name in ("loss", "origin", "family", "cross_entropy"):
            if name in rows[0]:
                axes.plot(epochs, [row[name] for row in rows], label=name)
        axes.set(xlabel="epoch", ylabel="loss", title=f"stage: {stage}")
        axes.legend(fontsize=8)
        rate = axes.twinx()
        rate.plot(epochs, [row["learning_rate"] for row in rows], ":", color="grey")
        rate.set_ylabel("learning rate", color="grey")
    _save(figure, file)


def _save(figure, file: Path) -> None:
    figure.savefig(file, dpi=120)
    plt.close(figure)
