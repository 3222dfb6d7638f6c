"""Small picture files of every format, mode, depth and orientation that is read, made in code, with what must come out of them.

What is expected is told by other ways than the reader's: the numbers that a file was made of, or Pillow's own ``convert("RGB")`` and
``ImageOps.exif_transpose``.
"""

import functools
import io
import struct
import warnings
import zlib
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageOps

HEIGHT, WIDTH = 90, 70
ORIENTATIONS = range(1, 9)


class Fixture(NamedTuple):
    """One file.

    Attributes:
        content: of the file.
        pixels: uint8 (H, W, 3), what is to be read from it, upright.
        notes: the names of its notes, as a set.
    """

    content: bytes
    pixels: np.ndarray
    notes: frozenset = frozenset()


def photo(height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> Image.Image:
    """Shapes with grain, so that blocks, filters and chroma have something to do."""
    rng = np.random.default_rng(seed)
    smooth = np.asarray(Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)).resize((width, height)), dtype=int)
    return Image.fromarray(np.clip(smooth + rng.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8))


def saved(image: Image.Image, codec: str, **settings) -> bytes:
    """The file of an image."""
    file = io.BytesIO()
    image.save(file, codec, **settings)
    return file.getvalue()


def exif(orientation) -> Image.Exif:
    """EXIF with that orientation."""
    found = Image.Exif()
    found[0x0112] = orientation
    return found


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk of a PNG with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(values: np.ndarray, colour: int, before: bytes = b"", behind: bytes = b"", bits: int | None = None) -> bytes:
    """A PNG of uint8 or uint16 (H, W) or (H, W, C) values, with other chunks before and behind its pixels."""
    bits = bits or values.itemsize * 8
    rows = b"".join(b"\0" + row.astype(values.dtype.newbyteorder(">")).tobytes() for row in values)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, colour, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + before + png_chunk(b"IDAT", zlib.compress(rows)) + behind
    return b"\x89PNG\r\n\x1a\n" + chunks + png_chunk(b"IEND", b"")


def interlaced_png(image: Image.Image) -> bytes:
    """A PNG in Adam7 order, which Pillow reads but does not write."""
    pixels, rows = np.asarray(image), b""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    for left, top, right, down in passes:
        rows += b"".join(b"\0" + row.tobytes() for row in pixels[top::down, left::right])
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 1)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")


def tiff_of_12_bits(values: np.ndarray) -> bytes:
    """A TIFF with 12 bits a value, which Pillow reads but does not write, of uint16 (H, W) values and an even W."""
    pairs = values.reshape(values.shape[0], -1, 2).astype(int)
    left, right = pairs[..., 0], pairs[..., 1]
    data = np.stack([left >> 4, (left & 15) << 4 | right >> 8, right & 255], axis=-1).astype(np.uint8).tobytes()
    height, width = values.shape
    tags = [(256, width), (257, height), (258, 12), (259, 1), (262, 1), (273, 0), (277, 1), (278, height), (279, len(data))]
    place = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, place if tag == 273 else value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + data


def cut_jpeg(content: bytes, share: float) -> bytes:
    """The first part of a JPEG, with an end marker, as some programs mend broken downloads."""
    return content[: int(len(content) * share)] + b"\xff\xd9"


def as_pillow_reads(content: bytes) -> np.ndarray:
    """What Pillow makes of a file, turned upright."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def grey_of(values: np.ndarray) -> np.ndarray:
    """(H, W) uint8 -> (H, W, 3)."""
    return np.repeat(values[..., None], 3, axis=2)


@functools.cache
def fixtures() -> dict[str, Fixture]:
    """Name -> file, for all kinds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of the files that are odd on purpose
        return _fixtures()


def _fixtures() -> dict[str, Fixture]:
    by_pillow = {**_png_files(), **_jpeg_files(), **_other_files()}
    found = {name: Fixture(content, as_pillow_reads(content), frozenset(notes)) for name, (content, *notes) in by_pillow.items()}
    return {**found, **_deep_files(), **_odd_sizes()}


def _png_files() -> dict:
    rgb = photo()
    alpha = rgb.copy()
    alpha.putalpha(photo(seed=1).convert("L").point(lambda value: 0 if value < 90 else 255))
    hidden = rgb.copy()
    hidden.putalpha(0)
    opaque = rgb.copy()
    opaque.putalpha(255)
    palette, first = rgb.quantize(60), tuple(int(value) for value in np.asarray(rgb)[5, 5])
    grey = rgb.convert("L")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    turned = exif(6).tobytes().removeprefix(b"Exif\0\0")
    return {
        "PNG": (saved(rgb, "PNG"),), "PNG, interlaced": (interlaced_png(rgb),), "PNG, grey": (saved(grey, "PNG"),),
        "PNG, 1 bit": (saved(rgb.convert("1"), "PNG"),), "PNG, palette": (saved(palette, "PNG"),),
        "PNG, 16 colours": (saved(rgb.quantize(16), "PNG", bits=4),),
        "PNG, alpha": (saved(alpha, "PNG"), "transparent"), "PNG, alpha 0": (saved(hidden, "PNG"), "transparent"),
        "PNG, alpha 255": (saved(opaque, "PNG"),), "PNG, grey and alpha": (saved(alpha.convert("LA"), "PNG"), "transparent"),
        "PNG, transparent entry": (saved(palette, "PNG", transparency=palette.getpixel((3, 3))), "transparent"),
        "PNG, half transparent entries": (saved(palette, "PNG", transparency=bytes(range(0, 240, 4))), "transparent"),
        "PNG, transparent colour": (saved(rgb, "PNG", transparency=first), "transparent"),
        "PNG, transparent grey": (saved(grey, "PNG", transparency=grey.getpixel((3, 3))), "transparent"),
        "APNG": (saved(rgb, "PNG", save_all=True, append_images=[photo(seed=2)]), "animated"),
        "PNG, EXIF": (saved(rgb, "PNG", exif=exif(6)), "turned"),
        "PNG, EXIF behind the pixels": (png(np.asarray(rgb), 2, behind=png_chunk(b"eXIf", turned)), "turned"),
        "PNG, profile": (saved(rgb, "PNG", icc_profile=profile), "colour profile"),
    }


def _jpeg_files() -> dict:
    rgb = photo()
    jpeg = {f"JPEG, chroma {chroma}": (saved(rgb, "JPEG", subsampling=chroma),) for chroma in ("4:4:4", "4:2:2", "4:2:0")}
    turned = {
        f"JPEG, orientation {number}": (saved(rgb, "JPEG", exif=exif(number)), *(["turned"] if number > 1 else []))
        for number in ORIENTATIONS
    }
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    broken = exif(6).tobytes()
    return {
        **jpeg, **turned, "JPEG, restarts": (saved(rgb, "JPEG", restart_marker_blocks=7),),
        "JPEG, progressive": (saved(rgb, "JPEG", progressive=True),), "JPEG, grey": (saved(rgb.convert("L"), "JPEG"),),
        "JPEG, CMYK of Adobe": (saved(rgb.convert("CMYK"), "JPEG"),),
        "JPEG, orientation 9": (saved(rgb, "JPEG", exif=exif(9)),),
        "JPEG, broken EXIF": (saved(rgb, "JPEG", exif=broken[:14] + b"\xff" * (len(broken) - 14)),),
        "JPEG, profile": (saved(rgb, "JPEG", icc_profile=profile), "colour profile"),
        "JPEG, cut": (cut_jpeg(saved(rgb, "JPEG", quality=92), 0.6), "truncated"),
        "JPEG, grey, cut": (cut_jpeg(saved(rgb.convert("L"), "JPEG", quality=92), 0.6), "truncated"),
        "JPEG, progressive, cut": (cut_jpeg(saved(rgb, "JPEG", quality=92, progressive=True), 0.9), "truncated"),
        "MPO": (saved(rgb, "MPO", save_all=True, append_images=[photo(seed=2)]), "animated"),
    }


def _other_files() -> dict:
    rgb, several = photo(), {"save_all": True, "append_images": [photo(seed=2)]}
    alpha = rgb.copy()
    alpha.putalpha(photo(seed=1).convert("L").point(lambda value: 0 if value < 90 else 255))
    palette = rgb.quantize(60)
    return {
        "WebP": (saved(rgb, "WEBP"),), "WebP, lossless": (saved(rgb, "WEBP", lossless=True),),
        "WebP, alpha": (saved(alpha, "WEBP", exact=True), "transparent"), "WebP, animated": (saved(rgb, "WEBP", **several), "animated"),
        "WebP, EXIF": (saved(rgb, "WEBP", exif=exif(8)), "turned"),
        "GIF": (saved(palette, "GIF"),), "GIF, transparent": (saved(palette, "GIF", transparency=palette.getpixel((3, 3))), "transparent"),
        "GIF, animated": (saved(rgb, "GIF", **several), "animated"),
        "BMP": (saved(rgb, "BMP"),), "BMP, palette": (saved(palette, "BMP"),), "BMP, grey": (saved(rgb.convert("L"), "BMP"),),
        "TIFF": (saved(rgb, "TIFF"),), "TIFF, CMYK": (saved(rgb.convert("CMYK"), "TIFF"),),
        "TIFF, packed": (saved(rgb, "TIFF", compression="tiff_lzw"),), "TIFF, Lab": (saved(rgb.convert("LAB"), "TIFF"), "colour profile"),
        "TIFF, two pages": (saved(rgb, "TIFF", **several), "animated"), "TIFF, EXIF": (saved(rgb, "TIFF", exif=exif(6)), "turned"),
        "AVIF": (saved(rgb, "AVIF"),), "AVIF, alpha": (saved(alpha, "AVIF"), "transparent"),
        "AVIF, EXIF": (saved(rgb, "AVIF", exif=exif(6)), "turned"), "AVIF, animated": (saved(rgb, "AVIF", **several), "animated"),
    }


def _deep_files() -> dict[str, Fixture]:
    values = np.asarray(photo(seed=3))[..., 0]
    rgb = np.asarray(photo())
    grey, deep = grey_of(values), frozenset({"deep"})
    fine = np.linspace(0, 65535, HEIGHT * WIDTH).astype(np.uint16).reshape(HEIGHT, WIDTH)
    hidden = png_chunk(b"tRNS", struct.pack(">H", int(values[3, 3]) * 257))
    return {
        "PNG, 16 bits": Fixture(saved(Image.fromarray(values.astype(np.uint16) * 257), "PNG"), grey, deep),
        "PNG, 16 bits, fine": Fixture(
            saved(Image.fromarray(fine), "PNG"), grey_of(np.array([[round(v / 257) for v in row] for row in fine.tolist()], np.uint8)), deep
        ),
        "PNG, 16 bits, transparent": Fixture(png(values.astype(np.uint16) * 257, 0, hidden), grey, deep | {"transparent"}),
        "PNG, 16 bits a colour": Fixture(png(rgb.astype(np.uint16) * 257, 2), rgb, deep),
        "TIFF, 16 bits": Fixture(saved(Image.fromarray(values.astype(np.uint16) * 257), "TIFF"), grey, deep),
        "TIFF, 12 bits": Fixture(tiff_of_12_bits(values.astype(np.uint16) * 16 + values // 16), grey, deep),
        "TIFF, 32 bits to 255": Fixture(saved(Image.fromarray(values.astype(np.int32)), "TIFF"), grey, deep),
        "TIFF, 32 bits to 65535": Fixture(saved(Image.fromarray(values.astype(np.int32) * 257), "TIFF"), grey, deep),
        "TIFF, floats to 1": Fixture(saved(Image.fromarray(values.astype(np.float32) / 255), "TIFF"), grey, deep),
        "TIFF, floats to 255": Fixture(saved(Image.fromarray(values.astype(np.float32)), "TIFF"), grey, deep),
    }


def _odd_sizes() -> dict[str, Fixture]:
    found = {}
    for name, height, width in (("1 × 1", 1, 1), ("1 × 5000", 1, 5000), ("5000 × 3", 5000, 3), ("30000 × 200", 30000, 200)):
        pixels = np.tile(np.asarray(photo(min(height, 300), width)), (-(-height // 300), 1, 1))[:height]
        found[name] = Fixture(saved(Image.fromarray(pixels), "PNG", compress_level=1), pixels, frozenset({"flat"} if height * width == 1 else ()))
    black = np.zeros((300, 400, 3), np.uint8)
    return {**found, "one colour": Fixture(saved(Image.fromarray(black), "PNG"), black, frozenset({"flat"}))}
