"""Whether a picture's file can be decoded, found out as cheaply as that can be known.

PNG: every chunk's CRC, and the pixels inflated but not unfiltered (PNG 3rd edition, 5.3 and 10.1). JPEG: every marker segment of all scans
against what libjpeg refuses (ITU-T T.81, annex B); damage within the entropy-coded data changes pixels but stops no decoder. Whatever is
rare, and every other format, is in doubt and decoded by the reader. For the 40,000 small files of the official test list this costs a third
of opening them with Pillow, which looks at no byte behind the header.
"""

import functools
import re
import zlib
from typing import NamedTuple

from imaginet_core.pictures.decode import MOST_SCANS, fewest_bits, opened, to_rgb
from imaginet_core.pictures.sources import LIMITS, Limits


class Facts(NamedTuple):
    """Of a picture that can be decoded: Pillow's name of the format ("JPEG"), width and height in pixels, as stored (not turned)."""

    format: str
    width: int
    height: int


def check_picture(content: bytes, limits: Limits = LIMITS) -> Facts:
    """Format and size of a picture's file that can be decoded.

    Args:
        content: the whole file.
        limits: of bytes and pixels.

    Raises:
        PictureError: (a ValueError) with the reason alone, for what is no picture, is damaged so that it cannot be decoded, or too large.
    """
    size, kind = None, None
    if content[:3] == b"\xff\xd8\xff":
        size, kind = _sound_jpeg(content), "JPEG"
    elif content[:8] == PNG_SIGNATURE:
        size, kind = _sound_png(content), "PNG"
    if size is not None and size[0] * size[1] <= min(SURELY_SMALL, limits.pixels) and len(content) <= limits.bytes:
        return Facts(kind, *size)
    with opened(content, limits) as image:
        image.load()
        if image.mode != "RGB":
            to_rgb(image)  # values that are no numbers, palettes that are not there
        return Facts(image.format, image.width, image.height)


SURELY_SMALL = 2**24
"""Pixels up to which pictures are looked at here; larger ones are left to the reader."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_CHANNELS = {(1, 0): 1, (2, 0): 1, (4, 0): 1, (8, 0): 1, (16, 0): 1, (8, 2): 3, (16, 2): 3, (1, 3): 1, (2, 3): 1, (4, 3): 1, (8, 3): 1,
                (8, 4): 2, (16, 4): 2, (8, 6): 4, (16, 6): 4}
"""(bit depth, colour type) -> samples a pixel."""
PNG_LENGTHS = {b"gAMA": (4,), b"cHRM": (32,), b"sRGB": (1,), b"pHYs": (9,), b"tIME": (7,), b"sBIT": (1, 2, 3, 4), b"bKGD": (1, 2, 6)}
"""Ancillary chunks that no decoder stumbles over if they are this long."""


def _sound_png(content: bytes) -> tuple[int, int] | None:
    """Width and height of a plain PNG whose checksums and pixels are right; None where there is any doubt."""
    place, size, header, palette, data, ended = 8, len(content), None, False, [], False
    while place + 12 <= size:
        length, kind = int.from_bytes(content[place : place + 4], "big"), content[place + 4 : place + 8]
        end = place + 8 + length
        if end + 4 > size or zlib.crc32(content[place + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
            return None
        if header is None:
            if kind != b"IHDR" or length != 13:
                return None
            header = content[place + 8 : end]
        elif kind == b"IDAT" and not ended:
            data.append(content[place + 8 : end])
        elif kind == b"IEND":
            return _inflated(header, data, palette) if data else None
        elif kind == b"PLTE" and not data and not palette and length % 3 == 0 and 0 < length <= 768:
            palette = True
        elif length in PNG_LENGTHS.get(kind, ()):
            ended = bool(data)  # pixels that go on after another chunk are not read by everyone
        else:
            return None
        place = end + 4
    return None


def _inflated(header: bytes, data: list[bytes], palette: bool) -> tuple[int, int] | None:
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    depth, colour, compression, filtering, interlace = header[8:]
    channels = PNG_CHANNELS.get((depth, colour))
    if not (width and height and channels) or compression or filtering or interlace or (colour == 3 and not palette):
        return None
    row = 1 + (width * channels * depth + 7) // 8
    if width * height > SURELY_SMALL:
        return None
    inflater = zlib.decompressobj()
    try:
        pixels = inflater.decompress(data[0] if len(data) == 1 else b"".join(data), row * height + 1)
    except zlib.error:
        return None
    if len(pixels) != row * height or not inflater.eof or max(pixels[::row]) > 4:  # the filter of each row is 0 to 4
        return None
    return width, height


JPEG_FRAMES = (0xC0, 0xC1, 0xC2)
"""Baseline, extended and progressive, with Huffman codes."""
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


class _Doubt(Exception):
    """Something that a decoder may refuse."""


def _sound_jpeg(content: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG file with nothing in any of its segments that libjpeg or Pillow refuse; None where there is doubt."""
    try:
        return _Jpeg(content).walk()
    except (_Doubt, IndexError):
        return None


def _expect(sound: bool) -> None:
    if not sound:
        raise _Doubt


class _Jpeg:
    """The segments of a file, walked from the start to the end marker."""

    def __init__(self, content: bytes):
        self.content, self.frame, self.progressive = content, {}, False
        self.size, self.scans = None, 0
        self.quantisation, self.huffman = frozenset(), frozenset()

    def walk(self) -> tuple[int, int]:
        content, place, complete = self.content, 2, False
        while True:
            _expect(content[place] == 0xFF)
            marker = content[place + 1]
            if marker == 0xD9:
                _expect(0 < self.scans <= MOST_SCANS and self._fits())
                return self.size
            _expect(not complete)
            end = place + 2 + int.from_bytes(content[place + 2 : place + 4], "big")
            body = content[place + 4 : end]
            _expect(place + 4 <= end <= len(content))
            self._segment(marker, body)
            place = end
            if marker == 0xDA:
                following = _NEXT_MARKER.search(content, end)
                _expect(following is not None and following.start() > end)
                place, self.scans = following.start(), self.scans + 1
                complete = not self.progressive and body[0] == len(self.frame)  # all is there, so a decoder expects no other scan

    def _fits(self) -> bool:
        """Whether the file has enough bytes for its size, as the reader asks."""
        factors = [(across, down) for across, down, _ in self.frame.values()]
        return fewest_bits(self.size, factors, self.progressive) <= 8 * len(self.content)

    def _segment(self, marker: int, body: bytes) -> None:
        if marker == 0xDB:
            self.quantisation |= _quantisation_tables(body)
        elif marker == 0xC4:
            self.huffman |= _huffman_tables(body)
        elif marker in JPEG_FRAMES:
            self._frame(marker, body)
        elif marker == 0xDA:
            self._scan(body)
        elif marker == 0xDD:
            _expect(len(body) == 2)
        elif 0xE0 <= marker <= 0xEF:
            _expect(_is_plain_application_data(marker, body))
        else:
            _expect(marker == 0xFE)  # a comment

    def _frame(self, marker: int, body: bytes) -> None:
        _expect(self.size is None and len(body) >= 6 and body[0] == 8 and body[5] in (1, 3, 4) and len(body) == 6 + 3 * body[5])
        height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
        _expect(height > 0 and width > 0)
        self.size, self.progressive = (width, height), marker == 0xC2
        for place in range(6, len(body), 3):
            across, down = body[place + 1] >> 4, body[place + 1] & 15
            _expect(across in (1, 2, 4) and down in (1, 2, 4) and body[place] not in self.frame)
            self.frame[body[place]] = across, down, body[place + 2]

    def _scan(self, body: bytes) -> None:
        count = body[0]
        _expect(self.size is not None and 1 <= count <= 4 and len(body) == 4 + 2 * count)
        start, end, high, low = body[-3], body[-2], body[-1] >> 4, body[-1] & 15
        if self.progressive:
            _expect((end == 0 if start == 0 else start <= end <= 63 and count == 1) and (high == 0 or high == low + 1) and low <= 13)
        chosen = [(body[1 + 2 * place], body[2 + 2 * place]) for place in range(count)]
        _expect(len({name for name, _ in chosen}) == count)
        blocks = 0
        for name, tables in chosen:
            _expect(name in self.frame)
            across, down, quantisation = self.frame[name]
            blocks += across * down
            _expect(quantisation in self.quantisation)
            _expect((0, tables >> 4) in self.huffman or (self.progressive and (start > 0 or high > 0)))
            _expect((1, tables & 15) in self.huffman or (self.progressive and start == 0))
        _expect(count == 1 or blocks <= 10)


@functools.lru_cache(1024)  # most files have one of a few tables
def _quantisation_tables(body: bytes) -> frozenset:
    """Numbers of the tables that a segment defines."""
    place, found = 0, set()
    while place < len(body):
        precision, number = body[place] >> 4, body[place] & 15
        _expect(precision < 2 and number < 4)
        place += 1 + 64 * (1 + precision)
        found.add(number)
    _expect(place == len(body))
    return frozenset(found)


@functools.lru_cache(1024)
def _huffman_tables(body: bytes) -> frozenset:
    """(0 for DC and 1 for AC, number) of the tables that a segment defines."""
    place, found = 0, set()
    while place < len(body):
        kind, number = body[place] >> 4, body[place] & 15
        counts = body[place + 1 : place + 17]
        total = sum(counts)
        values = body[place + 17 : place + 17 + total]
        _expect(kind < 2 and number < 4 and len(counts) == 16 and len(values) == total <= 256 and total > 0)
        code, left = 0, total
        for bits, count in enumerate(counts, start=1):
            code, left = code + count, left - count
            _expect(code < 1 << bits)  # no code is all ones
            if not left:
                break
            code <<= 1
        _expect(kind == 1 or max(values) < 16)
        found.add((kind, number))
        place += 17 + total
    _expect(place == len(body))
    return frozenset(found)


def _is_plain_application_data(marker: int, body: bytes) -> bool:
    """Whether Pillow reads an application's segment without stumbling, and takes the file for a single picture."""
    if marker == 0xE0 and body.startswith(b"JFIF"):
        return len(body) >= 7
    if marker == 0xE2:
        return not body.startswith(b"MPF\0") and (not body.startswith(b"ICC_PROFILE\0") or len(body) >= 14)
    if marker == 0xED:
        return body[-6:-2] != b"8BIM"
    if marker == 0xEE and body.startswith(b"Adobe"):
        return len(body) >= 7
    return True
