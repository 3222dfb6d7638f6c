"""Charts of robustness: curves over the strength of each degradation, and the matrix degradation × generator."""

import numpy as np
from matplotlib.figure import Figure  # not pyplot, which would choose a display for the whole process

from imaginet_core.pictures.degradation_grid.conditions import AXES
from imaginet_tools.evaluation.robustness.figures import RECALL

FIGURES = {"auc": "AUC", RECALL: "recall at 5 % false alarms"}


def draw_curves(rows: dict[str, list[dict]]) -> Figure | None:
    """AUC and recall at 5 % false alarms over the strength of each kind of degradation, a panel per kind and figure.

    Args:
        rows: detector -> what ``figures.condition_rows`` gave for it.

    Returns:
        None where no kind was scored at two strengths.
    """
    strengths = {kind: len({row["condition"] for each in rows.values() for row in each if row["kind"] == kind}) for kind in AXES}
    kinds = [kind for kind, count in strengths.items() if count > 1]
    if not kinds:
        return None
    columns = min(4, len(kinds))
    lines = -(-len(kinds) // columns)
    figure = Figure(figsize=(max(6, 3.1 * columns), 4.6 * lines + 0.2 * len(rows) + 0.2), layout="constrained")
    panels = figure.subplots(2 * lines, columns, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    for number, kind in enumerate(kinds):
        for offset, name in enumerate(FIGURES):
            _draw_panel(panels[2 * (number // columns) + offset][number % columns], rows, kind, name)
    figure.legend(*panels[0][0].get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=min(2, columns))
    return figure


def _draw_panel(axes, rows: dict[str, list[dict]], kind: str, name: str) -> None:
    axes.set_axis_on()
    for number, (detector, of_detector) in enumerate(rows.items()):
        own = sorted((row for row in of_detector if row["kind"] == kind), key=lambda row: row["strength"])
        clean = next((row for row in of_detector if row["condition"] == "clean"), None)
        strengths = [row["strength"] for row in own]
        axes.plot(strengths, [row[name]["value"] for row in own], marker=".", color=f"C{number}", label=_short(detector, 40))
        with_interval = [row for row in own if row[name]["low"] is not None]
        axes.fill_between(
            [row["strength"] for row in with_interval], *([row[name][end] for row in with_interval] for end in ("low", "high")),
            color=f"C{number}", alpha=0.2, linewidth=0,
        )
        if clean is not None:
            axes.axhline(clean[name]["value"], color=f"C{number}", linestyle=":", linewidth=1)  # the dotted line is clean
    axes.set(title=kind.replace("_", " "), ylim=(0, 1.02))
    axes.set_xlabel(AXES[kind], fontsize=7, wrap=True)
    axes.set_ylabel(FIGURES[name], fontsize=8)
    axes.tick_params(labelsize=7)
    if kind.startswith(("resize", "noise", "paper_resize")):
        axes.set_xscale("log")
        axes.set_xticks(strengths, [f"{value:g}" for value in strengths], rotation=90 if kind == "paper_resize" else 0)
        axes.minorticks_off()


def draw_matrix(matrix: dict, title: str) -> Figure:
    """AUC of each generator (columns) under each condition (rows), as ``figures.matrix_of`` gave it."""
    values = np.array(matrix["auc"], dtype=float)
    rows, columns = values.shape
    figure = Figure(figsize=(4 + 0.62 * columns, 1.6 + 0.24 * rows), layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(values, cmap="RdYlGn", vmin=0.5, vmax=1, aspect="auto")
    for row, column in np.ndindex(rows, columns):
        axes.text(column, row, f"{values[row, column]:.2f}", ha="center", va="center", fontsize=7)
    axes.set_yticks(range(rows), matrix["titles"], fontsize=7)
    axes.set_xticks(range(columns), [_short(name, 24) for name in matrix["generators"]], fontsize=7, rotation=45, ha="right")
    figure.suptitle(_short(title, 70), fontsize=9)
    bar = figure.colorbar(shown, ax=axes)
    bar.ax.tick_params(labelsize=7)
    bar.set_label("AUC", fontsize=7)
    return figure


def _short(name: str, longest: int) -> str:
    """A name that fits the picture; "$" is no formula."""
    name = name if len(name) <= longest else f"{name[: longest - 1]}…"
    return name.replace("$", r"\$")
