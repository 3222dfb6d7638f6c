"""Where a picture's file keeps what it states about itself: its container walked from block to block, never searched.

A text that only looks like metadata (in the pixels' data, behind the end) is therefore not taken for any.
"""

import contextlib
import re
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from imaginet_core.pictures.decode import opened
from imaginet_core.pictures.sources import Limits, PictureError

EXIF, XMP, XMP_PIECE, IPTC, TEXT, C2PA = "EXIF", "XMP", "piece of XMP", "IPTC", "text", "C2PA"
"""Kinds of parts; a piece is of XMP that is too long for one JPEG segment, and its key names the whole."""
LONGEST_TEXT = 2**22
"""Bytes of one text, unpacked; the workflows that some generators write reach hundreds of kilobytes."""
MOST_PARTS = 1000
PNG_PIXELS = (b"IDAT", b"fdAT")
C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""The box of a manifest in AVIF and HEIC (C2PA specification, "Embedding manifests into BMFF-based assets")."""
C2PA_JUMBF = bytes.fromhex("6332706100110010800000AA00389B71")
"""The type of a manifest store in JUMBF (C2PA specification, "Use of JUMBF")."""
C2PA_OF_TIFF, XMP_OF_TIFF = 0xCD41, 700
_XMP_OF_JPEG, _MORE_XMP_OF_JPEG = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_GIF_XMP, _GIF_XMP_END = b"XMP DataXMP", b"\x01\xff\xfe\xfd"
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


class Part(NamedTuple):
    """One piece of metadata: its kind, its bytes, and the key that a text has."""

    kind: str
    data: bytes
    key: str = ""


class _Broken(Exception):
    """The structure ends or breaks off; the message says where."""


def parts_of(content: bytes, format: str, limits: Limits) -> tuple[list[Part], str | None]:
    """All parts of a file, and None or, in plain words, where its structure breaks off; what lies behind is not looked at.

    Args:
        content: of the file.
        format: its name in ``pictures.sources.FORMATS``.
        limits: of pictures, for formats whose structure Pillow walks.
    """
    found: list[Part] = []
    walk = WALKERS.get(format)
    try:
        for part in walk(content) if walk else _by_decoder(content, format, limits):
            found.append(part)
            if len(found) == MOST_PARTS:
                return found, f"it has more than {MOST_PARTS:,} pieces of metadata; the others were not looked at"
    except _Broken as error:
        return found, str(error)
    except PictureError as error:
        return found, f"its structure cannot be read ({error.reason})"
    return found, None


def _at(place: int) -> _Broken:
    return _Broken(f"its structure breaks off at byte {place:,}; what lies behind was not looked at")


# JPEG: marker segments (ITU-T T.81, B.1.1)


def _jpeg_parts(content: bytes) -> Iterator[Part]:
    place = 2
    while True:
        while content[place : place + 2] == b"\xff\xff":  # fill bytes
            place += 1
        marker = content[place + 1 : place + 2]
        if content[place : place + 1] != b"\xff" or not marker:
            raise _at(place)
        if marker == b"\xd9":
            return
        if marker == b"\x01" or b"\xd0" <= marker <= b"\xd8":
            place += 2
            continue
        end = place + 2 + int.from_bytes(content[place + 2 : place + 4], "big")
        if end < place + 4 or end > len(content):
            raise _at(place)
        if (part := _part_of_segment(marker[0], content[place + 4 : end])) is not None:
            yield part
        place = end
        if marker == b"\xda":  # its compressed data, up to the next marker
            following = _NEXT_MARKER.search(content, end)
            if following is None:
                raise _at(len(content))
            place = following.start()


def _part_of_segment(marker: int, body: bytes) -> Part | None:
    if marker == 0xE1 and body.startswith(b"Exif\0"):
        return Part(EXIF, body[6:])
    if marker == 0xE1 and body.startswith(_XMP_OF_JPEG):
        return Part(XMP, body[len(_XMP_OF_JPEG) :])
    if marker == 0xE1 and body.startswith(_MORE_XMP_OF_JPEG):
        rest = body[len(_MORE_XMP_OF_JPEG) :]
        return Part(XMP_PIECE, rest[32:], rest[:32].decode("latin-1"))
    if marker == 0xED and body.startswith(b"Photoshop 3.0\0"):
        return Part(IPTC, body[14:])
    if marker == 0xEB and body[:2] == b"JP" and body[12:16] == b"jumb" and body[20:24] == b"jumd" and body[24:40] == C2PA_JUMBF:
        return Part(C2PA, b"")  # the first of its segments, which alone begins with the box's description
    return Part(TEXT, body, "Comment") if marker == 0xFE else None


# PNG: chunks (PNG 3rd edition, 5.3 and 11.3)


def _png_parts(content: bytes) -> Iterator[Part]:
    place = 8
    while place < len(content):
        length, kind = int.from_bytes(content[place : place + 4], "big"), content[place + 4 : place + 8]
        end = place + 8 + length
        if end + 4 > len(content):
            raise _at(place)
        if kind == b"IEND":
            return
        if kind not in PNG_PIXELS:
            if zlib.crc32(content[place + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
                raise _Broken(f"the checksum of its block at byte {place:,} is wrong; what lies behind was not looked at")
            if (part := _part_of_chunk(kind, content[place + 8 : end])) is not None:
                yield part
        place = end + 4
    raise _at(place)


def _part_of_chunk(kind: bytes, data: bytes) -> Part | None:
    if kind == b"eXIf":
        return Part(EXIF, data.removeprefix(b"Exif\0\0"))
    if kind == b"caBX":
        return Part(C2PA, b"")
    if kind not in (b"tEXt", b"zTXt", b"iTXt"):
        return None
    key, _, rest = data.partition(b"\0")
    text = rest
    if kind == b"zTXt":
        text = _unpacked(rest[1:])
    elif kind == b"iTXt":
        packed, (_, _, rest) = rest[:1] == b"\1", rest[2:].partition(b"\0")  # past the flags and the language
        text = rest.partition(b"\0")[2]
        text = _unpacked(text) if packed else text
    name = key.decode("latin-1")
    if kind == b"iTXt" and name == "XML:com.adobe.xmp":
        return Part(XMP, text)
    return Part(TEXT, text if kind == b"iTXt" else _as_utf8(text), name)


def _unpacked(data: bytes) -> bytes:
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj().decompress(data, LONGEST_TEXT)
    return b""


def _as_utf8(text: bytes) -> bytes:
    """Texts are Latin-1 by the standard; many writers store UTF-8 nevertheless."""
    try:
        text.decode("utf-8")
        return text
    except UnicodeDecodeError:
        return text.decode("latin-1").encode("utf-8")


# WebP: RIFF chunks (RFC 9649, 2.3); AVIF and HEIC: boxes (ISO/IEC 14496-12, 4.2)


def _webp_parts(content: bytes) -> Iterator[Part]:
    place, last = 12, min(len(content), 8 + int.from_bytes(content[4:8], "little"))
    while place + 8 <= last:
        kind, size = content[place : place + 4], int.from_bytes(content[place + 4 : place + 8], "little")
        if place + 8 + size > len(content):
            raise _at(place)
        data = content[place + 8 : place + 8 + size] if kind in (b"EXIF", b"XMP ") else b""
        if kind == b"EXIF":
            yield Part(EXIF, data.removeprefix(b"Exif\0\0"))
        elif kind == b"XMP ":
            yield Part(XMP, data)
        elif kind == b"C2PA":
            yield Part(C2PA, b"")
        place += 8 + size + size % 2


# GIF: blocks (GIF89a, appendix A); XMP in them by ISO 16684-3


def _gif_parts(content: bytes) -> Iterator[Part]:
    place = 13 + _colours(content[10:11])
    while True:
        kind, label = content[place : place + 1], content[place + 1 : place + 2]
        if kind == b";":
            return
        if kind == b",":
            place = _after_blocks(content, place + 11 + _colours(content[place + 9 : place + 10]))
            continue
        if kind != b"!" or not label:
            raise _at(place)
        first = place + 3  # past the length of the first of its blocks
        end = _after_blocks(content, place + 2)
        if label == b"\xff" and content[first : first + 11] == _GIF_XMP:
            yield Part(XMP, content[first + 11 : end].partition(_GIF_XMP_END)[0])
            end += content[end : end + 1] == b"\0"  # of its trailer, where the walk came out one byte early
        elif label == b"\xff" and content[first : first + 8] == b"C2PA_GIF":
            yield Part(C2PA, b"")
        elif label == b"\xfe":
            yield Part(TEXT, _as_utf8(_of_blocks(content[place + 2 : end])), "Comment")
        place = end


def _colours(flags: bytes) -> int:
    """Bytes of the table of colours that these flags declare."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _after_blocks(content: bytes, place: int) -> int:
    """Where the blocks that begin there have ended, each of a length and so many bytes, the last of none."""
    while True:
        if place >= len(content):
            raise _at(len(content))
        size = content[place]
        place += 1 + size
        if not size:
            return place


def _of_blocks(content: bytes) -> bytes:
    place, found = 0, bytearray()
    while content[place]:
        found += content[place + 1 : place + 1 + content[place]]
        place += 1 + content[place]
    return bytes(found)


def _has_manifest_box(content: bytes) -> bool:
    place = 0
    while place + 8 <= len(content):
        size, kind, head = int.from_bytes(content[place : place + 4], "big"), content[place + 4 : place + 8], 8
        if size == 1:
            size, head = int.from_bytes(content[place + 8 : place + 16], "big"), 16
        if kind == b"uuid" and content[place + head : place + head + 16] == C2PA_BOX:
            return True
        if size < head:  # 0: up to the end; others: broken
            return False
        place += size
    return False


def _by_decoder(content: bytes, format: str, limits: Limits) -> Iterator[Part]:
    """Of formats whose structure Pillow walks when it opens a file."""
    if format in ("AVIF", "HEIF") and _has_manifest_box(content):
        yield Part(C2PA, b"")
    with opened(content, limits) as image:
        tags = getattr(image, "tag_v2", {})
        if C2PA_OF_TIFF in tags:
            yield Part(C2PA, b"")
        exif = content if format == "TIFF" else image.info.get("exif")
        if isinstance(exif, bytes):
            yield Part(EXIF, exif.removeprefix(b"Exif\0\0"))
        xmp = tags.get(XMP_OF_TIFF) or image.info.get("xmp")
        if isinstance(xmp, bytes):
            yield Part(XMP, xmp)


WALKERS: dict[str, Callable[[bytes], Iterator[Part]]] = {
    "JPEG": _jpeg_parts, "PNG": _png_parts, "WEBP": _webp_parts, "GIF": _gif_parts,
}
