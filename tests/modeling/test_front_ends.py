"""The fixed front ends against slow clear versions, at odd sizes too."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from modeling import SelfConConfig, SelfConForImageClassification
from modeling.front_ends import LocalContrast, mean_around


def slow_high_pass(pixels):
    """float (H, W, 3): each pixel less the mean of what there is of its 2×2 block."""
    out = np.empty_like(pixels)
    for top in range(0, pixels.shape[0], 2):
        for left in range(0, pixels.shape[1], 2):
            block = pixels[top : top + 2, left : left + 2]
            out[top : top + 2, left : left + 2] = block - block.mean((0, 1))
    return out


def slow_divided(detail, side=9, floor=0.03, scale=0.3):
    out, reach = np.empty_like(detail), side // 2
    for y, x in np.ndindex(detail.shape[:2]):
        window = detail[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
        out[y, x] = scale * detail[y, x] / np.sqrt((window**2).mean() + floor**2)
    return out


@pytest.mark.parametrize("size", [(12, 20), (15, 13)])
def test_local_contrast_equals_its_description(size):
    pixels = np.random.default_rng(1).standard_normal((*size, 3))
    fine = slow_high_pass(pixels)
    blocks = np.add.reduceat(np.add.reduceat(pixels, range(0, size[0], 2), 0), range(0, size[1], 2), 1)
    counts = np.add.reduceat(np.add.reduceat(np.ones((*size, 1)), range(0, size[0], 2), 0), range(0, size[1], 2), 1)
    coarse = slow_high_pass(blocks / counts).repeat(2, 0).repeat(2, 1)[: size[0], : size[1]]
    expected = np.concatenate([fine, slow_divided(fine), slow_divided(coarse)], axis=2)
    got = LocalContrast()(torch.from_numpy(pixels.transpose(2, 0, 1))[None])[0].numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_local_contrast_sees_the_same_in_strong_and_in_faint_detail():
    pixels = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    faint, strong = LocalContrast()(pixels)[:, 3:], LocalContrast()(10 * pixels + 4)[:, 3:]
    torch.testing.assert_close(faint, strong, rtol=0.01, atol=1e-4)
    flat = LocalContrast()(torch.full((1, 3, 9, 7), 0.4))
    assert torch.isfinite(flat).all() and flat.abs().max() < 1e-5


@pytest.mark.parametrize("name, channels", [(None, 3), ("mean2x2", 3), ("local_contrast", 9)])
def test_the_first_convolution_takes_the_front_end_s_channels_and_nothing_is_learned_in_it(name, channels):
    config = SelfConConfig(stem_width=8, widths=[8, 8], depths=[1, 1], block="basic", sub_network_after=1, high_pass=name)
    model = SelfConForImageClassification(config).eval()
    assert model.encoder.conv1.weight.shape[1] == channels and not list(model.encoder.high_pass.parameters())
    assert torch.isfinite(model(torch.randn(2, 3, 33, 40)).logits).all()


@pytest.mark.parametrize("window", [1, 3, 7, 9, 17])
@pytest.mark.parametrize("height, width", [(1, 1), (2, 37), (40, 5), (41, 16)])
def test_the_mean_of_neighbours_is_that_of_average_pooling(window, height, width):
    values = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(window))
    pooled = F.avg_pool2d(values.double(), window, stride=1, padding=window // 2, count_include_pad=False)
    torch.testing.assert_close(mean_around(values, window).double(), pooled, rtol=0, atol=1e-6)
