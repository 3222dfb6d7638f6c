"""What is computed of pixels without anything learned: the front ends of a network, and statistics for a classifier of their own."""

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .image_processing_selfcon import SelfConImageProcessor


def average_blocks(pixels: Tensor) -> Tensor:
    """The mean of each 2×2 block: float (B, C, ceil(H / 2), ceil(W / 2)); an odd last row or column fills its block alone."""
    if _all_even(pixels):  # sums of slices: pooling and means have layouts of their own in OpenVINO, which cost more than they do
        rows = pixels[..., 0::2, :] + pixels[..., 1::2, :]
        return (rows[..., 0::2] + rows[..., 1::2]) / 4
    # by index, here and below: torch.export cannot tell for free sizes what padding, cutting and rounding up give
    rows, columns = (torch.arange((side + 1) // 2 * 2, device=pixels.device).clamp(max=side - 1) for side in pixels.shape[-2:])
    return F.avg_pool2d(pixels.index_select(-2, rows).index_select(-1, columns), 2)


def repeat_pixels(pixels: Tensor, like: Tensor) -> Tensor:
    """Each pixel four times, cut to the height and width of ``like``, whose blocks they are."""
    if _all_even(like):
        wide = torch.stack([pixels, pixels], -1).flatten(-2)  # quicker than expanding, most of all in OpenVINO
        return torch.stack([wide, wide], -2).flatten(-3, -2)
    rows, columns = (torch.arange(side, device=pixels.device) // 2 for side in like.shape[-2:])
    return pixels.index_select(-2, rows).index_select(-1, columns)


def mean_around(values: Tensor, window: int) -> Tensor:
    """The mean of each place's square of ``window`` × ``window`` neighbours, of those that lie inside: float (B, C, H, W), the same shape.

    What ``F.avg_pool2d(values, window, stride=1, padding=window // 2, count_include_pad=False)`` gives, in a seventh of the time on a
    CPU: sums of 1, 2, 4, 8, … neighbours along a side are made of each other.

    Args:
        window: odd.
    """
    half = window // 2
    for dimension in (-1, -2):
        side = values.shape[dimension]
        run, width = F.pad(values, (half, half) if dimension == -1 else (0, 0, half, half)), 1
        total, covered = run.narrow(dimension, 0, side), 1
        while covered < window:
            length = run.shape[dimension] - width
            run, width = run.narrow(dimension, 0, length) + run.narrow(dimension, width, length), 2 * width
            if window & width:
                total, covered = total + run.narrow(dimension, covered, side), covered + width
        place = torch.arange(side, device=values.device)
        inside = 1 + place.clamp(max=half) + (side - 1 - place).clamp(max=half)
        values = total / (inside if dimension == -1 else inside[:, None])
    return values


def _all_even(pixels: Tensor) -> bool:
    """Whether height and width are known and even; then blocks are pooled and repeated in a third of the time."""
    return all(isinstance(side, int) and side % 2 == 0 for side in pixels.shape[-2:])


class HighPass(nn.Module):
    """Takes from each pixel the mean of its 2×2 block: float (B, 3, H, W) -> the same shape. Nothing is learned."""

    channels = 3

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels - repeat_pixels(average_blocks(pixels), pixels)


class LocalContrast(nn.Module):
    """The high-pass at two scales, plain and freed of its strength: float (B, 3, H, W) -> (B, 9, H, W). Nothing is learned.

    Channels: the high-pass; the same divided by its root mean square in a window around each pixel, so that a
    generator's trace looks alike in flat and in busy places; the same of the half-sized image, which outlives resizing.

    Args:
        window: side of the window in pixels, odd.
        floor: root mean square, in units of the normalised pixels, below which the division fades out (about two grey levels).
        scale: of the divided channels, so that they start no louder than the plain ones.
    """

    channels = 9

    def __init__(self, window: int = 9, floor: float = 0.03, scale: float = 0.3):
        super().__init__()
        self.high_pass = HighPass()
        self.window, self.floor, self.scale = window, floor, scale

    def forward(self, pixels: Tensor) -> Tensor:
        fine = self.high_pass(pixels)
        coarse = repeat_pixels(self.high_pass(average_blocks(pixels)), pixels)
        return torch.cat([fine, self.normalise(fine), self.normalise(coarse)], dim=1)

    def normalise(self, detail: Tensor) -> Tensor:
        """``detail`` (B, 3, H, W) by its root mean square over channels and window."""
        power = mean_around(detail.square().mean(1, keepdim=True), self.window)
        return detail * (self.scale / (power + self.floor**2).sqrt())


def shifted(pixels: Tensor, shifts: list[int]) -> Tensor:
    """Each image as it looks from other places: float (B, C, H, W) -> (shifts · B, C, H, W), all images by the first shift first.

    A shift of s leaves out s rows at the top and s columns at the left; at the other ends as many are filled by reflection.

    Args:
        shifts: numbers of pixels, 0 or more, each below half of the shorter side.
    """
    places = [F.pad(pixels[..., shift:, shift:], (0, shift, 0, shift), mode="reflect") if shift else pixels for shift in shifts]
    return places[0] if len(places) == 1 else torch.cat(places)


FRONT_ENDS = {None: nn.Identity, "mean2x2": HighPass, "local_contrast": LocalContrast}
"""By ``high_pass`` of the configuration."""


SIZE = 256
"""Statistics are taken of the centre's 256 × 256 pixels."""


def centre(pixels: Tensor) -> Tensor:
    """The centre of pictures on the scale 0..255: normalised pixels (B, 3, H, W) -> float32 (B, 3, 256, 256), padded by reflection where
    there are fewer."""
    for dimension in (-2, -1):
        side = pixels.shape[dimension]
        if not (isinstance(side, int) and side == SIZE):
            pixels = pixels.index_select(dimension, _places(side, pixels.device))
    scales = (SelfConImageProcessor.image_mean, SelfConImageProcessor.image_std)
    mean, std = (pixels.new_tensor(values, dtype=torch.float32).view(3, 1, 1) for values in scales)
    return 255 * (pixels.float() * std + mean)


def _places(side: int, device: torch.device) -> Tensor:
    """The places of the centre's pixels along a side, int (256,), in a triangle wave beyond the picture's ends."""
    before, outside = torch.sym_max(0, side - SIZE) // 2, torch.sym_max(0, SIZE - side) // 2
    period = torch.sym_max(1, 2 * (side - 1))
    places = (torch.arange(SIZE, device=device) + (before - outside)) % period
    return torch.minimum(places, period - places)


def luma_of(rgb: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, H, W)."""
    red, green, blue = rgb.unbind(1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


@lru_cache(maxsize=1)
def _fourier_tables() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of the statistics' spectrum, all float32: window (256, 256), cosines and sines (129, 129) of place and frequency, and the share of
    each pair of frequencies (129 · 129) in each ring or band (rings and bands), by the number of pixels."""
    side = SIZE
    half = np.arange(side // 2 + 1)
    window = np.hanning(side)
    angles = 2 * np.pi * np.outer(half, half) / side
    at_an_end = (half % (side // 2) == 0)[:, None]  # folded onto itself, and a frequency that is its own negative
    radius = np.hypot(*np.meshgrid(half / side, half / side, indexing="ij"))
    edges = np.linspace(0, 0.5, PixelStatistics.RINGS)
    rings = [*zip(edges, [*edges[1:], 1.0], strict=True), *PixelStatistics.BANDS]
    members = [np.where(at_an_end, 1, 2) * ((radius >= low) & (radius < high)) for low, high in rings]
    shares = np.stack([each.ravel() / each.sum() for each in members], axis=1) / side**2
    tables = (np.outer(window, window), np.cos(angles) * np.where(at_an_end, 0.5, 1), np.sin(angles), shares)
    return tuple(np.ascontiguousarray(table, dtype=np.float32) for table in tables)


class PixelStatistics(nn.Module):
    """Plain statistics of a picture's pixels, which say how smooth, sharp and noisy it is: normalised pixels -> float32 (B, 23).

    Taken of the centre 256 × 256 pixels (padded by reflection, where there are fewer), on the scale 0..255: the power of luma in 16
    rings of the spectrum up to 0.5 cycles a pixel and in its corners; high against middle frequencies; strength of Laplacian and
    gradient; detail of red minus blue; saturation; spread of luma. All but the saturation are natural logarithms, of the value plus
    0.01. None looks for the grid of a compression's blocks. Nothing is learned. Every step is one that all exports know: the spectrum
    is a product of matrices.
    """

    RINGS = 17
    BANDS = ((0.12, 0.23), (0.35, 0.5))
    COUNT = RINGS + 6

    def forward(self, pixels: Tensor) -> Tensor:
        """float (B, 3, H, W), as the image processor makes them -> float32 (B, 23)."""
        rgb = centre(pixels)
        red, green, blue = rgb.unbind(1)
        luma = luma_of(rgb)
        centred = luma - luma.mean((1, 2), keepdim=True)
        power = self._power(centred)
        rings, (middle, high) = power[:, : self.RINGS], power[:, self.RINGS :].unbind(1)
        across, down = _steps(luma, 2).abs().mean((1, 2)), _steps(luma, 1).abs().mean((1, 2))
        neighbours = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1] + luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:]
        laplacian = (neighbours - 4 * luma[:, 1:-1, 1:-1]).abs().mean((1, 2))
        chroma = _steps(red - blue, 2).abs().mean((1, 2))
        saturation = (rgb.amax(1) - rgb.amin(1)).mean((1, 2))
        spread = centred.square().mean((1, 2)).sqrt()
        others = [high - middle, _log(laplacian), _log((across + down) / 2), _log(chroma), saturation, _log(spread)]
        return torch.cat([rings, torch.stack(others, dim=1)], dim=1)

    def _power(self, luma: Tensor) -> Tensor:
        """Of luma (B, 256, 256) without its mean, the logarithm of the mean power in each ring and band: (B, rings + bands)."""
        window, cosines, sines, shares = (torch.from_numpy(table).to(luma.device) for table in _fourier_tables())
        # Cosines are alike at n and -n, sines opposed, so that half the places do, folded: rows first, then columns. The power at a
        # frequency and at the one that is mirrored up and down have the same ring, and in their mean mixed products cancel.
        even, odd = self._folded(torch.cat(self._folded(luma * window, 1), 1), 2)
        above, below = torch.cat([even @ cosines, odd @ sines], 2).chunk(2, 1)
        power = (cosines.T @ above).square() + (sines.T @ below).square()
        left, right = power.chunk(2, 2)
        return _log((left + right).flatten(1) @ shares)

    def _folded(self, values: Tensor, dimension: int) -> tuple[Tensor, Tensor]:
        """What is alike and what is opposed at places n and -n of a dimension, for n of 0..128: sums and differences."""
        length = SIZE // 2 + 1
        mirrored = -torch.arange(length, device=values.device) % SIZE
        near, far = values.narrow(dimension, 0, length), values.index_select(dimension, mirrored)
        return near + far, near - far


class DetailRelations(nn.Module):
    """How a picture's fine details go together, across colours and scales: normalised pixels -> float32 (B, 33).

    Light falls on all colours of a sensor alike, and texture on all scales; a generator makes each of them up. (Colour: Li et al.,
    https://arxiv.org/abs/1808.07276; McCloskey and Albright, https://arxiv.org/abs/1812.08247. Scales: Portilla and Simoncelli,
    https://doi.org/10.1023/A:1026553619983.) Of the same pixels as :class:`PixelStatistics`,
    in three bands (about one, two and four pixels), the differences of ever wider blurs. In each band nine statistics: the correlation of red
    with green and of green with blue; the logarithms of the power of blue minus luma, and of red minus luma, to that of luma, and
    of the former alone; luma's skewness; and how the local strengths (the logarithms of the power in 5×5 pixels) of luma, blue minus
    luma and red minus luma are correlated, pair by pair. Then, for each band but the last, how luma's local strength there hangs together
    with that in the next one (in 5×5 pixels, then in 9×9): the correlation, the spread of the finer, and the slope by which the
    coarser tells the finer. Nothing is learned.
    """

    BANDS = 3
    COUNT = 9 * BANDS + 3 * (BANDS - 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """float (B, 3, H, W), as the image processor makes them -> float32 (B, 33)."""
        rgb = centre(pixels)
        blurred = [torch.cat([rgb, luma_of(rgb)[:, None]], dim=1)]
        for band in range(self.BANDS):
            blurred.append(_blurred(blurred[-1], 2**band))
        bands = [fine - wide for fine, wide in zip(blurred, blurred[1:], strict=False)]
        found = [each for detail in bands for each in self._across_colours(detail)]
        for number, (fine, coarse) in enumerate(zip(bands, bands[1:], strict=False)):
            found += self._across_scales(fine[:, 3:], coarse[:, 3:], 4 * 2**number + 1)
        return torch.stack(found, dim=1)

    def _across_colours(self, detail: Tensor) -> list[Tensor]:
        """Details of red, green, blue and luma (B, 4, H, W) -> nine statistics, each (B,)."""
        red, green, blue, luma = detail.unbind(1)
        parts = torch.stack([luma, blue - luma, red - luma], dim=1)
        of_luma, of_blue, of_red = _log(parts.square().mean((2, 3))).unbind(1)
        third = (luma**3).mean((1, 2))
        skewness = third.sign() * third.abs() ** (1 / 3) / (luma.square().mean((1, 2)).sqrt() + 0.1)
        light, blueness, redness = _strength(parts, 5).unbind(1)
        return [
            _correlation(red, green, 0.05), _correlation(green, blue, 0.05), of_blue - of_luma, of_red - of_luma, of_blue, skewness,
            _correlation(light, blueness, 0.01), _correlation(light, redness, 0.01), _correlation(blueness, redness, 0.01),
        ]

    def _across_scales(self, fine: Tensor, coarse: Tensor, window: int) -> list[Tensor]:
        """Luma's details in two bands (B, 1, H, W) -> three statistics, each (B,)."""
        finer, coarser = (_strength(each, window)[:, 0] for each in (fine, coarse))
        together, of_finer, of_coarser = ((one * other).mean((1, 2)) for one, other in ((finer, coarser), (finer, finer), (coarser, coarser)))
        return [together / (of_finer * of_coarser).sqrt().clamp(min=1e-3), of_finer.sqrt(), together / of_coarser.clamp(min=1e-3)]


def _strength(detail: Tensor, window: int) -> Tensor:
    """The logarithm of the power around every other place, its mean taken off: (B, C, H, W) -> (B, C, H / 2, W / 2)."""
    strength = _log(mean_around(detail.square(), window)[..., ::2, ::2])  # logarithms cost most, and neighbours' are alike
    return strength - strength.mean((2, 3), keepdim=True)


def _blurred(values: Tensor, step: int) -> Tensor:
    """The mean of each place and its neighbours ``step`` away, weighed 1 2 1 across and down, in a reflection beyond the ends:
    (B, C, H, W), the same shape."""
    padded = F.pad(values, (step,) * 4, mode="reflect")
    for dimension in (-1, -2):
        length = values.shape[dimension]
        left, middle, right = (padded.narrow(dimension, start, length) for start in (0, step, 2 * step))
        padded = (left + 2 * middle + right) / 4
    return padded


def _correlation(one: Tensor, other: Tensor, least: float) -> Tensor:
    """Of values around 0, (B, H, W) twice -> (B,); towards 0 where both vary by less than about ``least``."""
    spread = (one.square().mean((1, 2)) * other.square().mean((1, 2))).sqrt()
    return (one * other).mean((1, 2)) / (spread + least)


FLOOR = 2.0
"""Log-odds that ``network_floor`` stands for on the scale on which the network's logit means what it says; chosen on the folds of
docs/unseen.md."""


def held_above(logit: Tensor, floor: float) -> Tensor:
    """Logits held above about minus ``floor``, in their order: float (B,) -> (B,). 0 holds nothing.

    Where a network finds none of the traces that it knows, the picture may be of a generator that it does not know; so how sure it may
    be that a picture is real is bounded, and how sure that it is synthetic is not. At minus ``floor`` the change is a third of ``floor``,
    at 0 a sixteenth.
    """
    return F.softplus(logit + floor, beta=FLOOR / floor) - floor if floor else logit


class KernelClassifier(nn.Module):
    """What statistics of a picture say: a log-odds of "synthetic" from its likeness to pictures that were learnt from.

    A weighted sum of Gaussian bells around centres, in statistics freed of their mean and spread (a support vector machine's radial
    basis functions; the weights are those of a logistic regression). Tensors: ``mean``, ``scale`` (S,), ``centres`` (C, S),
    ``weight`` (C,), ``bias`` (). They are fitted once, not by gradients, and so are buffers; before that it says 0 of every picture.

    Args:
        statistics: normalised pixels (B, 3, H, W) -> float32 (B, S), S being its ``COUNT``.
        centres: C.
    """

    def __init__(self, statistics: PixelStatistics | DetailRelations, centres: int):
        super().__init__()
        self.statistics = statistics
        shapes = {"mean": (statistics.COUNT,), "scale": (statistics.COUNT,), "weight": (centres,), "bias": ()}
        for name, shape in {**shapes, "centres": (centres, statistics.COUNT)}.items():
            self.register_buffer(name, torch.zeros(shape))

    def forward(self, pixels: Tensor) -> Tensor:
        """float (B, 3, H, W), as the image processor makes them -> float32 (B,)."""
        placed = (self.statistics(pixels) - self.mean.float()) * self.scale.float()
        distance = (placed[:, None] - self.centres.float()).square().sum(2)
        return (torch.exp(-distance) * self.weight.float()).sum(1) + self.bias.float()


class StatisticsClassifier(KernelClassifier):
    """What plain statistics say of a picture: of its pixels (:class:`PixelStatistics`) and, beside them, of how its details go together
    (:class:`DetailRelations`), each by a classifier of its own; their sum.

    Two that see little each carry over to unseen generators better than one that sees all of it, see docs/unseen.md.

    Args:
        centres: of each.
        relations: whether there is the second, also called ``relations``.
    """

    def __init__(self, centres: int, relations: bool = False):
        super().__init__(PixelStatistics(), centres)
        self.relations = KernelClassifier(DetailRelations(), centres) if relations else None

    @property
    def parts(self) -> list[KernelClassifier]:
        """The classifiers that are summed; the first is this one itself, alone."""
        return [self] if self.relations is None else [self, self.relations]

    def forward(self, pixels: Tensor) -> Tensor:
        """float (B, 3, H, W), as the image processor makes them -> float32 (B,)."""
        own = super().forward(pixels)
        return own if self.relations is None else own + self.relations(pixels)


def _steps(values: Tensor, dimension: int) -> Tensor:
    length = values.shape[dimension]
    return values.narrow(dimension, 1, length - 1) - values.narrow(dimension, 0, length - 1)


def _log(values: Tensor) -> Tensor:
    return torch.log(values + 1e-2)
