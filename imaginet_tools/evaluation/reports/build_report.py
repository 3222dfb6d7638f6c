"""From the answers of any detectors to a whole report: thresholds, tables, slices, comparisons, limits. Needs no PyTorch."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from imaginet_core.pictures.degradation_grid.conditions import GRID
from imaginet_tools.evaluation.comparison.differences import compare_detectors
from imaginet_tools.evaluation.figures import (
    LIBRARIES, Scored, columns_of_images, curves_of, describe_split, map_of, open_sets_of, rows_of_all, tracks_of_all, versions_of,
)
from imaginet_tools.evaluation.report import Report
from imaginet_tools.evaluation.report_parts import DetectorFacts, Mistake, Pairs, Row
from imaginet_tools.evaluation.reports.paper_threshold import paper_thresholds_of
from imaginet_tools.evaluation.robustness.report_part import Probes, degradations_of, degraded_of
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.metrics.calibration import operating_points
from imaginet_tools.metrics.delong import auc_of
from imaginet_tools.metrics.detection import MIN_SOURCE_IMAGES, with_interval, without_interval
from imaginet_tools.metrics.groups import CROSSED, PROTOCOLS

REVERSED = 0.3
"""AUC below which labels may be the wrong way round."""
RELEASE_DATE = "release_date"
MOST_NAMED = 6
MOST_CONDITIONS = 10
"""With more of them, tables by content type and generator are of the tiers (undegraded and after chains), not of single steps."""
MOST_RESAMPLES_OF_CELLS = 200
MOST_MISTAKES = 12
"""Of each class, for each detector."""


@dataclass(frozen=True)
class Plan:
    """What a report is to hold.

    Attributes:
        by: columns whose values are groups of their own.
        pairs: the column that says which images belong together; None for none.
        protocol: a name in ``metrics.groups.PROTOCOLS``.
        refit: source images that thresholds are fitted on, and that are then excluded; None keeps each detector's own.
        resamples, seed: of the bootstrap.
        calibration: paths of images that thresholds are fitted on as in the paper, too, with that protocol; None for no such thresholds.
    """

    by: tuple[str, ...] = ()
    pairs: str | None = None
    protocol: str = "content"
    refit: int | None = None
    resamples: int = 1000
    seed: int = 0
    calibration: frozenset[str] | None = None


def build_report(
    scored: Sequence[Scored], facts: Sequence[DetectorFacts], plan: Plan, headline: str | None = None, limits: Sequence[str] = (),
    command: str | None = None, title: str | None = None, probes: Mapping[str, Probes] | None = None, feature_map: dict | None = None,
) -> tuple[Report, list[Scored]]:
    """The report, and what was scored without the images that thresholds were fitted on.

    Args:
        scored: every detector under every condition, on the same images; "clean" first.
        facts: of each detector, in the order of the tables.
        plan: see :class:`Plan`.
        headline: name of the baseline whose gain is told.
        limits: sentences to stand beside the figures.
        command: the command line.
        title: what the images are called.
        probes: name of a detector -> what was asked of it beside the images.
        feature_map: of a detector's features, see ``evaluation.embedding_map``; by default of those in the answers, where there are.

    Raises:
        ValueError: for images of one class only, a column that is not there, and too few source images to fit thresholds on.
    """
    images = scored[0].images
    _check(images, plan)
    points, limits = [], list(limits)
    if plan.refit is not None:
        scored, facts, points = refit_thresholds(scored, facts, plan)
        limits.append(f"Thresholds were fitted on {plan.refit} of the source images, which are in no figure.")
    kept = scored[0].images
    kinds = dict.fromkeys(["content", "family", "generator", CROSSED, *plan.by])
    if RELEASE_DATE in kept.extra:
        kinds.setdefault(RELEASE_DATE)
    few = len({each.condition for each in scored}) <= MOST_CONDITIONS
    in_full = [each for each in scored if few or each.condition == "clean" or (each.condition in GRID and GRID[each.condition].tier)]
    rows = rows_of_all(in_full, plan.resamples, plan.seed, list(kinds), plan.protocol)
    rows += rows_of_all([each for each in scored if each not in in_full], plan.resamples, plan.seed, (), plan.protocol)
    as_paper, told = ([], []) if plan.calibration is None else paper_thresholds_of(scored, plan.calibration, plan.resamples, plan.seed)
    limits += told
    gains, differences, ranks = compare_detectors(scored, plan.resamples, plan.seed, headline)
    splits = {"test": kept} if kept is images else {"test": kept, "excluded": images.select(~np.isin(images.path, kept.path))}
    report = Report(
        created=datetime.now(UTC).isoformat(timespec="seconds"), versions=versions_of(LIBRARIES),
        options={
            "detectors": [each.name for each in facts], "conditions": list(dict.fromkeys(each.condition for each in scored)),
            "by": list(plan.by), "pairs": plan.pairs, "protocol": plan.protocol, "refit": plan.refit, "resamples": plan.resamples,
            "seed": plan.seed,
        },
        data={
            "name": title or images.title, "description": "",
            "splits": {name: describe_split(part) for name, part in splits.items()},
        },
        training=None, calibration=None, operating_points=points, figures=rows,
        limits=[*limits, *([] if plan.protocol == "content" else [f"Pairing: {PROTOCOLS[plan.protocol]}."]), *warnings_of(rows)],
        tracks=tracks_of_all(in_full, plan.resamples, plan.seed), embedding_map=feature_map or map_of(scored, plan.seed), command=command,
        protocol=plan.protocol, detectors=list(facts), gains=gains, differences=differences, ranks=ranks, curves=curves_of(in_full),
        open_set=open_sets_of(scored, plan.resamples, plan.seed), pairs=pairs_of(scored, plan), mistakes=mistakes_of(scored),
        degradations=degradations_of_all(scored, plan, probes), paper_thresholds=as_paper,
    )
    return report, list(scored)


def degradations_of_all(scored: Sequence[Scored], plan: Plan, probes: Mapping[str, Probes] | None = None) -> dict | None:
    """What degradations and probes show of every detector; None where nothing was degraded or probed."""
    degraded = degraded_of(scored, probes or {})
    return degradations_of(degraded, min(plan.resamples, MOST_RESAMPLES_OF_CELLS), plan.seed) if degraded else None


def _check(images: ImageSet, plan: Plan) -> None:
    for value, name in enumerate(("real", "synthetic")):
        if not (images.label == value).any():
            raise ValueError(f"{images.title} holds no {name} image; figures need real and synthetic ones.")
    columns = columns_of_images(images)
    for name in (*plan.by, *filter(None, [plan.pairs])):
        if name not in columns:
            raise ValueError(f"{images.title} has no column {name}; it has {', '.join(sorted(columns))}.")


def refit_thresholds(
    scored: Sequence[Scored], facts: Sequence[DetectorFacts], plan: Plan
) -> tuple[list[Scored], list[DetectorFacts], list[dict]]:
    """Everything without ``plan.refit`` source images, with thresholds fitted on their undegraded scores; operating points too.

    Half of these source images have real images where there are as many; which, is drawn by a checksum of their names.

    Raises:
        ValueError: where the chosen ones lack a class, or leave less than one source image of each.
    """
    images = scored[0].images
    chosen = _chosen_sources(images, plan.refit)
    fitted = np.isin(images.source_image, chosen)
    for part, what in ((images.label[fitted], "to fit thresholds on"), (images.label[~fitted], "left to report")):
        if len(set(part.tolist())) < 2:
            raise ValueError(
                f"With {plan.refit} source images there are not real and synthetic ones {what}; there are "
                f"{len(set(images.source_image.tolist()))} in all, choose another number."
            )
    points, thresholds = [], {}
    for each in scored:
        if each.detector.name not in thresholds:
            own = operating_points(
                each.answers.probability[fitted], images.label[fitted], f"{plan.refit} source images that are in no figure"
            )
            points += [{**point, "detector": each.detector.name} for point in own]
            thresholds[each.detector.name] = own[0]["threshold"]
    kept = images.select(~fitted)
    rest = [
        replace(each, images=kept, answers=_selected(each.answers, ~fitted), threshold=thresholds[each.detector.name]) for each in scored
    ]
    told = [
        replace(each, threshold=thresholds[each.name], threshold_from=f"fitted on {plan.refit} source images, which are in no figure")
        for each in facts
    ]
    return rest, told, points


def _selected(answers, chosen: np.ndarray):
    return type(answers)(*(None if column is None else column[chosen] for column in answers))


def _chosen_sources(images: ImageSet, count: int) -> list[str]:
    by_hash = lambda names: sorted(set(names.tolist()), key=lambda name: hashlib.sha256(f"refit/{name}".encode("utf-8", "surrogatepass")).digest())
    real = by_hash(images.source_image[images.label == 0])
    rest = by_hash(images.source_image[~np.isin(images.source_image, real)])
    of_rest = min(count // 2, len(rest))
    return [*real[: count - of_rest], *rest[:of_rest]]


def warnings_of(rows: Sequence[Row]) -> list[str]:
    """Sentences on figures that may mislead: labels that may be reversed, groups that are too small for an interval."""
    told = [
        f"{row.detector}: an AUC of {row.metrics.auc.value:.3f} is far below 0.5, so its labels or those of the images may be reversed; "
        "nothing was turned round."
        for row in rows if row.kind == "overall" and row.condition == rows[0].condition and row.metrics.auc.value < REVERSED
    ]
    small = {
        f"{row.name} ({row.metrics.n_real} real, {row.metrics.n_synthetic} synthetic)": None
        for row in rows if row.metrics.auc.reason is not None and f"needs {MIN_SOURCE_IMAGES}" in row.metrics.auc.reason
    }
    if small:
        more = f" and {len(small) - MOST_NAMED} more" if len(small) > MOST_NAMED else ""
        told.append(
            f"Too few source images for an interval, so that these figures say little: {'; '.join(list(small)[:MOST_NAMED])}{more}."
        )
    return told


def pairs_of(scored: Sequence[Scored], plan: Plan) -> list[Pairs]:
    """How images that belong together by ``plan.pairs`` are ordered; none without such a column."""
    if plan.pairs is None:
        return []
    return [_pairs(each, plan) for each in scored]


def _pairs(scored: Scored, plan: Plan) -> Pairs:
    column, label = columns_of_images(scored.images)[plan.pairs], scored.images.label
    shares = []
    for value in sorted(set(column[label == 0].tolist()) & set(column[label == 1].tolist()) - {""}):
        own = column == value
        shares.append(auc_of(label[own], scored.answers.probability[own]))
    if not shares:
        raise ValueError(f"No value of the column {plan.pairs} has both a real and a synthetic image, so there are no pairs.")
    shares = np.array(shares)
    if len(shares) < MIN_SOURCE_IMAGES:
        share = without_interval(float(shares.mean()), len(shares))
    else:
        rng = np.random.default_rng(plan.seed)
        share = with_interval(float(shares.mean()), np.array([rng.choice(shares, len(shares)).mean() for _ in range(plan.resamples)]))
    return Pairs(scored.detector.name, scored.condition, plan.pairs, len(shares), share)


def mistakes_of(scored: Sequence[Scored]) -> list[Mistake]:
    """The undegraded images on which each detector that is no baseline was most sure and wrong, the worst first."""
    found = []
    for each in scored:
        if each.condition != "clean" or each.detector.is_baseline:
            continue
        images, probability = each.images, each.answers.probability
        for label, wrong, name in ((0, each.is_synthetic, "real"), (1, ~each.is_synthetic, "synthetic")):
            numbers = np.flatnonzero((images.label == label) & wrong)
            ordered = numbers[np.argsort((1 - 2 * label) * -probability[numbers], kind="stable")][:MOST_MISTAKES]
            found += [
                Mistake(
                    each.detector.name, each.condition, str(images.path[number]), name, str(images.generator[number]),
                    str(images.content[number]), float(probability[number]),
                )
                for number in ordered
            ]
    return found
