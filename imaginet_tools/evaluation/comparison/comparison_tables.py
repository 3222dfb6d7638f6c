"""Who the detectors are, their gain over the baseline, differences, ranks, open sets and pairs, as Markdown."""

from collections.abc import Sequence

from imaginet_core.pictures.degradation_grid.conditions import condition_title
from imaginet_core.safe_text import escape_markdown
from imaginet_core.text_tables import markdown_table
from imaginet_tools.evaluation.report_parts import DetectorFacts, Difference, OpenSet, Pairs, Rank
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


def _rank(rank: Estimate) -> str:
    return f"{rank.value:g}" + ("" if rank.low is None else f" [{rank.low:g}, {rank.high:g}]")
