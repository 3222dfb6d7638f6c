"""From a network that gives local logits to a heat map of a whole picture, of any size."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from imaginet_tools.inference.heat_maps.heat_map import HeatMap
from imaginet_tools.inference.networks.network import Settings

TILE, MARGIN = 1024, 128
"""Side in pixels of what is computed at once, and what of it is not used at an inner edge: the network sees beyond it there. Both are
multiples of every stride that the networks have, so that places lie where they would lie in a single pass."""

WINDOW = 64
"""Side in pixels of what a local score is of: the mean of the features in it. One place alone is noisier, and further from what the
classifier was trained on. Of 8, 24, 40, 56, 72 and 88 pixels 72 and 88 found pasted regions best (docs/heat_maps.md)."""


class LocalLogits(NamedTuple):
    """Logits of places in a picture.

    Attributes:
        values: float32 (h, w), before temperature and bias.
        stride: pixels from one place to the next, down and across.
        first: pixels from the picture's first row and column to the middle of the first place.
    """

    values: np.ndarray
    stride: tuple[float, float]
    first: tuple[float, float]


class LocalNetwork(Protocol):
    """A network (``networks.network.Network``) that gives local logits too."""

    settings: Settings

    def local_logits(self, pixels: np.ndarray, window: int) -> LocalLogits:
        """The classifier's answer for the mean of the features within about ``window`` pixels (as many of them as lie in the picture) around
        each place of one picture, uint8 RGB (H, W, 3), at least as large as ``settings.crop_size``."""


def heat_map_of(network: LocalNetwork, pixels: np.ndarray, threshold: float) -> HeatMap:
    """The heat map of a picture.

    In one pass up to TILE × TILE pixels, beyond that in tiles that overlap. A side that is shorter than a crop is filled by reflection
    for the computation, as it is for scores.

    Args:
        network: that gives local logits.
        pixels: uint8 RGB (H, W, 3), upright.
        threshold: for regions.

    Raises:
        ValueError: in one sentence, for a network that has no local logits.
    """
    check_heat_maps(network)
    height, width = pixels.shape[:2]
    missing = [max(0, want - have) for want, have in zip(network.settings.crop_size, (height, width), strict=True)]
    before = [each // 2 for each in missing]
    if any(missing):
        pixels = np.pad(pixels, [*((start, each - start) for start, each in zip(before, missing, strict=True)), (0, 0)], mode="reflect")
    logits = np.empty(pixels.shape[:2], np.float32)
    for down, across in _tiles(*pixels.shape[:2]):
        part = network.local_logits(pixels[down.seen, across.seen], WINDOW)
        size = down.seen.stop - down.seen.start, across.seen.stop - across.seen.start
        logits[down.used, across.used] = enlarge(part, size)[down.inner, across.inner]
    logits = logits[before[0] : before[0] + height, before[1] : before[1] + width]
    return HeatMap(network.settings.probability(logits).astype(np.float32), threshold)


def check_heat_maps(network) -> None:
    """Raises ValueError, in one sentence, for a network that has no local logits."""
    if not hasattr(network, "local_logits"):
        raise ValueError(
            f"Heat maps need the saved model; this export for {network.engine} gives scores alone. Open the folder that it was exported from."
        )


def enlarge(part: LocalLogits, size: tuple[int, int]) -> np.ndarray:
    """Local logits at each pixel: float32 ``size``, linear between the middles of places and level beyond the outer ones."""
    (down, across), (top, left) = part.stride, part.first
    to_places = np.array([[1 / across, 0, -left / across], [0, 1 / down, -top / down]], np.float64)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(part.values, to_places, (size[1], size[0]), flags=flags, borderMode=cv2.BORDER_REPLICATE)


class _Span(NamedTuple):
    """Of one side of a tile: what is computed, what of the picture is filled, and which part of what was computed fills it."""

    seen: slice
    used: slice
    inner: slice


def _tiles(height: int, width: int) -> Iterator[tuple[_Span, _Span]]:
    return ((down, across) for down in _spans(height) for across in _spans(width))


def _spans(side: int) -> list[_Span]:
    if side <= TILE:
        return [_Span(slice(0, side), slice(0, side), slice(0, side))]
    step, found = TILE - 2 * MARGIN, []
    for start in range(0, side, step):
        if found and found[-1].used.stop == side:
            break
        end = min(side, start + TILE)
        first = 0 if start == 0 else start + MARGIN
        last = side if end == side else end - MARGIN
        found.append(_Span(slice(start, end), slice(first, last), slice(first - start, last - start)))
    return found
