"""Draws the picture at the top of README.md from the table in docs/results.md: ``python -m scripts.update_results_picture``."""

if __name__ == "__main__":  # before the libraries, which take seconds
    from imaginet_core.interrupts import end_at_once_on_interrupt

    end_at_once_on_interrupt("scripts.update_results_picture")

import re
from pathlib import Path

from matplotlib.figure import Figure

DOCS = Path(__file__).resolve().parents[1] / "docs"
HEADING = "## Preset `laptop` on real files"
ROW = re.compile(r"^\| (?P<condition>[^|]+) \| (?P<detector>model|pixel statistics) \| (?P<auc>[\d.]+) \[(?P<low>[\d.]+), (?P<high>[\d.]+)\]", re.MULTILINE)
SERIES = {"model": ("detector", "#1f5fa8", "o"), "pixel statistics": ("pixel statistics", "#8a8a8a", "s")}


def rows_of(text: str) -> list[tuple[str, str, float, float, float]]:
    """(condition, detector, AUC, low, high) of each row of the table under HEADING. Raises ValueError if there is none."""
    section = text.partition(HEADING)[2].partition("\n## ")[0]
    found = [
        (row["condition"], row["detector"], float(row["auc"]), float(row["low"]), float(row["high"])) for row in ROW.finditer(section)
    ]
    if not found:
        raise ValueError(f"docs/results.md has no table of AUCs under the heading {HEADING!r}.")
    return found


def draw(rows: list[tuple[str, str, float, float, float]]) -> Figure:
    """Points with their 95 % intervals, a group per condition; the dashed line is chance."""
    conditions = list(dict.fromkeys(row[0] for row in rows))
    figure = Figure(figsize=(7.2, 2.6), layout="constrained")
    axes = figure.subplots()
    for shift, (name, (title, colour, marker)) in zip((-0.1, 0.1), SERIES.items(), strict=True):
        own = {row[0]: row[2:] for row in rows if row[1] == name}
        places = [conditions.index(condition) + shift for condition in own]
        values = [value for value, _, _ in own.values()]
        spread = [[value - low for value, low, _ in own.values()], [high - value for value, _, high in own.values()]]
        axes.errorbar(places, values, yerr=spread, fmt=marker, color=colour, capsize=4, label=title)
        for place, value in zip(places, values, strict=True):
            axes.annotate(f"{value:.2f}", (place, value), (7 if shift > 0 else -7, 0), textcoords="offset points",
                          ha="left" if shift > 0 else "right", va="center", fontsize=8, color=colour)
    axes.axhline(0.5, color="#8a8a8a", linestyle="--", linewidth=0.8)
    axes.annotate("chance", (-0.48, 0.505), fontsize=8, color="#8a8a8a")
    axes.set(xticks=range(len(conditions)), xticklabels=conditions, ylabel="AUC", ylim=(0.45, 1.01), xlim=(-0.5, len(conditions) - 0.5))
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    return figure


if __name__ == "__main__":
    draw(rows_of((DOCS / "results.md").read_text(encoding="utf-8"))).savefig(DOCS / "results" / "lab_laptop.png", dpi=130)
