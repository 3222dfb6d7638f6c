"""Windows of picture files: the pixels that Pillow reads from the whole picture, over formats, modes and kinds of damage."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from imaginet_core.pictures import partial_decode
from imaginet_core.pictures.partial_decode import PictureFile, PictureFiles
from imaginet_core.pictures.shortened_files import shortened
from imaginet_core.pictures.window import Window

HEIGHT, WIDTH = 180, 150
WINDOWS = [Window.at(0, 0, HEIGHT, WIDTH), Window.at(0, 0, 5, 7), Window.at(175, 140, 5, 10), Window.at(50, 3, 48, 140)]


def photo(height=HEIGHT, width=WIDTH, seed=0) -> Image.Image:
    """Shapes with grain, so that blocks, filters and chroma have something to do."""
    rng = np.random.default_rng(seed)
    smooth = np.asarray(Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)).resize((width, height)), dtype=int)
    return Image.fromarray(np.clip(smooth + rng.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8))


def encoded(picture: Image.Image, codec: str, **settings) -> bytes:
    file = io.BytesIO()
    picture.save(file, codec, **settings)
    return file.getvalue()


def interlaced_png(picture: Image.Image) -> bytes:
    """A PNG in Adam7 order, which Pillow reads but does not write."""
    pixels, rows = np.asarray(picture), b""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    for left, top, right, down in passes:
        rows += b"".join(b"\0" + row.tobytes() for row in pixels[top::down, left::right])

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", picture.width, picture.height, 8, 2, 0, 0, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def files() -> dict[str, bytes]:
    rgb, rotated = photo(), Image.Exif()
    rotated[0x0112] = 6  # turned by a viewer; the pixels are read as they are stored
    alpha = rgb.copy()
    alpha.putalpha(photo(seed=1).convert("L"))
    palette, deep = rgb.quantize(60), Image.fromarray(np.asarray(rgb)[..., 0].astype(np.uint16) * 257)
    several = {"save_all": True, "append_images": [photo(seed=2)]}
    colour = tuple(int(value) for value in np.asarray(rgb)[5, 5])
    return {
        "PNG": encoded(rgb, "PNG"), "PNG, interlaced": interlaced_png(rgb), "PNG, alpha": encoded(alpha, "PNG"),
        "PNG, grey": encoded(rgb.convert("L"), "PNG"), "PNG, grey and alpha": encoded(alpha.convert("LA"), "PNG"),
        "PNG, 1 bit": encoded(rgb.convert("1"), "PNG"), "PNG, 16 bits": encoded(deep, "PNG"),
        "PNG, palette": encoded(palette, "PNG"),
        "PNG, transparent entry": encoded(palette, "PNG", transparency=3), "PNG, animated": encoded(rgb, "PNG", **several),
        "PNG, transparent colour": encoded(rgb, "PNG", transparency=colour), "PNG, EXIF": encoded(rgb, "PNG", exif=rotated),
        **{f"JPEG, chroma {chroma}": encoded(rgb, "JPEG", subsampling=chroma) for chroma in ("4:4:4", "4:2:2", "4:2:0")},
        "JPEG, restarts": encoded(rgb, "JPEG", restart_marker_blocks=7), "JPEG, optimised": encoded(rgb, "JPEG", optimize=True),
        "JPEG, progressive": encoded(rgb, "JPEG", progressive=True), "JPEG, grey": encoded(rgb.convert("L"), "JPEG"),
        "JPEG, CMYK": encoded(rgb.convert("CMYK"), "JPEG"), "JPEG, EXIF": encoded(rgb, "JPEG", exif=rotated),
        "WebP": encoded(rgb, "WEBP"), "WebP, worst": encoded(rgb, "WEBP", quality=1), "WebP, alpha": encoded(alpha, "WEBP"),
        "WebP, lossless": encoded(rgb, "WEBP", lossless=True), "WebP, animated": encoded(rgb, "WEBP", **several),
        "WebP, EXIF": encoded(rgb, "WEBP", exif=rotated), "GIF": encoded(palette, "GIF"), "BMP": encoded(rgb, "BMP"),
        "TIFF, CMYK": encoded(rgb.convert("CMYK"), "TIFF"),
    }


@pytest.mark.parametrize("name, content", files().items())
@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
def test_a_window_has_the_pixels_of_the_whole_picture(name, content, monkeypatch):
    monkeypatch.setattr(partial_decode, "WORTH_SHORTENING", 0)
    with Image.open(io.BytesIO(content)) as image:
        whole = np.asarray(image.convert("RGB"))
    for window in WINDOWS:
        with PictureFile({"bytes": content, "path": None}, name) as picture:
            assert (picture.height, picture.width) == (HEIGHT, WIDTH)
            np.testing.assert_array_equal(picture.read(window), window.of(whole))
    with PictureFile({"bytes": content, "path": None}, name) as picture:
        np.testing.assert_array_equal(picture.read(), whole)


def test_shortened_files_keep_all_wanted_rows():
    """Random sizes, qualities, samplings and contents; sequential JPEG and plain lossy WebP must all become shorter."""
    rng = np.random.default_rng(0)
    for number in range(120):
        height, width = (int(side) for side in rng.integers(90, 300, 2))
        picture = photo(height, width, number) if number % 3 else Image.effect_noise((width, height), 90).convert("RGB")
        if number % 2:
            content = encoded(picture, "WEBP", quality=int(rng.integers(101)), method=int(rng.integers(5)))
        else:
            content = encoded(picture, "JPEG", quality=int(rng.integers(1, 101)), subsampling=int(rng.integers(3)))
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


def test_files_are_opened_by_number_also_from_the_disk(tmp_path):
    photo().save(tmp_path / "a.png")
    rows = [{"image": {"bytes": None, "path": str(tmp_path / "a.png")}}, {"image": {"bytes": files()["GIF"], "path": None}}]
    names = np.array(["folder/a.png", "caf\u00e9\udce9.gif"])  # the second is no UTF-8, as Python reads such names
    opened = PictureFiles(rows, names)
    assert len(opened) == 2 and [opened.path(0), opened.path(1)] == names.tolist()
    with opened.open(0) as picture:
        np.testing.assert_array_equal(picture.read(), np.asarray(photo()))
