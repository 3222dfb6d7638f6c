"""Each statistic reacts to what it is named after; all are finite on any picture."""

import tracemalloc

import numpy as np
import pytest

from imaginet_core.pictures.degradations import gaussian_blur, gaussian_noise, jpeg
from imaginet_core.pictures.pixel_statistics import BANDS, NAMES, statistics
from tests.imaginet_tools.evaluation.simulate import picture


def named(image):
    return dict(zip(NAMES, statistics(image), strict=True))


def change(image, other):
    before, after = named(image), named(other)
    return {name: after[name] - before[name] for name in NAMES}


def stretched(image, factor=2):
    return np.clip(128 + factor * (image.astype(float) - 128), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 3), (255, 256), (256, 257), (100, 700), (600, 50)])
@pytest.mark.parametrize("content", ["flat black", "flat white", "noise", "grey"])
def test_finite_on_every_size_and_content(size, content):
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    image = {
        "flat black": np.zeros_like(noise), "flat white": np.full_like(noise, 255), "noise": noise,
        "grey": noise[..., :1].repeat(3, 2),
    }[content]
    kept = image.copy()
    values = statistics(image)
    assert values.shape == (13,) == (len(NAMES),) and values.dtype == np.float64 and np.isfinite(values).all()
    np.testing.assert_array_equal(image, kept)


def test_only_the_centre_counts_and_a_large_picture_is_not_copied():
    image = np.zeros((9000, 8001, 3), np.uint8)  # 216 MB
    centre = picture()
    image[4372 : 4372 + 256, 3872 : 3872 + 256] = centre
    tracemalloc.start()
    values = statistics(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6
    np.testing.assert_array_equal(values, statistics(centre))


@pytest.mark.parametrize("offset", [0, 3, 5])
def test_blockiness_rises_with_jpeg_at_any_position_of_the_grid(offset):
    larger = picture(height=280, width=280)
    window = (slice(offset, offset + 256), slice(offset, offset + 256))
    before = named(larger[window])["blockiness_8"]
    after = [named(jpeg(larger, quality)[window])["blockiness_8"] for quality in (80, 30)]
    assert after[1] > after[0] > before and after[1] > before + 0.5


def test_high_bands_fall_with_blur_and_low_ones_stay():
    moved = change(picture(), gaussian_blur(picture(), 5))
    assert moved["log_power_0.35_0.50"] < -3 < moved["log_power_0.12_0.23"] < moved["log_power_0.06_0.12"] < 0
    assert abs(moved["log_power_0.02_0.06"]) < 0.2
    assert moved["high_minus_mid"] < -1
    assert moved["laplacian"] < -1 and moved["gradient"] < -0.5 and moved["noise_residual"] < -1


@pytest.mark.parametrize("number, band", list(enumerate(BANDS)))
def test_a_grating_shows_in_its_own_band(number, band):
    frequency = sum(band) / 2
    for axis in (0, 1):
        wave = 128 + 60 * np.sin(2 * np.pi * frequency * np.arange(256))
        image = np.broadcast_to(np.expand_dims(wave, (1 - axis, 2)), (256, 256, 3)).astype(np.uint8)
        powers = statistics(image)[: len(BANDS)]
        assert powers.argmax() == number and np.sort(powers)[-1] > np.sort(powers)[-2] + 3


def test_noise_raises_what_is_named_after_it():
    smooth = picture(grain=0)
    moved = change(smooth, gaussian_noise(smooth, 25, np.random.default_rng(0)))
    assert moved["noise_residual"] > 0.5 and moved["laplacian"] > 1 and moved["chroma_detail"] > 0.5
    assert abs(moved["saturation"]) < 5 and abs(moved["luma_spread"]) < 0.1


def test_saturation_and_chroma_detail_are_nothing_for_grey_and_known_for_pure_colours():
    grey = picture()[..., :1].repeat(3, 2)
    assert named(grey)["saturation"] == 0
    assert named(grey)["chroma_detail"] == pytest.approx(np.log(1e-2), abs=1e-6)
    red = np.zeros((256, 256, 3), np.uint8)
    red[..., 0] = 255
    assert named(red)["saturation"] == 255
    red[:, ::2] = 0  # red and black columns: the difference of red and blue steps by 255 everywhere
    assert named(red)["chroma_detail"] == pytest.approx(np.log(255), abs=1e-3)


def test_twice_the_contrast_doubles_steps_and_spread():
    flat = (128 + (picture().astype(int) - 128) // 4).astype(np.uint8)
    moved = change(flat, stretched(flat))
    for name in ("gradient", "laplacian", "luma_spread", "chroma_detail", "noise_residual"):
        assert moved[name] == pytest.approx(np.log(2), abs=0.05)
    for low, high in BANDS:
        assert moved[f"log_power_{low:.2f}_{high:.2f}"] == pytest.approx(np.log(4), abs=0.05)
    assert abs(moved["high_minus_mid"]) < 0.05 and abs(moved["blockiness_8"]) < 0.05


def test_rows_and_columns_count_alike():
    image = jpeg(picture(), 30)
    moved = change(image, image.transpose(1, 0, 2))
    assert max(abs(moved[name]) for name in NAMES if name != "chroma_detail") < 0.05  # colour is compared along rows only
    steps = np.repeat(np.arange(32, dtype=np.uint8) * 8, 8)  # a step at every eighth row, and none between
    rows = np.broadcast_to(steps[:, None, None], (256, 256, 3))
    assert named(rows)["blockiness_8"] == pytest.approx(np.log(8.05 / 0.05), rel=0.02)


def test_gradient_and_difference_of_bands_are_what_they_are_called():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255  # steps of 255 along rows, of 0 along columns
    assert named(stripes)["gradient"] == pytest.approx(np.log(127.5), abs=1e-3)
    values = named(picture())
    assert values["high_minus_mid"] == values["log_power_0.35_0.50"] - values["log_power_0.12_0.23"]


def test_brightness_alone_changes_nothing():
    darker = picture() // 2 + 20
    moved = change(darker, darker + 60)
    assert max(abs(each) for each in moved.values()) < 0.01


@pytest.mark.parametrize("image", [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_rgb_picture_is_refused(image):
    with pytest.raises(ValueError, match="must be a uint8 array"):
        statistics(image)
