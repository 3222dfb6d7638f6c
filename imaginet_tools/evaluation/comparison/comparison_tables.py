"""Who the detectors are, their gain over the baseline, differences, ranks, open sets and pairs, as Markdown."""

from collections.abc import Sequence

from imaginet_core.pictures.degradation_grid.conditions import condition_title
from imaginet_core.safe_text import escape_markdown
from imaginet_core.text_tables import markdown_table
from imaginet_tools.evaluation.report_parts import DetectorFacts, Difference, OpenSet, Pairs, PaperThreshold, Rank, Row
from imaginet_tools.evaluation.tables import FIGURES
from imaginet_tools.metrics.estimate import Estimate


def signed(value: Estimate) -> str:
    """A difference with its sign and interval."""
    return f"{value.value:+.3f}" + ("" if value.low is None else f" [{value.low:+.3f}, {value.high:+.3f}]")


def gain_sentences(gains: Sequence[Difference]) -> list[str]:
    """What each detector adds to the baseline, undegraded, in a sentence each: the headline."""
    told = []
    for each in gains:
        if each.condition != "clean" or each.figure != "auc":
            continue
        low, high = each.value.low, each.value.high
        if high is not None and high < 0:
            verdict = "; it is worse than that baseline"
        else:
            verdict = "" if low is not None and low > 0 else "; whether it is better than that baseline is not shown"
        told.append(f"The gain of {each.first} in AUC over the {each.second} is {signed(each.value)}{verdict}.")
    return told


def detector_table(detectors: Sequence[DetectorFacts]) -> list[str]:
    """Who the detectors are: a section, or none where there are none."""
    if not detectors:
        return []
    lines = [
        (
            escape_markdown(each.name), each.kind, escape_markdown(each.place), f"{each.threshold:.4f}", each.threshold_from,
            " ".join([*each.notes, *(f"{name} {value}," for name, value in each.key.items() if value)]).rstrip(","),
        )
        for each in detectors
    ]
    return ["## Detectors\n\n" + markdown_table(("detector", "what it is", "from", "threshold", "which is", "more"), lines)]


def comparison_sections(differences: Sequence[Difference], ranks: Sequence[Rank]) -> list[str]:
    """Differences and ranks, a section; none of one detector alone."""
    if not ranks and not differences:
        return []
    parts = [
        "## Differences between detectors\n\nOver all images, with 95 % intervals from the same draws of source images for both. Where an "
        "interval holds 0, which of two is better is open."
    ]
    if ranks:
        header = ("condition", "detector", "rank by AUC", "best in so many draws")
        lines = [(condition_title(each.condition), escape_markdown(each.detector), _rank(each.rank), f"{each.best:.1%}") for each in ranks]
        parts.append(markdown_table(header, lines))
    header = ("condition", "first", "second", "figure", "first minus second")
    lines = [
        (
            condition_title(each.condition), escape_markdown(each.first), escape_markdown(each.second),
            FIGURES.get(each.figure, each.figure), signed(each.value),
        )
        for each in differences
    ]
    return ["\n\n".join([*parts, markdown_table(header, lines)])]


def other_sections(open_set: Sequence[OpenSet], pairs: Sequence[Pairs]) -> list[str]:
    """Generators that a detector does not know, and images that belong together: a section each, where there are figures."""
    parts = []
    if open_set:
        lines = [
            (
                condition_title(each.condition), escape_markdown(each.detector), str(each.known), str(each.unknown), str(each.auc),
                str(each.recall_at_5),
            )
            for each in open_set
        ]
        header = ("condition", "detector", "of known generators", "of unknown ones", "AUC", "unknown rejected where 5 % of the known are")
        parts.append(
            "## Generators that the detector does not know\n\nSynthetic images alone, by one minus the probability of the likeliest "
            f"generator.\n\n{markdown_table(header, lines)}"
        )
    if pairs:
        lines = [
            (
                condition_title(each.condition), escape_markdown(each.detector), escape_markdown(each.column), str(each.pairs),
                str(each.share),
            )
            for each in pairs
        ]
        header = ("condition", "detector", "together by", "groups", "synthetic one scores higher")
        parts.append(f"## Images that belong together\n\n{markdown_table(header, lines)}")
    return parts


PAPER = (
    "Beside each detector's own threshold stands the one that the paper's code would fit: by a logistic regression of one variable, on images "
    "that are themselves in these figures. Such a threshold has seen the test set, and its balanced accuracy is here to be compared with the "
    "paper's and for nothing else."
)
PAPER_COLUMNS = (
    "group", "detector", "AUC (comparable with the paper's)", "balanced accuracy at the detector's own threshold (not comparable)",
    "balanced accuracy at the threshold as the paper fits it (comparable; it has seen these images)", "own threshold", "as the paper fits it",
    "fitted on",
)


def paper_section(thresholds: Sequence[PaperThreshold], rows: Sequence[Row]) -> list[str]:
    """Thresholds as the paper fits them beside the detectors' own: a section, or none without such thresholds."""
    if not thresholds:
        return []
    found = {(row.detector, row.condition, row.kind, row.name): row.metrics for row in rows}
    lines = []
    for each in thresholds:
        own = found[each.detector, each.condition, each.kind, each.name]
        lines.append((
            escape_markdown(each.name), escape_markdown(each.detector), str(own.auc), str(own.balanced_accuracy), str(each.balanced_accuracy),
            f"{own.threshold:.4f}", f"{each.threshold:.4f}", f"{each.calibration_images} images",
        ))
    return [f"## Thresholds as the paper fits them\n\n{PAPER}\n\n{markdown_table(PAPER_COLUMNS, lines)}"]


def _rank(rank: Estimate) -> str:
    return f"{rank.value:g}" + ("" if rank.low is None else f" [{rank.low:g}, {rank.high:g}]")
