"""Traces that compression and resampling leave in a picture's pixels, as plain numbers."""

import cv2
import numpy as np

SIZE = 512
"""Traces are searched in the middle SIZE × SIZE pixels at most, cut on the 16 × 16 grid of the file."""
BASIS = np.array([[np.cos((2 * x + 1) * u * np.pi / 16) * (0.5 if u else 8**-0.5) for x in range(8)] for u in range(8)])
"""The 8-point DCT-II, orthonormal: frequency by place."""
FREQUENCIES = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0))
"""Of the 8 × 8 DCT (vertical, horizontal), whose histograms are searched for the comb of a quantisation."""
BINS = 256


def traces(image: np.ndarray) -> dict[str, float]:
    """Traces of compression and resampling in uint8 RGB (H, W, 3) pixels.

    - ``grid_8``, ``grid_16``, ``grid_4`` (luma) and ``chroma_grid_16``: how much larger the steps across the file's own 8, 16
      or 4 grid are than those beside them, and ``shifted_grid_8`` at the strongest other place: cropping after compression (Fan
      and de Queiroz, 2003, https://doi.org/10.1109/TIP.2002.807361).
    - ``full_range``, ``studio_range``: how far the luma of JPEG (0 to 255) or of WebP and video (16 to 235) is whole-numbered,
      -1 to 1: what a decoder of either leaves after its last step.
    - ``comb``, ``comb_period``, ``shifted_comb``, ``shifted_comb_agreement``: quantisation of DCT coefficients on the file's own
      grid and on the best other one, and how many frequencies agree on that (Bianchi and Piva, 2012,
      https://doi.org/10.1109/TIFS.2011.2170836); ``second_comb``: unevenness of the histogram of the quantised coefficients,
      which a second compression leaves (Popescu and Farid, 2004, https://doi.org/10.1007/978-3-540-30114-1_10).
    - ``chroma_half``: energy of chroma between neighbours that share a sample of 4:2:0, to that between others.
    - ``resampling``, ``resampling_period``: highest peak, and its period in pixels, of the spectrum of the mean second difference
      (Gallagher, 2005, https://doi.org/10.1109/CRV.2005.33), the multiples of 1/8 left out, where blocks show.
    """
    ycc = _middle(image).astype(np.float32) @ _YCC.T
    luma, chroma = ycc[..., 0], ycc[..., 1:].transpose(2, 0, 1)
    found = {**_ranges(luma), **_grids(luma, chroma), **_resampling(luma), **_combs(luma)}
    return {name: float(value) for name, value in found.items()}


_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], dtype=np.float32)
"""JPEG's colours (JFIF 1.02) without the offset of 128."""


def _middle(image: np.ndarray) -> np.ndarray:
    top, left = (max(0, length - SIZE) // 2 // 16 * 16 for length in image.shape[:2])
    image = image[top : top + SIZE, left : left + SIZE]
    missing = [max(0, 32 - length) for length in image.shape[:2]]
    if any(missing):  # nothing is known of so small a picture; what is there is repeated so that the numbers exist
        image = np.pad(image, [(0, missing[0]), (0, missing[1]), (0, 0)], mode="reflect")
    return image


def _ranges(luma: np.ndarray) -> dict:
    clipped = (luma < 1) | (luma > 254)
    inside = luma[~clipped] if (~clipped).sum() > 100 else luma.ravel()
    return {
        "full_range": np.cos(2 * np.pi * inside).mean(),
        "studio_range": np.cos(2 * np.pi * inside * np.float32(219 / 255)).mean(),
        "clipped": clipped.mean(),
    }


def _grids(luma: np.ndarray, chroma: np.ndarray) -> dict:
    steps = [_roughness(luma), _roughness(luma.T)]
    coarse = [_roughness(plane) for each in chroma for plane in (each, each.T)]
    eight = np.mean([_by_place(each, 8) for each in steps], axis=0)
    sixteen = np.mean([_by_place(each, 16) for each in steps], axis=0)
    even, odd = (np.mean([np.square(np.diff(each, axis=1))[:, start::2].mean() for each in chroma]) for start in (0, 1))
    return {
        "grid_8": eight[7], "shifted_grid_8": eight[:7].max(), "shifted_grid_place": eight[:7].argmax(),
        "grid_16": sixteen[15] - sixteen[7], "grid_4": eight[3],
        "chroma_grid_16": np.mean([_by_place(each, 16)[15] for each in coarse]),
        "chroma_half": np.log((even + 0.01) / (odd + 0.01)),
    }


def _roughness(plane: np.ndarray) -> np.ndarray:
    """Per border between columns, in parts of the mean step: how much larger the step across it is than those beside it."""
    steps = np.minimum(np.abs(np.diff(plane, axis=1)), 32)  # capped, so that edges do not decide
    beside = np.pad((steps[:, :-2] + steps[:, 2:]) / 2, [(0, 0), (1, 1)], mode="edge")
    return (steps - beside).mean(0) / (steps.mean() + 0.05)


def _by_place(roughness: np.ndarray, period: int) -> np.ndarray:
    """float (period,): mean roughness of the borders at each place of the grid; border k lies after pixel k."""
    return np.array([roughness[place::period].mean() for place in range(period)])


def _resampling(luma: np.ndarray) -> dict:
    peaks = []
    for plane in (luma, luma.T):
        length = plane.shape[1] // 16 * 16
        second = np.abs(plane[:, : length - 2] - 2 * plane[:, 1 : length - 1] + plane[:, 2:length]).mean(0)
        second = np.pad(second, (0, 2), mode="edge")
        spectrum = np.abs(np.fft.rfft((second - second.mean()) * np.hanning(length)))
        frequency = np.arange(len(spectrum)) / length
        usable = (frequency > 0.08) & (np.abs(frequency * 8 - np.rint(frequency * 8)) > 8 * 1.5 / length)
        local = np.array([np.median(spectrum[max(0, k - 8) : k + 9]) for k in range(len(spectrum))])
        ratio = np.where(usable, spectrum / (local + 1e-3), 0)
        peaks.append((np.log(ratio.max() + 1e-3), 1 / max(frequency[ratio.argmax()], 1e-3)))
    best = max(peaks)
    return {"resampling": best[0], "resampling_period": best[1], "resampling_other_axis": min(peaks)[0]}


def _combs(luma: np.ndarray) -> dict:
    strengths, periods, shifted, shifts, seconds = [], [], [], [], []
    for vertical, horizontal in FREQUENCIES:
        histograms = _histograms(luma, vertical, horizontal)
        spectra = _spectra(histograms)
        excess = spectra - np.median(spectra, axis=0)
        own = excess[0]
        strengths.append(own.max())
        period = BINS / (own.argmax() + _FIRST)
        periods.append(period)
        others = excess[1:].max(1)
        shifted.append(others.max())
        shifts.append(others.argmax() + 1)
        seconds.append(_unevenness(histograms[0], period))
    return {
        "comb": np.mean(strengths), "comb_period": np.median(periods), "comb_period_spread": np.ptp(periods),
        "shifted_comb": np.mean(shifted), "shifted_comb_agreement": max(shifts.count(shift) for shift in shifts) / len(shifts),
        "second_comb": np.mean(seconds),
    }


_FIRST = BINS // 24
"""The first frequency of a histogram's spectrum that is looked at: steps of at most 24."""


def _histograms(luma: np.ndarray, vertical: int, horizontal: int) -> np.ndarray:
    """float (64, BINS): for each of the 64 places of the 8 × 8 grid, how often each whole value of a DCT coefficient occurs."""
    flat = np.ascontiguousarray(luma, dtype=np.float32)
    kernels = (np.ascontiguousarray(BASIS[horizontal], dtype=np.float32), np.ascontiguousarray(BASIS[vertical], dtype=np.float32))
    coefficients = cv2.sepFilter2D(flat, cv2.CV_32F, *kernels, anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    coefficients = coefficients[: flat.shape[0] // 8 * 8 - 7, : flat.shape[1] // 8 * 8 - 7]
    values = np.clip(np.rint(coefficients), -BINS // 2, BINS // 2 - 1).astype(np.int64) + BINS // 2
    rows, columns = (np.arange(length) % 8 for length in values.shape)
    place = rows[:, None] * 8 + columns
    return np.bincount((place * BINS + values).ravel(), minlength=64 * BINS).reshape(64, BINS).astype(np.float64)


def _spectra(histograms: np.ndarray) -> np.ndarray:
    """float (64, frequencies): strength of each period of 2 to 24 in each histogram, without zero and the ends."""
    histograms = histograms.copy()
    histograms[:, BINS // 2 - 1 : BINS // 2 + 2] = 0
    histograms[:, [0, -1]] = 0
    total = histograms.sum(1, keepdims=True)
    return np.abs(np.fft.rfft(histograms / np.maximum(total, 1), axis=1))[:, _FIRST:]


def _unevenness(histogram: np.ndarray, period: float) -> float:
    """How much the counts of neighbouring multiples of the step jump, in parts of all but the zeros; 0 for a smooth decay."""
    values = np.arange(BINS) - BINS // 2
    multiples = np.rint(values / max(period, 1)).astype(int)
    counts = np.bincount(multiples - multiples.min(), weights=histogram)
    counts[-multiples.min()] = 0
    bend = np.abs(counts[1:-1] - (counts[:-2] + counts[2:]) / 2)
    middle = -multiples.min() - 1
    bend[max(0, middle - 1) : middle + 2] = 0  # beside the zeros
    return float(bend.sum() / max(1.0, counts.sum()))
