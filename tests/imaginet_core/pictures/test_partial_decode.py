"""Windows of picture files: the pixels that Pillow reads from the whole picture, over formats, modes and kinds of damage."""

import io

import numpy as np
import pytest
from PIL import Image

from imaginet_core.pictures import partial_decode
from imaginet_core.pictures.decode import decode
from imaginet_core.pictures.partial_decode import PictureFile
from imaginet_core.pictures.shortened_files import shortened
from imaginet_core.pictures.window import Window
from tests.picture_fixtures import ORIENTATIONS, exif, fixtures, photo, saved

HEIGHT, WIDTH = 180, 150


FIXTURES = fixtures()


def files() -> dict[str, bytes]:
    return {
        name: saved(photo(HEIGHT, WIDTH), "JPEG", subsampling=chroma)
        for name, chroma in (("JPEG, chroma 4:4:4", "4:4:4"), ("JPEG, chroma 4:2:0", "4:2:0"))
    } | {
        "JPEG, progressive": saved(photo(HEIGHT, WIDTH), "JPEG", progressive=True), "PNG": saved(photo(HEIGHT, WIDTH), "PNG"),
        "WebP": saved(photo(HEIGHT, WIDTH), "WEBP"), "WebP, worst": saved(photo(HEIGHT, WIDTH), "WEBP", quality=1),
        "WebP, lossless": saved(photo(HEIGHT, WIDTH), "WEBP", lossless=True), "GIF": saved(photo(HEIGHT, WIDTH).quantize(60), "GIF"),
        "WebP, alpha": FIXTURES["WebP, alpha"].content, "WebP, animated": FIXTURES["WebP, animated"].content,
    }


def windows_of(height: int, width: int) -> list[Window]:
    """The whole, a corner, the opposite corner and places between, in any picture."""
    boxes = [(0, 0, 1, 1), (0, 0, 0.1, 0.2), (0.9, 0.8, 1, 1), (0.3, 0.05, 0.6, 0.9), (0.5, 0.5, 0.51, 0.51)]
    for top, left, bottom, right in boxes:
        top, left = int(top * height), int(left * width)
        yield Window.at(top, left, max(1, int(bottom * height) - top), max(1, int(right * width) - left))


@pytest.mark.parametrize("turn", [True, False])
@pytest.mark.parametrize("name", FIXTURES)
def test_a_window_has_the_pixels_that_the_reader_gives_of_the_whole_picture(name, turn, monkeypatch):
    monkeypatch.setattr(partial_decode, "WORTH_SHORTENING", 0)
    content, pixels, notes = FIXTURES[name]
    whole = pixels if turn and "cut" not in name else decode(content, turn)
    for window in windows_of(*whole.shape[:2]):
        with PictureFile({"bytes": content, "path": None}, name, turn) as picture:
            assert (picture.height, picture.width) == whole.shape[:2]
            np.testing.assert_array_equal(picture.read(window), window.of(whole))
    with PictureFile({"bytes": content, "path": None}, name, turn) as picture:
        np.testing.assert_array_equal(picture.read(), whole)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("codec", ["JPEG", "PNG", "WEBP"])
def test_windows_of_turned_pictures_are_found_where_they_are_stored(orientation, codec, monkeypatch):
    monkeypatch.setattr(partial_decode, "WORTH_SHORTENING", 0)
    content = saved(photo(HEIGHT, WIDTH), codec, exif=exif(orientation))
    whole, rng = decode(content), np.random.default_rng(orientation)
    for _ in range(20):
        height, width = (int(rng.integers(1, length + 1)) for length in whole.shape[:2])
        top, left = int(rng.integers(whole.shape[0] - height + 1)), int(rng.integers(whole.shape[1] - width + 1))
        window = Window.at(top, left, height, width)
        with PictureFile({"bytes": content, "path": None}, "x") as picture:
            np.testing.assert_array_equal(picture.read(window), window.of(whole))


def test_shortened_files_keep_all_wanted_rows():
    """Random sizes, qualities, samplings and contents; sequential JPEG and plain lossy WebP must all become shorter."""
    rng = np.random.default_rng(0)
    for number in range(120):
        height, width = (int(side) for side in rng.integers(90, 300, 2))
        picture = photo(height, width, seed=number) if number % 3 else Image.effect_noise((width, height), 90).convert("RGB")
        if number % 2:
            content = saved(picture, "WEBP", quality=int(rng.integers(101)), method=int(rng.integers(5)))
        else:
            content = saved(picture, "JPEG", quality=int(rng.integers(1, 101)), subsampling=int(rng.integers(3)))
        rows = int(rng.integers(1, height - 40))
        less = shortened(content, rows)
        with Image.open(io.BytesIO(content)) as whole, Image.open(io.BytesIO(less)) as part:
            assert rows < part.height < height and part.width == width
            np.testing.assert_array_equal(np.asarray(part)[:rows], np.asarray(whole)[:rows])


@pytest.mark.parametrize("name", ["JPEG, progressive", "PNG", "WebP, alpha", "WebP, lossless", "WebP, animated", "GIF"])
def test_what_cannot_be_shortened_is_left_alone(name):
    assert shortened(files()[name], 20) is None


def test_a_jpeg_whose_colours_come_one_after_another_is_left_alone():
    content = files()["JPEG, chroma 4:4:4"]
    scan = content.index(b"\xff\xda")
    assert shortened(content, 20) is not None
    assert shortened(content[: scan + 4] + b"\x01" + content[scan + 5 :], 20) is None


@pytest.mark.parametrize("name", ["PNG", "JPEG, chroma 4:2:0", "WebP"])
@pytest.mark.parametrize("share", [0.3, 0.97])
def test_a_file_that_is_cut_off_is_named_whichever_window_is_read(name, share, monkeypatch):
    monkeypatch.setattr(partial_decode, "WORTH_SHORTENING", 0)
    content = files()[name]
    with pytest.raises(ValueError, match="photos/1.x cannot be read as an image .*; replace it and run again"):
        with PictureFile({"bytes": content[: int(len(content) * share)], "path": None}, "photos/1.x") as picture:
            picture.read(Window.at(0, 0, 5, 7))


def test_a_missing_file_and_one_that_is_no_image_are_named(tmp_path):
    for record in ({"bytes": None, "path": str(tmp_path / "gone.png")}, {"bytes": b"text", "path": None}):
        with pytest.raises(ValueError, match="photos/2.png cannot be read as an image"):
            PictureFile(record, "photos/2.png")
