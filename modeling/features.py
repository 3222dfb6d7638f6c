"""What every trunk gives, and the precision that it is computed in."""

from typing import NamedTuple

import torch
from torch import Tensor


class Features(NamedTuple):
    """What a trunk says of B pictures.

    Attributes:
        sub, feature: float (B, feature size), features of sub-network and trunk, in float32 or better.
        maps: feature maps (B, C, h, w), the trunk's last one as last; with ``all_maps`` those before it too: of a ResNet's stem
            and of each of its layers, of a timm backbone the one that the sub-network sees.
    """

    sub: Tensor
    feature: Tensor
    maps: tuple[Tensor, ...]


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision and whole numbers as float32; float32 and float64 as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
