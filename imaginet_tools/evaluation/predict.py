"""Going over images without training: what the model says and the pixel statistics, under one condition each."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from imaginet_core.pictures.degradations import CONDITION_TITLES, CONDITIONS
from imaginet_core.pictures.pixel_statistics import statistics
from imaginet_tools.images.image_set import ImageSet
from training.run.progress import Progress

BATCH_SIZE = 32


class Predictions(NamedTuple):
    """What a model says of N images, in their order.

    Attributes:
        origin: float64 (N,), the origin logit before temperature and bias, higher for synthetic.
        family: float32 (N, families), logits; None where the model has no such classifier.
        generator: float32 (N, generators), the same.
        feature: float32 (N, feature size), the trunk's feature, which every classifier of the model sees.
    """

    origin: np.ndarray
    family: np.ndarray | None
    generator: np.ndarray | None
    feature: np.ndarray


def predict(
    accelerator: Accelerator, model: nn.Module, processor, images: ImageSet, condition: str, workers: int
) -> Predictions:
    """Everything that the model says of images, in one pass.

    Args:
        accelerator: its processes share the work, and all get the whole result.
        model: a SelfCon model; put into eval mode.
        processor: its image processor; with its ``crops`` above 1 everything is the mean over an image's crops.
        images: N images.
        condition: a name in ``degradations.CONDITIONS``.
        workers: processes that load images, per training process.
    """
    model.eval()
    def prepare(image: np.ndarray) -> dict[str, Tensor]:
        return dict(processor(image, return_tensors="pt"))
    parts, batch_size = [], max(1, BATCH_SIZE // processor.crops)
    for batch in over_images(accelerator, images, condition, prepare, workers, "scoring", batch_size, joined):
        with torch.no_grad():
            output = model(**batch)
        own = {"origin": output.origin_logit, "family": output.family_logits, "generator": output.generator_logits,
               "feature": output.feature}
        parts.append({
            name: accelerator.gather_for_metrics(value.float()).cpu().numpy() for name, value in own.items() if value is not None
        })
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Predictions(whole["origin"].astype(np.float64), whole.get("family"), whole.get("generator"), whole["feature"])


def predict_logits(
    accelerator: Accelerator, model: nn.Module, processor, images: ImageSet, condition: str, workers: int
) -> np.ndarray:
    """The origin logits of :func:`predict` alone: float64 (N,)."""
    return predict(accelerator, model, processor, images, condition, workers).origin


def pixel_features(accelerator: Accelerator, images: ImageSet, condition: str, workers: int) -> np.ndarray:
    """Pixel statistics (``imaginet_core.pictures.pixel_statistics``) of N images under a condition: float64 (N, 13), in the images' order."""
    def prepare(image: np.ndarray) -> Tensor:
        return torch.from_numpy(statistics(image))
    batches = over_images(accelerator, images, condition, prepare, workers, "pixel statistics", BATCH_SIZE, torch.stack)
    return np.concatenate([accelerator.gather_for_metrics(batch).cpu().numpy() for batch in batches])


def joined(inputs: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The image processor's answers for several images as one."""
    return {name: torch.cat([each[name] for each in inputs]) for name in inputs[0]}


def over_images(
    accelerator: Accelerator, images: ImageSet, condition: str, prepare: Callable[[np.ndarray], object], workers: int, title: str,
    batch_size: int, collate: Callable[[list], object],
) -> Iterator:
    """Batches ``collate([prepare(image under the condition), ...])`` in order; each process gets its part of every batch.

    ``batch_size``: images per process.
    """
    dataset = _Prepared(images, CONDITIONS[condition], prepare)
    loader = accelerator.prepare_data_loader(
        DataLoader(dataset, batch_size=batch_size, num_workers=workers, collate_fn=collate)
    )
    every_process = batch_size * accelerator.num_processes
    with Progress(accelerator, f"{title}, {CONDITION_TITLES[condition]}", len(loader)) as progress:
        for batch in loader:
            yield batch
            progress.step(every_process)


def same_weights_everywhere(accelerator: Accelerator, model: nn.Module) -> None:
    """Copies weights and running statistics of the main process to all others, whose statistics saw other images."""
    if accelerator.num_processes > 1:
        for tensor in model.state_dict().values():
            broadcast(tensor, from_process=0)


class _Prepared(Dataset):
    def __init__(self, images: ImageSet, degrade: Callable, prepare: Callable):
        self.images, self.degrade, self.prepare = images, degrade, prepare

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        return self.prepare(self.degrade(self.images.pixels(index)))
