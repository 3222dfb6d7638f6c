"""From the loader's bytes to what the network computes with."""

import torch
from torch import Tensor, nn

PIXEL_MEAN, PIXEL_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, on the scale 0..1."""
MEMORY_FORMAT = torch.channels_last


def rows_of(batch: dict[str, Tensor]) -> Tensor:
    """All views of a batch's images, one image after the other: pixels uint8 (R, 3, H, W), or float (R, D) where features are kept."""
    return (batch["features"] if "features" in batch else batch["pixels"]).flatten(0, 1)


def normalise(pixels: Tensor) -> Tensor:
    """uint8 (B, 3, H, W) -> float32 with ImageNet mean 0 and standard deviation 1, channels last in memory; float (B, D), features, as
    they are."""
    if pixels.ndim == 2:
        return pixels
    mean, std = (torch.tensor(x, device=pixels.device).view(1, 3, 1, 1) * 255 for x in (PIXEL_MEAN, PIXEL_STD))
    return ((pixels.float() - mean) / std).contiguous(memory_format=MEMORY_FORMAT)


def laid_out_as_pixels(network: nn.Module) -> nn.Module:
    """The network, its convolutions' weights in the memory format of :func:`normalise`; else every step reorders weights and gradients."""
    return network.to(memory_format=MEMORY_FORMAT)
