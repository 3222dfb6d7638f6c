"""Enlargement by random filters: sizes, what is kept, what trace is left."""

import numpy as np
import pytest
import torch

from training.simulation.filters import KINDS, enlarge, enlarging_kernel, sharpen, shrink


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [2, 3, 8])
def test_a_flat_picture_stays_flat_but_for_a_checkerboard(kind, factor):
    flat = torch.full((1, 3, 4, 5), 100.0)
    for seed in range(4):
        made = enlarge(flat, factor, kind, np.random.default_rng(seed))
        assert made.shape == (1, 3, 4 * factor, 5 * factor)
        if kind in ("nearest", "bilinear"):
            assert torch.allclose(made, torch.full_like(made, 100.0), atol=1e-3)  # to the border
        else:
            assert (made - 100).abs().max() < 60
            period = made[..., factor : 2 * factor, factor : 2 * factor]
            assert torch.allclose(period, made[..., 2 * factor : 3 * factor, factor : 2 * factor], atol=1e-3)


def test_transposed_convolution_leaves_the_peaks_of_a_checkerboard():
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (1, 3, 32, 32))).float() + 50
    ratios = []
    for kind in ("bilinear", "transposed"):
        found = []
        for seed in range(8):
            spectrum = torch.fft.fft2(enlarge(noise, 2, kind, np.random.default_rng(seed))[0, 0]).abs()
            found.append(float(spectrum[32, 32] / spectrum.median()))
        ratios.append(np.median(found))
    assert ratios[1] > 5 * ratios[0]


@pytest.mark.parametrize("kind", KINDS)
def test_kernels_are_new_for_each_draw_and_the_same_for_the_same(kind):
    one, same, other = (enlarging_kernel(4, kind, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same) and (kind == "bilinear" or not np.allclose(one, other))


def test_shrinking_keeps_the_mean_and_sharpening_adds_detail():
    noise = torch.rand(1, 3, 48, 48)
    for seed in range(4):
        small = shrink(noise, 4, np.random.default_rng(seed))
        assert small.shape == (1, 3, 12, 12) and float(small.mean()) == pytest.approx(float(noise.mean()), abs=0.05)
    sharp = sharpen(noise, 1.0)
    assert sharp.std() > 1.2 * noise.std() and float(sharp.mean()) == pytest.approx(float(noise.mean()), abs=0.01)
