"""Any detectors on any images, with the baselines beside them: scores from the store or computed, then one report."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from imaginet_tools.evaluation.baselines.feature_baselines import METADATA, STATISTICS, Baseline, FeatureScorer, evaluate_features
from imaginet_tools.evaluation.embedding_map import embedding_map
from imaginet_tools.evaluation.figures import Scored
from imaginet_tools.evaluation.report import Report
from imaginet_tools.evaluation.report_parts import DetectorFacts
from imaginet_tools.evaluation.reports.build_report import Plan, build_report
from imaginet_tools.evaluation.robustness.out_of_scope import drawn_images, out_of_scope_rows
from imaginet_tools.evaluation.robustness.report_part import Probes
from imaginet_tools.evaluation.stored.score_images import Engine, ImageScorer, ScoredRows, score_images
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.inference.detector import Answers, Detector


class Contestant(NamedTuple):
    """A detector of a report.

    Attributes:
        facts: who it is.
        detector: itself.
        scorer: that computes its scores; None where they are given.
        given: answers for all images, undegraded; None where they are computed.
    """

    facts: DetectorFacts
    detector: Detector
    scorer: ImageScorer | None = None
    given: Answers | None = None


class Work(NamedTuple):
    """How scores are computed.

    Attributes:
        conditions: names of ``imaginet_core.pictures.degradation_grid.conditions``; "clean" first.
        store: folder of stored scores.
        workers: processes that read pictures.
        on_corrupt: "error", or "skip" for a report without images that cannot be read.
        baselines: whether pictures are there to compute them of.
        train: images that baselines are fitted on; None for cross-validation on the scored ones.
        out_of_scope: pictures of each kind that detectors were not made for; 0 for none.
        attacked: images that the adversarial floor is measured on; 0 leaves it out.
        mapped: images on the map of the first saved detector's features; 0 leaves it out.
        engine: that computes the scores of images in place of this machine; services, and what is asked of a few pictures (out of
            scope, attacked, mapped), stay here.
    """

    conditions: tuple[str, ...]
    store: Path
    workers: int = 1
    on_corrupt: str = "error"
    baselines: bool = True
    train: ImageSet | None = None
    out_of_scope: int = 0
    attacked: int = 0
    mapped: int = 0
    engine: Engine | None = None


def evaluate_detectors(
    contestants: Sequence[Contestant], images: ImageSet, work: Work, plan: Plan, limits: Sequence[str] = (), command: str | None = None,
    title: str | None = None,
) -> tuple[Report, list[Scored]]:
    """Scores what is not stored, and makes the report.

    Args:
        contestants: at least one, with names of their own.
        images: N images; their order is that of given answers.
        work, plan: see there.
        limits, command, title: see ``build_report``.

    Raises:
        ValueError: in one sentence, for two detectors of one name, images that cannot be read, a detector that fails on one, and as
            ``build_report``.
    """
    names = [each.facts.name for each in contestants]
    if len(set(names)) < len(names) or {STATISTICS, METADATA} & set(names):
        raise ValueError(f"Detectors need names of their own, got {', '.join(names)}; write --model NAME=PLACE.")
    if any(each.given is not None for each in contestants) and work.conditions != ("clean",):
        raise ValueError("Scores from a file are of undegraded images; leave --conditions out, or give the detector as a --model.")
    passes = {
        each.facts.name: score_images(
            each.scorer, images, work.conditions, work.store, work.workers, None if getattr(each.detector, "is_service", False) else work.engine
        )
        for each in contestants if each.scorer is not None
    }
    features = _features(images, work) if work.baselines else {}
    broken = {}
    for each in [*passes.values(), *features.values()]:
        broken |= each.broken
    limits = [*limits, *_left_out(broken, images, work)]
    chosen = np.array([index for index in range(len(images)) if index not in broken], dtype=np.int64)
    kept = images.select(chosen)
    scored, facts = [], []
    for each in contestants:
        facts.append(each.facts)
        for condition in work.conditions:
            answers = _answers(each, passes, condition, chosen)
            scored.append(Scored(each.detector, condition, kept, answers, each.facts.threshold))
    for kind, rows in features.items():
        try:
            answers, sentence = evaluate_features(kind, rows, images, chosen, _train(kind, work))
        except ValueError as error:
            limits.append(str(error))
            continue
        facts.append(DetectorFacts(kind, "baseline", kind, 0.5, "0.5", True, notes=[sentence]))
        scored += [Scored(Baseline(kind), condition, kept, each, 0.5) for condition, each in answers.items()]
    headline = STATISTICS if any(each.name == STATISTICS for each in facts) else None
    probes, features = _probes(contestants, kept, work), _feature_map(contestants, kept, work, plan.seed)
    return build_report(scored, facts, plan, headline, limits, command, title, probes, features)


def _feature_map(contestants: Sequence[Contestant], images: ImageSet, work: Work, seed: int) -> dict | None:
    """The map of the first saved detector's features of some images (``evaluation.embedding_map``); their features are stored like scores."""
    first = next((each for each in contestants if each.scorer is not None and hasattr(each.detector, "network")), None)
    if not work.mapped or first is None:
        return None
    from imaginet_tools.evaluation.stored.detector_scorer import NetworkFeatureScorer, feature_of_row  # needs what computes

    shown = images.select(images.choose(work.mapped))
    rows = score_images(NetworkFeatureScorer(first.detector), shown, ("clean",), work.store, work.workers).rows["clean"]
    return {**embedding_map(np.stack([feature_of_row(row) for row in rows]), shown.label, shown.generator, seed), "images": len(images)}


def _probes(contestants: Sequence[Contestant], images: ImageSet, work: Work) -> dict[str, Probes]:
    """What is asked of detectors that are here themselves; scores of drawn pictures are stored like others."""
    attacked = images.select(images.choose(work.attacked)) if work.attacked else None
    drawn = drawn_images(work.out_of_scope) if work.out_of_scope else None
    found = {}
    for each in (each for each in contestants if each.scorer is not None):
        scope, attacks = [], []
        if drawn is not None:
            rows = score_images(each.scorer, drawn, ("clean",), work.store, work.workers).rows["clean"]
            scope = out_of_scope_rows(drawn, np.array([row["probability"] for row in rows]), each.facts.threshold)
        if attacked is not None:
            from imaginet_tools.evaluation.robustness.adversarial import adversarial_floor  # needs PyTorch, which other detectors do not

            attacks = adversarial_floor(
                each.detector, attacked, each.facts.threshold, store=work.store, key=each.scorer.facts, workers=work.workers,
            )
        found[each.facts.name] = Probes(scope, attacks)
    return found


def _answers(contestant: Contestant, passes: dict[str, ScoredRows], condition: str, chosen: np.ndarray) -> Answers:
    if contestant.given is not None:
        return Answers(*(None if column is None else column[chosen] for column in contestant.given))
    rows = [passes[contestant.facts.name].rows[condition][index] for index in chosen]
    column = lambda name: np.array([row[name] for row in rows]) if rows and name in rows[0] else None
    return Answers(column("probability"), column("family"), column("generator"))


def _features(images: ImageSet, work: Work) -> dict[str, ScoredRows]:
    conditions = {STATISTICS: work.conditions, METADATA: work.conditions[:1]}
    return {
        kind: score_images(FeatureScorer(kind), images, own, work.store, work.workers, work.engine) for kind, own in conditions.items()
    }


def _train(kind: str, work: Work) -> tuple[ScoredRows, ImageSet] | None:
    if work.train is None:
        return None
    return score_images(FeatureScorer(kind), work.train, ("clean",), work.store, work.workers, work.engine), work.train


def _left_out(broken: dict[int, str], images: ImageSet, work: Work) -> list[str]:
    if not broken:
        return []
    named = "; ".join(list(broken.values())[:5])
    if work.on_corrupt == "error":
        raise ValueError(
            f"{len(broken)} of {len(images)} images cannot be read ({named}). Replace them, or leave them out with --on_corrupt skip; all "
            "other scores are kept."
        )
    return [f"{len(broken)} images that cannot be read are left out of every figure: {named}."]
