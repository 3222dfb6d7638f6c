"""What a report holds of robustness: figures of every detector over its conditions, probes of its model, and the pictures of both."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from imaginet_tools.evaluation.robustness.charts import draw_curves, draw_matrix
from imaginet_tools.evaluation.robustness.figures import robustness_of
from imaginet_tools.evaluation.robustness.out_of_scope import out_of_scope_sentence
from imaginet_tools.evaluation.robustness.sizes import size_spread
from imaginet_tools.metrics.detection import Scores

BIAS = 0.02
"""Mean shift of real images' probability from which on it is said in a sentence."""


class Probes(NamedTuple):
    """What was asked of a detector beside the images: see ``out_of_scope.probe_out_of_scope`` and ``adversarial.adversarial_floor``."""

    out_of_scope: list[dict] = []
    adversarial: list[dict] = []


@dataclass(frozen=True)
class Degraded:
    """One detector's scores of the same images under several conditions, and what was probed of its model.

    Attributes:
        detector: its name.
        scores: condition -> scores, "clean" among them.
        threshold: at or above it an image is called synthetic.
        paths: str (N,), names of the images.
        baseline: whether it is a baseline, of which no matrix is drawn.
        probes: what was asked of it beside the images.
    """

    detector: str
    scores: Mapping[str, Scores]
    threshold: float
    paths: np.ndarray
    baseline: bool = False
    probes: Probes = Probes()


def degraded_of(scored: Iterable, probes: Mapping[str, Probes]) -> list[Degraded]:
    """What was scored, detector by detector.

    Args:
        scored: ``figures.Scored`` of every detector under every condition; a detector without any other condition than "clean" and
            without probes is left out, as the baseline of metadata is.
        probes: detector's name -> what was asked of it.
    """
    found: dict[str, Degraded] = {}
    for each in scored:
        name = each.detector.name
        own = found.get(name) or Degraded(
            name, {}, each.threshold, each.images.path, each.detector.is_baseline, probes.get(name, Probes()),
        )
        found[name] = replace(own, scores={**own.scores, each.condition: each.scores})
    return [each for each in found.values() if "clean" in each.scores and (len(each.scores) > 1 or any(each.probes))]


def degradations_of(degraded: Sequence[Degraded], resamples: int = 200, seed: int = 0) -> dict:
    """The entry ``degradations`` of a report: ``detectors``, name -> figures, and ``sentences``.

    Raises ValueError as ``figures.robustness_of`` does.
    """
    detectors = {
        each.detector: {
            **robustness_of(each.scores, each.threshold, resamples, seed), "baseline": each.baseline,
            "size_spread": size_spread(each.scores, each.threshold, each.paths, resamples, seed),
            **each.probes._asdict(),
        }
        for each in degraded
    }
    sentences = [sentence for name, told in detectors.items() for sentence in sentences_of(name, told)]
    return {"detectors": detectors, "sentences": sentences}


def sentences_of(detector: str, told: dict) -> list[str]:
    """What must be said of a detector: the pooled AUC, the worst cell, a bias of real images, its sizes, what is out of scope."""
    degraded = [row for row in told["conditions"] if row["condition"] != "clean"]
    found = []
    if degraded:
        pooled, worst = told["pooled_auc"], told["worst"][0] if told["worst"] else None
        found.append(f"{detector}: one AUC over clean and {len(degraded)} degraded copies of the images is {_written(pooled)}.")
        if worst is not None:
            found.append(
                f"{detector} is weakest on {worst['generator']}, {worst['title']}: AUC {_written(worst['auc'])}, {worst['clean']:.3f} clean."
            )
    for row in told["real_shifts"][:1]:
        shift = row["shift"]
        if shift["low"] is not None and abs(shift["value"]) >= BIAS and shift["low"] * shift["high"] > 0:
            found.append(
                f"{detector} has a bias: {row['title']} moves the probability of real images by {shift['value']:+.3f} on average, and "
                f"their false alarms from {row['clean_false_alarms']['value']:.1%} to {row['false_alarms']['value']:.1%}."
            )
    if told["size_spread"]:
        changed = told["size_spread"]["changed"]["value"]
        found.append(f"{detector} changes its answer with the size alone for {changed:.1%} of the pictures.")
    return [*found, *([out_of_scope_sentence(told["out_of_scope"], detector)] if told["out_of_scope"] else [])]


def pictures_of(degradations: dict) -> Iterable[tuple[str, str, Figure]]:
    """(file, title, figure): the curves of all detectors, and a matrix for each that is no baseline."""
    rows = {name: told["conditions"] for name, told in degradations["detectors"].items()}
    curves = draw_curves(rows)
    if curves is not None:
        yield "degradation_curves.png", "AUC and recall at 5 % false alarms over the strength of each degradation; dotted: clean", curves
    own = [(name, told) for name, told in degradations["detectors"].items() if not told["baseline"]]
    for number, (name, told) in enumerate(own):
        if len(told["matrix"]["conditions"]) > 1 and told["matrix"]["generators"]:
            title = f"AUC of {name} by degradation and generator"
            yield f"degradation_matrix{f'_{number + 1}' if len(own) > 1 else ''}.png", title, draw_matrix(told["matrix"], title)


def _written(estimate: dict) -> str:
    return f"{estimate['value']:.3f}" + ("" if estimate["low"] is None else f" [{estimate['low']:.3f}, {estimate['high']:.3f}]")
