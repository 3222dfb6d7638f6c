"""The figures as tables, from the report's rows: Markdown for files, fixed width for the screen."""

from imaginet_core.pictures.degradations import CONDITION_TITLES

FIGURES = {"balanced_accuracy": "balanced accuracy", "auc": "AUC", "average_precision": "average precision"}
TITLES = {"overall": "Overall", "content": "By content type", "generator": "By generator"}
"""Kind of group -> heading, in the order of the tables; other kinds follow under "By <kind>"."""


def markdown_tables(rows: list) -> str:
    """All rows as one Markdown table per kind of group, with a sentence on how to read the intervals."""
    if not rows:
        return "Nothing was scored."
    parts = [
        "Figures with 95 % bootstrap intervals over source images. Balanced accuracy is taken at the threshold fitted on "
        "held-out training images; a generator is compared with the real images of its content types."
    ]
    for title, (header, *lines) in _tables(rows):
        parts.append(f"## {title}\n\n" + "\n".join(_markdown(line) for line in (header, ["---"] * len(header), *lines)))
    return "\n\n".join(parts + _note(rows))


def screen_table(rows: list) -> str:
    """All rows as fixed-width text, a blank line between kinds of group."""
    if not rows:
        return "Nothing was scored."
    parts = []
    for title, table in _tables(rows):
        widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]
        parts.append("\n".join([title, lines[0], "-" * len(max(lines, key=len)), *lines[1:]]))
    return "\n\n".join(parts + _note(rows))


def track_tables(tracks: list) -> str:
    """The classes of each track as one Markdown table per track: shares answered right, with intervals."""
    parts = [
        "Both tracks, by class: the share of its images that are answered right, and the mean over classes. An image below the "
        "balanced threshold is answered \"real\", any other by its most likely family or generator; \"if known to be synthetic\" "
        "leaves the first step out. A class without figure had no training images, so that the model cannot name it."
    ]
    for name in dict.fromkeys(track.name for track in tracks):
        of_name = [track for track in tracks if track.name == name]
        lines = [("condition", name, "images", "answered right", "if known to be synthetic")]
        for track in of_name:
            title = CONDITION_TITLES.get(track.condition, track.condition)
            lines += [(title, each.name, str(each.images), *_accuracies(each)) for each in track.classes]
            lines.append((title, "mean", "", *_accuracies(track)))
        if all(track.accuracy_if_synthetic is None for track in of_name):  # the first track has no second step
            lines = [line[:-1] for line in lines]
        lines.insert(1, ("---",) * len(lines[0]))
        parts.append(f"## By class: {name}\n\n" + "\n".join(_markdown(line) for line in lines))
    return "\n\n".join(parts)


def _accuracies(figures) -> list[str]:
    """Both accuracies of a track or one of its classes, empty where there is none."""
    return ["" if each is None else str(each) for each in (figures.accuracy, figures.accuracy_if_synthetic)]


def _markdown(cells) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _tables(rows: list) -> list[tuple[str, list[list[str]]]]:
    """(heading, header and lines) of each kind of group."""
    kinds = dict.fromkeys([*(kind for kind in TITLES if any(row.kind == kind for row in rows)), *(row.kind for row in rows)])
    return [(TITLES.get(kind, f"By {kind}"), _table([row for row in rows if row.kind == kind])) for kind in kinds]


def _table(rows: list) -> list[list[str]]:
    """Header and lines; detectors of the same group and condition stand below each other."""
    detectors = list(dict.fromkeys(row.detector for row in rows))
    conditions = list(dict.fromkeys([*CONDITION_TITLES, *(row.condition for row in rows)]))
    order = sorted(rows, key=lambda row: (conditions.index(row.condition), row.name, detectors.index(row.detector)))
    lines = [
        [
            CONDITION_TITLES.get(row.condition, row.condition), row.name, row.detector,
            f"{row.metrics.n_real} + {row.metrics.n_synthetic}",
            *(str(getattr(row.metrics, figure)) for figure in FIGURES),
        ]
        for row in order
    ]
    return [["condition", "group", "detector", "real + synthetic", *FIGURES.values()], *lines]


def _note(rows: list) -> list[str]:
    """Why figures stand without an interval, where some do."""
    if all(getattr(row.metrics, figure).low is not None for row in rows for figure in FIGURES):
        return []
    return [
        "Where a figure has no interval, the group has too few source images for one, or all draws of source images gave "
        "the same figure; report.json says which."
    ]
