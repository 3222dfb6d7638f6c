# a copy of imaginet_core/pictures/decode.py by scripts/update_picture_reader.py; change that file, not this one
"""The reader of pictures: from a file, an address, an image or an array to the same uint8 RGB pixels, everywhere in this project.

The rules, each in one place (docs/reading_pictures.md tells them at length):

- Formats are told by content: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, and HEIC where ``pillow_heif`` is installed.
- EXIF orientation is turned, without resampling (``turn=False`` leaves a picture as it is stored, as the paper's code does). An
  orientation that cannot be read is none. TIFF files are always turned: Pillow does it while decoding.
- Values of more than 8 bits are scaled to 0..255 and rounded: from 0..65535 where the type has 16 bits (from 0..4095 for a file
  of 12), else from the smallest of 0..1 (floats only), 0..255 and 0..65535 that holds every value; what lies outside is clipped.
  Colours of 16 bits a channel are given by Pillow as their upper 8 bits.
- Grey, palette and CMYK become RGB as Pillow's ``convert("RGB")`` does it. Transparency is dropped: the colours under it are
  seen. Of animations and files of several pictures the first is seen. Colour profiles are not applied.

What a viewer of the picture may see otherwise is told in its notes.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from .picture_notes import Note, notes_of_file, notes_of_pixels, notes_of_values
from .picture_sources import (
    FORMATS,
    LIMITS,
    NO_FORMAT,
    Limits,
    PictureError,
    PictureTooLargeError,
    content_of_source,
    format_of,
)

CLASSES = {
    "JPEG": JpegImagePlugin.JpegImageFile, "PNG": PngImagePlugin.PngImageFile, "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile, "BMP": BmpImagePlugin.BmpImageFile, "TIFF": TiffImagePlugin.TiffImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}
"""Pillow's reader of each format. They are called directly: ``Image.open`` has one limit of pixels for a whole process."""
DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's modes with more than 8 bits a value, all of them grey."""
TURNS = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels),
}
"""EXIF orientation (CIPA DC-008, tag 0x0112) -> the picture upright, out of the stored one; 1 is upright already."""
BAND = 2**24
"""Pixels that are converted at once: Pillow's own picture and the result are all that a large one needs."""
MOST_SCANS = 500
"""Of a progressive JPEG; each goes over the whole picture, so that a small file with thousands would take minutes."""


class Picture(NamedTuple):
    """A picture as it was read.

    Attributes:
        pixels: uint8 RGB (H, W, 3), writable.
        notes: what should be known of it, in the order of ``notes.NAMES``; () where nothing should, or they were not asked for.
        format: of the file, a name in ``sources.FORMATS``; None for images and arrays.
        name: what it is called in messages.
    """

    pixels: np.ndarray
    notes: tuple[Note, ...] = ()
    format: str | None = None
    name: str = ""


def read_picture(
    source, *, name: str | None = None, turn: bool = True, notes: bool = True, crop: tuple[int, int] | None = None,
    limits: Limits = LIMITS,
) -> Picture:
    """Reads a picture from wherever it is.

    Args:
        source: path (str or ``Path``), bytes, file object, http(s) address, base64 (with or without "data:…;base64,"), PIL
            image, or array or tensor of numbers: (H, W), (H, W, C) or (C, H, W) with 1, 3 or 4 channels. Where both readings fit
            an array has its channels last and a tensor of torch first.
        name: for messages; the path or address where nothing is given.
        turn: upright by EXIF orientation.
        notes: whether to look for what the notes tell; for JPEG this may decode a second time.
        crop: (height, width) of what is seen of it, in its middle: where the picture is smaller the note says how much is
            padding, and the note on detail is of the middle alone.
        limits: of size and time.

    Raises:
        PictureError: in one sentence, for whatever cannot be read or is beyond the limits.
        TypeError: for a source of another type.
    """
    if isinstance(source, Image.Image):
        return _read_image(source, name or "the image", turn, notes, crop, limits)
    if hasattr(source, "__array__") or hasattr(source, "__array_interface__"):
        return _read_array(source, name or "the array", notes, crop, limits)
    try:
        content, called = content_of_source(source, limits)
    except PictureError as error:
        raise type(error)(error.reason, name or error.name, error.advice) from error.__cause__
    called = name or called
    with named_errors(called), opened(content, limits) as image:
        orientation, of_tiff = orientation_of(image, content), orientation_of_tiff(image)
        pixels = to_rgb(image)
        found = notes_of_file(image, content, pixels, of_tiff or (orientation if turn else 1)) if notes else ()
        kind = image.format
    pixels = turned(pixels, orientation) if turn else pixels
    return Picture(pixels, found + notes_of_pixels(pixels, crop) if notes else (), kind, called)


def decode(content: bytes, turn: bool = True) -> np.ndarray:
    """The pixels alone of a picture's file: uint8 RGB (H, W, 3), by the same rules.

    Raises:
        PictureError: with the reason alone as its message; who calls knows the name.
    """
    with opened(content) as image:
        pixels = to_rgb(image)
        return turned(pixels, orientation_of(image, content)) if turn else pixels


def lossless_webp(image: np.ndarray) -> bytes:
    """A file that holds exactly these pixels (uint8 (H, W, 3), sides up to 16383): lossless WebP at its fastest setting.

    Measured on 256 × 256 photographs after JPEG: 59 KiB and 4 ms; WebP's default setting 51 KiB and 40 ms; PNG 81 KiB and 10 ms.
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, "WEBP", lossless=True, quality=0, method=0)
    return file.getvalue()


# files


@contextlib.contextmanager
def opened(content: bytes, limits: Limits = LIMITS) -> Iterator[ImageFile.ImageFile]:
    """The file as Pillow's image, not decoded yet, while it lasts; whatever Pillow raises meanwhile becomes a PictureError.

    Raises:
        PictureError: with the reason, for no picture of a known format, one that is larger than the limits, or a broken one.
    """
    with plain_errors():
        image = open_image(content, limits)
        try:
            yield image
        finally:
            image.close()


def open_image(content: bytes, limits: Limits = LIMITS) -> ImageFile.ImageFile:
    """The file as Pillow's image, not decoded yet; to be used within :func:`plain_errors`. Raises as :func:`opened` does."""
    if not content:
        raise PictureError("it is empty")
    if len(content) > limits.bytes:
        raise PictureTooLargeError(f"it has more than the limit of {limits.bytes:,} bytes")
    image = class_of(content[:64])(io.BytesIO(content))
    _check_size(image.size, limits)
    if image.format == "JPEG":
        _check_jpeg(image, content)
    return image


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Turns whatever a decoder raises into a PictureError with the reason, and keeps its warnings from the user's screen."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")  # of EXIF and the like; what matters becomes a note
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield
        except PictureError:
            raise
        except MemoryError as error:
            raise PictureError("it needs more memory than there is", advice="make it smaller") from error
        except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, RuntimeError, IndexError and more
            raise PictureError(f"it is broken: {_plain(error)}") from error


@contextlib.contextmanager
def named_errors(name: str, advice: str | None = None) -> Iterator[None]:
    """Gives PictureErrors the picture's name."""
    try:
        yield
    except PictureError as error:
        raise error.named(name, advice) from error.__cause__


def _plain(error: Exception) -> str:
    text = " ".join(str(error).split())[:200].rstrip(" .")
    return f"{type(error).__name__}: {text}" if isinstance(error, (LookupError, TypeError)) and text else text or type(error).__name__


def class_of(start: bytes) -> type[ImageFile.ImageFile]:
    """Pillow's reader for a file by its first bytes. Raises PictureError for a format that is not read."""
    kind = format_of(start)
    if kind is None:
        raise PictureError(NO_FORMAT)
    if kind != "HEIF":
        return CLASSES[kind]
    try:
        import pillow_heif
    except ImportError as error:
        raise PictureError("it is a HEIC picture, which takes pillow-heif to read", advice="pip install pillow-heif") from error
    return pillow_heif.HeifImageFile


def _check_size(size: tuple[int, int], limits: Limits) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise PictureError("it has no pixel")
    if width * height > limits.pixels:
        raise PictureTooLargeError(f"its {width} × {height} pixels are more than the limit of {limits.pixels:,}")


def fewest_bits(size: tuple[int, int], factors: list[tuple[int, int]], progressive: bool) -> int:
    """Bits that a JPEG of Huffman's codes takes at least, of ``size`` (width, height) and the sampling factors of its components."""
    across, down = max(h for h, _ in factors), max(v for _, v in factors)
    units = -(-size[0] // (8 * across)) * -(-size[1] // (8 * down))
    return units * sum(h * v for h, v in factors) * (1 if progressive else 2)


def _check_jpeg(image: ImageFile.ImageFile, content: bytes) -> None:
    """Refuses a header that promises more than the data can hold: with Huffman's codes a block takes a bit for each scan at least."""
    progressive = bool(image.info.get("progressive"))
    arithmetic = not progressive and b"\xff\xc4" not in content  # no Huffman table
    factors = [(h, v) for _, h, v, _ in image.layer]
    if not arithmetic and fewest_bits(image.size, factors, progressive) > 8 * len(content):
        raise PictureError(f"its header promises {image.width} × {image.height} pixels, which its {len(content):,} bytes cannot hold")
    if progressive and content.count(b"\xff\xda") > MOST_SCANS:
        raise PictureError(f"it is a progressive JPEG of more than {MOST_SCANS} scans")


# orientation


def orientation_of(image: Image.Image, content: bytes | None = None) -> int:
    """The EXIF orientation that is still to be turned, 1 to 8; 1 where there is none, or none that can be read.

    ``content``, the file's, spares decoding a PNG, whose EXIF may lie behind its pixels.
    """
    told = "exif" in image.info or "xmp" in image.info or "XML:com.adobe.xmp" in image.info or "Raw profile type exif" in image.info
    if image.format == "TIFF" or not (told or (image.format == "PNG" and (content is None or _told_behind_pixels(content)))):
        return 1
    if image.format == "PNG" and content != b"" and "exif" not in image.info:
        image.load()  # ``getexif`` would, and hide what is wrong with the file: loading it a second time finds nothing amiss
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            found = image.getexif().get(0x0112, 1)
    except PictureError:
        raise
    except Exception:  # bad EXIF is no reason not to look at the picture
        return 1
    return found if isinstance(found, int) and found in TURNS else 1


def orientation_of_tiff(image: Image.Image) -> int | None:
    """By which Pillow will turn a TIFF that is not decoded yet; None for one that is, and for other formats."""
    found = getattr(image, "tag_v2", {}).get(0x0112) if image.format == "TIFF" else None
    return found if isinstance(found, int) else None


def _told_behind_pixels(content: bytes) -> bool:
    """Whether a PNG has chunks behind its first IDAT in which an orientation may be written."""
    place = 8
    while place + 8 <= len(content):
        length, kind = int.from_bytes(content[place : place + 4], "big"), content[place + 4 : place + 8]
        if kind in (b"eXIf", b"iTXt", b"zTXt", b"tEXt"):  # those before IDAT are in ``image.info``; looking again costs little
            return True
        place += 12 + length
    return False


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, ...) as stored -> upright, in memory of its own where it is turned."""
    return np.ascontiguousarray(TURNS[orientation](pixels)) if orientation in TURNS else pixels


# pixels


def to_rgb(image: Image.Image, box: tuple[int, int, int, int] | None = None) -> np.ndarray:
    """The pixels as stored, or those within ``box`` (left, top, right, bottom): uint8 RGB (H, W, 3), not turned.

    Decodes the image. Raises what Pillow raises.
    """
    image.load()
    left, top, right, bottom = box or (0, 0, *image.size)
    scale = _scale_of_image(image) if image.mode in DEEP_MODES else None
    whole = (left, top, right, bottom) == (0, 0, *image.size)
    if (right - left) * (bottom - top) <= BAND:
        return _converted(image if whole else image.crop((left, top, right, bottom)), scale)
    pixels, rows = np.empty((bottom - top, right - left, 3), np.uint8), max(1, BAND // (right - left))
    for start in range(top, bottom, rows):
        end = min(bottom, start + rows)
        pixels[start - top : end - top] = _converted(image.crop((left, start, right, end)), scale)
    return pixels


def _converted(image: Image.Image, scale: float | None) -> np.ndarray:
    if scale is None:
        return np.array(image if image.mode == "RGB" else image.convert("RGB"))
    return np.repeat(to_8_bits(np.asarray(image), scale)[..., None], 3, axis=2)


def _scale_of_image(image: Image.Image) -> float:
    """What the values of an image in one of DEEP_MODES are multiplied with; by the rule above."""
    if image.mode.startswith("I;16"):
        return 255 / (2 ** bits_of_16(image) - 1)
    bands = range(0, image.height, max(1, BAND // image.width))
    parts = (np.asarray(image.crop((0, top, image.width, min(image.height, top + bands.step)))) for top in bands)
    return scale_of(np.dtype(np.float32 if image.mode == "F" else np.int32), max(_largest(part) for part in parts))


def bits_of_16(image: Image.Image) -> int:
    """How many bits a value of a 16-bit mode has in the file: 16, or the 12 of some TIFF files."""
    stored = getattr(image, "tag_v2", {}).get(258, (16,)) if image.format == "TIFF" else (16,)
    return int(stored[0]) if stored[0] in (10, 12, 14) else 16


def _largest(values: np.ndarray) -> float:
    if not np.isfinite(values).all():
        raise PictureError("it holds values that are no finite numbers")
    return float(values.max())


def scale_of(dtype: np.dtype, largest: float) -> float:
    """What numbers of a type and a largest value are multiplied with to lie in 0..255; by the rule above."""
    if dtype == np.bool_ or (np.issubdtype(dtype, np.floating) and largest <= 1):
        return 255.0
    return 255 / 65535 if dtype == np.uint16 or (dtype != np.uint8 and largest > 255) else 1.0


def to_8_bits(values: np.ndarray, scale: float) -> np.ndarray:
    """Numbers -> scaled, rounded and clipped: uint8 of the same shape."""
    if values.dtype == np.uint16 and values.size > 2**16:  # a table of all values is several times as fast
        return to_8_bits(np.arange(2**16, dtype=np.int32), scale)[values]
    return np.rint(values.astype(np.float32) * np.float32(scale)).clip(0, 255).astype(np.uint8)


# images and arrays in memory


def _read_image(image: Image.Image, name: str, turn: bool, notes: bool, crop, limits: Limits) -> Picture:
    name = getattr(image, "filename", None) or name
    with named_errors(name if isinstance(name, str) else "the image"), plain_errors():
        kind = getattr(image, "format", None)
        if isinstance(image, ImageFile.ImageFile) and image.tile and kind not in (*FORMATS, "MPO"):
            raise PictureError(f"it is a {kind} file; {NO_FORMAT.removeprefix('it is ')} is read", advice="save it as PNG")
        _check_size(image.size, limits)
        of_tiff = orientation_of_tiff(image)
        pixels = to_rgb(image)
        orientation = orientation_of(image)
        found = notes_of_file(image, None, pixels, of_tiff or (orientation if turn else 1)) if notes else ()
    pixels = turned(pixels, orientation) if turn else pixels
    return Picture(pixels, found + notes_of_pixels(pixels, crop) if notes else (), None, name)


def _read_array(source, name: str, notes: bool, crop, limits: Limits) -> Picture:
    with named_errors(name, "give (H, W), (H, W, 3) or (3, H, W) numbers"):
        values, tensor = _as_array(source)
        values = _channels_last(values, channels_first=tensor)
        _check_size((values.shape[1], values.shape[0]), limits)
        scale = 1.0 if values.dtype == np.uint8 else scale_of(values.dtype, _largest(values))
        found = notes_of_values(values, scale) if notes else ()
        colours = values[..., :3]
        pixels = np.array(colours) if values.dtype == np.uint8 else to_8_bits(colours, scale)
        pixels = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else np.ascontiguousarray(pixels)
    return Picture(pixels, found + notes_of_pixels(pixels, crop) if notes else (), None, name)


def _as_array(source) -> tuple[np.ndarray, bool]:
    """The numbers, and whether they are a tensor of torch, which this file does not import."""
    tensor = hasattr(source, "detach")
    try:
        if tensor:
            source = source.detach().cpu()
            source = source.float() if source.is_floating_point() else source  # numpy knows no bfloat16
        values = np.asarray(source)
    except Exception as error:
        raise PictureError(f"it cannot be read as numbers: {_plain(error)}") from error
    if values.dtype != np.bool_ and not np.issubdtype(values.dtype, np.number) or np.issubdtype(values.dtype, np.complexfloating):
        raise PictureError(f"its values are {values.dtype}, no plain numbers")
    return values, tensor


def _channels_last(values: np.ndarray, channels_first: bool) -> np.ndarray:
    """(H, W), (H, W, C) or (C, H, W) -> (H, W, C)."""
    if values.size == 0:
        raise PictureError("it has no pixel")
    if values.ndim == 2:
        return values[..., None]
    if values.ndim != 3:
        raise PictureError(f"it has the shape {values.shape}, which is not one picture's")
    last, first = values.shape[2] in (1, 3, 4), values.shape[0] in (1, 3, 4)
    if not last and not first:
        raise PictureError(f"it has the shape {values.shape}, without 1, 3 or 4 channels")
    return values.transpose(1, 2, 0) if first and (channels_first or not last) else values
