"""What the quick check accepts the reader decodes, however a file was damaged; what is sound passes without decoding."""

import io
import random
import zlib

import numpy as np
import pytest
from PIL import Image

from imaginet_core.pictures import integrity
from imaginet_core.pictures.decode import read_picture
from imaginet_core.pictures.integrity import check_picture
from imaginet_core.pictures.sources import PictureError


def picture(mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(1)
    colours = np.indices((90, 110)).sum(0)[..., None] * [1, 2, 3] % 256 + rng.integers(0, 20, (90, 110, 3))
    image = Image.fromarray(colours.clip(0, 255).astype(np.uint8))
    return Image.fromarray(np.asarray(image)[..., 0].astype(np.uint16) * 200) if mode == "I;16" else image.convert(mode)


def saved(kind: str, mode: str = "RGB", **options) -> bytes:
    file = io.BytesIO()
    picture(mode).save(file, kind, **options)
    return file.getvalue()


SOUND = {
    "baseline": saved("JPEG"), "progressive": saved("JPEG", progressive=True), "4:4:4": saved("JPEG", subsampling=0),
    "optimised": saved("JPEG", quality=30, optimize=True), "restarts": saved("JPEG", restart_marker_blocks=3),
    "grey": saved("JPEG", "L"), "CMYK": saved("JPEG", "CMYK"), "grey progressive": saved("JPEG", "L", progressive=True),
    **{f"PNG {mode}": saved("PNG", mode) for mode in ("RGB", "L", "P", "1", "RGBA", "LA", "I;16")},
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_file_passes_without_being_decoded(name, monkeypatch):
    monkeypatch.setattr(integrity, "opened", lambda *_: pytest.fail("decoded"))
    assert check_picture(SOUND[name]) == ("PNG" if name.startswith("PNG") else "JPEG", 110, 90)


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "BMP", "TIFF"])
def test_other_formats_are_decoded(kind):
    content = saved(kind)
    assert check_picture(content) == (kind, 110, 90)
    with pytest.raises(PictureError):
        check_picture(content[: len(content) // 2])


def mend_checksums(content: bytes) -> bytes:
    """A PNG whose chunks have the checksums of what is in them now."""
    mended, place = bytearray(content), 8
    while place + 12 <= len(mended):
        end = place + 8 + int.from_bytes(mended[place : place + 4], "big")
        if end + 4 > len(mended):
            break
        mended[end : end + 4] = zlib.crc32(bytes(mended[place + 4 : end])).to_bytes(4, "big")
        place = end + 4
    return bytes(mended)


def damage(content: bytes, rng: random.Random) -> bytes:
    """One to three of: bits and bytes changed, runs taken out, put in or copied; half of it in the headers."""
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 3))):
        place = rng.randrange(len(damaged) if rng.random() < 0.5 else min(len(damaged), 700))
        kind = rng.randrange(5)
        if kind == 0:
            damaged[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            damaged[place] = rng.randrange(256)
        elif kind == 2:
            del damaged[place : place + rng.randrange(1, 60)]
        elif kind == 3:
            damaged[place:place] = rng.randbytes(rng.randrange(1, 6))
        else:
            other = rng.randrange(len(damaged))
            damaged[place : place + 20] = damaged[other : other + 20]
    if rng.random() < 0.1:
        del damaged[rng.randrange(1, len(damaged)) :]
        damaged += b"\xff\xd9" if damaged[:2] == b"\xff\xd8" else b""
    is_png = bytes(damaged[:8]) == integrity.PNG_SIGNATURE
    return mend_checksums(bytes(damaged)) if is_png and rng.random() < 0.7 else bytes(damaged)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_accepted_can_be_decoded(seed):
    rng, accepted, wrong = random.Random(seed), 0, []
    for number in range(2000):
        content = damage(SOUND[rng.choice(list(SOUND))], rng)
        try:
            facts = check_picture(content)
        except PictureError:
            continue
        accepted += 1
        try:
            pixels = read_picture(content, turn=False, notes=False).pixels
        except PictureError as error:
            wrong.append((number, str(error)))
        else:
            assert pixels.shape[:2] == (facts.height, facts.width)
    assert accepted > 400 and not wrong, wrong[:5]


def test_a_checksum_that_is_wrong_and_pixels_that_are_cut_are_found():
    content = saved("PNG")
    with pytest.raises(PictureError):
        check_picture(content[:60] + bytes([content[60] ^ 1]) + content[61:])
    start = content.index(b"IDAT") + 4
    length = int.from_bytes(content[start - 8 : start - 4], "big")
    half = content[start : start + length // 2]
    cut = content[: start - 8] + len(half).to_bytes(4, "big") + b"IDAT" + half + b"0000" + content[start + length + 4 :]
    with pytest.raises(PictureError):
        check_picture(mend_checksums(cut))


def test_a_header_that_promises_more_than_the_file_can_hold_is_refused():
    content = bytearray(saved("JPEG"))
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = (4000).to_bytes(2, "big") * 2
    with pytest.raises(PictureError, match="cannot hold"):
        check_picture(bytes(content))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_finite_numbers_are_refused_as_the_reader_refuses_them(wrong):
    values = np.random.default_rng(0).random((40, 56), dtype=np.float32)
    values[7, 9] = wrong
    file = io.BytesIO()
    Image.fromarray(values).save(file, "TIFF")
    for read in (check_picture, read_picture):
        with pytest.raises(PictureError, match="no finite numbers"):
            read(file.getvalue())
