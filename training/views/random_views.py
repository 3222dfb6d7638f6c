"""Random views of the training images, as a data set for a loader."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch

from imaginet_core.pictures import degradations
from imaginet_core.pictures.window import Window
from imaginet_tools.images.image_set import SYNTHETIC, ImageSet
from training.options import TrainingOptions
from training.views.crop_cache import CropCache
from training.views.picture_files import PictureFiles, shared
from training.views.recipes import VIEWS, View, draw_turn

KEPT_BYTES = 2**28
"""Decoded images that each loading process keeps."""
DEGRADED_MARGIN = 32
"""Pixels around a crop that are degraded with it, where the image has them: blocks of a thumbnail reach far."""


def view_of_stage(stage: int, options: TrainingOptions) -> tuple[View, bool]:
    """What draws the views of stage 1 or 2, and whether each image is also shown degraded there."""
    size = options.stage_1.crop_size if stage == 1 else options.stage_2.classifier_crop_size
    return VIEWS[options.views.views][stage - 1](size), options.stage_1.consistency and stage == 1


def margin_for(view: View, degraded: bool) -> int:
    """Pixels that a view's window is grown by on each side: with ``degraded``, up to ``DEGRADED_MARGIN`` around the crop."""
    return max(0, DEGRADED_MARGIN - view.margin) if degraded else 0


class ReconstructedPictures(Protocol):
    """Reconstructions of the real images, see ``training.reconstructions.reconstructions``."""

    def pixels(self, index: int) -> np.ndarray:
        """The reconstruction of real image ``index``: uint8 (H, W, 3), of the image's own size."""


class SimulatedWindows(Protocol):
    """Simulated counterparts of the real images, made of a window's pixels; see ``training.simulation.simulated``."""

    def around(self, window: Window, height: int, width: int) -> Window:
        """What must be read of a picture of ``height`` × ``width`` pixels for a window."""

    def make(self, pixels: np.ndarray, index: int, epoch: int) -> np.ndarray:
        """What was read of image ``index``, uint8 (H, W, 3) -> its counterpart in an epoch, the same shape."""


class RandomViews(torch.utils.data.Dataset):
    """Item i: random views of image i, a pure function of (path, epoch, seed); a dict.

    - ``pixels``: uint8 (V, 3, size, size). V is 1; with ``degraded`` it is 2: a clean crop and its degraded copy.
    - ``label``: 0 real, 1 synthetic; ``family`` and ``generator``: numbers, -1 for real images; ``index``: i.

    A pair of clean and degraded view takes the place of the view's own degradation, as in "degradation-consistent paired
    training" (2026, https://arxiv.org/abs/2604.10102): both show the same crop, turned alike; the second went through a chain
    drawn by ``degradations.draw_chain``, together with ``DEGRADED_MARGIN`` pixels around it.

    With ``reconstructions``, item N + i of N images is that of real image i: of label 1, family and generator -1, the same crop
    with the same degradation and turn. The length stays N.

    With ``simulated``, item N + i is the simulated counterpart of real image i in this epoch, labelled in the same way.

    Decoded images are kept, up to ``KEPT_BYTES`` in each loading process: a small data set is decoded once, not every epoch. Of
    other images no more than the view's window is read.

    Args:
        images: the images.
        view: what draws a view, see ``training.views.recipes``.
        families, generators: class names, to number them; real images get -1.
        seed: of all views.
        degraded: each image as a pair of clean and degraded view.
        reconstructions: reconstructions of the real images.
        simulated: simulated counterparts of the real images; not together with reconstructions or crops.
        crops: windows cut out before, for the same images and view, with the margin that :func:`margin_for` tells.
        cycle: the views of so many epochs are shown in turn; 0: every epoch has its own.

    Raises:
        ValueError: if ``crops`` has another margin.
    """

    def __init__(
        self, images: ImageSet, view: View, families: list[str], generators: list[str], seed: int, degraded: bool = False,
        reconstructions: ReconstructedPictures | None = None, crops: CropCache | None = None, simulated: SimulatedWindows | None = None,
        cycle: int = 0,
    ):
        self.images, self.view, self.seed, self.cycle = images, view, seed, cycle
        self.degraded, self.reconstructions, self.crops, self.simulated = degraded, reconstructions, crops, simulated
        self.margin = margin_for(view, degraded)
        if crops is not None and crops.margin != self.margin:
            raise ValueError(f"These views need windows with a margin of {self.margin}; the crop cache has {crops.margin}.")
        self.files = PictureFiles(images)
        self.label = shared(images.label)
        self.family, self.generator = class_numbers(images.family, families), class_numbers(images.generator, generators)
        self.kept, self.kept_bytes = {}, 0
        self.epoch = torch.zeros(1, dtype=torch.int64).share_memory_()  # seen by workers that live for all epochs

    @property
    def has_counterparts(self) -> bool:
        """Whether real image i has a synthetic counterpart, item N + i."""
        return self.reconstructions is not None or self.simulated is not None

    def set_epoch(self, epoch: int) -> None:
        self.epoch[0] = epoch % self.cycle if self.cycle else epoch

    def __getstate__(self) -> dict:
        """What a loading process is sent that is not forked: nothing that grows with the data set."""
        return {**self.__dict__, "images": None, "kept": {}, "kept_bytes": 0}

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> dict:
        is_counterpart, index = divmod(number, len(self.files))
        rng = degradations.rng_for(self.files.path(index), f"{self.seed}/{int(self.epoch)}")
        views = finish_views(self.view, *self._window(index, bool(is_counterpart), rng), rng, self.degraded)
        return {"pixels": views, **self.about(number)}

    def about(self, number: int) -> dict:
        """Item ``number`` but for its pixels."""
        is_counterpart, index = divmod(number, len(self.files))
        labels = (SYNTHETIC, -1, -1) if is_counterpart else (self.label[index], self.family[index], self.generator[index])
        label, family, generator = map(int, labels)
        return {"label": label, "family": family, "generator": generator, "index": number}

    def _window(self, index: int, is_counterpart: bool, rng: np.random.Generator) -> tuple[np.ndarray, Window]:
        """The window's pixels out of the image or its counterpart, and the window."""
        if self.crops is not None:
            pixels, window = self.crops.window(index, int(self.epoch))
            return (window.of(self._reconstruction(index)) if is_counterpart else pixels), window

        def place(height: int, width: int) -> Window:
            return self.view.place(height, width, rng).grow(self.margin, height, width)

        if not is_counterpart:
            return self._read(index, place)
        return self._simulate(index, place) if self.simulated else _cut(self._reconstruction(index), place)

    def _simulate(self, index: int, place: Callable[[int, int], Window]) -> tuple[np.ndarray, Window]:
        placed: list[Window] = []

        def place_around(height: int, width: int) -> Window:
            placed.append(place(height, width))
            return self.simulated.around(placed[0], height, width)

        pixels, read = self._read(index, place_around)
        window, made = placed[0], self.simulated.make(pixels, index, int(self.epoch))
        return window._replace(top=window.top - read.top, left=window.left - read.left).of(made), window

    def _reconstruction(self, index: int) -> np.ndarray:
        number = len(self) + index
        return self.kept[number] if number in self.kept else self._keep(number, self.reconstructions.pixels(index))

    def _read(self, index: int, place: Callable[[int, int], Window]) -> tuple[np.ndarray, Window]:
        if index in self.kept:
            return _cut(self.kept[index], place)
        with self.files.open(index) as picture:
            if self._has_room(picture.height * picture.width * 3):
                return _cut(self._keep(index, picture.read()), place)
            window = place(picture.height, picture.width)
            return picture.read(window), window

    def _has_room(self, size: int) -> bool:
        return self.kept_bytes + size <= KEPT_BYTES

    def _keep(self, number: int, image: np.ndarray) -> np.ndarray:
        if self._has_room(image.nbytes):
            self.kept[number] = image
            self.kept_bytes += image.nbytes
        return image


def finish_views(view: View, pixels: np.ndarray, window: Window, rng: np.random.Generator, degraded: bool) -> torch.Tensor:
    """What an item shows of a window's pixels, uint8 (V, 3, size, size): one view, or a clean crop and its degraded copy."""
    if degraded:
        turn, chain = draw_turn(rng), degradations.draw_chain(rng)
        views = [turn(view.clean_crop(each, window)) for each in (pixels, chain(pixels))]
    else:
        views = [view.finish(pixels, window, rng)]
    return torch.stack([torch.from_numpy(each).permute(2, 0, 1) for each in views])


def class_numbers(column: np.ndarray, names: list[str]) -> torch.Tensor:
    """The place of each value among the names, -1 for others: str (N,) -> int64 (N,) in shared memory."""
    place = {name: number for number, name in enumerate(names)}
    return shared(np.array([place.get(value, -1) for value in column.tolist()], dtype=np.int64))


def _cut(image: np.ndarray, place: Callable[[int, int], Window]) -> tuple[np.ndarray, Window]:
    window = place(*image.shape[:2])
    return window.of(image), window
