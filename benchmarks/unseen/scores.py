"""What a detector says of a run's scored pictures, under each condition of the table."""

from collections.abc import Callable

import numpy as np
import torch

from benchmarks.unseen.parts import Part
from imaginet_core.pictures import degradations
from imaginet_core.pictures.degradation_grid.conditions import names_of
from imaginet_tools.evaluation.predict import iterate_prepared, predict
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.inference.detector import Detector
from modeling import SelfConImageProcessor

BATCH = 8

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


def under_conditions(
    images: ImageSet, conditions: tuple[str, ...], compute: Callable[[ImageSet, str], np.ndarray]
) -> np.ndarray:
    """What is computed of each picture under the condition that it draws, in the order of the images: (N, …)."""
    drawn = np.array([condition_of(path, conditions) for path in images.path.tolist()])
    owners = {condition: np.flatnonzero(drawn == condition) for condition in np.unique(drawn).tolist()}
    found = [compute(images.select(own), condition) for condition, own in owners.items()]
    return np.concatenate(found)[np.argsort(np.concatenate(list(owners.values())))]


def of_pixels(
    images: ImageSet, conditions: tuple[str, ...], processor: SelfConImageProcessor, of_batch: Callable[[torch.Tensor], np.ndarray],
    title: str,
) -> np.ndarray:
    """What ``of_batch`` computes of the pixels, float (B, 3, H, W) to (B, …), of each picture under the condition that it draws: (N, …)."""
    prepare = lambda picture: processor(picture, return_tensors="pt")["pixel_values"]

    def compute(own: ImageSet, condition: str) -> np.ndarray:
        return np.concatenate([of_batch(torch.cat(batch)) for batch in iterate_prepared(own, condition, prepare, BATCH, title)])

    return under_conditions(images, conditions, compute)


def _probabilities(detector: Detector, images: ImageSet, conditions: tuple[str, ...]) -> np.ndarray:
    return under_conditions(images, conditions, lambda own, condition: predict(detector, own, condition).probability)
