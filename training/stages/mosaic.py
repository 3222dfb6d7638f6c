"""Crops put together of several pictures of one kind, so that what a picture shows cannot be learnt by heart."""

import torch
from torch import Tensor

NEAREST = 0.25
"""Share of a view's side that at least lies between its edge and the cut."""


def mosaic(pixels: Tensor, kind: Tensor, share: float) -> Tensor:
    """Some of a batch's images with three of their quarters replaced by those of others of the same kind, at the same place.

    The mosaics of YOLOv4 (https://arxiv.org/abs/2004.10934), within a class as in CutMix (https://arxiv.org/abs/1905.04899): the trace of
    what made the picture is in each quarter, its content is not. The cut is drawn anew for each image; its seams say nothing, since
    images of every kind have them. Draws from torch's random numbers on the CPU, whose state is stored with checkpoints.

    Args:
        pixels: uint8 (B, V, C, H, W), V views of each image; those of one image are cut and replaced alike.
        kind: int (B,); images of the same number may be mixed.
        share: of the images that are put together, 0 to 1.

    Returns:
        uint8 (B, V, C, H, W); ``pixels`` itself with a share of 0.
    """
    if not share:
        return pixels
    height, width = pixels.shape[-2:]
    chosen = (torch.rand(len(pixels)) < share).tolist()
    cuts = NEAREST + (1 - 2 * NEAREST) * torch.rand(len(pixels), 2)
    partners = torch.rand(len(pixels), 3).tolist()
    kinds, found = kind.tolist(), pixels.clone()
    same = {number: [other for other, its in enumerate(kinds) if its == number] for number in set(kinds)}
    for image in (image for image, is_chosen in enumerate(chosen) if is_chosen):
        row, column = int(cuts[image, 0] * height), int(cuts[image, 1] * width)
        others, top, left = same[kinds[image]], slice(None, row), slice(None, column)
        bottom, right = slice(row, None), slice(column, None)
        for draw, (rows, columns) in zip(partners[image], ((top, right), (bottom, left), (bottom, right)), strict=True):
            found[image, ..., rows, columns] = pixels[others[int(draw * len(others))], ..., rows, columns]
    return found
