"""Batches of random views in a new order every epoch, the same whatever the number of processes and wherever a run resumes."""

from collections import deque
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from imaginet_tools.images.image_set import REAL
from training.views.feature_cache import FeatureViews
from training.views.random_views import RandomViews


class Batches(Protocol):
    """What a training stage needs of its data.

    Attributes:
        steps: batches in an epoch; None where it is not known beforehand.
    """

    steps: int | None

    def epoch(self, number: int, skip: int = 0) -> Iterator[dict[str, Tensor]]:
        """This process's parts of the batches of one epoch after the first ``skip``, as many in every process.

        Items: ``pixels`` uint8 (B, V views, 3, H, W), or ``features`` float (B, V, D) where they are kept; ``label``, ``family``,
        ``generator`` and ``index`` int (B,).
        """

    def paths(self, batch: dict[str, Tensor]) -> list[str]:
        """The images of a batch by their listed paths."""


class ShuffledBatches:
    """:class:`Batches` of images that can be reached by number.

    Args:
        accelerator: whose processes share each batch.
        views: the images' random views; a real image and its synthetic counterpart are always in the same batch.
        batch_size: rows per step, over all processes (a reconstruction is a row).
        seed: of the order.
        num_workers: processes that load and augment images, per training process.

    Raises:
        ValueError: if there are fewer images, or a process would get a single one, which batch normalisation cannot use.
    """

    def __init__(self, accelerator: Accelerator, views: RandomViews | FeatureViews, batch_size: int, seed: int, num_workers: int):
        has_reconstruction = (views.images.label == REAL) & views.has_counterparts
        check_batch_size(batch_size, len(has_reconstruction) + int(has_reconstruction.sum()), accelerator.num_processes)
        self.accelerator, self.views, self.num_workers = accelerator, views, num_workers
        self.order = BatchOrder(has_reconstruction, batch_size, seed, accelerator.process_index, accelerator.num_processes)
        self.steps = self.order.steps
        self.loader = DataLoader(
            views, batch_sampler=self.order, num_workers=num_workers, persistent_workers=num_workers > 0,
            pin_memory=accelerator.device.type == "cuda",
            generator=torch.Generator(),  # of its own: the network's random numbers must not depend on when a run resumed
        )

    def epoch(self, number: int, skip: int = 0) -> Iterator[dict[str, Tensor]]:
        if self.views.crops is not None:
            if self.accelerator.is_main_process:
                self.views.crops.prepare(number, self.num_workers)
            self.accelerator.wait_for_everyone()
        self.views.set_epoch(number)
        self.order.set_epoch(number, skip)
        for batch in self.loader:
            yield {name: value.to(self.accelerator.device, non_blocking=True) for name, value in batch.items()}

    def paths(self, batch: dict[str, Tensor]) -> list[str]:
        listed = self.views.images.path
        suffix = {False: "", True: " (its synthetic counterpart)"}
        return [f"{listed[i % len(listed)]}{suffix[i >= len(listed)]}" for i in batch["index"].tolist()]


class BatchOrder(Sampler):
    """The image numbers of one process's part of each batch.

    The order of an epoch is drawn from seed and epoch number alone; images that do not fill a last batch wait for another epoch.

    Args:
        has_reconstruction: bool (N,); the reconstruction of image i is number N + i and comes directly after it.
        batch_size: numbers per batch over all processes; even where there are reconstructions.
        seed: of the order.
        process, processes: which part to give.
    """

    def __init__(self, has_reconstruction: np.ndarray, batch_size: int, seed: int, process: int = 0, processes: int = 1):
        self.has_reconstruction, self.batch_size, self.seed = has_reconstruction, batch_size, seed
        if has_reconstruction.any() and batch_size % 2:
            raise ValueError(f"Reconstructions need an even batch size, got {batch_size}.")
        share = batch_size // processes
        self.part = slice(process * share, (process + 1) * share)
        self.number, self.skip = 0, 0
        singles, pairs = int((~has_reconstruction).sum()), int(has_reconstruction.sum())
        self.steps = (singles - (singles % 2 if pairs else 0) + 2 * pairs) // batch_size

    def set_epoch(self, number: int, skip: int = 0) -> None:
        self.number, self.skip = number, skip

    def __len__(self) -> int:
        return self.steps - self.skip

    def __iter__(self) -> Iterator[list[int]]:
        order = np.random.default_rng((self.seed, self.number)).permutation(len(self.has_reconstruction))
        if self.has_reconstruction.any():
            order = self._beside_reconstructions(order)
        for step in range(self.skip, self.steps):
            yield order[step * self.batch_size : (step + 1) * self.batch_size][self.part].tolist()

    def _beside_reconstructions(self, order: np.ndarray) -> np.ndarray:
        """The same order with each reconstruction after its image, no pair cut by the border of two batches."""
        singles = order[~self.has_reconstruction[order]]
        if len(singles) % 2:  # an odd number of single images would leave a pair cut somewhere: one of them waits
            order = order[order != singles[-1]]
        result, waiting = [], deque()
        for image in order.tolist():
            (waiting if self.has_reconstruction[image] else result).append(image)
            while waiting and (len(result) + 1) % self.batch_size:  # else a pair does not fit before the border
                real = waiting.popleft()
                result += [real, len(self.has_reconstruction) + real]
        return np.array(result)


def check_batch_size(batch_size: int, available: int, processes: int) -> None:
    """Raises ValueError where ``available`` rows do not fill a batch, or it cannot be divided evenly over the processes."""
    if available < batch_size:
        raise ValueError(f"There are {available} training images, fewer than the batch size {batch_size}; lower it.")
    if batch_size % processes or batch_size // processes < 2:
        raise ValueError(
            f"The batch size {batch_size} cannot be divided over {processes} process(es): each needs the same number of images, and "
            "at least 2 images."
        )
