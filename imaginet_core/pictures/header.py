"""What the header of an image file tells without decoding a pixel: container, size, and how it was compressed.

JPEG: the quantisation tables (ITU-T T.81, B.2.4.1) and the quality of libjpeg's scale that explains them best. WebP: the
quantiser of the VP8 frame header (RFC 6386, 9.6 and 19.2) and the quality at which libwebp chooses it.
"""

import io
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import ImageFile

from imaginet_core.pictures.decode import class_of, orientation_of, plain_errors
from imaginet_core.pictures.sources import PictureError

LUMA_TABLE = np.array([
    16, 11, 10, 16, 24, 40, 51, 61,
    12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77,
    24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
])
"""Table K.1 of ITU-T T.81, row by row, which libjpeg scales by the quality."""
JPEG_SUBSAMPLINGS = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1"}


class Header(NamedTuple):
    """Of one file.

    Attributes:
        format: Pillow's name, "JPEG".
        mode: Pillow's name, "RGB".
        width, height: pixels.
        quality: 1 to 100 on the codec's scale, estimated; None for lossless files and other formats.
        exact: whether libjpeg's table of that quality is the file's; None for other formats than JPEG.
        subsampling: of the chroma, "4:2:0"; None for lossless files, grey JPEGs and other formats.
        luma_table, chroma_table: JPEG quantisation steps, 64 integers row by row; None without.
        quantiser: of lossy WebP, 0 (best) to 127, mean over its segments.
        progressive, exif, icc: whether the file is or has such.
        orientation: by EXIF, as the reader turns it, 1 to 8; 1 also where it stands behind the part that was read, or in a WebP.
    """

    format: str
    mode: str
    width: int
    height: int
    quality: int | None = None
    exact: bool | None = None
    subsampling: str | None = None
    luma_table: tuple | None = None
    chroma_table: tuple | None = None
    quantiser: float | None = None
    progressive: bool = False
    exif: bool = False
    icc: bool = False
    orientation: int = 1

    @property
    def upright(self) -> tuple[int, int]:
        """(width, height) of the picture as the reader gives it."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def read_header(file: BinaryIO | bytes) -> Header:
    """Reads the header of an image file, from an opened file, its content or the first part of it.

    Raises:
        PictureError: with the reason as its message, for no picture, or a part too short to hold the header.
    """
    file = io.BytesIO(file) if isinstance(file, bytes) else file
    start = file.read(64)
    file.seek(0)
    with plain_errors():
        if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
            return _webp(file)  # Pillow would read the whole file
        with class_of(start)(file) as image:
            common = dict(
                format=image.format, mode=image.mode, width=image.width, height=image.height,
                exif="exif" in image.info, icc="icc_profile" in image.info,
                orientation=orientation_of(image, b""),  # what stands behind the pixels is not looked for
            )
            return Header(**common, **(_jpeg(image) if image.format == "JPEG" else {}))


def _jpeg(image: ImageFile.ImageFile) -> dict:
    tables = [tuple(image.quantization[key]) for key in sorted(image.quantization)]
    if not tables:
        raise PictureError("it is broken: it has no quantisation table")
    quality, exact = jpeg_quality(tables[0])
    factors = [layer[1:3] for layer in image.layer]
    chroma = None
    if len(factors) == 3:
        ratio = (factors[0][0] // max(1, factors[1][0]), factors[0][1] // max(1, factors[1][1]))
        chroma = JPEG_SUBSAMPLINGS.get(ratio, f"{ratio[0]}x{ratio[1]}")
    return dict(
        quality=quality, exact=exact, subsampling=chroma, progressive=bool(image.info.get("progressive")),
        luma_table=tables[0], chroma_table=tables[1] if len(tables) > 1 else None,
    )


def jpeg_table(quality: int) -> np.ndarray:
    """libjpeg's luma quantisation steps at a quality of 1 to 100: int (64,), row by row, 1 to 255."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((LUMA_TABLE * scale + 50) // 100, 1, 255)


_ALL_TABLES = np.array([jpeg_table(quality) for quality in range(1, 101)])


def jpeg_quality(luma_table) -> tuple[int, bool]:
    """(quality of libjpeg's scale whose luma table differs least from 64 steps given row by row, whether it is equal)."""
    distance = np.abs(_ALL_TABLES - np.asarray(luma_table)).sum(1)
    best = int(distance.argmin())
    return best + 1, bool(distance[best] == 0)


def _webp(file: BinaryIO) -> Header:
    """Header of a WebP file (RFC 9649); of an animation only what its first chunk tells."""
    file.seek(12)
    found = dict(format="WEBP", mode="RGB")
    while len(chunk := file.read(8)) == 8:
        kind, size = chunk[:4], int.from_bytes(chunk[4:], "little")
        data = file.read(min(size, 512))  # the quantiser lies within the first few dozen bytes
        if kind == b"VP8X" and len(data) >= 10:
            flags = data[0]
            width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (4, 7))
            found |= dict(width=width, height=height, mode="RGBA" if flags & 16 else "RGB")
            found |= dict(exif=bool(flags & 8), icc=bool(flags & 32))
            if flags & 2:
                return _with_pixels(Header(**found))
        elif kind == b"VP8 " and data[3:6] == b"\x9d\x01\x2a":
            width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (6, 8))
            quantiser = vp8_quantiser(data[10:])
            found = {"width": width, "height": height, **found}
            return _with_pixels(Header(**found, quantiser=quantiser, quality=webp_quality(quantiser), subsampling="4:2:0"))
        elif kind == b"VP8L" and data[:1] == b"\x2f" and len(data) >= 5:
            bits = int.from_bytes(data[1:5], "little")
            found = {"width": 1 + (bits & 0x3FFF), "height": 1 + (bits >> 14 & 0x3FFF), **found}
            return _with_pixels(Header(**{**found, "mode": "RGBA" if bits >> 28 & 1 else "RGB"}))
        file.seek(size + size % 2 - len(data), io.SEEK_CUR)
    raise PictureError("it is no WebP picture, or one that is cut off in its header")


def _with_pixels(header: Header) -> Header:
    if header.width < 1 or header.height < 1:
        raise PictureError("it has no pixel")
    return header


def webp_quality(quantiser: float) -> int:
    """The quality at which libwebp gives a segment of average texture this quantiser, 1 to 100; off by a few steps for others."""
    linear = (1 - min(127, quantiser) / 127) ** 3
    quality = 150 * linear if linear < 0.5 else 50 * (linear + 1)
    return int(np.clip(round(quality), 1, 100))


def vp8_quantiser(partition: bytes) -> float:
    """Mean luma quantiser index over the segments of a VP8 key frame, 0 to 127, from the bytes of its first partition."""
    read = _BoolReader(partition).number
    read(2)  # colour space, clamping
    segments, absolute = [], False
    if read(1):
        has_map, has_data = read(1), read(1)
        if has_data:
            absolute = bool(read(1))
            segments = [_signed(read, 7) for _ in range(4)]
            _ = [_signed(read, 6) for _ in range(4)]  # loop filter levels
        if has_map:
            _ = [read(8) for _ in range(3) if read(1)]
    read(1 + 6 + 3)  # kind, level and sharpness of the loop filter
    if read(1) and read(1):
        _ = [_signed(read, 6) for _ in range(8)]
    read(2)  # number of partitions
    base = read(7)
    found = [segment if absolute else base + segment for segment in segments] or [base]
    return float(np.clip(found, 0, 127).mean())


def _signed(read, bits: int) -> int:
    """An optional magnitude with sign; 0 where it is absent."""
    if not read(1):
        return 0
    magnitude = read(bits)
    return -magnitude if read(1) else magnitude


class _BoolReader:
    """The arithmetic decoder of RFC 6386, section 7, for bits of even odds. Beyond the data it reads zeros."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 2
        self.value, self.range, self.shifted = int.from_bytes(data[:2].ljust(2, b"\0"), "big"), 255, 0

    def number(self, bits: int) -> int:
        """An unsigned number of so many bits, the highest first."""
        found = 0
        for _ in range(bits):
            found = 2 * found + self._bit()
        return found

    def _bit(self) -> int:
        split = 1 + (self.range - 1) * 128 // 256
        bit = self.value >= split << 8
        self.value -= (split << 8) * bit
        self.range = self.range - split if bit else split
        while self.range < 128:
            self.value, self.range, self.shifted = self.value << 1, self.range << 1, self.shifted + 1
            if self.shifted == 8:
                self.value |= self.data[self.at] if self.at < len(self.data) else 0
                self.at, self.shifted = self.at + 1, 0
        return int(bit)
