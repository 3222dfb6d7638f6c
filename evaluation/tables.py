"""The figures as tables, from the report's rows: Markdown for files, fixed width for the screen."""

from degradations import CONDITION_TITLES

FIGURES = {"balanced_accuracy": "balanced accuracy", "auc": "AUC", "average_precision": "average precision"}
TITLES = {"overall": "Overall", "content": "By content type", "generator": "By generator"}


def markdown_tables(rows: list) -> str:
    """All rows as one Markdown table per kind of group, with a sentence on how to read the intervals."""
    parts = [
        "Figures with 95 % bootstrap intervals over source images. Balanced accuracy is taken at the threshold fitted on "
        "held-out training images; a generator is compared with the real images of its content types."
    ]
    for kind, title in TITLES.items():
        table = _table([row for row in rows if row.kind == kind])
        if len(table) > 1:
            rule = ["---"] * len(table[0])
            parts.append(f"## {title}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in (table[0], rule, *table[1:])))
    return "\n\n".join(parts)


def screen_table(rows: list) -> str:
    """All rows as fixed-width text, a blank line between kinds of group."""
    parts = []
    for kind, title in TITLES.items():
        table = _table([row for row in rows if row.kind == kind])
        if len(table) > 1:
            widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
            lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]
            parts.append("\n".join([title, lines[0], "-" * len(max(lines, key=len)), *lines[1:]]))
    return "\n\n".join(parts)


def _table(rows: list) -> list[list[str]]:
    """Header and lines; detectors of the same group and condition stand below each other."""
    detectors = list(dict.fromkeys(row.detector for row in rows))
    order = sorted(rows, key=lambda row: (list(CONDITION_TITLES).index(row.condition), row.name, detectors.index(row.detector)))
    lines = [
        [
            CONDITION_TITLES[row.condition], row.name, row.detector, f"{row.metrics.n_real} + {row.metrics.n_synthetic}",
            *(str(getattr(row.metrics, figure)) for figure in FIGURES),
        ]
        for row in order
    ]
    return [["condition", "images", "detector", "real + synthetic", *FIGURES.values()], *lines]
