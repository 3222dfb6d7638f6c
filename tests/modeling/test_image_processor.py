"""What the detector sees of a picture: against a slow clear version, and for every mode and number type."""

import numpy as np
import pytest
import torch
from PIL import Image

from modeling import SelfConImageProcessor
from tests.modeling.helpers import pixels

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def seen(image, **options) -> torch.Tensor:
    return SelfConImageProcessor(**options)(image, return_tensors="pt")["pixel_values"][0]


def slow_version(array: np.ndarray, size: int = 256) -> np.ndarray:
    """uint8 (H, W, 3) -> float64 (3, size, size): the pixel that each place shows, found one by one."""

    def sources(length: int) -> list[int]:
        before = max(0, size - length) // 2  # reflected rows before the picture
        skipped = max(0, length - size) // 2  # rows of the picture cut off
        period = max(1, 2 * (length - 1))
        found = []
        for place in range(size):
            at = (place - before + skipped) % period
            found.append(at if at < length else period - at)
        return found

    rows, columns = sources(array.shape[0]), sources(array.shape[1])
    out = np.empty((3, size, size))
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            out[:, y, x] = (array[row, column] / 255 - MEAN) / STD
    return out


@pytest.mark.parametrize(
    ("height", "width"), [(256, 256), (200, 300), (301, 259), (1, 1), (3, 700), (700, 2), (17, 40), (257, 255)]
)
def test_centre_crop_and_reflection_match_a_slow_version(height, width):
    array = pixels(height, width)
    got = seen(Image.fromarray(array))
    assert got.dtype == torch.float32
    np.testing.assert_allclose(got.numpy(), slow_version(array), atol=1e-6)


def test_nothing_is_resampled_at_another_crop_size():
    array = pixels(90, 130)
    got = seen(Image.fromarray(array), crop_size={"height": 64, "width": 64})
    np.testing.assert_allclose(got.numpy(), slow_version(array, 64), atol=1e-6)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV"])
def test_modes_of_8_bits_are_seen_as_pil_converts_them(mode):
    image = Image.fromarray(pixels(40, 50)).convert(mode)
    torch.testing.assert_close(seen(image), seen(image.convert("RGB")), rtol=0, atol=0)


def transparent_pictures() -> dict[str, Image.Image]:
    array = pixels(40, 50)
    alpha = np.zeros((40, 50, 1), np.uint8)
    palette = Image.fromarray(array).convert("P")
    palette.info["transparency"] = palette.getpixel((3, 3))
    return {
        "RGBA": Image.fromarray(np.concatenate([array, alpha], axis=2)),
        "LA": Image.fromarray(np.concatenate([array[..., :1], alpha], axis=2)),
        "P": palette,
    }


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_dropped_and_not_laid_on_a_background(mode):
    image = transparent_pictures()[mode]
    assert image.mode == mode
    opaque = {"RGBA": lambda: np.asarray(image)[..., :3], "LA": lambda: np.repeat(np.asarray(image)[..., :1], 3, axis=2)}.get(
        mode, lambda: np.array(image.getpalette()).reshape(-1, 3)[np.asarray(image)].astype(np.uint8)
    )()
    np.testing.assert_allclose(seen(image).numpy(), slow_version(opaque), atol=1e-6)


def deep_pictures(grey: np.ndarray) -> dict[str, Image.Image]:
    """The same grey uint8 picture in PIL's deeper modes."""
    return {
        "I;16": Image.fromarray(grey.astype(np.uint16) * 257),
        "I": Image.fromarray(grey.astype(np.int32)),
        "I of 16 bits": Image.fromarray(grey.astype(np.int32) * 257),
        "F to 1": Image.fromarray(grey.astype(np.float32) / 255),
        "F to 255": Image.fromarray(grey.astype(np.float32)),
        "F to 65535": Image.fromarray(grey.astype(np.float32) * 257),
    }


@pytest.mark.parametrize("mode", list(deep_pictures(np.zeros((1, 1), np.uint8))))
def test_pictures_of_more_than_8_bits_are_scaled_and_not_clipped(mode):
    grey = pixels(40, 300)[..., 0]
    torch.testing.assert_close(seen(deep_pictures(grey)[mode]), seen(Image.fromarray(grey)), rtol=0, atol=2e-6)


def test_a_16_bit_file_keeps_its_fine_steps(tmp_path):
    Image.fromarray(np.arange(256 * 256, dtype=np.uint16).reshape(256, 256)).save(tmp_path / "ramp.png")
    ramp = seen(Image.open(tmp_path / "ramp.png"))[0].double()
    want = torch.arange(256 * 256, dtype=torch.float64).reshape(256, 256) / 65535
    torch.testing.assert_close(ramp * STD[0] + MEAN[0], want, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["uint8 HWC", "uint8 CHW", "float tensor to 1", "grey HW1", "RGBA HWC", "uint16 HWC"])
def test_arrays_and_tensors_are_seen_like_the_picture(kind):
    array = pixels(40, 50)
    given = {
        "uint8 HWC": array,
        "uint8 CHW": array.transpose(2, 0, 1),
        "float tensor to 1": torch.from_numpy(array).permute(2, 0, 1) / 255,
        "grey HW1": array[..., :1],
        "RGBA HWC": np.concatenate([array, np.full((40, 50, 1), 9, np.uint8)], axis=2),
        "uint16 HWC": array.astype(np.uint16) * 257,
    }[kind]
    want = np.repeat(array[..., :1], 3, axis=2) if kind == "grey HW1" else array
    np.testing.assert_allclose(seen(given).numpy(), slow_version(want), atol=2e-6)


def test_values_that_are_said_to_be_scaled_are_left_alone():
    scaled = torch.from_numpy(pixels(256, 256)).permute(2, 0, 1) / 255
    torch.testing.assert_close(seen(scaled, do_rescale=False), seen(Image.fromarray(pixels(256, 256))), rtol=0, atol=2e-6)


def test_pictures_without_pixels_or_with_numbers_that_are_none_are_refused():
    with pytest.raises(ValueError, match="at least one pixel"):
        seen(Image.new("RGB", (0, 5)))
    with pytest.raises(ValueError, match="finite"):
        seen(Image.fromarray(np.full((4, 4), np.nan, np.float32)))
