"""Small convolutional networks of random shape that pass a picture through fewer pixels and back."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

ACTIVATIONS = {"relu": nn.ReLU, "leaky": lambda: nn.LeakyReLU(0.2), "silu": nn.SiLU, "prelu": nn.PReLU}
MULTIPLE = 8
"""Sides of a picture must be multiples of this, which covers every stride."""


class Shape(NamedTuple):
    """What is drawn of a network.

    Attributes:
        encodes: whether it is an autoencoder, which also sees a latent of the whole picture; else it sees the shrunk one alone, as
            networks for super-resolution do.
        stride: of the latent, or factor of the shrinking: 2, 4 or 8.
        width: channels.
        depth: convolutions at the small size.
        up: how it enlarges, twice a step: nearest + convolution, transposed convolution or pixel shuffle.
        activation: a key of ACTIVATIONS.
        based: whether its output is added to the enlarged colours, or must make them itself.
        latent: channels of an autoencoder's latent.
        gradient, spectrum: weights of the losses that make it sharp, beside that of pixels.
    """

    encodes: bool
    stride: int
    width: int
    depth: int
    up: str
    activation: str
    based: bool
    latent: int
    gradient: float
    spectrum: float


def draw_shape(rng: np.random.Generator) -> Shape:
    """A shape: seven times in ten an upsampler (×2, less often ×4), else an autoencoder (stride 2, 4 or 8)."""
    encodes = bool(rng.random() < 0.3)
    return Shape(
        encodes, int(rng.choice([2, 4, 8] if encodes else [2, 2, 2, 4])), int(rng.choice([12, 16, 24])), int(rng.integers(1, 5)),
        str(rng.choice(["nearest", "transposed", "shuffle"])), str(rng.choice(list(ACTIVATIONS))), bool(rng.random() < 0.7),
        int(rng.choice([8, 16, 32])), float(rng.choice([0.0, 0.5, 1.0])), float(rng.choice([0.0, 0.02, 0.05])),
    )


class SimulatedGenerator(nn.Module):
    """The network of a shape."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        activation, width = ACTIVATIONS[shape.activation], shape.width
        steps = shape.stride.bit_length() - 1
        encoder: list[nn.Module] = []
        for step in range(steps if shape.encodes else 0):
            encoder += [nn.Conv2d(width if step else 3, width, 4, stride=2, padding=1), activation()]
        self.encoder = nn.Sequential(*encoder, nn.Conv2d(width, shape.latent, 1)) if shape.encodes else None
        layers: list[nn.Module] = [nn.Conv2d(3 + (shape.latent if shape.encodes else 0), width, 3, padding=1), activation()]
        for _ in range(shape.depth):
            layers += [nn.Conv2d(width, width, 3, padding=1), activation()]
        for _ in range(steps):
            layers += [*_doubling(shape.up, width), activation()]
        self.decoder = nn.Sequential(*layers, nn.Conv2d(width, 3, 3, padding=1))

    def forward(self, pixels: Tensor) -> Tensor:
        """float (B, 3, H, W) in -1..1, sides multiples of ``MULTIPLE`` -> what the generator makes of it, the same shape."""
        small = F.avg_pool2d(pixels, self.shape.stride)
        seen = small if self.encoder is None else torch.cat([small, self.encoder(pixels)], dim=1)
        made = self.decoder(seen)
        return made + F.interpolate(small, scale_factor=self.shape.stride, mode="bilinear") if self.shape.based else made


def _doubling(up: str, width: int) -> list[nn.Module]:
    if up == "nearest":
        return [nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1)]
    if up == "transposed":
        return [nn.ConvTranspose2d(width, width, 4, stride=2, padding=1)]
    return [nn.Conv2d(width, 4 * width, 3, padding=1), nn.PixelShuffle(2)]
