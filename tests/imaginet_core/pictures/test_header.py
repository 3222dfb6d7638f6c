"""Headers against Pillow: sizes, JPEG tables and chroma, WebP's quantiser."""

import io

import numpy as np
import pytest
from PIL import Image

from imaginet_core.pictures.decode import decode
from imaginet_core.pictures.header import Header, jpeg_quality, jpeg_table, read_header
from imaginet_core.pictures.sources import PictureError


def picture(width=120, height=70, mode="RGB") -> Image.Image:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (7, 12, 3), dtype=np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(rng.integers(0, 256, (height, width), dtype=np.uint8)))
    return image.convert(mode)


def saved(image: Image.Image, kind: str, **options) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


@pytest.mark.parametrize("quality", [1, 5, 25, 49, 50, 51, 75, 90, 95, 99, 100])
def test_jpeg_quality_is_the_one_that_pillow_was_given(quality):
    header = read_header(saved(picture(), "JPEG", quality=quality))
    assert (header.quality, header.exact) == (quality, True)
    np.testing.assert_array_equal(header.luma_table, jpeg_table(quality))


def test_a_table_that_is_not_libjpegs_gets_the_nearest_quality():
    steps = [int(step) for step in np.maximum(1, jpeg_table(80) + np.resize([1, 0, -1, 0], 64))]
    header = read_header(saved(picture(), "JPEG", qtables=[steps, steps]))
    assert header.exact is False and abs(header.quality - 80) <= 1
    assert jpeg_quality([255] * 64)[0] == 1


def test_jpeg_chroma_progression_and_metadata():
    for option, name in ((0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")):
        assert read_header(saved(picture(), "JPEG", subsampling=option)).subsampling == name
    assert read_header(saved(picture(mode="L"), "JPEG"))[:4] == ("JPEG", "L", 120, 70)
    assert read_header(saved(picture(mode="L"), "JPEG")).subsampling is None
    exif = Image.Exif()
    exif[271] = "a camera"
    header = read_header(saved(picture(), "JPEG", progressive=True, exif=exif, icc_profile=b"x" * 200))
    assert (header.progressive, header.exif, header.icc) == (True, True, True)
    plain = read_header(saved(picture(), "JPEG"))
    assert not (plain.progressive or plain.exif or plain.icc)


def test_webp_quality_is_estimated_from_the_quantiser():
    quantisers = []
    for quality in (5, 30, 50, 75, 80, 90, 100):
        header = read_header(saved(picture(), "WEBP", quality=quality))
        assert abs(header.quality - quality) <= (12 if quality < 80 else 4)
        quantisers.append(header.quantiser)
    assert quantisers == sorted(quantisers, reverse=True) and quantisers[-1] == 0 and quantisers[0] > 70


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}, {"quality": 80, "exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0"},
                                     {"lossless": True, "icc_profile": b"x" * 3001}])
def test_webp_files_of_every_layout_are_read_as_pillow_reads_them(mode, options):
    content = saved(picture(mode=mode), "WEBP", **options)
    header = read_header(content)
    with Image.open(io.BytesIO(content)) as image:
        assert header[:4] == ("WEBP", image.mode, image.width, image.height)
        assert (header.exif, header.icc) == ("exif" in image.info, "icc_profile" in image.info)
    assert (header.quality is None) == ("lossless" in options)


def test_the_first_kilobytes_are_enough():
    large = Image.fromarray(np.random.default_rng(0).integers(0, 256, (600, 700, 3), dtype=np.uint8))
    for kind, options in (("JPEG", {}), ("PNG", {}), ("WEBP", {"quality": 90}), ("WEBP", {"lossless": True})):
        content = saved(large, kind, **options)
        assert len(content) > 40000
        assert read_header(content[:4096]) == read_header(io.BytesIO(content)) != Header(kind, "RGB", 600, 700)


def test_what_is_no_image_or_ends_in_its_header_is_said():
    odd_webp = b"RIFF\x10\0\0\0WEBPVP8 \x04\0\0\0abcd"
    for content in (b"", b"text", saved(picture(), "WEBP")[:20], odd_webp, saved(picture(), "JPEG")[:30]):
        with pytest.raises(ValueError, match="it is (empty|no JPEG|no WebP|broken)"):
            read_header(content)


@pytest.mark.parametrize("orientation, upright", [(1, (120, 70)), (3, (120, 70)), (6, (70, 120)), (8, (70, 120))])
@pytest.mark.parametrize("codec", ["JPEG", "PNG", "TIFF"])
def test_the_upright_size_is_that_of_the_readers_picture(orientation, upright, codec):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(picture(), codec, exif=exif)
    assert read_header(content).upright == upright == decode(content).shape[1::-1]


def test_headers_without_tables_or_pixels_are_broken_pictures():
    content = saved(picture(), "JPEG")
    start = content.index(b"\xff\xdb")
    end = content.index(b"\xff\xc0")
    webp = bytearray(saved(picture(), "WEBP"))
    webp[28:30] = b"\0\0"
    for broken, what in ((content[:start] + content[end:], "no quantisation table"), (bytes(webp), "no pixel"), (b"BM" + b"\0" * 90, "broken")):
        with pytest.raises(PictureError, match=what):
            read_header(broken)
