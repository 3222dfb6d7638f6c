"""The first step of every saved detector: reading a picture and cutting its crops. Needs no network, so other processes can do it."""

from typing import NamedTuple

import numpy as np

from imaginet_core.detection.crops import cut_crops
from imaginet_core.pictures.decode import read_picture
from imaginet_core.pictures.notes import Note
from imaginet_core.pictures.sources import LIMITS, Limits, PictureError


class Prepared(NamedTuple):
    """What is needed of a picture.

    Attributes:
        crops: uint8 RGB (n, height, width, 3); None where it could not be read.
        notes: of its reader.
        error: None, or the sentence that refuses it.
    """

    crops: np.ndarray | None
    notes: tuple[Note, ...] = ()
    error: str | None = None


class Preparation(NamedTuple):
    """How a detector wants its pictures: a few numbers that travel to whoever prepares them.

    Attributes:
        crop_size: (height, width) of what the network sees.
        crops: in how many places a picture is seen, or "all".
        turn_upright: whether pictures are turned by their EXIF orientation.
        limits: what a picture may cost.
    """

    crop_size: tuple[int, int]
    crops: int | str = 1
    turn_upright: bool = True
    limits: Limits = LIMITS

    def prepare(self, picture, name: str | None = None) -> Prepared:
        """Reads a picture in any form that the reader takes; ``name``: for messages."""
        try:
            seen = self.crop_size if self.crops == 1 else None
            read = read_picture(picture, name=name, turn=self.turn_upright, crop=seen, limits=self.limits)
        except PictureError as error:
            return Prepared(None, (), str(error))
        crops = cut_crops(read.pixels.transpose(2, 0, 1), self.crop_size, self.crops)
        return Prepared(np.stack([crop.transpose(1, 2, 0) for crop in crops]), read.notes)
