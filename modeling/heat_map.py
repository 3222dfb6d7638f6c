# a copy of imaginet_core/detection/heat_map.py by scripts/update_picture_reader.py; change that file, not this one
"""Where a picture looks synthetic: from a trunk's last features to local scores at each pixel, their strongest regions and an overlay.

On NumPy and Pillow alone, since it travels with every model; whatever has features and a classifier gives the same numbers by it.
"""

import base64
import io
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

TILE, MARGIN = 1024, 128
"""Side in pixels of what is computed at once, and what of it is not used at an inner edge: the network sees beyond it there. Both are
multiples of every stride that the networks have, so that places lie where they would lie in a single pass."""
WINDOW, AVERAGED = 24, 56
"""Sides in pixels: of the window whose mean feature the classifier judges at each place, since one place alone is noisier, and further
from what the classifier was trained on; and of what a local score is the average of, the probabilities at its places. Both were chosen
by how well pasted regions are found (docs/heat_maps.md)."""
LEAST_THRESHOLD = 0.67
"""The lowest threshold of regions. A place is judged by far less than a picture is: with this one about a tenth of real pictures, with
real regions pasted into them, was marked (docs/heat_maps.md)."""
LEAST_AREA = 16 * 16
"""Pixels of the smallest region that is told; a place that the network judges by is about that large."""
COLOUR = (255, 64, 0)
MOST_OPACITY = 170
"""Of 255, where the local score is 1: the picture can still be seen."""


class Region(NamedTuple):
    """A connected part of the picture whose local scores are at or above the threshold.

    Attributes:
        box: left, top, right, bottom in pixels, right and bottom exclusive.
        score: mean local score, 0 to 1.
        area: pixels.
    """

    box: tuple[int, int, int, int]
    score: float
    area: int


class HeatMap(NamedTuple):
    """Local scores of a picture.

    Attributes:
        scores: float32 (H, W), 0 to 1, at the size of the picture as it is read (upright): the mean of what the classifier says of
            the features around the places near by. As it is not linear, these scores do not average to the picture's.
        threshold: which regions are cut out at: the detector's, but at least LEAST_THRESHOLD.
    """

    scores: np.ndarray
    threshold: float

    def regions(self, most: int = 5, threshold: float | None = None) -> list[Region]:
        """The strongest regions, by their mean score; [] where no place reaches the threshold (default: :attr:`threshold`)."""
        runs = _runs(self.scores >= (self.threshold if threshold is None else threshold))
        labels, width = _joined(*runs), self.scores.shape[1]
        total = np.concatenate([[0.0], np.cumsum(self.scores.ravel(), dtype=np.float64)])
        found = []
        for label in np.unique(labels):
            rows, starts, ends = (each[labels == label] for each in runs)
            area = int((ends - starts).sum())
            if area >= LEAST_AREA:
                box = int(starts.min()), int(rows.min()), int(ends.max()), int(rows.max()) + 1
                score = float((total[rows * width + ends] - total[rows * width + starts]).sum()) / area
                found.append(Region(box, score, area))
        return sorted(found, key=lambda region: -region.score)[:most]

    def overlay(self) -> Image.Image:
        """RGBA, of the picture's size: the stronger the local score, the less transparent. To be laid over the picture."""
        pixels = np.empty((*self.scores.shape, 4), np.uint8)
        pixels[..., :3], pixels[..., 3] = COLOUR, np.rint(self.scores * MOST_OPACITY).astype(np.uint8)
        return Image.fromarray(pixels, "RGBA")

    def overlay_png(self) -> bytes:
        """The overlay as a PNG file."""
        file = io.BytesIO()
        self.overlay().save(file, "PNG")
        return file.getvalue()

    def as_dict(self) -> dict:
        """For JSON: ``width``, ``height`` and ``threshold``; ``overlay_png``, base64, whose alpha divided by ``most_opacity`` is the local
        score to within half a step; ``regions``, the strongest ones as dicts of ``box``, ``score`` and ``area``."""
        height, width = self.scores.shape
        return {
            "width": width, "height": height, "threshold": float(self.threshold), "most_opacity": MOST_OPACITY,
            "overlay_png": base64.b64encode(self.overlay_png()).decode(), "regions": [region._asdict() for region in self.regions()],
        }


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


def local_logits(
    features: np.ndarray, classify: Callable[[np.ndarray], np.ndarray], size: tuple[int, int], window: int, halves: bool
) -> LocalLogits:
    """The classifier's answer for the mean of the features within about ``window`` pixels around each place.

    Args:
        features: float (C, h, w), the trunk's last feature map of one picture.
        classify: features, float32 (N, C) -> logits, float32 (N,).
        size: height and width of that picture in pixels.
        window: side in pixels; as much of it as lies in the picture counts.
        halves: whether each stage of the trunk halves its map, rounding up, and the first place lies on the first pixel, as in the
            ResNets of this project; of other trunks places are taken to share the picture evenly.
    """
    stride = [side / count for side, count in zip(size, features.shape[1:], strict=True)]
    first = [(each - 1) / 2 for each in stride]
    if halves:
        stride, first = [2.0 ** np.ceil(np.log2(each) - 1e-9) for each in stride], [0.0, 0.0]
    means = _local_means(features, [int(window / each / 2) for each in stride])
    values = classify(np.ascontiguousarray(means.reshape(len(means), -1).T, np.float32))
    return LocalLogits(values.reshape(features.shape[1:]), tuple(map(float, stride)), tuple(first))


def heat_map_of(
    logits_of: Callable[[np.ndarray], LocalLogits], probability: Callable[[np.ndarray], np.ndarray], pixels: np.ndarray,
    least: tuple[int, int], threshold: float,
) -> HeatMap:
    """The heat map of a picture, and of the same turned by half a turn, whose places lie between the first ones; both are averaged.

    In one pass each up to TILE × TILE pixels, beyond that in tiles that overlap. A side that is shorter than a crop is filled by reflection
    for the computation, as it is for scores.

    Args:
        logits_of: uint8 RGB (H, W, 3), no side below ``least`` -> local logits of WINDOW.
        probability: from logits to calibrated probabilities.
        pixels: uint8 RGB (H, W, 3), upright.
        least: height and width of a crop.
        threshold: the detector's.
    """
    height, width = pixels.shape[:2]
    missing = [max(0, want - have) for want, have in zip(least, (height, width), strict=True)]
    before = [each // 2 for each in missing]
    if any(missing):
        pixels = np.pad(pixels, [*((start, each - start) for start, each in zip(before, missing, strict=True)), (0, 0)], mode="reflect")
    turned = np.ascontiguousarray(pixels[::-1, ::-1])
    scores = (_scores_by_tiles(logits_of, probability, pixels) + _scores_by_tiles(logits_of, probability, turned)[::-1, ::-1]) / 2
    return HeatMap(scores[before[0] : before[0] + height, before[1] : before[1] + width], max(threshold, LEAST_THRESHOLD))


def _scores_by_tiles(
    logits_of: Callable[[np.ndarray], LocalLogits], probability: Callable[[np.ndarray], np.ndarray], pixels: np.ndarray
) -> np.ndarray:
    scores = np.empty(pixels.shape[:2], np.float32)
    for down, across in _tiles(*pixels.shape[:2]):
        part = pixels[down.seen, across.seen]
        scores[down.used, across.used] = averaged(logits_of(part), probability, part.shape[:2], AVERAGED)[down.inner, across.inner]
    return scores


def averaged(part: LocalLogits, probability: Callable[[np.ndarray], np.ndarray], size: tuple[int, int], side: float) -> np.ndarray:
    """float32 ``size``, 0 to 1: the mean of the probabilities of the places within about ``side`` pixels around each one."""
    reach = [int(side / each / 2) for each in part.stride]
    means = _local_means(probability(part.values)[None], reach)[0].clip(0, 1)
    return enlarge(part._replace(values=means.astype(np.float32)), size)


def enlarge(part: LocalLogits, size: tuple[int, int]) -> np.ndarray:
    """The values of places at each pixel: float32 ``size``, linear between the middles of places and level beyond the outer ones."""
    values = part.values
    for axis, (side, stride, first) in enumerate(zip(size, part.stride, part.first, strict=True)):
        last = values.shape[axis] - 1
        at = ((np.arange(side) - first) / stride).clip(0, last)
        low = np.minimum(at.astype(int), max(0, last - 1))
        share = np.expand_dims((at - low).astype(np.float32), 1 - axis)
        values = values.take(low, axis) * (1 - share) + values.take(np.minimum(low + 1, last), axis) * share
    return values


def _local_means(features: np.ndarray, reach: list[int]) -> np.ndarray:
    """float64 (C, h, w), the mean over the places up to ``reach`` away, down and across, that there are."""
    for axis, most in zip((1, 2), reach, strict=True):
        count = features.shape[axis]
        sums = np.cumsum(features, axis, dtype=np.float64)
        sums = np.concatenate([np.zeros_like(sums.take([0], axis)), sums], axis)
        low, high = np.maximum(0, np.arange(count) - most), np.minimum(count, np.arange(count) + most + 1)
        features = (sums.take(high, axis) - sums.take(low, axis)) / np.expand_dims(high - low, (0, 3 - axis))
    return features


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


# connected regions; OpenCV and SciPy have them, but a model must not need either


def _runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, start and end (exclusive) of every run of true values in the rows of a mask (H, W), int (N,), row by row."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    return rows, starts, np.nonzero(edges == -1)[1]


def _joined(rows: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """int (N,), the same for runs that touch each other, also at corners, in whatever many steps (union-find)."""
    parents = list(range(len(rows)))

    def root(number: int) -> int:
        while parents[number] != number:
            parents[number] = number = parents[parents[number]]
        return number

    row, start, end, above = rows.tolist(), starts.tolist(), ends.tolist(), 0
    for number in range(len(row)):
        while row[above] < row[number] - 1 or (row[above] == row[number] - 1 and end[above] < start[number]):
            above += 1
        other = above
        while row[other] == row[number] - 1 and start[other] <= end[number]:
            parents[root(other)] = root(number)
            other += 1
    return np.array([root(number) for number in range(len(row))], dtype=int)
