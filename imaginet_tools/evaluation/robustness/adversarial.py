"""The adversarial floor: how a detector holds against changes of a few grey levels that are computed from its own weights.

Projected gradient descent (Madry et al., arXiv 1706.06083) on the pixels that the network sees, real images towards "synthetic" and
synthetic ones towards "real". It is called a floor: whoever has the weights can do this much, and stronger attacks exist.
"""

from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import torch

from imaginet_core.detection.verdict import calibrated_probability
from imaginet_tools.evaluation.detectors import TorchDetector
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.inference.detector import Detector
from imaginet_tools.inference.networks.torch_network import TorchNetwork
from imaginet_tools.inference.saved_detector import SavedDetector
from imaginet_tools.metrics.delong import delong

EPSILONS = (4, 8, 16)
"""Of 255: the most that a pixel's value is changed by."""
STEPS = 10
BATCH = 16

LogitOf = Callable[[torch.Tensor], torch.Tensor]
"""Pixels float32 (B, 3, H, W) from 0 to 1 -> logits of "synthetic" (B,), differentiable."""


def adversarial_floor(
    detector: Detector, images: ImageSet, threshold: float, epsilons: tuple[int, ...] = EPSILONS, steps: int = STEPS, seed: int = 0,
) -> list[dict]:
    """AUC and balanced accuracy on centre crops, clean and attacked with each strength.

    Args:
        detector: one in PyTorch: a ``TorchDetector``, or a ``SavedDetector`` that PyTorch computes.
        images: real and synthetic ones.
        threshold: at or above this probability an image is called synthetic.
        epsilons: strengths, of 255; 0 (clean) is added.
        steps: of each attack, each of a quarter of the strength.
        seed: of the random starts.

    Returns:
        a row per strength: ``epsilon``, ``auc`` with its DeLong interval, ``balanced_accuracy``, ``images``.

    Raises:
        ValueError: for a detector whose gradients cannot be computed, or images of one class only.
    """
    if len(set(images.label.tolist())) < 2:
        raise ValueError(f"{images.title} has images of one class only; an attack is measured on both.")
    logit_of, pixels_of, probability_of = attackable(detector)
    label = torch.from_numpy(images.label)
    source = np.unique(images.source_image, return_inverse=True)[1]
    rows = []
    pixels = torch.stack([pixels_of(images.pixels(index)) for index in range(len(images))])
    for epsilon in (0, *epsilons):
        logits = []
        for start in range(0, len(images), BATCH):
            part, of_part = pixels[start : start + BATCH], label[start : start + BATCH]
            attacked = pgd(logit_of, part, of_part, epsilon / 255, steps, seed + start) if epsilon else part
            with torch.no_grad():
                logits.append(logit_of(attacked).double().cpu())
        probability = probability_of(torch.cat(logits).numpy())
        called = probability >= threshold
        balanced = (called[images.label == 1].mean() + (~called[images.label == 0]).mean()) / 2
        rows.append({
            "epsilon": epsilon, "auc": asdict(delong(images.label, probability, source)), "balanced_accuracy": float(balanced),
            "images": len(images),
        })
    return rows


def pgd(logit_of: LogitOf, pixels: torch.Tensor, label: torch.Tensor, epsilon: float, steps: int, seed: int = 0) -> torch.Tensor:
    """Pixels changed by at most ``epsilon`` each, so that the binary cross-entropy grows.

    Args:
        logit_of: of the detector.
        pixels: float32 (B, 3, H, W), 0 to 1.
        label: int (B,), 0 real, 1 synthetic.
        epsilon: 0 to 1.
        steps: of a quarter of ``epsilon`` each, along the gradient's sign, from a random start.

    Returns:
        float32 (B, 3, H, W), 0 to 1. The network's weights get no gradient.
    """
    start = torch.empty_like(pixels).uniform_(-epsilon, epsilon, generator=torch.Generator().manual_seed(seed))
    attacked = (pixels + start).clamp(0, 1)
    for _ in range(steps):
        attacked.requires_grad_(True)
        logit = logit_of(attacked)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, label.to(logit), reduction="sum")
        (gradient,) = torch.autograd.grad(loss, attacked)
        attacked = attacked.detach() + epsilon / 4 * gradient.sign()
        attacked = pixels + (attacked - pixels).clamp(-epsilon, epsilon)
        attacked = attacked.clamp(0, 1)
    return attacked.detach()


def attackable(detector: Detector) -> tuple[LogitOf, Callable[[np.ndarray], torch.Tensor], Callable[[np.ndarray], np.ndarray]]:
    """A PyTorch detector as (logits of pixels, pixels of a picture's centre crop, probabilities of logits).

    Raises ValueError for any other detector.
    """
    if isinstance(detector, TorchDetector):
        model, processor = detector.model, detector.processor
    elif isinstance(detector, SavedDetector) and isinstance(detector.network, TorchNetwork):
        model, processor = detector.network.model, detector.network.processor
    else:
        raise ValueError(f"An attack needs a model in PyTorch; {detector.name} is none.")
    model.eval()
    mean, std = (torch.tensor(values, dtype=torch.float32).reshape(3, 1, 1) for values in (processor.image_mean, processor.image_std))
    device = next(model.parameters()).device

    def logit_of(pixels: torch.Tensor) -> torch.Tensor:
        return model(pixel_values=((pixels - mean) / std).to(device)).origin_logit

    def pixels_of(picture: np.ndarray) -> torch.Tensor:
        values = processor(picture, return_tensors="pt")["pixel_values"]
        return (values.reshape(-1, *values.shape[-3:])[0] * std + mean).clamp(0, 1)

    return logit_of, pixels_of, lambda logit: calibrated_probability(logit, model.config)
