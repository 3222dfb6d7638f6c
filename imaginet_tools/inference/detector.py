"""What a detector is to everything that uses one, whatever computes its answers."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np


class Answers(NamedTuple):
    """A detector's answers for N pictures, in their order.

    Attributes:
        probability: float64 (N,), 0 to 1, of "synthetic".
        family, generator: float (N, classes), higher for the more likely class of a synthetic picture, in the order of the
            detector's ``families`` and ``generators``; None where it tells none.
        feature: float (N, feature size), what the network sees in the picture; None where it has none.
        logit: float64 (N,), of "synthetic" before it was made a probability; None where there is none.
    """

    probability: np.ndarray
    family: np.ndarray | None = None
    generator: np.ndarray | None = None
    feature: np.ndarray | None = None
    logit: np.ndarray | None = None


def concatenate_answers(parts: Sequence[Answers]) -> Answers:
    """The answers of all parts, one after the other; at least one part."""
    return Answers(*(None if column[0] is None else np.concatenate(column) for column in zip(*parts, strict=True)))


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
