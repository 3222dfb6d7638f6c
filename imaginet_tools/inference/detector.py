"""What a detector is to everything that uses one, whatever computes its answers."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from imaginet_core.detection.verdict import softmax


class Answers(NamedTuple):
    """A detector's answers for N pictures, in their order.

    Attributes:
        probability: float64 (N,), 0 to 1, of "synthetic".
        family, generator: float (N, classes), higher for the more likely class of a synthetic picture, in the order of the
            detector's ``families`` and ``generators``; None where it tells none.
        feature: float (N, feature size), what the network sees in the picture; None where it has none.
        logit: float64 (N,), of "synthetic" before it was made a probability; None where there is none.
        outcome: str (N,), the name of a class, or "uncertain" (``imaginet_core.detection.verdict``); "" where the picture could not
            be read; None for detectors that give none.
        notes: object (N,), of each picture the tuple of its reader's notes (``imaginet_core.pictures.notes.Note``), or None.
        error: object (N,), of each picture None or the sentence that refuses it; then all its numbers are NaN. None where no
            picture can be refused.
        heat_map: object (N,), of each picture its ``imaginet_core.detection.heat_map.HeatMap``, or None where it has none; None where none was asked.
        sub_logit: float64 (N,), of "synthetic" from the sub-network; None where there is none.

    The arrays of N ≥ 1 pictures; :attr:`log_odds` is computed of them.
    """

    probability: np.ndarray
    family: np.ndarray | None = None
    generator: np.ndarray | None = None
    feature: np.ndarray | None = None
    logit: np.ndarray | None = None
    outcome: np.ndarray | None = None
    notes: np.ndarray | None = None
    error: np.ndarray | None = None
    heat_map: np.ndarray | None = None
    sub_logit: np.ndarray | None = None

    @property
    def log_odds(self) -> np.ndarray:
        """float64 (N,), log(p / (1 - p)) of the probability; infinite at 0 and 1."""
        with np.errstate(divide="ignore"):
            return np.log(self.probability) - np.log1p(-self.probability)


def concatenate_answers(parts: Sequence[Answers]) -> Answers:
    """The answers of all parts, one after the other; at least one part."""
    return Answers(*(None if column[0] is None else np.concatenate(column) for column in zip(*parts, strict=True)))


def rank(names: Sequence[str], logits: np.ndarray | None) -> list[tuple[str, float]]:
    """Classes by their probability given that the picture is synthetic, the likeliest first.

    Args:
        names: of the classes.
        logits: float (classes,), one row of ``Answers.family`` or ``.generator``; None without such a classifier, which gives [].
    """
    if logits is None or np.isnan(logits).any():
        return []
    return sorted(zip(names, softmax(logits).tolist(), strict=True), key=lambda kind: -kind[1])


class Detector(Protocol):
    """Answers for pictures. A class that derives from this one needs a name, a threshold and ``scores``.

    Attributes:
        name: of the detector, in tables.
        threshold: at or above this probability a picture is called synthetic; None where none was fitted.
        families, generators: the classes that it tells synthetic pictures by; empty where it tells none.
        is_baseline: whether it is what others must beat, not what is asked about.
    """

    name: str
    threshold: float | None
    families: Sequence[str] = ()
    generators: Sequence[str] = ()
    is_baseline: bool = False

    def scores(self, pictures: Sequence[np.ndarray]) -> Answers:
        """Answers for pictures, uint8 RGB (H, W, 3) of any sizes."""


@runtime_checkable
class PreparingDetector(Protocol):
    """A :class:`Detector` whose first step takes pictures one by one, so that loading processes can do it.

    Attributes:
        batch_size: prepared pictures at a time.
    """

    batch_size: int

    def prepare(self, picture: np.ndarray):
        """What is needed of a picture, uint8 RGB (H, W, 3)."""

    def scores_of_prepared(self, prepared: list) -> Answers:
        """Answers for what :meth:`prepare` returned for each picture; ``scores(pictures)`` is both steps."""
