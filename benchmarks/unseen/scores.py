"""What a detector says of a run's scored pictures, under each condition of the table."""

from collections.abc import Iterator

import numpy as np

from benchmarks.unseen.parts import Part
from imaginet_core.pictures import degradations
from imaginet_core.pictures.degradation_grid.conditions import names_of
from imaginet_tools.evaluation.predict import predict
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.inference.detector import Detector

CONDITIONS = {"clean": ("clean",), "JPEG 70": ("jpeg70",), "half and back": ("half_and_back",), "web": tuple(names_of(["web"]))}
"""Column of the table -> conditions of the grid of degradations; of several, each picture goes through one, drawn by its name."""


def scores_of(detector: Detector, part: Part) -> dict:
    """Plain values: the stored threshold, and of each scored picture path, source picture, label and probabilities by column."""
    images = part.scored
    return {
        "threshold": detector.threshold, "path": images.path.tolist(), "source_image": images.source_image.tolist(),
        "label": images.label.tolist(),
        "probability": {
            column: [round(float(value), 6) for value in _probabilities(detector, images, conditions)]
            for column, conditions in CONDITIONS.items()
        },
    }


def condition_of(path: str, conditions: tuple[str, ...]) -> str:
    """The condition that a picture goes through."""
    return conditions[int(degradations.rng_for(path, "unseen").integers(len(conditions)))]


def by_condition(images: ImageSet, conditions: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """Each condition that pictures draw, and the numbers of those pictures."""
    drawn = np.array([condition_of(path, conditions) for path in images.path.tolist()])
    for condition in np.unique(drawn).tolist():
        yield condition, np.flatnonzero(drawn == condition)


def _probabilities(detector: Detector, images: ImageSet, conditions: tuple[str, ...]) -> np.ndarray:
    found = np.empty(len(images))
    for condition, own in by_condition(images, conditions):
        found[own] = predict(detector, images.select(own), condition).probability
    return found
