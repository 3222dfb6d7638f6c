"""Makes a simulated picture like its real one in all but the trace of how it was formed: colours, and power by frequency."""

import numpy as np

BANDS = 24
MOST_GAIN = 4.0
"""Of a band's amplitude, at most, and one over it at least: what is not there cannot be restored, only its noise raised."""


def match_colours(made: np.ndarray, real: np.ndarray) -> np.ndarray:
    """``made`` with mean and spread of each channel as in ``real``; both float (H, W, 3)."""
    mean, spread = made.mean(axis=(0, 1)), made.std(axis=(0, 1))
    return (made - mean) * (real.std(axis=(0, 1)) / np.maximum(spread, 1e-3)).clip(0.5, 2) + real.mean(axis=(0, 1))


def match_frequencies(made: np.ndarray, real: np.ndarray, strength: float) -> np.ndarray:
    """``made`` with the power of ``real`` in each of BANDS rings of frequencies; both float (H, W, 3).

    A ring's amplitudes are all multiplied by one number, so that peaks, directions and phases, which tell how a picture was formed,
    stay. After Chen et al., "Dual Data Alignment" (arXiv 2505.14359), which matches blocks' coefficients for the same reason.

    Args:
        strength: 0 leaves the picture, 1 matches it.
    """
    height, width = made.shape[:2]
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    ring = np.minimum((radius / 0.5 * BANDS).astype(int), BANDS)  # the corners are the last ring
    spectra = [np.fft.rfft2(each, axes=(0, 1)) for each in (made, real)]
    power = [
        np.bincount(ring.ravel(), (np.abs(each) ** 2).sum(axis=2).ravel(), minlength=BANDS + 1) + 1e-9 for each in spectra
    ]
    gain = np.clip(np.sqrt(power[1] / power[0]), 1 / MOST_GAIN, MOST_GAIN) ** strength
    gain[0] = 1.0  # colours are matched by themselves
    return np.fft.irfft2(spectra[0] * gain[ring][..., None], s=(height, width), axes=(0, 1))
