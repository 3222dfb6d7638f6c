"""The reader: every kind of file and source gives the pixels that other ways give, its notes, or one sentence."""

import base64
import io
import os
import pickle
import time
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from imaginet_core.pictures.decode import decode, read_picture, turned
from imaginet_core.pictures.notes import NAMES
from imaginet_core.pictures.partial_decode import PictureFile
from imaginet_core.pictures.sources import Limits, PictureError
from tests.picture_fixtures import HEIGHT, ORIENTATIONS, WIDTH, cut_jpeg, exif, fixtures, photo, png, png_chunk, saved

FIXTURES = fixtures()


@pytest.mark.parametrize("name", FIXTURES)
@pytest.mark.filterwarnings("error")
def test_every_kind_of_file_gives_its_pixels_and_its_notes(name):
    content, pixels, notes = FIXTURES[name]
    picture = read_picture(content, name=name)
    assert picture.pixels.dtype == np.uint8 and picture.pixels.flags.writeable and picture.name == name
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert {note.name for note in picture.notes} == notes and notes <= set(NAMES)
    np.testing.assert_array_equal(decode(content), pixels)
    assert read_picture(content, notes=False).notes == ()


@pytest.mark.parametrize("name", FIXTURES)
@pytest.mark.filterwarnings("ignore")
def test_an_image_of_pillow_gives_the_same_as_its_file(name):
    content, pixels, notes = FIXTURES[name]
    with Image.open(io.BytesIO(content)) as image:
        picture = read_picture(image)
    np.testing.assert_array_equal(picture.pixels, pixels)
    only_in_the_file = {"truncated"} | ({"deep"} if "colour" in name else set())
    assert {note.name for note in picture.notes} == notes - only_in_the_file


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_picture_may_be_left_as_it_is_stored(orientation):
    stored = np.asarray(photo())
    content = saved(photo(), "PNG", exif=exif(orientation))
    np.testing.assert_array_equal(decode(content, turn=False), stored)
    picture = read_picture(content, turn=False)
    np.testing.assert_array_equal(picture.pixels, stored)
    assert picture.notes == ()
    np.testing.assert_array_equal(decode(content), turned(stored, orientation))


def test_every_source_gives_the_same_pixels(tmp_path):
    content, pixels, _ = FIXTURES["JPEG, orientation 6"]
    file = tmp_path / "a picture without a suffix"
    file.write_bytes(content)
    text = base64.b64encode(content).decode()
    folded = "\n".join(text[at : at + 76] for at in range(0, len(text), 76))
    written = io.BytesIO()
    written.write(content)  # its place is at the end
    with open(file, "rb") as opened:
        sources = [
            str(file), file, os.fsencode(file) and content, bytearray(content), memoryview(content), opened, written, text, folded,
            f"data:image/png;base64,{text}",
        ]
        for source in sources:
            picture = read_picture(source)
            np.testing.assert_array_equal(picture.pixels, pixels)
            assert [note.name for note in picture.notes] == ["turned"] and picture.format == "JPEG"


@pytest.mark.parametrize("kind", [
    "uint8", "channels first", "tensor", "tensor to 1", "bfloat16", "floats", "uint16", "int64", "RGBA", "bool", "grey", "grey HW1", "list",
])
def test_arrays_and_tensors_follow_the_rules_of_depth(kind):
    pixels = np.asarray(photo())
    tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
    alpha = np.full((HEIGHT, WIDTH, 1), 7, np.uint8)
    given = {
        "uint8": pixels, "channels first": pixels.transpose(2, 0, 1), "tensor": tensor, "tensor to 1": (tensor / 255).requires_grad_(),
        "bfloat16": (tensor / 255).bfloat16(), "floats": pixels.astype(np.float64), "uint16": pixels.astype(np.uint16) * 257,
        "int64": pixels.astype(np.int64), "RGBA": np.concatenate([pixels, alpha], axis=2), "bool": pixels > 127,
        "grey": pixels[..., 0], "grey HW1": pixels[..., :1], "list": pixels.tolist(),
    }[kind]
    if kind == "list":
        with pytest.raises(TypeError, match="got list"):
            read_picture(given)
        return
    want = {
        "bool": (pixels > 127) * np.uint8(255), "grey": np.repeat(pixels[..., :1], 3, axis=2),
        "grey HW1": np.repeat(pixels[..., :1], 3, axis=2),
    }.get(kind, pixels)
    picture = read_picture(given)
    np.testing.assert_allclose(picture.pixels.astype(int), want, atol=1 if kind == "bfloat16" else 0)
    assert [note.name for note in picture.notes] == {"RGBA": ["transparent"], "uint16": ["deep"]}.get(kind, [])


def test_a_picture_three_rows_high_is_read_by_its_last_axis_and_a_tensor_by_its_first():
    array = np.asarray(photo(3, 50))
    np.testing.assert_array_equal(read_picture(array).pixels, array)
    tensor = torch.from_numpy(np.asarray(photo(50, 3)).copy()).permute(2, 0, 1)
    np.testing.assert_array_equal(read_picture(tensor).pixels, np.asarray(photo(50, 3)))


@pytest.mark.parametrize("wrong, what", [
    (np.zeros((2, 4, 4, 3), np.uint8), r"\(2, 4, 4, 3\), which is not one"), (np.zeros((5, 6, 7), np.uint8), "without 1, 3 or 4"),
    (np.zeros((0, 5, 3), np.uint8), "no pixel"), (np.full((4, 4), np.nan), "no finite numbers"),
    (np.array([["a", "b"]]), "no plain numbers"), (np.zeros((4, 4), complex), "no plain numbers"),
])
def test_arrays_that_are_no_picture_are_refused(wrong, what):
    with pytest.raises(PictureError, match=f"the array cannot be read as an image .*{what}.*; give"):
        read_picture(wrong)


def test_a_tensor_of_another_device_or_none_is_refused_in_a_sentence():
    with pytest.raises(PictureError, match="the array cannot be read as an image"):
        read_picture(torch.empty((3, 4, 4), device="meta"))


@pytest.mark.parametrize("source, what", [
    ("gone.jpg", "there is no such file"), ("", "there is no such file"), ("a\0b.jpg", "cannot be opened"), ("x" * 5000, "name too long"),
    (b"", "it is empty"), (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is no JPEG"), (b"%!PS-Adobe-3.0 EPSF-3.0\n", "it is no JPEG"),
    (b"P6 9000 9000 255\n", "it is no JPEG"), (b"\xff\xd8\xff", "it is broken"), ("ftp://host/a.jpg", "only http and https"),
    ("file:///etc/passwd", "only http and https"), ("data:image/png;base64,$$$", "no base64"), ("data:text/html,hello", "it is empty"),
    (io.StringIO("text"), "opened as text"), (".", "it is a folder"),
])
def test_what_is_no_picture_is_refused_in_one_sentence(source, what):
    with pytest.raises(PictureError, match=what) as caught:
        read_picture(source)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value) and "cannot be read as an image" in str(caught.value)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.reason, copy.name) == (str(caught.value), caught.value.reason, caught.value.name)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.jpg")
    with pytest.raises(PictureError, match="x.jpg cannot be read as an image .it is no regular file"):
        read_picture(tmp_path / "x.jpg")


@pytest.mark.parametrize("name", [name for name in FIXTURES if not name.startswith(("1 ×", "5000", "30000"))])
def test_damage_is_read_or_refused_in_one_sentence(name):
    content, rng = FIXTURES[name].content, np.random.default_rng(len(name))
    for number in range(6):
        damaged = bytearray(content)
        if number < 2:
            damaged = damaged[: int(rng.integers(1, len(content)))]
        else:
            for place in rng.integers(0, min(len(content), [60, 400, 10**6, 10**6][number - 2]), 1 + number):
                damaged[place] = rng.integers(256)
        try:
            assert read_picture(bytes(damaged), limits=Limits(pixels=10**7)).pixels.ndim == 3
        except PictureError as error:
            assert "\n" not in str(error) and str(error).startswith("the picture given as bytes cannot be read as an image (")


def test_pixels_and_bytes_are_limited():
    content = saved(photo(), "PNG")
    with pytest.raises(PictureError, match=f"{WIDTH} × {HEIGHT} pixels are more than the limit of 6,299.*raise the limit"):
        read_picture(content, limits=Limits(pixels=WIDTH * HEIGHT - 1))
    assert read_picture(content, limits=Limits(pixels=WIDTH * HEIGHT)).pixels.shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(PictureError, match="more than the limit of 100 bytes"):
        read_picture(content, limits=Limits(bytes=100))
    with pytest.raises(PictureError, match=r"more than the limit of 10\)"):
        read_picture(np.asarray(photo()), limits=Limits(pixels=10))
    with pytest.raises(PictureError, match=r"more than the limit of 10\)"):
        read_picture(photo(), limits=Limits(pixels=10))


@pytest.mark.parametrize("progressive", [False, True])
def test_a_header_that_promises_more_than_its_data_holds_is_refused_at_once(progressive):
    content = bytearray(saved(photo(), "JPEG", progressive=progressive))
    place = content.index(b"\xff\xc2" if progressive else b"\xff\xc0") + 5
    content[place : place + 4] = (13000).to_bytes(2, "big") * 2
    start = time.process_time()
    with pytest.raises(PictureError, match="promises 13000 × 13000 pixels"):
        read_picture(bytes(content))
    assert time.process_time() - start < 1


def test_pictures_larger_than_pillows_own_limit_are_read_up_to_ours(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    pixels = np.asarray(photo(40, 60))
    np.testing.assert_array_equal(read_picture(saved(photo(40, 60), "PNG")).pixels, pixels)


def test_large_pictures_are_converted_in_bands(monkeypatch):
    monkeypatch.setattr("imaginet_core.pictures.decode.BAND", 500)
    for name in ("PNG", "PNG, palette", "PNG, 16 bits, fine", "TIFF, floats to 1", "JPEG, CMYK of Adobe", "JPEG, orientation 6"):
        np.testing.assert_array_equal(decode(FIXTURES[name].content), FIXTURES[name].pixels)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("settings", [
    {}, {"subsampling": "4:4:4"}, {"quality": 50}, {"progressive": True}, {"restart_marker_blocks": 5}, {"optimize": True},
])
def test_a_jpeg_that_is_cut_off_with_an_end_marker_is_noted_and_a_whole_one_is_not(share, settings):
    for seed, size in enumerate([(301, 203), (160, 240), (97, 400)]):
        content = saved(photo(*size, seed=seed), "JPEG", **{"quality": 90, **settings})
        assert "truncated" not in [note.name for note in read_picture(content).notes]
        try:
            assert "truncated" in [note.name for note in read_picture(cut_jpeg(content, share)).notes]
        except PictureError as error:  # cut within a header between two scans
            assert settings == {"progressive": True} and "truncated" in str(error)


def test_a_whole_jpeg_that_ends_in_grey_is_not_called_cut():
    pixels = np.asarray(photo(160, 160)).copy()
    pixels[96:] = 128
    assert read_picture(saved(Image.fromarray(pixels), "JPEG", quality=95)).notes == ()


def test_padding_and_lack_of_detail_are_told_of_what_is_seen():
    notes = lambda image, crop: {note.name: note.detail for note in read_picture(image, crop=crop).notes}
    assert notes(photo(128, 256), (256, 256)) == {"padded": "50 % of what is looked at is the picture mirrored at its edges"}
    assert notes(photo(300, 256), (256, 256)) == {}
    assert set(notes(Image.new("RGB", (1, 5000)), (256, 256))) == {"padded", "flat"}
    framed = np.asarray(photo(400, 400)).copy()
    framed[100:300, 100:300] = 90
    assert set(notes(framed, (128, 128))) == {"flat"} and notes(framed, (400, 400)) == {} and notes(framed, None) == {}


def test_files_of_other_formats_are_not_loaded_through_an_image_either():
    file = io.BytesIO()
    photo().save(file, "PPM")
    with Image.open(file) as image:
        with pytest.raises(PictureError, match="the image cannot be read as an image .it is a PPM file"):
            read_picture(image)
        image.load()  # by who trusts it
        np.testing.assert_array_equal(read_picture(image).pixels, np.asarray(photo()))


def test_heic_needs_its_extra_or_is_read():
    header = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    try:
        import pillow_heif
    except ImportError:
        with pytest.raises(PictureError, match="takes pillow-heif to read.; pip install pillow-heif"):
            read_picture(header)
        return
    file, smooth = io.BytesIO(), photo(8, 12).resize((96, 64), Image.Resampling.BILINEAR)
    pillow_heif.from_pillow(smooth).save(file, quality=100)
    picture = read_picture(file.getvalue())
    assert picture.format == "HEIF" and picture.notes == ()
    assert np.abs(picture.pixels.astype(int) - np.asarray(smooth)).mean() < 5


def test_what_is_wrong_behind_the_pixels_is_said_by_every_way_of_reading():
    """Looking for an orientation there must not hide it: a second try finds nothing amiss."""
    broken = png(np.zeros((4, 5, 3), np.uint8), 2, behind=png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(3 << 20))))
    for read in (decode, read_picture, lambda content: PictureFile({"bytes": content, "path": None}, "a.png").read()):
        with pytest.raises(PictureError, match="too large"):
            read(broken)
