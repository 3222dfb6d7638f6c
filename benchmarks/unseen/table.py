"""The table of all rows, and the same as a picture."""

from matplotlib.figure import Figure

from benchmarks.unseen.figures import Figures, difference, figures_of
from benchmarks.unseen.rows import CORNER, FORMER_CORNER
from benchmarks.unseen.scores import CONDITIONS

REFERENCES = ("laptop", FORMER_CORNER, CORNER)
"""Rows that the others are compared with: the first of these that is there."""


def all_figures(rows: dict[str, dict], resamples: int = 1000) -> dict[str, dict[str, Figures]]:
    """Name of a row -> column of the table -> figures."""
    return {name: {column: figures_of(row, column, resamples) for column in CONDITIONS} for name, row in rows.items()}


def markdown(rows: dict[str, dict], figures: dict[str, dict[str, Figures]]) -> str:
    """Three tables: mean and worst AUC by condition; AUC of each generator, clean; balanced accuracy at two thresholds."""
    columns = " | ".join(CONDITIONS)
    reference = next((name for name in REFERENCES if name in figures), REFERENCES[0])
    lines = [f"| row | mean AUC, {columns} | worst generator, clean | clean, more than `{reference}` | seconds a run |"]
    lines.append("| --- " * (len(CONDITIONS) + 4) + "|")
    for name, of in figures.items():
        cells = [str(of[column].mean) for column in CONDITIONS] + [str(of["clean"].worst)]
        cells.append(str(difference(of["clean"], figures[reference]["clean"])) if reference in figures and name != reference else "")
        lines.append(f"| {name} | {' | '.join(cells)} | {_seconds(rows[name])} |")
    generators = [run["generator"] for run in next(iter(rows.values()))["runs"]]
    lines += ["", f"| AUC of the generator left out, clean | {' | '.join(generators)} |", "| --- " * (1 + len(generators)) + "|"]
    for name, of in figures.items():
        areas = of["clean"].by_generator
        lines.append(f"| {name} | {' | '.join(f'{areas[each]:.3f}' for each in generators)} |")
    lines += ["", f"| balanced accuracy: stored threshold / best | {' | '.join(CONDITIONS)} |", "| --- " * (1 + len(CONDITIONS)) + "|"]
    for name, of in figures.items():
        lines.append(f"| {name} | {' | '.join(f'{of[column].at_threshold:.3f} / {of[column].at_best:.3f}' for column in CONDITIONS)} |")
    return "\n".join(lines) + "\n"


def draw(figures: dict[str, dict[str, Figures]]) -> Figure:
    """Mean AUC with its interval, a row per idea and a colour per condition; a cross marks the worst generator."""
    figure = Figure(figsize=(9, 1.5 + 0.7 * len(figures)), layout="constrained")
    axes = figure.subplots()
    for number, column in enumerate(CONDITIONS):
        for place, of in enumerate(figures.values()):
            each, y = of[column], place + 0.18 * (number - 1.5)
            if each.mean.low is not None:
                axes.plot([each.mean.low, each.mean.high], [y, y], color=f"C{number}", linewidth=2)
            axes.plot([each.mean.value], [y], "o", color=f"C{number}", label=column if place == 0 else None)
            axes.plot([each.worst.value], [y], "x", color=f"C{number}", label="worst generator" if place == number == 0 else None)
    axes.axvline(0.5, color="grey", linewidth=1)
    axes.set_yticks(range(len(figures)), list(figures))
    axes.invert_yaxis()
    axes.set(xlabel="AUC on the generator left out: mean over generators,\nwith 95 % interval over source pictures")
    axes.legend(fontsize=8)
    return figure


def _seconds(row: dict) -> str:
    known = [run["processor_seconds"] for run in row["runs"] if run["processor_seconds"] is not None]
    return f"{sum(known) / len(known):,.0f}" if known else ""
