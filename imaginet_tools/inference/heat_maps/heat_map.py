"""A map of local scores: what it holds, its strongest regions, and how it is laid over the picture."""

import io
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

LEAST_AREA = 16 * 16
"""Pixels of the smallest region that is told; a place that the network judges by is about that large."""
COLOUR = (255, 64, 0)
MOST_OPACITY = 170
"""Of 255, where the local score is 1: the picture can still be seen."""


class Region(NamedTuple):
    """A connected part of the picture whose local scores are at or above the threshold.

    Attributes:
        box: left, top, right, bottom in pixels, right and bottom exclusive.
        score: mean local score, 0 to 1.
        area: pixels.
    """

    box: tuple[int, int, int, int]
    score: float
    area: int


class HeatMap(NamedTuple):
    """Local scores of a picture.

    Attributes:
        scores: float32 (H, W), 0 to 1, at the size of the picture as it is read (upright). The classifier is applied to the features
            around each place alone; as it is not linear, these scores do not average to the picture's.
        threshold: the detector's, which regions are cut out at.
    """

    scores: np.ndarray
    threshold: float

    def regions(self, most: int = 5, threshold: float | None = None) -> list[Region]:
        """The strongest regions, by their mean score; [] where no place reaches the threshold (default: :attr:`threshold`)."""
        mask = (self.scores >= (self.threshold if threshold is None else threshold)).astype(np.uint8)
        count, labels, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        total = np.bincount(labels.ravel(), weights=self.scores.ravel(), minlength=count)
        found = [
            Region((left, top, left + width, top + height), float(total[number]) / area, area)
            for number, (left, top, width, height, area) in enumerate(boxes.tolist()) if number and area >= LEAST_AREA
        ]
        return sorted(found, key=lambda region: -region.score)[:most]

    def overlay(self) -> Image.Image:
        """RGBA, of the picture's size: the stronger the local score, the less transparent. To be laid over the picture."""
        pixels = np.empty((*self.scores.shape, 4), np.uint8)
        pixels[..., :3], pixels[..., 3] = COLOUR, np.rint(self.scores * MOST_OPACITY).astype(np.uint8)
        return Image.fromarray(pixels, "RGBA")

    def overlay_png(self) -> bytes:
        """The overlay as a PNG file."""
        file = io.BytesIO()
        self.overlay().save(file, "PNG")
        return file.getvalue()
