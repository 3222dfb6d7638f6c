"""Going over images with a detector: its answers under one condition, shared out over processes."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from imaginet_core.pictures.degradation_grid.conditions import condition_title, degrade
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.inference.detector import Answers, Detector, PreparingDetector, concatenate_answers

BATCH_SIZE = 32


def predict(
    detector: Detector, images: ImageSet, condition: str = "clean", accelerator: Accelerator | None = None, workers: int = 0,
    part: str = "images",
) -> Answers:
    """A detector's answers for N images, in one pass.

    Args:
        detector: see ``imaginet_tools.inference.detector``.
        images: N ≥ 1 images.
        condition: a name of ``imaginet_core.pictures.degradation_grid.conditions``.
        accelerator: its processes share the work, and all get the whole result; by default this process does all of it.
        workers: processes that load images, per process.
        part: which images these are, for the progress bar.
    """
    prepares = isinstance(detector, PreparingDetector)
    prepare, answer, size = (
        (detector.prepare, detector.scores_of_prepared, detector.batch_size) if prepares else (None, detector.scores, BATCH_SIZE)
    )
    batches = iterate_prepared(images, condition, prepare, size, f"{detector.name} on {part}", accelerator, workers)
    return concatenate_answers([Answers(*(gather(column, accelerator) for column in answer(batch))) for batch in batches])


def iterate_prepared(
    images: ImageSet, condition: str, prepare: Callable[[np.ndarray], object] | None, batch_size: int, title: str,
    accelerator: Accelerator | None = None, workers: int = 0,
) -> Iterator[list]:
    """Lists of what ``prepare`` makes of each image under the condition, in order; each process gets its part of every batch.

    What is computed of them must go through :func:`gather` before the next list.

    Args:
        images: N images.
        condition: a name of ``imaginet_core.pictures.degradation_grid.conditions``.
        prepare: run in the loading processes; None for the pictures themselves, uint8 RGB (H, W, 3).
        batch_size: images at a time, per process.
        title: of the progress bar, which only the main process shows.
        accelerator: whose processes share the work; by default this process does all of it.
        workers: processes that load images, per process.
    """
    dataset = _Prepared(images, condition, prepare)
    loader = DataLoader(dataset, batch_size=batch_size, num_workers=workers, collate_fn=list)
    if accelerator is not None:
        loader = accelerator.prepare(loader)
    shown, processes = (True, 1) if accelerator is None else (accelerator.is_main_process, accelerator.num_processes)
    words = f"{title}, {condition_title(condition)}"
    with tqdm(total=len(images), desc=words, unit="image", disable=not shown, dynamic_ncols=True, mininterval=1.0) as bar:
        for batch in loader:
            yield batch
            bar.update(min(len(batch) * processes, len(images) - bar.n))


def gather(values: np.ndarray | None, accelerator: Accelerator | None) -> np.ndarray | None:
    """One process's rows of a batch -> those of all processes, in the images' order; of None nothing."""
    if values is None or accelerator is None:
        return values
    return accelerator.gather_for_metrics(torch.from_numpy(values).to(accelerator.device)).cpu().numpy()


class _Prepared(Dataset):
    def __init__(self, images: ImageSet, condition: str, prepare: Callable | None):
        self.images, self.condition, self.prepare = images, condition, prepare

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        picture = degrade(self.images.pixels(index), str(self.images.path[index]), self.condition)
        return picture if self.prepare is None else self.prepare(picture)
