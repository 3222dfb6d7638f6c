"""The adversarial floor: how a detector holds against changes of a few grey levels that are computed from its own weights.

Projected gradient descent (Madry et al., arXiv 1706.06083) on the pixels that the network sees, real images towards "synthetic" and
synthetic ones towards "real". It is called a floor: whoever has the weights can do this much, and stronger attacks exist.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from imaginet_core.detection.verdict import calibrated_probability
from imaginet_core.detection.windows import MEAN
from imaginet_tools.evaluation.detectors import TorchDetector
from imaginet_tools.evaluation.stored.score_images import score_images
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.inference.detector import Detector
from imaginet_tools.inference.networks.torch_network import TorchNetwork
from imaginet_tools.inference.preparation import Preparation
from imaginet_tools.inference.saved_detector import SavedDetector
from imaginet_tools.metrics.delong import delong

EPSILONS = (4, 8, 16)
"""Of 255: the most that a pixel's value is changed by."""
STEPS = 10
BATCH = 16
"""Crops at a time."""
VERSION = 1
"""Of the attack, as stored scores depend on it; raised when it changes."""

LogitOf = Callable[[torch.Tensor], torch.Tensor]
"""Pixels float32 (B, 3, H, W) from 0 to 1 -> logits of "synthetic" (B,), differentiable."""


def adversarial_floor(
    detector: Detector, images: ImageSet, threshold: float, epsilons: tuple[int, ...] = EPSILONS, steps: int = STEPS,
    store: Path | None = None, key: dict | None = None, workers: int = 1,
) -> list[dict]:
    """AUC and balanced accuracy on all crops that the detector sees, clean and attacked with each strength.

    Args:
        detector: one in PyTorch: a ``TorchDetector``, or a ``SavedDetector`` that PyTorch computes.
        images: real and synthetic ones.
        threshold: at or above this probability an image is called synthetic.
        epsilons: strengths, of 255; 0 (clean) is added.
        steps: of each attack, each of a quarter of the strength.
        store: folder of stored scores, where attacked scores are kept as others are; None computes them anew.
        key: with a store: what the detector's scores depend on.
        workers: with a store: processes that read pictures.

    Returns:
        a row per strength: ``epsilon``, ``auc`` with its DeLong interval, ``balanced_accuracy``, ``images``.

    Raises:
        ValueError: for a detector whose gradients cannot be computed, or images of one class only.
    """
    if len(set(images.label.tolist())) < 2:
        raise ValueError(f"{images.title} has images of one class only; an attack is measured on both.")
    found: dict[int, dict] = {}
    for label in (0, 1):
        scorer, own = AttackScorer(detector, label, epsilons, steps, key), np.flatnonzero(images.label == label)
        found |= dict(zip(own.tolist(), _rows(scorer, images.select(own), store, workers), strict=True))
    source = np.unique(images.source_image, return_inverse=True)[1]
    rows = []
    for epsilon in (0, *epsilons):
        probability = np.array([found[index][str(epsilon)] for index in range(len(images))])
        called = probability >= threshold
        balanced = (called[images.label == 1].mean() + (~called[images.label == 0]).mean()) / 2
        rows.append({
            "epsilon": epsilon, "auc": asdict(delong(images.label, probability, source)), "balanced_accuracy": float(balanced),
            "images": len(images),
        })
    return rows


def _rows(scorer: "AttackScorer", images: ImageSet, store: Path | None, workers: int) -> list[dict]:
    if store is None:
        return [scorer.rows([scorer.preparation(b"", images.pixels(index), "clean")])[0] for index in range(len(images))]
    scored = score_images(scorer, images, ("clean",), store, workers)
    if scored.broken:
        raise ValueError(f"An attack needs every image; {next(iter(scored.broken.values()))}.")
    return scored.rows["clean"]


class AttackScorer:
    """Rows of probabilities by strength (``"0"``, ``"4"``, …, of 255), of images of one class; see ``stored.score_images.ImageScorer``.

    A picture's score is the mean over its crops. Each crop is attacked by itself, which moves that mean as an attack on it does, since
    PGD takes the signs of gradients alone. Random starts are drawn from the pixels, so that a row is the same in any batch.

    Raises ValueError as :func:`attackable`.
    """

    def __init__(self, detector: Detector, label: int, epsilons: Sequence[int], steps: int, key: dict | None = None):
        self.name, self.label, self.epsilons, self.steps = f"{detector.name}, attacked", label, (0, *epsilons), steps
        self.logit_of, self.preparation, self.probability_of = attackable(detector)
        self.facts, self.batch_size = dict(key or {}), 4

    def key(self, condition: str) -> dict:
        attack = {"attack": "pgd", "version": VERSION, "steps": self.steps, "epsilons": list(self.epsilons), "label": self.label}
        return {**self.facts, **attack, "condition": condition}

    def rows(self, prepared: list) -> list[dict]:
        pictures = [torch.from_numpy(each) for each in prepared]
        probabilities = {str(epsilon): self._probabilities(pictures, epsilon) for epsilon in self.epsilons}
        return [{name: float(values[number]) for name, values in probabilities.items()} for number in range(len(prepared))]

    def _probabilities(self, pictures: list[torch.Tensor], epsilon: int) -> np.ndarray:
        logits = []
        for part in torch.cat(pictures).split(BATCH):
            if epsilon:
                label = torch.full((len(part),), self.label)
                part = pgd(self.logit_of, part, label, epsilon / 255, self.steps, [zlib.crc32(each.numpy().tobytes()) for each in part])
            with torch.no_grad():
                logits.append(self.logit_of(part).double().cpu())
        of_pictures = torch.cat(logits).split([len(each) for each in pictures])
        return self.probability_of(np.array([each.mean().item() for each in of_pictures]))


def pgd(
    logit_of: LogitOf, pixels: torch.Tensor, label: torch.Tensor, epsilon: float, steps: int, seeds: Sequence[int] | None = None
) -> torch.Tensor:
    """Pixels changed by at most ``epsilon`` each, so that the binary cross-entropy grows.

    Args:
        logit_of: of the detector.
        pixels: float32 (B, 3, H, W), 0 to 1.
        label: int (B,), 0 real, 1 synthetic.
        epsilon: 0 to 1.
        steps: of a quarter of ``epsilon`` each, along the gradient's sign, from a random start.
        seeds: of each start, B of them; by default 0, 1, …

    Returns:
        float32 (B, 3, H, W), 0 to 1. The network's weights get no gradient.
    """
    draw = lambda seed: torch.empty(pixels.shape[1:]).uniform_(-epsilon, epsilon, generator=torch.Generator().manual_seed(seed))
    start = torch.stack([draw(seed) for seed in (range(len(pixels)) if seeds is None else seeds)])
    attacked = (pixels + start.to(pixels)).clamp(0, 1)
    for _ in range(steps):
        attacked.requires_grad_(True)
        logit = logit_of(attacked)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, label.to(logit), reduction="sum")
        (gradient,) = torch.autograd.grad(loss, attacked)
        attacked = attacked.detach() + epsilon / 4 * gradient.sign()
        attacked = pixels + (attacked - pixels).clamp(-epsilon, epsilon)
        attacked = attacked.clamp(0, 1)
    return attacked.detach()


class CropsOfProcessor:
    """(file's bytes, pixels, condition) -> float32 (n, 3, H, W), 0 to 1: the crops that an image processor makes."""

    def __init__(self, processor):
        self.processor = processor

    def __call__(self, content: bytes, pixels: np.ndarray, condition: str) -> np.ndarray:
        values = self.processor(pixels, return_tensors="np")["pixel_values"]
        mean, std = (np.array(each, dtype=np.float32).reshape(3, 1, 1) for each in (self.processor.image_mean, self.processor.image_std))
        return (np.asarray(values).reshape(-1, *values.shape[-3:]) * std + mean).clip(0, 1).astype(np.float32)


class CropsOfSaved:
    """The same of a saved detector, turned upright or not as it wants them."""

    def __init__(self, preparation: Preparation):
        self.preparation, self.turn_upright = preparation, preparation.turn_upright

    def __call__(self, content: bytes, pixels: np.ndarray, condition: str) -> np.ndarray:
        prepared = self.preparation.prepare(pixels)
        if prepared.error is not None:
            raise ValueError(prepared.error)
        return np.ascontiguousarray(prepared.crops.transpose(0, 3, 1, 2), dtype=np.float32) / np.float32(255)


def attackable(detector: Detector) -> tuple[LogitOf, CropsOfProcessor | CropsOfSaved, Callable[[np.ndarray], np.ndarray]]:
    """A PyTorch detector as (logits of pixels, crops of a picture, probabilities of logits).

    Raises ValueError for any other detector, and for one whose score is not the mean over its crops.
    """
    if isinstance(detector, TorchDetector):
        model, processor, crops = detector.model, detector.processor, CropsOfProcessor(detector.processor)
    elif isinstance(detector, SavedDetector) and isinstance(detector.network, TorchNetwork):
        if detector.early_exit or detector.window_rule != MEAN:
            raise ValueError(f"An attack is on the mean over crops; open {detector.name} without early exit and with the rule {MEAN!r}.")
        model, processor, crops = detector.network.model, detector.network.processor, CropsOfSaved(detector.preparation)
    else:
        raise ValueError(f"An attack needs a model in PyTorch; {detector.name} is none.")
    model.eval()
    mean, std = (torch.tensor(values, dtype=torch.float32).reshape(3, 1, 1) for values in (processor.image_mean, processor.image_std))
    device = next(model.parameters()).device

    def logit_of(pixels: torch.Tensor) -> torch.Tensor:
        return model(pixel_values=((pixels - mean) / std).to(device)).origin_logit

    return logit_of, crops, lambda logit: calibrated_probability(logit, model.config)
