"""Batches of a stream: images as they come from the Hub or the disk, without preparing or even knowing the whole data set.

``imaginet_tools.images.streamed`` gathers beforehand what must be known.
"""

from collections.abc import Iterator
from itertools import count, islice

import datasets
import numpy as np
import torch
from accelerate import Accelerator
from datasets.distributed import split_dataset_by_node
from torch import Tensor
from torch.utils.data import DataLoader

import imaginet
from imaginet_core.pictures import degradations
from imaginet_core.pictures.partial_decode import PictureFile
from imaginet_tools.images.splits import Splits
from imaginet_tools.images.streamed import SHUFFLED_ROWS, is_held_out, plain_row, with_bytes
from training.options import TrainingOptions
from training.views.batches import check_batch_size
from training.views.random_views import finish_views, margin_for, view_of_stage


class StreamedBatches:
    """:class:`training.views.batches.Batches` of a stream, in an order drawn from seed and epoch among the rows of a buffer.

    The files of the stream are shared out over processes, and over the loading processes of each, where there are enough of
    them; else each process takes every n-th row. An epoch ends for all processes as soon as one has no full batch left, so that
    none waits for ever: what the others have left, up to the difference between the files' sizes, waits for the next epoch,
    which deals the files out anew. The order depends on the number of processes and of loading processes.

    Args:
        accelerator: whose processes share each batch.
        splits: as ``imaginet_tools.images.streamed.load_streamed_splits`` gives them.
        stage: 1 or 2. Stage 2 sees only the images on the calibration list, or those that the data set marks, if there are.
        options: batch_size, views, crop sizes, consistency, seed, held_out, num_workers and calibration_list.

    Raises:
        ValueError: if the batch size cannot be divided evenly over the processes.
    """

    steps = None

    def __init__(self, accelerator: Accelerator, splits: Splits, stage: int, options: TrainingOptions):
        processes = accelerator.num_processes
        check_batch_size(options.stage_1.batch_size, options.stage_1.batch_size, processes)
        self.accelerator, self.options, self.share = accelerator, options, options.stage_1.batch_size // processes
        shuffled = splits.stream.shuffle(seed=options.run.seed, buffer_size=SHUFFLED_ROWS)
        own = split_dataset_by_node(shuffled, accelerator.process_index, processes)
        self.num_workers = min(options.views.num_workers, own.num_shards)  # more would find nothing to read
        self.views = StreamedViews(own, splits, stage, options)
        self.given: list[str] = []

    def epoch(self, number: int, skip: int = 0) -> Iterator[dict[str, Tensor]]:
        """As in ``Batches``; the rows of skipped batches are read but not decoded.

        Raises ValueError where not even the first batch can be filled, or an image cannot be read.
        """
        items = iter(self._loader(number, skip))
        for step in count():
            part = list(islice(items, self.share))
            if not self._everyone(len(part) == self.share):
                break
            if step >= skip:
                yield self._batch(part, step)
        if step == 0:
            raise ValueError(
                f"The stream does not fill one batch: a process found fewer than {self.share} images to train on; lower "
                f"--batch_size {self.options.stage_1.batch_size} or start fewer processes."
            )

    def paths(self, batch: dict[str, Tensor]) -> list[str]:
        """The images of ``batch``, the one last given, by their paths."""
        return self.given

    def _loader(self, number: int, skip: int) -> DataLoader:
        self.views.start(number, skip * self.share)
        workers = {"prefetch_factor": 2 + 2 * self.share // self.num_workers} if self.num_workers else {}
        return DataLoader(
            self.views, batch_size=None, collate_fn=_no_collation, num_workers=self.num_workers, **workers,
            generator=torch.Generator(),  # of its own: the network's random numbers must not depend on when a run resumed
        )

    def _everyone(self, ready: bool) -> bool:
        """Whether all processes are ready; each of them asks at the same time."""
        if self.accelerator.num_processes == 1:
            return ready
        flag = torch.tensor(int(ready), device=self.accelerator.device)
        return int(self.accelerator.reduce(flag, "sum")) == self.accelerator.num_processes

    def _batch(self, items: list[dict], step: int) -> dict[str, Tensor]:
        self.given = [item["path"] for item in items]
        batch = {"pixels": torch.from_numpy(np.stack([item["pixels"] for item in items]))}
        batch |= {name: torch.tensor([item[name] for item in items]) for name in ("label", "family", "generator")}
        batch["index"] = torch.arange(step * self.share, (step + 1) * self.share)  # places in this process's part of the epoch
        return {name: value.to(self.accelerator.device, non_blocking=True) for name, value in batch.items()}


class StreamedViews(torch.utils.data.IterableDataset):
    """Random views of the rows of a stream that train: dicts like ``RandomViews``'s, with ``path`` in place of ``index``.

    ``pixels`` is an array. A view is the same function of path, epoch and seed as there. Args: see ``StreamedBatches``.
    """

    def __init__(self, stream: datasets.IterableDataset, splits: Splits, stage: int, options: TrainingOptions):
        self.stream, self.features, self.options = stream, stream.features, options
        self.view, self.degraded = view_of_stage(stage, options)
        self.families, self.generators = _numbers(splits.families), _numbers(splits.generators)
        file = options.data.calibration_list
        self.listed = imaginet.listed_paths(file) if stage == 2 and file else None
        self.only_marked = stage == 2 and self.listed is None and bool(splits.train.calibration.any())
        self.turn_upright = splits.train.turn_upright
        self.number = self.skipped = 0

    def start(self, number: int, skipped: int) -> None:
        """The next iteration is of epoch ``number``; its first ``skipped`` items, over all loading processes, are not wanted."""
        self.number, self.skipped = number, skipped

    def __iter__(self) -> Iterator[dict | None]:
        """Items; None in place of some of those that are not wanted."""
        self.stream.set_epoch(self.number)
        worker = torch.utils.data.get_worker_info()
        own, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        for place, row in enumerate(self._training_rows()):
            # the loader takes an item of each process in turn, so this one is at that place or, once others have ended, before it
            yield None if place * workers + own < self.skipped else self._item(row)

    def _training_rows(self) -> Iterator[dict]:
        for row in self.stream:
            row = plain_row(row, self.features)
            if is_held_out(row["source_image"], self.options.data.held_out, self.options.run.seed):
                continue
            if self.only_marked and not row["calibration"]:
                continue
            if self.listed is None or row["path"].removeprefix("./") in self.listed:
                yield row

    def _item(self, row: dict) -> dict:
        rng = degradations.rng_for(row["path"], f"{self.options.run.seed}/{self.number}")
        with PictureFile(with_bytes(row["image"], row["path"]), row["path"], self.turn_upright) as picture:
            window = self.view.place(picture.height, picture.width, rng)
            window = window.grow(margin_for(self.view, self.degraded), picture.height, picture.width)
            pixels = picture.read(window)
        return {
            "pixels": finish_views(self.view, pixels, window, rng, self.degraded).numpy(), "path": row["path"],
            "label": int(row["label"] == "synthetic"), "family": self.families.get(row["family"], -1),
            "generator": self.generators.get(row["generator"], -1),
        }


def _numbers(names: list[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}


def _no_collation(item):
    return item
