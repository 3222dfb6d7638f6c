"""A dozen plain statistics of a picture's pixels."""

import numpy as np

from imaginet_core.pictures.degradations import pad_to

SIZE = 256
"""Statistics are taken of the centre 256 × 256 pixels; smaller images are padded by reflection."""
BANDS = ((0.02, 0.06), (0.06, 0.12), (0.12, 0.23), (0.23, 0.35), (0.35, 0.5))
"""Rings of the spectrum in cycles per pixel."""
NAMES = (
    *(f"log_power_{low:.2f}_{high:.2f}" for low, high in BANDS),
    "high_minus_mid", "laplacian", "gradient", "blockiness_8", "noise_residual", "chroma_detail", "saturation", "luma_spread",
)
"""The statistics, in the order of :func:`statistics`."""


def statistics(image: np.ndarray) -> np.ndarray:
    """The pixel statistics of one image.

    Args:
        image: uint8 RGB (H, W, 3) of any size.

    Returns:
        float64 (13,), in the order of ``NAMES``; always finite. Logarithms are natural, of values on the 0..255 scale plus a
        small constant.

    Raises:
        ValueError: for another shape or dtype.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"A picture must be a uint8 array (height, width, 3) with pixels, got {image.dtype} {image.shape}.")
    rgb = _centre(image).astype(np.float32)
    luma = rgb @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    bands = _band_powers(luma)
    horizontal, vertical = np.abs(np.diff(luma, axis=1)), np.abs(np.diff(luma, axis=0))
    neighbours = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    smooth = (luma[:-1, :-1] + luma[1:, :-1] + luma[:-1, 1:] + luma[1:, 1:]) / 4
    chroma = rgb[..., 0] - rgb[..., 2]
    return np.array([
        *bands,
        bands[4] - bands[2],
        _log(np.abs(neighbours - 4 * luma[1:-1, 1:-1]).mean()),
        _log((horizontal.mean() + vertical.mean()) / 2),
        _blockiness(horizontal) + _blockiness(vertical.T),
        _log(np.median(np.abs(luma[:-1, :-1] - smooth))),
        _log(np.abs(np.diff(chroma, axis=1)).mean()),
        float((rgb.max(-1) - rgb.min(-1)).mean()),
        _log(luma.std()),
    ], dtype=np.float64)


def _centre(image: np.ndarray) -> np.ndarray:
    # cropped first: padding copies, and the picture may be large
    top, left = (max(0, length - SIZE) // 2 for length in image.shape[:2])
    return pad_to(image[top : top + SIZE, left : left + SIZE], SIZE)


def _band_powers(luma: np.ndarray) -> list[float]:
    window = np.hanning(SIZE)[:, None] * np.hanning(SIZE)
    power = np.abs(np.fft.rfft2((luma - luma.mean()) * window)) ** 2 / SIZE**2
    radius = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None])
    return [_log(power[(radius >= low) & (radius < high)].mean()) for low, high in BANDS]


def _blockiness(differences: np.ndarray) -> float:
    """Log ratio of the steps across the 8×8 grid to all others, at the grid position where it is largest."""
    columns = differences.mean(0)
    at_offset = np.array([columns[offset::8].mean() for offset in range(8)])
    others = (at_offset.sum() - at_offset) / 7
    return float(np.max(np.log((at_offset + 0.05) / (others + 0.05))))


def _log(value: float) -> float:
    return float(np.log(value + 1e-2))
