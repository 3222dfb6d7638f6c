"""Damages picture files, each by one seeded choice: what disks, downloads, archives and unkind people do to them.

A mutator takes a random generator and a file's bytes and returns other bytes; those of one format leave files of others alone.
"""

import random
import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

from tests.fuzz.seed_pictures import Seed, seeds

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
EXTREMES = (0, 1, 2, 3, 7, 8, 0x7F, 0xFF, 0x100, 0x3FFF, 0x7FFF, 0xFFFF, 0x10000, 0xFFFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
END_MARKERS = (b"", b"\xff\xd9", b"\0\0\0\0IEND\xaeB`\x82", b"\0;", b"\0\0")


class Case(NamedTuple):
    """One mutated picture: its number, what was done to which seed, its bytes, and the suffix that it goes by."""

    number: int
    story: str
    content: bytes
    suffix: str
    whole: bool
    """Whether it is an undamaged picture of an admitted format, which must not be refused."""

    @property
    def name(self) -> str:
        """File name without folder."""
        return f"case{self.number:05}.{self.suffix}"


# any file


def flip_bits(rng: random.Random, content: bytes) -> bytes:
    """1 to 16 bits, half the time among the first hundred bytes."""
    changed = bytearray(content)
    reach = min(len(changed), rng.choice((100, len(changed))))
    for _ in range(rng.randint(1, 16)):
        changed[rng.randrange(reach)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def overwrite_run(rng: random.Random, content: bytes) -> bytes:
    """A run of bytes becomes zeros, ones or noise, as a bad sector does."""
    start, length = rng.randrange(len(content)), rng.choice((1, 4, 16, 64, 512))
    run = {0: bytes(length), 1: b"\xff" * length, 2: rng.randbytes(length)}[rng.randrange(3)]
    return (content[:start] + run + content[start + length :])[: len(content)]


def cut(rng: random.Random, content: bytes) -> bytes:
    """The rest is gone; now and then an end marker stands there nevertheless."""
    return content[: rng.randrange(len(content))] + rng.choice(END_MARKERS)


def remove_run(rng: random.Random, content: bytes) -> bytes:
    start = rng.randrange(len(content))
    return content[:start] + content[start + rng.choice((1, 2, 8, 100)) :]


def insert_run(rng: random.Random, content: bytes) -> bytes:
    start = rng.randrange(len(content) + 1)
    return content[:start] + rng.randbytes(rng.choice((1, 2, 8, 100))) + content[start:]


def splice(rng: random.Random, content: bytes) -> bytes:
    """The beginning of this file and the end of another."""
    other = rng.choice(seeds()).content
    return content[: rng.randrange(1, max(2, len(content)))] + other[rng.randrange(len(other)) :]


def append(rng: random.Random, content: bytes) -> bytes:
    return content + rng.choice((rng.randbytes(50), rng.choice(seeds()).content, bytes(2000), b"<html>"))


def extreme_number(rng: random.Random, content: bytes) -> bytes:
    """A field near the beginning becomes 0, 1, the greatest of its width, or one beside: sizes, counts, offsets."""
    width = rng.choice((1, 2, 4))
    start = rng.randrange(max(1, min(200, len(content) - width)))
    value = (rng.choice(EXTREMES) & (1 << 8 * width) - 1).to_bytes(width, rng.choice(("little", "big")))
    return content[:start] + value + content[start + width :]


def noise_behind_magic(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.choice((0, 2, 4, 8, 12, 30))] + rng.randbytes(rng.choice((0, 1, 10, 1000)))


# PNG


def _png_chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        found.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def _png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return PNG_MAGIC + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def png_chunks(rng: random.Random, content: bytes) -> bytes:
    """A chunk removed, doubled, moved, emptied, renamed or put in, with right checksums."""
    if not content.startswith(PNG_MAGIC) or not (chunks := _png_chunks(content)):
        return content
    place = rng.randrange(len(chunks))
    kind, data = chunks[place]
    choice = rng.randrange(6)
    if choice == 0:
        del chunks[place]
    elif choice == 1:
        chunks.insert(rng.randrange(len(chunks)), (kind, data))
    elif choice == 2:
        chunks.insert(rng.randrange(len(chunks)), chunks.pop(place))
    elif choice == 3:
        chunks[place] = kind, rng.choice((b"", data[: len(data) // 2], flip_bits(rng, data) if data else b"\0"))
    elif choice == 4:
        chunks[place] = rng.choice((b"tRNS", b"PLTE", b"acTL", b"fcTL", b"fdAT", b"iCCP", b"IDAT", b"\0\0\0\0")), data
    else:
        extra = rng.choice(
            (
                (b"tRNS", b"\0\1"),
                (b"PLTE", b"\0\1"),
                (b"acTL", b"\0\0\0\3\0\0\0\0"),
                (b"iCCP", b"x\0\0junk"),
                (b"zTXt", b"k\0\0" + zlib.compress(bytes(3 << 20))),
                (b"eXIf", b"MM\0*junk"),
                (b"gAMA", b"\0\0\0\0"),
            )
        )
        chunks.insert(rng.randint(1, len(chunks)), extra)
    return _png(chunks)


def png_checksum(rng: random.Random, content: bytes) -> bytes:
    """A wrong CRC or a wrong length of one chunk."""
    if not content.startswith(PNG_MAGIC) or not (chunks := _png_chunks(content)):
        return content
    place = rng.randrange(len(chunks))
    start = 8 + sum(12 + len(data) for _, data in chunks[:place])
    if rng.random() < 0.3:
        return content[:start] + rng.choice(EXTREMES).to_bytes(4, "big") + content[start + 4 :]
    end = start + 12 + len(chunks[place][1])
    return content[: end - 4] + rng.randbytes(4) + content[end:]


def png_header(rng: random.Random, content: bytes) -> bytes:
    """Other width, height, depth, colour type, interlacing in IHDR, with a right checksum."""
    if not content.startswith(PNG_MAGIC) or not (chunks := _png_chunks(content)) or len(chunks[0][1]) < 13:
        return content
    header = bytearray(chunks[0][1])
    field = rng.randrange(5)
    if field < 2:
        header[4 * field : 4 * field + 4] = rng.choice((*EXTREMES, 13000, 25000, 41)).to_bytes(4, "big")
    else:
        header[6 + field if field < 4 else 12] = rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 255))
    return _png([(chunks[0][0], bytes(header)), *chunks[1:]])


# JPEG


def _jpeg_segments(content: bytes) -> list[bytes]:
    """Marker segments up to the first scan, then all the rest in one piece."""
    found, at = [content[:2]], 2
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != 0xDA:
        length = 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        found.append(content[at : at + length])
        at += length
    return [*found, content[at:]]


def jpeg_segments(rng: random.Random, content: bytes) -> bytes:
    """A segment (tables, frame, restart interval, metadata) removed, doubled, moved, or its bytes or length changed."""
    if not content.startswith(b"\xff\xd8") or len(segments := _jpeg_segments(content)) < 3:
        return content
    place = rng.randrange(1, len(segments) - 1)
    choice = rng.randrange(5)
    if choice == 0:
        del segments[place]
    elif choice == 1:
        segments.insert(rng.randrange(1, len(segments)), segments[place])
    elif choice == 2:
        segments.insert(rng.randrange(1, len(segments)), segments.pop(place))
    elif choice == 3:
        segments[place] = segments[place][:4] + (flip_bits(rng, segments[place][4:]) if len(segments[place]) > 4 else b"")
    else:
        segments[place] = segments[place][:2] + (rng.choice(EXTREMES) & 0xFFFF).to_bytes(2, "big") + segments[place][4:]
    return b"".join(segments)


def jpeg_frame(rng: random.Random, content: bytes) -> bytes:
    """Other process, precision, height, width, number of components, sampling factors in the frame header."""
    place = next((at for kind in (0xC0, 0xC1, 0xC2) if (at := content.find(bytes((0xFF, kind, 0)))) > 0), None)
    if not content.startswith(b"\xff\xd8") or place is None or place + 12 > len(content):
        return content
    changed, field = bytearray(content), rng.randrange(5)
    if field == 0:
        changed[place + 1] = rng.randrange(0xC0, 0xD0)
    elif field == 1:
        changed[place + 4] = rng.choice((0, 1, 8, 12, 16, 255))
    elif field == 2:
        start = place + rng.choice((5, 7))
        changed[start : start + 2] = rng.choice((0, 1, 8, 13000, 65500, 65535)).to_bytes(2, "big")
    elif field == 3:
        changed[place + 9] = rng.choice((0, 1, 2, 3, 4, 5, 255))
    else:
        changed[place + 11] = rng.choice((0, 0x11, 0x14, 0x41, 0x33, 0x44, 0xFF))
    return bytes(changed)


# the other containers


def riff(rng: random.Random, content: bytes) -> bytes:
    """WebP: sizes of file and chunks, a chunk removed or doubled, heights and widths of 0, flags of the extended header."""
    if content[:4] != b"RIFF" or len(content) < 30:
        return content
    changed, choice = bytearray(content), rng.randrange(5)
    if choice == 0:
        changed[4:8] = rng.choice((*EXTREMES, len(content), len(content) - 9)).to_bytes(4, "little")
    elif choice == 1:
        changed[16:20] = rng.choice((*EXTREMES, len(content))).to_bytes(4, "little")
    elif choice == 2:
        start = rng.choice(
            [at for kind in (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANMF") if (at := content.find(kind)) > 0] or [12]
        )
        size = 8 + int.from_bytes(content[start + 4 : start + 8], "little")
        chunk = content[start : start + size]
        return content[:start] + rng.choice((b"", 2 * chunk)) + content[start + size :]
    elif choice == 3:  # width and height: of VP8X and ANMF 24 bits less one, of VP8 14 bits, of VP8L 14 bits within 32
        kind, field = rng.choice(
            (("VP8X", 12), ("VP8X", 15), ("VP8 ", 14), ("VP8 ", 16), ("VP8L", 9), ("ANMF", 14), ("ANMF", 17))
        )
        if (start := content.find(kind.encode())) > 0:
            value = rng.choice((0, 1, 0x3FFF, 0x4000, 0xFFFF))
            changed[start + field : start + field + 2] = value.to_bytes(2, "little")
    else:
        changed[20] ^= 1 << rng.randrange(8)
    return bytes(changed[: max(len(content), 1)])


def tiff_tags(rng: random.Random, content: bytes) -> bytes:
    """A tag of the first directory gets another number, type, count or value, or the directory another place or length."""
    if content[:4] not in (b"II*\0", b"MM\0*"):
        return content
    order = "little" if content[:2] == b"II" else "big"
    start = int.from_bytes(content[4:8], order)
    entries = int.from_bytes(content[start : start + 2], order)
    changed = bytearray(content)
    if not entries or rng.random() < 0.1:
        changed[4:8] = rng.choice((*EXTREMES, start, len(content) - 1)).to_bytes(4, order)
    elif rng.random() < 0.1:
        changed[start : start + 2] = rng.choice(EXTREMES[:12]).to_bytes(2, order)
    else:
        field, width = rng.choice(((0, 2), (2, 2), (4, 4), (8, 4), (8, 4)))
        at = start + 2 + 12 * rng.randrange(entries) + field
        changed[at : at + width] = (rng.choice((*EXTREMES, 256, 258, 259, 262, 279)) & (1 << 8 * width) - 1).to_bytes(
            width, order
        )
    return bytes(changed)


def boxes(rng: random.Random, content: bytes) -> bytes:
    """AVIF: the size or kind of a box, or a number of the picture's size or place."""
    names = [
        name
        for name in (b"ftyp", b"meta", b"hdlr", b"pitm", b"iloc", b"iinf", b"iprp", b"ispe", b"pixi", b"av1C", b"ipma", b"mdat")
        if name in content
    ]
    if content[4:8] != b"ftyp" or not names:
        return content
    start = content.find(rng.choice(names)) - 4
    at = start + rng.choice((0, 4, 8, 12, 16))
    return content[:at] + rng.choice((*EXTREMES, 13000)).to_bytes(4, "big") + content[at + 4 :]


def frames(rng: random.Random, content: bytes) -> bytes:
    """GIF and BMP: size of screen and frames, code size of the compression, depth, kind of compression, number of colours."""
    if content[:3] == b"GIF":
        start = rng.choice((6, 8, 10, max(0, content.find(b",")) + rng.choice((1, 3, 5, 7, 9, 10))))
        return content[:start] + (rng.choice(EXTREMES) & 0xFFFF).to_bytes(2, "little") + content[start + 2 :]
    if content[:2] == b"BM":
        start = rng.choice((2, 10, 14, 18, 22, 26, 28, 30, 34, 46, 50))
        return content[:start] + rng.choice((*EXTREMES, 13000, 0xFFFFFFD8)).to_bytes(4, "little") + content[start + 4 :]
    return content


ANY: tuple[Callable, ...] = (
    flip_bits,
    overwrite_run,
    cut,
    cut,
    remove_run,
    insert_run,
    splice,
    append,
    extreme_number,
    extreme_number,
    noise_behind_magic,
)
OF_FORMAT: dict[str, tuple[Callable, ...]] = {
    "PNG": (png_chunks, png_chunks, png_checksum, png_header),
    "JPEG": (jpeg_segments, jpeg_segments, jpeg_frame),
    "MPO": (jpeg_segments, jpeg_frame),
    "WEBP": (riff,),
    "TIFF": (tiff_tags,),
    "AVIF": (boxes,),
    "GIF": (frames,),
    "BMP": (frames,),
}


def mutated(seed: int, number: int) -> Case:
    """Case ``number`` of a run: depends on both numbers (and the codecs' versions) alone."""
    rng = random.Random(f"{seed} {number}")
    start: Seed = rng.choice(seeds())
    content, steps = start.content, []
    for _ in range(rng.choice((0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3)) if start.format else rng.choice((0, 0, 1))):
        own = OF_FORMAT.get(start.format, ())
        mutator = rng.choice(own) if own and rng.random() < 0.6 else rng.choice(ANY)
        content = mutator(rng, content) or b"\0"
        steps.append(mutator.__name__)
    suffix = start.suffix if rng.random() < 0.8 else rng.choice(("jpg", "png", "webp", "gif", "bmp", "tiff"))
    suffix = "webp" if suffix == "avif" else suffix  # data sets name them so, where they know no .avif
    whole = bool(start.format) and content == start.content
    return Case(number, " ".join([start.name, *steps, f"as .{suffix}"]), content, suffix, whole)
