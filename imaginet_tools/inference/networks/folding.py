"""The same network in less time on a CPU: batch normalisation folded into the convolutions before it, channels last in memory."""

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

NARROW = 16
"""Channels below which oneDNN in torch 2.14.1 may end the process at a 1×1 convolution with a stride, channels last."""


def make_quicker(encoder: nn.Module) -> None:
    """Changes the trunk of a detector in evaluation mode, on a CPU, in place; its numbers stay equal but for rounding.

    In float32 each batch normalisation is folded into its convolution (in other precisions the folded weights would be rounded). Then
    the weights are laid out with channels last, which oneDNN computes in about two thirds of the time.

    Args:
        encoder: a ResNet trunk of this project, of any version. Trunks of timm are left alone: their orders of layers are many.
    """
    if next(encoder.parameters()).dtype == torch.float32:
        for block in encoder.modules():
            _fold(block)
    convolutions = [each for each in encoder.modules() if isinstance(each, nn.Conv2d)]
    if not any(_may_crash(each) for each in convolutions):
        encoder.to(memory_format=torch.channels_last)


def _fold(block: nn.Module) -> None:
    """Each ``conv1``, ``bn1``; ``conv2``, ``bn2``; … of a block, and its shortcut's convolution and normalisation."""
    children = dict(block.named_children())
    for name, convolution in children.items():
        norm = children.get(f"bn{name.removeprefix('conv')}") if name.startswith("conv") else None
        if norm is not None and type(norm) is nn.BatchNorm2d:
            setattr(block, name, fuse_conv_bn_eval(convolution, norm))
            setattr(block, f"bn{name.removeprefix('conv')}", nn.Identity())
    shortcut = children.get("shortcut")
    if isinstance(shortcut, nn.Sequential) and len(shortcut) == 2 and shortcut[0].in_channels >= NARROW:  # a narrow one takes no bias
        block.shortcut = nn.Sequential(fuse_conv_bn_eval(shortcut[0], shortcut[1]))


def _may_crash(convolution: nn.Conv2d) -> bool:
    """Narrow shortcuts of saved models of the first version; later ones skip pixels before they compute."""
    is_shortcut = convolution.kernel_size == (1, 1) and convolution.stride != (1, 1)
    return is_shortcut and convolution.in_channels < NARROW and type(convolution) is nn.Conv2d
