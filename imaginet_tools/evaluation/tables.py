"""The figures as tables, from the report's rows: Markdown for files, fixed width for the screen."""

from collections.abc import Callable

from imaginet_core.pictures.degradation_grid.conditions import condition_title
from imaginet_core.pictures.degradations import CONDITION_TITLES
from imaginet_core.safe_text import escape_markdown
from imaginet_core.text_tables import markdown_table, text_table
from imaginet_tools.metrics.attribution import REAL
from imaginet_tools.metrics.groups import CROSSED, PROTOCOLS

FIGURES = {"balanced_accuracy": "balanced accuracy", "auc": "AUC", "average_precision": "average precision"}
ERRORS = {"equal_error_rate": "equal error rate", "brier_score": "Brier score", "calibration_error": "calibration error"}
MORE = {
    "recall_at_1": "recall at 1 % false alarms", "recall_at_5": "recall at 5 % false alarms", "recall_at_10": "recall at 10 % false alarms",
    "balanced_log_loss": "balanced log loss", "log_loss": "log loss", "plain_calibration_error": "plain calibration error",
    "real_accuracy": "real accuracy", "synthetic_accuracy": "fake accuracy", "accuracy": "accuracy", "auc_delong": "AUC, DeLong's interval",
}
"""The rest of the figures, which have one table of their own, over all images."""
LOWER_IS_BETTER = (*ERRORS, "balanced_log_loss", "log_loss", "plain_calibration_error")
TITLES = {
    "overall": "Overall", "content": "By content type", "family": "By family", "generator": "By generator",
    CROSSED: "By generator and content type", "release_date": "By release date",
}
"""Kind of group -> heading, in the order of the tables; other kinds follow under "By <kind>"."""


def markdown_tables(rows: list, protocol: str = "content", threshold: str = "the threshold fitted on held-out training images") -> str:
    """All rows as one Markdown table per kind of group, with a sentence on how to read the intervals.

    Args:
        rows: of a report.
        protocol: a name in ``metrics.groups.PROTOCOLS``.
        threshold: where the threshold comes from, in words.
    """
    if not rows:
        return "Nothing was scored."
    parts = [
        f"Figures with 95 % bootstrap intervals over source images. Balanced accuracy is taken at {threshold}; {PROTOCOLS[protocol]}."
    ]
    for title, (header, *lines) in _tables(rows, escape_markdown):
        parts.append(f"## {title}\n\n{markdown_table(header, lines)}")
    return "\n\n".join(parts + _single(rows, escape_markdown) + _note(rows))


def error_table(rows: list) -> list[str]:
    """What probabilities are worth, over all images: a Markdown section, or none for reports that have no such figures."""
    overall = [row for row in rows if row.kind == "overall" and row.metrics.brier_score is not None]
    if not overall:
        return []
    lines = [
        (condition_title(row.condition), escape_markdown(row.detector), *(str(getattr(row.metrics, name)) for name in ERRORS))
        for row in overall
    ]
    return [
        "## Probabilities\n\nLower is better, both classes weigh the same. Equal error rate: false alarms where they equal the missed. Brier "
        "score: mean squared error (0.25 for one who always says 0.5). Calibration error: mean difference between probability and "
        f"frequency, in 15 bins.\n\n{markdown_table(('condition', 'detector', *ERRORS.values()), lines)}"
    ]


def full_table(rows: list) -> list[str]:
    """The rest of the figures over all images, a line each: a Markdown section, or none for reports that have no such figures."""
    overall = [row for row in rows if row.kind == "overall" and row.metrics.accuracy is not None]
    if not overall:
        return []
    header = ["figure", *(f"{escape_markdown(row.detector)}, {condition_title(row.condition)}" for row in overall)]
    lines = [[title, *(str(getattr(row.metrics, name) or "") for row in overall)] for name, title in MORE.items()]
    return [
        "## More figures\n\nRecall at a false-alarm rate is that of the best threshold on these images, which no one knows beforehand; the "
        "three accuracies are at the detector's own threshold. What is plain weighs each image the same, and so depends on how many "
        f"are real; what is balanced weighs the classes the same.\n\n{markdown_table(header, lines)}"
    ]


def screen_table(rows: list) -> str:
    """All rows as fixed-width text, a blank line between kinds of group."""
    if not rows:
        return "Nothing was scored."
    parts = []
    for title, (header, *lines) in _tables(rows, str):
        table = text_table(header, lines)
        parts.append("\n".join([title, table[0], "-" * len(max(table, key=len)), *table[1:]]))
    return "\n\n".join(parts + _single(rows, str) + _note(rows))


def track_tables(tracks: list) -> str:
    """The classes of each track as one Markdown table per track: accuracies with intervals.

    The track of a single family or generator, which counts the same as the one by origin, is a sentence.
    """
    parts = [
        "Both tracks, by class: the accuracy on its images, and the mean over classes. An image below the balanced threshold is "
        "called \"real\", any other by its most likely family or generator; \"if known to be synthetic\" leaves the first step out. "
        "A class without figure had no training images, so that the model cannot name it."
    ]
    shown, several = {}, len({track.detector for track in tracks}) > 1
    for detector, name in dict.fromkeys((track.detector, track.name) for track in tracks):
        of_name = [track for track in tracks if (track.detector, track.name) == (detector, name)]
        counts = repr([(track.detector, track.condition, track.counts) for track in of_name])
        if counts in shown and all(len(track.classes) == 2 for track in of_name):
            classes = ", ".join(escape_markdown(each.name) for each in of_name[0].classes if each.name != REAL)
            parts.append(f"By {name} ({classes}) the figures{f' of {escape_markdown(detector)}' if several else ''} are those by {shown[counts]}.")
            continue
        shown[counts] = name
        lines = [("condition", name, "images", "accuracy", "if known to be synthetic", "AUC against the rest")]
        for track in of_name:
            title = condition_title(track.condition)
            lines += [
                (title, escape_markdown(each.name), str(each.images), *_accuracies(each), str(each.auc or "")) for each in track.classes
            ]
            lines.append((title, "mean", "", *_accuracies(track), ""))
        if all(each.auc is None for track in of_name for each in track.classes):  # reports before 0.3 have none
            lines = [line[:-1] for line in lines]
        if all(track.accuracy_if_synthetic is None for track in of_name):  # the first track has no second step
            lines = [(*line[:4], *line[5:]) for line in lines]
        parts.append(f"## By class: {name}{f', {escape_markdown(detector)}' if several else ''}\n\n{markdown_table(lines[0], lines[1:])}")
    return "\n\n".join(parts)


def _accuracies(figures) -> list[str]:
    """Both accuracies of a track or one of its classes, empty where there is none."""
    return ["" if each is None else str(each) for each in (figures.accuracy, figures.accuracy_if_synthetic)]


def _tables(rows: list, escape: Callable[[str], str]) -> list[tuple[str, list[list[str]]]]:
    """(heading, header and lines) of each kind of group; names go through ``escape``."""
    kinds = dict.fromkeys([*(kind for kind in TITLES if any(row.kind == kind for row in rows)), *(row.kind for row in rows)])
    kinds = [kind for kind in kinds if kind not in _single_groups(rows)]
    return [(TITLES.get(kind, f"By {kind}"), _table([row for row in rows if row.kind == kind], escape)) for kind in kinds]


def _table(rows: list, escape: Callable[[str], str]) -> list[list[str]]:
    """Header and lines; detectors of the same group and condition stand below each other."""
    detectors = list(dict.fromkeys(row.detector for row in rows))
    conditions = list(dict.fromkeys([*CONDITION_TITLES, *(row.condition for row in rows)]))
    order = sorted(rows, key=lambda row: (conditions.index(row.condition), row.name, detectors.index(row.detector)))
    lines = [
        [
            condition_title(row.condition), escape(row.name), escape(row.detector),
            f"{row.metrics.n_real} + {row.metrics.n_synthetic}",
            *(str(getattr(row.metrics, figure)) for figure in FIGURES),
        ]
        for row in order
    ]
    return [["condition", "group", "detector", "real + synthetic", *FIGURES.values()], *lines]


def _single_groups(rows: list) -> dict[str, str]:
    """Kind of group -> name of the one group of this kind, where that is all images: it has the overall figures."""
    sizes = lambda of: {(row.detector, row.condition, row.metrics.n_real, row.metrics.n_synthetic) for row in of}
    overall = sizes(row for row in rows if row.kind == "overall")
    found = {}
    for kind in dict.fromkeys(row.kind for row in rows if row.kind != "overall"):
        of_kind = [row for row in rows if row.kind == kind]
        if len({row.name for row in of_kind}) == 1 and sizes(of_kind) == overall:
            found[kind] = of_kind[0].name
    return found


def _single(rows: list, escape: Callable[[str], str]) -> list[str]:
    """Which groups have no table since they hold all images."""
    what = {"content": "content type"}
    told = [f"one {what.get(kind, kind)}, {escape(name)}" for kind, name in _single_groups(rows).items()]
    return [f"All images are of {' and '.join(told)}, so there are no tables by these."] if told else []


def _note(rows: list) -> list[str]:
    """Why figures stand without an interval, where some do."""
    if all(getattr(row.metrics, figure).low is not None for row in rows for figure in FIGURES):
        return []
    return [
        "Where a figure has no interval, the group has too few source images for one, or all draws of source images gave "
        "the same figure; report.json says which."
    ]
