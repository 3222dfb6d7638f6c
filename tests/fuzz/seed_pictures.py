"""Small pictures of every format and mode, made in code: what the mutations begin with."""

import functools
import io
import struct
from typing import NamedTuple

import numpy as np
from PIL import Image

ADMITTED = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Pillow's names of formats that image data sets are made of; all others are only ever found under a wrong suffix."""
SUFFIXES = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "BMP": "bmp", "TIFF": "tif", "AVIF": "avif"}


class Seed(NamedTuple):
    """A whole file: a name for messages, Pillow's name of its format, its bytes, and the suffix it would have on a disk."""

    name: str
    format: str
    content: bytes
    suffix: str


def scene(seed: int, width: int = 56, height: int = 40) -> Image.Image:
    """A gradient with a disc and noise in RGB, so that no codec can store it in a few bytes."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack([rows * 5, columns * 4, (rows + columns) * 2], axis=-1) + rng.integers(0, 40, (height, width, 3))
    pixels[(rows - height / 2) ** 2 + (columns - width / 2) ** 2 < 150] += 60
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def saved(image: Image.Image, kind: str, **options) -> bytes:
    """The picture's file in Pillow's format ``kind``."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


STRIP = 1, 4_000_000
"""Width and height of a picture that is small, as a file and in pixels, until somebody pads it."""
LARGE = 420, 330
"""Width and height of pictures of which a window is read without the rest."""


def _jpegs(image: Image.Image) -> dict[str, bytes]:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a picture"
    return {
        "baseline": saved(image, "JPEG", quality=85),
        "444": saved(image, "JPEG", quality=92, subsampling=0),
        "progressive": saved(image, "JPEG", quality=75, progressive=True),
        "optimised": saved(image, "JPEG", quality=60, optimize=True, restart_marker_blocks=4),
        "grey": saved(image.convert("L"), "JPEG"),
        "large": saved(scene(7, *LARGE), "JPEG", quality=75),
        "large_progressive": saved(scene(7, *LARGE), "JPEG", quality=75, progressive=True),
        "cmyk": saved(image.convert("CMYK"), "JPEG"),
        "turned": saved(image, "JPEG", exif=exif, icc_profile=b"not a profile" * 9, comment=b"said"),
    }


def _pngs(image: Image.Image) -> dict[str, bytes]:
    grey = image.convert("L")
    faded = image.copy()
    faded.putalpha(grey)
    palette = image.quantize(32)
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    return {
        "rgb": saved(image, "PNG"),
        "large": saved(scene(7, *LARGE).quantize(8), "PNG"),
        "rgba": saved(faded, "PNG"),
        "grey": saved(grey, "PNG"),
        "strip": saved(Image.new("1", STRIP), "PNG"),
        "grey_alpha": saved(faded.convert("LA"), "PNG"),
        "palette": saved(palette, "PNG"),
        "palette_trns": saved(palette, "PNG", transparency=bytes(range(0, 256, 8))),
        "rgb_trns": saved(image, "PNG", transparency=(1, 2, 3)),
        "bits": saved(image.convert("1"), "PNG"),
        "deep": saved(deep, "PNG"),
        "apng": saved(image, "PNG", save_all=True, append_images=[scene(8), scene(9)], duration=50),
    }


def _webps(image: Image.Image) -> dict[str, bytes]:
    faded = image.copy()
    faded.putalpha(image.convert("L"))
    return {
        "lossy": saved(image, "WEBP", quality=70),
        "lossless": saved(image, "WEBP", lossless=True),
        "alpha": saved(faded, "WEBP", quality=70),
        "large": saved(scene(7, *LARGE), "WEBP", quality=70),
        "exif": saved(image, "WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
        "animated": saved(image, "WEBP", save_all=True, append_images=[scene(8), scene(9)], duration=50),
    }


def _others(image: Image.Image) -> dict[str, dict[str, bytes]]:
    grey = image.convert("L")
    numbers = np.asarray(grey)
    return {
        "GIF": {
            "plain": saved(image.quantize(64), "GIF"),
            "transparent": saved(image.quantize(64), "GIF", transparency=3),
            "animated": saved(image, "GIF", save_all=True, append_images=[scene(8), scene(9)], duration=50),
        },
        "BMP": {mode: saved(image.convert(mode), "BMP") for mode in ("1", "L", "P", "RGB", "RGBA")},
        "TIFF": {
            "raw": saved(image, "TIFF"),
            "lzw": saved(image, "TIFF", compression="tiff_lzw"),
            "deflate": saved(image, "TIFF", compression="tiff_adobe_deflate"),
            "jpeg": saved(image, "TIFF", compression="jpeg"),
            "fax": saved(image.convert("1"), "TIFF", compression="group4"),
            "grey": saved(grey, "TIFF"),
            "cmyk": saved(image.convert("CMYK"), "TIFF"),
            "lab": saved(image.convert("LAB"), "TIFF"),
            "deep": saved(Image.fromarray(numbers.astype(np.uint16) * 257), "TIFF"),
            "integers": saved(Image.fromarray(numbers.astype(np.int32)), "TIFF"),
            "floats": saved(Image.fromarray(numbers.astype(np.float32) / 255), "TIFF"),
            "pages": saved(image, "TIFF", save_all=True, append_images=[scene(8)]),
        },
        "AVIF": {"rgb": saved(image, "AVIF", quality=60, speed=10)},
        "MPO": {"pair": saved(image, "MPO", save_all=True, append_images=[scene(8)])},
    }


def _strangers(image: Image.Image) -> dict[str, bytes]:
    """Files of formats that no image data set holds, some of which start other programs or have raised errors of their own."""
    pixels = np.asarray(image).tobytes()
    dds = b"DDS " + struct.pack("<7I", 124, 0x1007, image.height, image.width, image.width * 4, 0, 0) + bytes(44)
    dds += (
        struct.pack("<2I4s5I", 32, 4, b"DX10", 0, 0, 0, 0, 0)
        + struct.pack("<5I", 0x1000, 0, 0, 0, 0)
        + struct.pack("<5I", 98, 3, 0, 1, 0)
    )
    icon = saved(image.resize((128, 128)), "PNG")
    icns = b"icns" + struct.pack(">I", len(icon) + 16) + b"ic07" + struct.pack(">I", len(icon) + 8) + icon
    fits = "".join(f"{line:<80}" for line in ("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 40", "NAXIS2  = 56", "END"))
    return {
        "eps": saved(image, "EPS"),
        "dds": saved(image, "DDS"),
        "dds_bc7": dds + pixels,
        "blp": saved(image.quantize(16), "BLP"),
        "blp2": b"BLP2" + struct.pack("<I4B2I", 1, 2, 8, 7, 1, 56, 40) + pixels,
        "ico": saved(image, "ICO"),
        "icns": icns,
        "ppm": saved(image, "PPM"),
        "tga": saved(image, "TGA"),
        "pcx": saved(image, "PCX"),
        "sgi": saved(image, "SGI"),
        "jpeg2000": saved(image, "JPEG2000"),
        "pdf": saved(image, "PDF"),
        "im": saved(image, "IM"),
        "msp": saved(image.convert("1"), "MSP"),
        "xbm": saved(image.convert("1"), "XBM"),
        "fits": fits.ljust(2880).encode() + pixels,
        "psd": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 40, 56, 8, 3) + bytes(12) + pixels,
        "qoi": b"qoif" + struct.pack(">IIBB", 56, 40, 3, 0) + pixels,
        "wmf": b"\xd7\xcd\xc6\x9a" + bytes(60),
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "html": b"<!DOCTYPE html><p>404</p>",
    }


@functools.cache
def seeds() -> tuple[Seed, ...]:
    """All of them, in a fixed order; the bytes depend on the versions of the codecs only."""
    image = scene(7)
    by_format = {"JPEG": _jpegs(image), "PNG": _pngs(image), "WEBP": _webps(image), **_others(image)}
    found = [
        Seed(f"{kind.lower()}_{name}", kind, content, SUFFIXES[kind])
        for kind, files in by_format.items()
        for name, content in files.items()
    ]
    return (*found, *(Seed(name, "", content, "jpg") for name, content in _strangers(image).items()))
