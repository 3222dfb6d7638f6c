"""What an audit finds: the names of its sets of features, its figures, and their form in a file."""

import dataclasses
from dataclasses import dataclass

from imaginet_tools.metrics.estimate import Estimate

SCHEMA = "imaginet-audit/1"
SETS = {
    "metadata": "metadata",
    "container": "metadata without bytes per pixel",
    "traces": "compression and resampling traces",
    "statistics": "plain pixel statistics",
}
"""Set of features -> what it is called."""
VIEWS = ("raw", "aligned", "perturbed")
"""What is looked at: the files, or what alignment or the perturbed test set makes of them."""


@dataclass(frozen=True)
class Group:
    """Figures of one group of images (see ``imaginet_tools.metrics.detection``), out of fold, with 95 % intervals over source images.

    Attributes:
        kind, name: of the group.
        real, synthetic: images.
        balanced_accuracy, auc: the interval widened as ``imaginet_tools.audit.classifier`` says; the threshold is 0.5.
        is_shortcut: whether the AUC's interval lies above 0.5; None where there are too few source images for an interval.
    """

    kind: str
    name: str
    real: int
    synthetic: int
    balanced_accuracy: Estimate
    auc: Estimate
    is_shortcut: bool | None


@dataclass(frozen=True)
class Feature:
    """What one feature tells alone: the out-of-fold AUC of a tree with at most 8 leaves on it."""

    name: str
    auc: float


@dataclass(frozen=True)
class Examination:
    """One set of features: figures per group, overall first, and the most telling features, the best first."""

    groups: list[Group]
    features: list[Feature]


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        created: when, UTC, ISO 8601.
        title: the data set.
        view: one of VIEWS.
        images: number of images by label that were looked at.
        listed: how many the data set has in all.
        left_out: path -> why, of images that could not be read; those of the list that are not there are counted under "missing".
        seconds_per_1000: of reading and measuring 1,000 images with ``processes`` processes.
        processes: how many.
        sets: name in SETS -> what was found.
        sentence: the answer.
    """

    created: str
    title: str
    view: str
    images: dict
    listed: int
    left_out: dict
    seconds_per_1000: float
    processes: int
    sets: dict[str, Examination]
    sentence: str

    def to_json(self) -> dict:
        """Plain values, with the schema's name first."""
        return {"schema": SCHEMA, **dataclasses.asdict(self)}
