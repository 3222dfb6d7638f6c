"""Crops in other colours, so that what a picture shows cannot be learnt by its colours."""

import torch
from torch import Tensor


def recolour(pixels: Tensor, share: float) -> Tensor:
    """Some of a batch's images with their colour channels in another order, and half as many with light and dark exchanged.

    Shuffled channels and inversion as in Albumentations (https://albumentations.ai/docs); no pixel moves, and no difference between
    neighbours changes but in its channel and sign. Draws from torch's random numbers on the CPU, whose state is stored with checkpoints.

    Args:
        pixels: uint8 (B, V, 3, H, W), V views of each image; those of one image are changed alike.
        share: of the images whose channels are drawn in a new order, any of the six being equally likely, 0 to 1; independently of that
            half this share are inverted.

    Returns:
        uint8 (B, V, 3, H, W); ``pixels`` itself with a share of 0.
    """
    if not share:
        return pixels
    images = len(pixels)
    shuffled, inverted = torch.rand(images) < share, torch.rand(images) < share / 2
    orders = torch.where(shuffled[:, None], torch.rand(images, 3).argsort(1), torch.arange(3)).to(pixels.device)
    found = pixels.gather(2, orders[:, None, :, None, None].expand_as(pixels))
    return torch.where(inverted.to(pixels.device)[:, None, None, None, None], 255 - found, found)
