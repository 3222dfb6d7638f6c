"""Enlargement by filters that are drawn at random: the last steps of most generators, without a network.

Nearest pixel + convolution, transposed convolution, pixel shuffle and bilinear + sharpening are all one operation: between the
pixels of a small picture, zeros are inserted, and a kernel is laid over the result (a polyphase filter). What tells them apart is the
kernel: how smooth it is, and whether the pixels of all phases get the same share (where not, a checkerboard is left; Odena et al.,
2016, https://distill.pub/2016/deconv-checkerboard).
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

KINDS = ("nearest", "transposed", "shuffle", "bilinear")
SUPPORT = 2
"""Pixels of the small picture on each side that an enlarged one depends on."""
CHECKERBOARD = 0.04
"""Largest relative error of the shares of phases."""


def shrink(picture: Tensor, factor: int, rng: np.random.Generator) -> Tensor:
    """The picture, blurred by a random Gaussian or none, as the mean or one pixel of each block of ``factor`` × ``factor``.

    Args:
        picture: float (1, 3, H, W), sides multiples of ``factor``.
        factor: of both sides.

    Returns:
        float (1, 3, H / factor, W / factor).
    """
    sigma = rng.uniform(0.2, 0.6) * factor
    if rng.random() < 0.5:
        return F.avg_pool2d(picture, factor)
    radius = int(np.ceil(2 * sigma))
    places = np.arange(-radius, radius + 1)
    profile = np.exp(-((places / sigma) ** 2) / 2)
    blurred = _convolve(picture, np.outer(profile, profile) / profile.sum() ** 2)
    return blurred[..., factor // 2 :: factor, factor // 2 :: factor]


def enlarge(small: Tensor, factor: int, kind: str, rng: np.random.Generator) -> Tensor:
    """The small picture, float (1, 3, H, W), enlarged by a kernel drawn for one of KINDS: float (1, 3, factor·H, factor·W)."""
    kernel = enlarging_kernel(factor, kind, rng)
    padded = F.pad(small, (SUPPORT,) * 4, mode="replicate").transpose(0, 1)
    weight = torch.from_numpy(kernel).to(small)[None, None]
    large = F.conv_transpose2d(padded, weight, stride=factor, padding=SUPPORT * factor).transpose(0, 1)
    large = large[..., SUPPORT * factor : -SUPPORT * factor, SUPPORT * factor : -SUPPORT * factor]
    return sharpen(large, rng.uniform(0.5, 2.0)) if kind == "bilinear" or rng.random() < 0.5 else large


def enlarging_kernel(factor: int, kind: str, rng: np.random.Generator) -> np.ndarray:
    """A kernel float32 (n, n), n = (2 · SUPPORT + 1) · factor; the taps of each phase sum to 1, but for a checkerboard."""
    side = (2 * SUPPORT + 1) * factor
    places = (np.arange(side) - (side - 1) / 2) / factor
    if kind == "nearest":
        profile, noise = (np.abs(places) < 0.5).astype(float), 0.0
        smooth = np.ones(factor + 1 - factor % 2) + rng.uniform(-0.3, 0.6, factor + 1 - factor % 2)
        profile = np.convolve(profile, smooth, mode="same")
    elif kind == "bilinear":
        profile, noise = np.maximum(0, 1 - np.abs(places)), 0.0
    else:
        profile, noise = _cubic(places, rng.uniform(-0.9, -0.1)), rng.uniform(0.02, 0.2)
    kernel = np.outer(profile, profile)
    kernel = kernel * (1 + noise * rng.standard_normal(kernel.shape))
    phases = kernel.reshape(2 * SUPPORT + 1, factor, 2 * SUPPORT + 1, factor)
    share = 1 + (CHECKERBOARD * rng.random() * rng.standard_normal((factor, factor)) if kind in ("transposed", "shuffle") else 0)
    if kind == "shuffle":  # each phase has weights of its own, and so a place of its own
        phases = phases * (1 + 0.3 * rng.standard_normal(phases.shape) * (phases > phases.max() / 4))
    phases = phases / phases.sum(axis=(0, 2), keepdims=True) * np.broadcast_to(share, (factor, factor))[None, :, None, :]
    return phases.reshape(side, side).astype(np.float32)


def sharpen(picture: Tensor, amount: float) -> Tensor:
    """Adds ``amount`` times what a 3 × 3 blur takes away; float (1, 3, H, W) -> the same shape."""
    profile = np.array([1.0, 2.0, 1.0]) / 4
    return picture + amount * (picture - _convolve(picture, np.outer(profile, profile)))


def _cubic(places: np.ndarray, a: float) -> np.ndarray:
    """Keys' interpolation kernel (1981) with the free parameter ``a``."""
    t = np.abs(places)
    near = (a + 2) * t**3 - (a + 3) * t**2 + 1
    far = a * (t**3 - 5 * t**2 + 8 * t - 4)
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


def _convolve(picture: Tensor, kernel: np.ndarray) -> Tensor:
    """Each channel with an odd square kernel, the border continued."""
    radius = len(kernel) // 2
    padded = F.pad(picture, (radius,) * 4, mode="replicate").transpose(0, 1)
    return F.conv2d(padded, torch.from_numpy(kernel).to(picture)[None, None]).transpose(0, 1)
