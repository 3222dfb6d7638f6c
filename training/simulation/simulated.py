"""Real pictures as a generator might have made them, drawn anew for every picture and epoch.

A picture is shrunk and made large again by filters (``filters``) or by one of the run's networks (``networks``), so that it shows what
it showed, formed as generators form pictures; then its colours, half of the time also its power by frequency, are matched to what they
were, and it is compressed as the real picture's file is. So it differs by the forming alone, and a detector trained on such pairs
needs no generator's pictures (as with reconstructions: arXiv 2410.11835, 2505.14359; here the generator is another one each time).
"""

from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import torch
from accelerate import Accelerator
from tqdm import tqdm

from imaginet_core.pictures import degradations
from imaginet_core.pictures.alignment import GRID, compression_of
from imaginet_core.pictures.decode import lossless_webp
from imaginet_core.pictures.header import read_header
from imaginet_core.pictures.window import Window
from imaginet_tools.images.image_files import DatasetFiles
from imaginet_tools.images.image_set import COLUMNS, REAL, SYNTHETIC, ImageSet, pick_evenly
from training.simulation import filters
from training.simulation.matching import match_colours, match_frequencies
from training.simulation.networks import SimulatedGenerator
from training.simulation.pool import make_pool

KINDS = ("all", "filters", "networks")
NAME = "simulated"
MARGIN = 16
"""Pixels around a window that are formed with it and cut off, where the picture has them."""
FACTORS = (2, 2, 2, 3, 3, 4, 4, 6, 8)
"""Of shrinking by filters, each as likely as the other."""
BY_NETWORK = 0.7
"""Share of the pictures that a network makes, where filters make the others."""


class SimulatedPictures:
    """Simulated counterparts of real pictures, a pure function of (path, epoch, seed).

    Args:
        images: the pictures; only the files' headers are read here.
        kind: "filters", "networks", or "all" for either: networks with BY_NETWORK.
        networks: the pool; not needed for "filters".
        seed: of all draws.

    Raises:
        ValueError: naming a file that is no picture.
    """

    def __init__(self, images: ImageSet, kind: str, networks: list[SimulatedGenerator], seed: int):
        self.kind, self.networks, self.seed = kind, networks, seed
        self.paths = images.path
        with ThreadPoolExecutor() as pool:  # mostly waiting for files
            self.compressions = list(pool.map(lambda index: _compression(images, index), range(len(images))))

    def select(self, chosen: np.ndarray) -> "SimulatedPictures":
        """Those of ``images.select(chosen)``; ``chosen`` int (n,)."""
        other = copy(self)
        other.paths, other.compressions = self.paths[chosen], [self.compressions[index] for index in chosen]
        return other

    def around(self, window: Window, height: int, width: int) -> Window:
        """What must be read of a picture of ``height`` × ``width`` for a window: more on all sides, from a corner of its blocks."""
        top, left = (max(0, start - MARGIN) // GRID * GRID for start in (window.top, window.left))
        bottom, right = min(height, window.top + window.height + MARGIN), min(width, window.left + window.width + MARGIN)
        return Window.at(top, left, bottom - top, right - left)

    def make(self, pixels: np.ndarray, index: int, epoch: int) -> np.ndarray:
        """Pixels of image ``index``, uint8 (H, W, 3) from a corner of its blocks -> their simulated counterpart, the same shape."""
        rng = degradations.rng_for(str(self.paths[index]), f"{self.seed}/{NAME}/{epoch}")
        real = pixels.astype(np.float32)
        by_network = self.kind == "networks" or (self.kind == "all" and rng.random() < BY_NETWORK)
        made = self._by_network(real, rng) if by_network else _by_filters(real, rng)
        made = match_colours(made, real)
        if rng.random() < 0.5:
            made = match_frequencies(made, real, rng.uniform(0.3, 1.0))
        made = np.clip(np.rint(made), 0, 255).astype(np.uint8)
        compression = self.compressions[index]
        return made if compression is None else degradations.Compression(*compression)(made)

    def _by_network(self, real: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        network = self.networks[int(rng.integers(len(self.networks)))]
        with torch.no_grad():
            made = network(_padded(real, network.shape.stride) / 127.5 - 1)
        return _cut(made * 127.5 + 127.5, real)


def make_simulated(
    train: ImageSet, images: ImageSet, kind: str, count: int, folder: Path, seed: int, accelerator: Accelerator
) -> SimulatedPictures:
    """Simulated counterparts of the real ones among ``images``.

    Args:
        train: to the real ones of these the networks are fitted.
        images: the same, or others.
        kind, seed: see :class:`SimulatedPictures`.
        count, folder, accelerator: see ``pool.make_pool``.

    Raises ValueError if no training image is real.
    """
    real = train.select(train.label == REAL)
    if not len(real):
        raise ValueError("There is no real training image to simulate generators with; train without --simulate.")
    networks = make_pool(real, count, folder, seed, accelerator) if kind != "filters" else []
    return SimulatedPictures(images, kind, networks, seed)


def with_simulated(
    images: ImageSet, simulated: SimulatedPictures, most: int | None = None, side: int | None = None, shown: bool = True
) -> ImageSet:
    """The images, and after them simulated counterparts of real ones, stored without loss; in memory.

    Args:
        images: of a prepared data set.
        simulated: of these images.
        most: how many; None for each real one.
        side: pixels of a counterpart's longer side at most, of the middle of the picture; None for all of it.
        shown: whether with a progress bar.
    """
    real = pick_evenly(np.flatnonzero(images.label == REAL), len(images) if most is None else most)
    bar = tqdm(real.tolist(), desc="simulated counterparts", unit="image", dynamic_ncols=True, mininterval=1.0, disable=not shown)
    made = (simulated.make(_middle(images.pixels(index), side), index, 0) for index in bar)
    files = [{"image": {"bytes": lossless_webp(pixels), "path": None}} for pixels in made]
    added = datasets.Dataset.from_list(files, features=datasets.Features({"image": datasets.Image(decode=False)}))
    rows = datasets.concatenate_datasets([images.rows.cast_column("image", datasets.Image(decode=False)), added])
    columns = {name: np.concatenate([getattr(images, name), getattr(images, name)[real]]) for name in COLUMNS}
    new = slice(len(images), None)
    columns["label"][new] = SYNTHETIC
    for name in ("family", "generator"):
        columns[name] = np.concatenate([getattr(images, name), np.full(len(real), NAME)])
    columns["path"] = np.concatenate([images.path, np.array([f"{path} ({NAME})" for path in images.path[real].tolist()])])
    extra = {name: np.concatenate([values, values[real]]) for name, values in images.extra.items()}
    return replace(images, files=DatasetFiles(rows, images.title), extra=extra, masks=None, **columns)


def _middle(pixels: np.ndarray, side: int | None) -> np.ndarray:
    """The middle of a picture, at most ``side`` pixels high and wide, from a corner of its blocks."""
    if side is None:
        return pixels
    top, left = (max(0, length - side) // 2 // GRID * GRID for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def _by_filters(real: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    factor, kind = int(rng.choice(FACTORS)), str(rng.choice(filters.KINDS))
    small = filters.shrink(_padded(real, factor), factor, rng)
    return _cut(filters.enlarge(small, factor, kind, rng), real)


def _padded(real: np.ndarray, multiple: int) -> torch.Tensor:
    """float (H, W, 3) -> (1, 3, H', W'), continued at the lower and right border to multiples of ``multiple``."""
    below, right = (-side % multiple for side in real.shape[:2])
    padded = np.pad(real, ((0, below), (0, right), (0, 0)), mode="edge")
    return torch.from_numpy(padded).permute(2, 0, 1)[None].contiguous()


def _cut(made: torch.Tensor, real: np.ndarray) -> np.ndarray:
    return made[0].permute(1, 2, 0).numpy()[: real.shape[0], : real.shape[1]]


def _compression(images: ImageSet, index: int) -> tuple | None:
    try:
        return compression_of(read_header(images.content_of(index)))
    except ValueError as error:
        raise ValueError(f"{images.path[index]} cannot be read as an image ({error}); replace it and run again.") from error
