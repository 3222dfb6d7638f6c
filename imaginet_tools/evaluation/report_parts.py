"""What a report is made of: rows of figures, detectors, differences, ranks, curves; and how each is read from JSON."""

from collections.abc import Callable
from dataclasses import dataclass, field

from imaginet_tools.metrics.attribution import ClassFigures, Track
from imaginet_tools.metrics.detection import FIGURES, Metrics
from imaginet_tools.metrics.estimate import Estimate

BASELINE_OF_OLD_REPORTS = "pixel statistics"
"""Name of the baseline in reports that do not say which rows are the baseline's."""


@dataclass(frozen=True)
class Row:
    """The figures of one detector on one group of images under one condition.

    Attributes:
        detector: its name.
        condition: what was done to the images before: "clean", or a named degradation.
        kind, name: the group: ("overall", "all"), ("content", "photos"), ("family", "GAN"), ("generator", "ProGAN"),
            ("generator, content", "ProGAN, photos"), or (column, value) for a slice by any other column.
        metrics: figures with intervals and sample sizes.
        baseline: whether the detector is a baseline that others must beat.
    """

    detector: str
    condition: str
    kind: str
    name: str
    metrics: Metrics
    baseline: bool = False


@dataclass(frozen=True)
class DetectorFacts:
    """Who a detector is, so that its figures can be made again.

    Attributes:
        name: in all tables.
        kind: "imaginet", "classifier of transformers", "torch module", "HTTP endpoint", "scores" or "baseline".
        place: folder, name on the Hub, import path, address or file, as it was given.
        threshold: at or above it an image is called synthetic.
        threshold_from: where the threshold comes from, a sentence.
        baseline: whether it is what others must beat.
        key: what its scores are stored under (revision, weights, reader, engine, precision); empty for scores from a file.
        notes: sentences on it: how its labels were read, what its baseline was trained on.
    """

    name: str
    kind: str
    place: str
    threshold: float
    threshold_from: str
    baseline: bool = False
    key: dict = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Difference:
    """One figure of two detectors on the same images: first minus second, with an interval from the same draws of source images.

    Attributes:
        first, second: names of detectors.
        condition: of the images.
        figure: a name in ``metrics.detection.FIGURES``.
        value: of the first minus that of the second, -1 to 1.
    """

    first: str
    second: str
    condition: str
    figure: str
    value: Estimate


@dataclass(frozen=True)
class Rank:
    """A detector's place among all by one figure, 1 the best; the interval holds 95 % of its places in draws of source images.

    Attributes:
        best: share of the draws in which it is the first alone or together with others.
    """

    detector: str
    condition: str
    figure: str
    rank: Estimate
    best: float


@dataclass(frozen=True)
class Curves:
    """What is drawn of a detector's scores under one condition, over all images.

    Attributes:
        roc: [share of real images flagged, share of synthetic images flagged] from (0, 0) to (1, 1), at most 400 points.
        reliability: for each of 15 bins of probability that is not empty: ``probability`` (mean), ``frequency`` of synthetic
            images, both classes weighing the same, and ``images``.
        histogram: for each of 40 bins from 0 to 1 the number of ``real`` and ``synthetic`` images.
    """

    detector: str
    condition: str
    roc: list[list[float]]
    reliability: list[dict]
    histogram: list[dict]
    baseline: bool = False


@dataclass(frozen=True)
class OpenSet:
    """How well a detector's generator classifier tells images of generators that it does not know from those that it knows.

    Attributes:
        known, unknown: synthetic images of generators that it can and cannot name.
        auc: of one minus the largest probability of a generator (Hendrycks and Gimpel, 2017, arXiv 1610.02136).
        recall_at_5: share of the unknown ones that are rejected where 5 % of the known ones are.
    """

    detector: str
    condition: str
    known: int
    unknown: int
    auc: Estimate
    recall_at_5: Estimate


@dataclass(frozen=True)
class Pairs:
    """How often a synthetic image scores higher than the real ones that it was made from or belongs to.

    Attributes:
        column: whose values say what belongs together.
        pairs: values that have both real and synthetic images.
        share: of the pairs of a real and a synthetic image in which the synthetic one scores higher, each value weighing the same;
            equal scores count half.
    """

    detector: str
    condition: str
    column: str
    pairs: int
    share: Estimate


@dataclass(frozen=True)
class PaperThreshold:
    """A group's balanced accuracy at a threshold that is fitted as in the paper: on some of these very images.

    Attributes:
        kind, name: of the group, see :class:`Row`.
        calibration_images: how many of the scored images it was fitted on.
        threshold: at or above it an image is called synthetic.
    """

    detector: str
    condition: str
    kind: str
    name: str
    calibration_images: int
    threshold: float
    balanced_accuracy: Estimate


@dataclass(frozen=True)
class Mistake:
    """One of the images on which a detector was most sure and wrong.

    Attributes:
        path: of the image in its data set.
        label: "real" or "synthetic", what it is.
        thumbnail: of the picture, JPEG in base64, at most 160 pixels; None where there are scores alone.
        heat_map: the same with the detector's heat map laid over it; None where none was asked for, or the detector gives none.
    """

    detector: str
    condition: str
    path: str
    label: str
    generator: str
    content: str
    probability: float
    thumbnail: str | None = None
    heat_map: str | None = None


def read_row(entry: dict) -> Row:
    """A row from JSON; figures that older reports have not are None."""
    metrics = {**entry["metrics"]}
    for name in FIGURES:
        if metrics.get(name) is not None or name in ("balanced_accuracy", "auc", "average_precision"):
            metrics[name] = Estimate(**metrics[name])
    if metrics.get("auc_delong") is not None:
        metrics["auc_delong"] = Estimate(**metrics["auc_delong"])
    baseline = entry.get("baseline", entry["detector"] == BASELINE_OF_OLD_REPORTS)
    return Row(**{**entry, "metrics": Metrics(**metrics), "baseline": baseline})


def read_track(entry: dict) -> Track:
    """A track from JSON."""
    classes = [ClassFigures(**_with_estimates(each, "accuracy", "accuracy_if_synthetic", "auc")) for each in entry["classes"]]
    return Track(**{**_with_estimates(entry, "accuracy", "accuracy_if_synthetic"), "classes": classes})


def _with_estimates(entry: dict, *names: str) -> dict:
    """The entry with its estimates read; one that is missing altogether raises KeyError, but for those that older reports have not."""
    read = {name: None if entry[name] is None else Estimate(**entry[name]) for name in names if name != "auc" or name in entry}
    return {**entry, **read}


READERS: dict[str, tuple[str, Callable[[dict], object]]] = {
    "figures": ("Figure", read_row),
    "tracks": ("Track", read_track),
    "detectors": ("Detector", lambda entry: DetectorFacts(**entry)),
    "gains": ("Gain", lambda entry: Difference(**_with_estimates(entry, "value"))),
    "differences": ("Difference", lambda entry: Difference(**_with_estimates(entry, "value"))),
    "ranks": ("Rank", lambda entry: Rank(**_with_estimates(entry, "rank"))),
    "curves": ("Curve", lambda entry: Curves(**entry)),
    "open_set": ("Open set", lambda entry: OpenSet(**{**entry, "auc": Estimate(**entry["auc"]), "recall_at_5": Estimate(**entry["recall_at_5"])})),
    "pairs": ("Pair", lambda entry: Pairs(**_with_estimates(entry, "share"))),
    "paper_thresholds": ("Threshold as in the paper", lambda entry: PaperThreshold(**_with_estimates(entry, "balanced_accuracy"))),
    "mistakes": ("Mistake", lambda entry: Mistake(**entry)),
}
"""Entry of a report that is a list -> (what one of the list is called, how it is read)."""
