"""Matched pictures have the colours and the power by frequency of their real ones."""

import numpy as np
import pytest

from training.simulation.matching import BANDS, match_colours, match_frequencies


def power(picture: np.ndarray) -> np.ndarray:
    spectrum = np.abs(np.fft.fft2(picture, axes=(0, 1))) ** 2
    places = np.fft.fftfreq(len(picture))
    ring = np.minimum((np.hypot(places[:, None], places[None, :]) * 2 * BANDS).astype(int), BANDS)
    return np.array([spectrum[ring == number].sum() for number in range(BANDS + 1)])


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    real = rng.normal(120, 20, (64, 64, 3))
    return (real + np.roll(real, 1, 0) + np.roll(real, 1, 1)) / 3, real


def test_colours_are_matched(pair):
    made = match_colours(pair[0] * 0.95 + 20, pair[1])
    assert made.mean((0, 1)) == pytest.approx(pair[1].mean((0, 1))) and made.std((0, 1)) == pytest.approx(pair[1].std((0, 1)))


def test_power_by_frequency_is_matched_as_far_as_asked_and_phases_stay(pair):
    made, real = pair
    before, matched, half = power(made), power(match_frequencies(made, real, 1.0)), power(match_frequencies(made, real, 0.5))
    wanted, detailed = power(real), slice(1, BANDS)
    assert before[BANDS - 4] < 0.5 * wanted[BANDS - 4]
    assert matched[detailed] == pytest.approx(wanted[detailed], rel=0.03)
    assert half[detailed] == pytest.approx(np.sqrt(wanted * before)[detailed], rel=0.03)
    assert np.allclose(match_frequencies(made, real, 0.0), made)
    phases = [np.angle(np.fft.rfft2(each[..., 0])) for each in (made, match_frequencies(made, real, 1.0))]
    assert np.allclose(np.exp(1j * phases[0][3:9, 3:9]), np.exp(1j * phases[1][3:9, 3:9]))
