"""Random views of the training images, as a data set for a loader."""

import numpy as np
import torch

import degradations
from training.data import ImageSet
from training.views import View

KEPT_BYTES = 2**28
"""Decoded images that each loading process keeps."""


class RandomViews(torch.utils.data.Dataset):
    """Item i: random views of image i, uint8 (V, 3, size, size), with labels; a pure function of (path, epoch, seed).

    V is 1. Items are dicts of ``pixels``, ``label`` (0 real, 1 synthetic), ``family`` and ``generator`` (numbers, -1 for real
    images) and ``index``.

    Decoded images are kept, up to ``KEPT_BYTES`` in each loading process: a small data set is decoded once, not every epoch.

    Args:
        images: the images.
        view: what draws a view, see ``training.views``.
        families, generators: class names, to number them; real images get -1.
        seed: of all views.
    """

    def __init__(self, images: ImageSet, view: View, families: list[str], generators: list[str], seed: int):
        self.images, self.view, self.seed = images, view, seed
        number = lambda names, column: np.array([names.index(x) if x in names else -1 for x in column], dtype=np.int64)
        self.family = number(families, images.family)
        self.generator = number(generators, images.generator)
        self.kept, self.kept_bytes = {}, 0
        self.epoch = torch.zeros(1, dtype=torch.int64).share_memory_()  # seen by workers that live for all epochs

    def set_epoch(self, epoch: int) -> None:
        self.epoch[0] = epoch

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict:
        rng = degradations.rng_for(self.images.path[index], f"{self.seed}/{int(self.epoch)}")
        view = self.view(self._pixels(index), rng)
        return {
            "pixels": torch.from_numpy(view).permute(2, 0, 1)[None],
            "label": int(self.images.label[index]),
            "family": int(self.family[index]), "generator": int(self.generator[index]), "index": index,
        }

    def _pixels(self, index: int) -> np.ndarray:
        if index in self.kept:
            return self.kept[index]
        image = self.images.pixels(index)
        if self.kept_bytes + image.nbytes <= KEPT_BYTES:
            self.kept[index] = image
            self.kept_bytes += image.nbytes
        return image
