"""What the page's tables hold: cells with their text, the value that they are sorted by, and whether they are the best."""

from collections.abc import Sequence
from typing import NamedTuple

from imaginet_core.pictures.degradation_grid.conditions import GRID, condition_title
from imaginet_tools.evaluation.comparison.comparison_tables import PAPER, PAPER_COLUMNS

FIGURES = {
    "balanced_accuracy": "balanced accuracy", "auc": "AUC", "average_precision": "average precision",
    "recall_at_5": "recall at 5 % false alarms", "real_accuracy": "real accuracy", "synthetic_accuracy": "fake accuracy",
    "equal_error_rate": "equal error rate", "brier_score": "Brier score", "calibration_error": "calibration error",
}
"""Figure of a report's row -> heading, in the order of the columns."""
LOWER_IS_BETTER = ("equal_error_rate", "brier_score", "calibration_error")
TITLES = {"overall": "All images", "content": "By content type", "family": "By family", "generator": "By generator"}
"""Kind of group -> heading; other kinds are "By <kind>"."""


MOST_PAIRS = 12
"""Rows of a table by two columns that are shown at once."""
MOST_CONDITIONS = 10
"""Of all images, shown at once; of more conditions single steps of the grid are folded away."""


class Cell(NamedTuple):
    """One cell: text, what a column is sorted by (None: the text), whether it is the best of its group, a line below it."""

    text: str
    value: float | None = None
    best: bool = False
    note: str = ""


class Table(NamedTuple):
    """A table: heading, names of columns, rows of cells; ``more`` are rows that are folded away at first, ``about`` is a sentence above,
    ``folds`` are (title, rows) that open one by one."""

    title: str
    columns: list[str]
    rows: list[list[Cell]]
    more: list[list[Cell]] = []
    about: str = ""
    folds: list[tuple[str, list[list[Cell]]]] = []


def estimate_cell(estimate: dict | None, best: bool = False, percent: bool = False) -> Cell:
    """A figure with its interval below it; without one, why not."""
    if estimate is None:
        return Cell("")
    written = (lambda value: f"{value:.1%}") if percent else (lambda value: f"{value:.3f}")
    low, high = estimate.get("low"), estimate.get("high")
    note = "no interval" if low is None or high is None else f"{written(low)} to {written(high)}"
    return Cell(written(estimate["value"]), estimate["value"], best, note)


def figure_tables(rows: Sequence[dict]) -> list[Table]:
    """A table per kind of group; of several detectors the best one of each group and condition is marked.

    All images are shown under up to MOST_CONDITIONS conditions (of more: undegraded and after chains), other groups under the first
    one, with a part to open for each other condition.
    """
    kinds = dict.fromkeys([*(kind for kind in TITLES if any(row["kind"] == kind for row in rows)), *(row["kind"] for row in rows)])
    first = rows[0]["condition"] if rows else ""
    return [_figure_table(kind, [row for row in rows if row["kind"] == kind], first) for kind in kinds]


def _figure_table(kind: str, rows: list[dict], first: str) -> Table:
    figures = [name for name in FIGURES if any(row["metrics"].get(name) for row in rows)]
    best = _best(rows, figures)
    lines, more, folds = [], [], {}
    conditions = list(dict.fromkeys(row["condition"] for row in rows))
    names = list(dict.fromkeys(row["name"] for row in rows))
    together = sorted(enumerate(rows), key=lambda pair: (conditions.index(pair[1]["condition"]), names.index(pair[1]["name"])))
    for number, row in together:  # detectors on the same images below each other
        metrics = row["metrics"]
        line = [
            Cell(condition_title(row["condition"])), Cell(row["name"]),
            Cell(row["detector"], note="baseline" if row.get("baseline") else ""),
            Cell(f"{metrics['n_real']} + {metrics['n_synthetic']}", metrics["n_real"] + metrics["n_synthetic"]),
            *(estimate_cell(metrics.get(name), (number, name) in best) for name in figures),
        ]
        few = len(conditions) <= MOST_CONDITIONS or (row["condition"] in GRID and GRID[row["condition"]].tier != "")
        if kind != "overall" and row["condition"] != first:
            folds.setdefault(condition_title(row["condition"]), []).append(line)
        else:
            (lines if row["condition"] == first or few else more).append(line)
    if "," in kind:  # a row for each pair of values
        lines, more = lines[:MOST_PAIRS], lines[MOST_PAIRS:] + more
    columns = ["condition", "group", "detector", "real + synthetic", *(FIGURES[name] for name in figures)]
    return Table(TITLES.get(kind, f"By {kind}"), columns, lines, more, folds=list(folds.items()))


def _best(rows: list[dict], figures: list[str]) -> set[tuple[int, str]]:
    """(row, figure) of the best figures, among detectors that are compared on the same images; ties are all best."""
    groups: dict[tuple, list[int]] = {}
    for number, row in enumerate(rows):
        groups.setdefault((row["condition"], row["name"]), []).append(number)
    found = set()
    for numbers in groups.values():
        for name in figures if len(numbers) > 1 else ():
            values = {number: rows[number]["metrics"][name]["value"] for number in numbers if rows[number]["metrics"].get(name)}
            if values:
                top = (min if name in LOWER_IS_BETTER else max)(values.values())
                found |= {(number, name) for number, value in values.items() if value == top}
    return found


def figure_title(figure: str) -> str:
    """What a figure is called; a name that is in no list stays as it is."""
    return FIGURES.get(figure, figure.replace("_", " "))


def comparison_tables(report: dict) -> list[Table]:
    """Gains over the baseline, differences of detectors and their ranks, undegraded first, the rest folded away."""
    found = []
    for entry, title, columns in (
        ("gains", "Gain over the baseline", ["detector", "baseline", "condition", "figure", "gain"]),
        (
            "differences", "Differences of detectors, on the same draws of source pictures",
            ["first", "second", "condition", "figure", "first less second"],
        ),
        ("ranks", "Ranks, with their uncertainty", ["detector", "condition", "figure", "rank", "first in so many draws"]),
    ):
        rows, of = report.get(entry) or [], {True: [], False: []}
        for row in rows:
            if entry == "ranks":
                places = {**row["rank"], "value": round(row["rank"]["value"])}
                low, high = places.get("low"), places.get("high")
                note = "" if low is None or high is None else f"{low:.0f} to {high:.0f}"
                cells = [Cell(row["detector"]), Cell(condition_title(row["condition"])), Cell(figure_title(row["figure"])),
                         Cell(str(places["value"]), places["value"], note=note), Cell(f"{row['best']:.0%}", row["best"])]
            else:
                titles = condition_title(row["condition"]), figure_title(row["figure"])
                cells = [*map(Cell, (row["first"], row["second"], *titles)), estimate_cell(row["value"])]
            of[row["condition"] == rows[0]["condition"]].append(cells)
        if rows:
            found.append(Table(title, columns, of[True], of[False]))
    return found


def paper_tables(report: dict) -> list[Table]:
    """Thresholds as the paper fits them beside the detectors' own."""
    found = {(row["detector"], row["condition"], row["kind"], row["name"]): row["metrics"] for row in report["figures"]}
    lines = []
    for each in report.get("paper_thresholds") or ():
        own = found[each["detector"], each["condition"], each["kind"], each["name"]]
        lines.append([
            Cell(each["name"]), Cell(each["detector"]), *map(estimate_cell, (own["auc"], own["balanced_accuracy"], each["balanced_accuracy"])),
            *(Cell(f"{value:.4f}", value) for value in (own["threshold"], each["threshold"])), Cell(f"{each['calibration_images']} images"),
        ])
    return [Table("Thresholds as the paper fits them", list(PAPER_COLUMNS), lines, about=PAPER)] if lines else []


def degradation_tables(degradations: dict) -> list[Table]:
    """What a grid of degradations found (``robustness.report_part``), a table per question."""
    detectors = degradations.get("detectors", {})
    pooled = [[Cell(name), estimate_cell(told["pooled_auc"])] for name, told in detectors.items()]
    worst = _lines(detectors, "worst", lambda cell: [
        Cell(cell["title"]), Cell(cell["generator"]), Cell(str(cell["images"]), cell["images"]), estimate_cell(cell["auc"]),
        Cell(f"{cell['clean']:.3f}", cell["clean"]),
    ])
    shifts = _lines(detectors, "real_shifts", lambda row: [
        Cell(row["title"]), estimate_cell(row["shift"]), estimate_cell(row["clean_false_alarms"], percent=True),
        estimate_cell(row["false_alarms"], percent=True), estimate_cell(row["false_alarm_change"], percent=True),
    ])
    conditions = _lines(detectors, "conditions", lambda row: [
        Cell(row["title"]), Cell(row["tier"]), estimate_cell(row["auc"]), estimate_cell(row["recall_at_5"]),
    ])
    sizes = [
        [Cell(name), Cell(str(told["size_spread"]["images"])), estimate_cell(told["size_spread"]["spread"]),
         Cell(f"{told['size_spread']['percentile_95']:.3f}", told["size_spread"]["percentile_95"]),
         estimate_cell(told["size_spread"]["changed"], percent=True)]
        for name, told in detectors.items() if told.get("size_spread")
    ]
    scope = _lines(detectors, "out_of_scope", lambda row: [
        Cell(row["kind"]), Cell(str(row["pictures"]), row["pictures"]),
        estimate_cell({"value": row["called_synthetic"], "low": row["low"], "high": row["high"]}, percent=True),
        Cell(f"{row['median']:.3f}", row["median"]),
    ])
    attacks = _lines(detectors, "adversarial", lambda row: [
        Cell(f"{row['epsilon']} / 255" if row["epsilon"] else "clean", row["epsilon"]), estimate_cell(row["auc"]),
        Cell(f"{row['balanced_accuracy']:.3f}", row["balanced_accuracy"]),
    ])
    tables = [
        Table("One AUC pooled over clean and degraded images", ["detector", "pooled AUC"], pooled),
        Table("Worst cells of degradation and generator", ["detector", "degradation", "generator", "images", "AUC", "clean AUC"], worst),
        Table(
            "Shift of the scores of real images (a bias)",
            ["detector", "degradation", "mean shift", "false alarms, clean", "false alarms, degraded", "change"], *_folded(shifts, 12),
        ),
        Table("Under each condition", ["detector", "condition", "tier", "AUC", "recall at 5 % false alarms"], *_folded(conditions, 12)),
        Table(
            "One picture at several sizes",
            ["detector", "pictures", "mean spread of its probability", "95th percentile", "answer changes"], sizes,
        ),
        Table(
            "Out of scope: what detectors are not made for",
            ["detector", "pictures", "drawn", "called synthetic", "median probability"], scope,
        ),
        Table("Adversarial floor: white-box PGD", ["detector", "strength", "AUC", "balanced accuracy"], attacks),
    ]
    return [table for table in tables if table.rows]


def _lines(detectors: dict, entry: str, cells) -> list[list[Cell]]:
    return [[Cell(name), *cells(row)] for name, told in detectors.items() for row in told.get(entry) or ()]


def _folded(rows: list, shown: int) -> tuple[list, list]:
    return rows[:shown], rows[shown:]
