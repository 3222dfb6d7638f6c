"""Archives of a few pictures, damaged or packed by unkind people, and the list that names their pictures."""

import bz2
import functools
import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.mutate_pictures import cut, extreme_number, flip_bits, insert_run, overwrite_run, remove_run
from tests.fuzz.seed_pictures import saved, scene

COUNT = 6
"""Pictures in an archive."""
BESIDE = 2
"""Further pictures of the data set, which lie beside the archive as files of their own."""
HOLE = "QQQQQQQQ"
"""In a name: later replaced by bytes that the archive's writer would not take."""
BOMB = 3 << 30
"""Bytes of an entry that is packed into a few megabytes."""
NAMES = (
    "../climbs.jpg",
    "/absolute.jpg",
    "wikiart\\back.jpg",
    "C:/drive.jpg",
    "a" * 5000 + ".jpg",
    "B: sides/x.txt",
    "./wikiart/./a.jpg",
    f"wikiart/{HOLE}.jpg",
    "wikiart/style0",
    "wikiart/style0/",
    "ΩЖ漢.jpg",
    "wikiart/style0/pic_0.jpg",
    "wikiart//x.jpg",
    " ",
    "con.jpg",
)
BYTES = (b"\0\0\0\0\0\0\0\0", b"\xff\xfe\xfd\xfc\x80\x81\x82\x83", b"\n\n\n\r\r\r\t\t", b"../../..")


class ArchiveCase(NamedTuple):
    """One data folder with one archive.

    Attributes:
        number: of the case.
        story: what was done.
        name: file name of the archive.
        content: its bytes.
        lost: pictures at most that may be left out, where the damage leaves the other entries whole; None where all may.
    """

    number: int
    story: str
    name: str
    content: bytes
    lost: int | None


def picture_paths() -> list[str]:
    """Listed paths of the pictures in an archive."""
    return [f"wikiart/style{number % 2}/pic_{number}.jpg" for number in range(COUNT)]


@functools.cache
def pictures() -> dict[str, bytes]:
    """The archive's pictures by path."""
    return {path: saved(scene(number), "JPEG", quality=80) for number, path in enumerate(picture_paths())}


def write_data_folder(folder: Path, case: ArchiveCase) -> None:
    """The list, the archive, and the pictures beside it."""
    (folder / "annotations").mkdir(parents=True)
    beside = [f"wikiart_stylegan/g{number}.png" for number in range(BESIDE)]
    lines = [*(f"./{path},0,1,4,8" for path in picture_paths()), *(f"./{path},1,1,0,2" for path in beside)]
    (folder / "annotations" / "train_annotations.txt").write_text("\n".join(lines) + "\n")
    (folder / "wikiart_stylegan").mkdir()
    for number, path in enumerate(beside):
        (folder / path).write_bytes(saved(scene(100 + number), "PNG"))
    (folder / case.name).write_bytes(case.content)


# zip


def _zip(entries: dict[str, bytes], method: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name, (2026, 11, 25, 12, 0, 0))
            entry.compress_type = method
            archive.writestr(entry, content)
    return file.getvalue()


def _zip_case(rng: random.Random) -> tuple[str, bytes, int | None]:
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    choice = rng.choice(
        (
            "crc",
            "data",
            "data",
            "method",
            "size",
            "directory",
            "local header",
            "name",
            "name",
            "name",
            "bomb",
            "encrypted",
            "end",
            "many",
        )
    )
    entries = dict(pictures())
    if choice == "name":
        name = rng.choice(NAMES)
        entries[name] = entries.pop(picture_paths()[0]) if rng.random() < 0.5 else b"junk"
        raw = rng.choice(BYTES)
        return f"zip named {name[:20]!r} {raw!r}", _zip(entries, method).replace(HOLE.encode(), raw), None
    if choice == "many":
        return "zip of many", _zip({**entries, **{f"more/{number}": b"" for number in range(20000)}}, zipfile.ZIP_STORED), 0
    if choice == "bomb":
        return "zip bomb", _zip_bomb(entries), 1
    content = bytearray(_zip(entries, method))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entry, start = rng.choice(archive.infolist()), archive.start_dir
    central = content.find(entry.filename.encode(), start) - 46
    local, data = entry.header_offset, entry.header_offset + 30 + len(entry.filename)
    if choice == "crc":
        content[central + 16 : central + 20] = content[local + 14 : local + 18] = rng.randbytes(4)
    elif choice == "data":
        place = data + rng.randrange(entry.compress_size)
        content[place : place + 8] = rng.randbytes(min(8, data + entry.compress_size - place))
    elif choice == "method":
        content[central + 10 : central + 12] = content[local + 8 : local + 10] = rng.choice(
            (1, 6, 8, 9, 12, 14, 93, 97, 99)
        ).to_bytes(2, "little")
    elif choice == "size":
        where = central + rng.choice((20, 24))
        content[where : where + 4] = rng.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFE, entry.file_size + 1)).to_bytes(4, "little")
    elif choice == "encrypted":
        content[central + 8] |= 1
        content[local + 6] |= 1
    elif choice == "local header":
        where = local + rng.randrange(30)
        content[where] ^= 1 << rng.randrange(8)
    elif choice == "directory":
        where = start + rng.randrange(len(content) - start)
        content[where : where + 2] = rng.randbytes(2)
    else:
        where = len(content) - 22 + rng.randrange(22)
        content[where] ^= 1 << rng.randrange(8)
    only_one = choice in ("crc", "data", "method", "local header")
    return f"zip {choice} of method {method}", bytes(content), 1 if only_one else None


@functools.cache
def _zeros_deflated(raw: bool) -> bytes:
    """BOMB zeros, as raw deflate or as gzip; the checksum at its end is wrong, which nobody should come to see."""
    piece = zlib.compressobj(9, zlib.DEFLATED, -15)
    repeated = piece.compress(bytes(16 << 20)) + piece.flush(zlib.Z_FULL_FLUSH)
    last = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = repeated * (BOMB // (16 << 20)) + last.flush()
    return stream if raw else gzip.compress(b"")[:10] + stream + struct.pack("<II", 0, BOMB & 0xFFFFFFFF)


def _zip_bomb(entries: dict[str, bytes]) -> bytes:
    """One entry is BOMB zeros."""
    bomb = _zeros_deflated(raw=True)
    content = _zip({**entries, picture_paths()[0]: b"\0"}, zipfile.ZIP_STORED)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        start, count = archive.start_dir, len(archive.infolist())
        entry = archive.getinfo(picture_paths()[0])
    central = content.find(entry.filename.encode(), start) - 46
    record = bytearray(content[central : central + 46 + len(entry.filename)])
    record[10:12] = (8).to_bytes(2, "little")
    record[20:28] = struct.pack("<II", len(bomb), BOMB)
    record[42:46] = struct.pack("<I", start)
    local = bytearray(content[entry.header_offset : entry.header_offset + 30 + len(entry.filename)])
    local[8:10] = (8).to_bytes(2, "little")
    local[18:26] = struct.pack("<II", len(bomb), BOMB)
    before, after = content[start:central], content[central + len(record) : len(content) - 22]
    directory = before + bytes(record) + after
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(directory), start + len(local) + len(bomb), 0)
    return content[:start] + bytes(local) + bomb + directory + end


# tar


def _tar(rng: random.Random, extra: str) -> bytes:
    """The pictures with one odd entry among them."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=rng.choice((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))) as archive:
        odd_at = rng.randrange(COUNT)
        for number, (path, content) in enumerate(pictures().items()):
            if number == odd_at and extra:
                _add_odd(rng, archive, extra)
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def _add_odd(rng: random.Random, archive: tarfile.TarFile, extra: str) -> None:
    name = rng.choice(NAMES) if extra == "name" else "wikiart/style0/odd.jpg"
    entry = tarfile.TarInfo(name.replace(HOLE, rng.choice(BYTES).decode("utf-8", "surrogateescape")))
    kinds = {
        "symlink": tarfile.SYMTYPE,
        "hardlink": tarfile.LNKTYPE,
        "fifo": tarfile.FIFOTYPE,
        "device": tarfile.CHRTYPE,
        "sparse": tarfile.GNUTYPE_SPARSE,
    }
    entry.type = kinds.get(extra, tarfile.REGTYPE)
    entry.linkname = (
        rng.choice(("../../../etc/passwd", "/etc/passwd", "odd.jpg", "pic_0.jpg", "nowhere")) if "link" in extra else ""
    )
    archive.addfile(entry)


def _tar_case(rng: random.Random) -> tuple[str, str, bytes, int | None]:
    ending = rng.choice(("tar", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"))
    pack = {"tar": bytes, "tar.gz": gzip.compress, "tgz": gzip.compress, "tar.bz2": bz2.compress, "tar.xz": lzma.compress}[ending]
    choice = rng.choice(
        (
            "header",
            "header",
            "size",
            "name",
            "symlink",
            "hardlink",
            "fifo",
            "device",
            "sparse",
            "cut",
            "cut packed",
            "packed",
            "bomb",
        )
    )
    if choice == "bomb":
        entry = tarfile.TarInfo(picture_paths()[0])
        entry.size = BOMB
        head = zlib.compressobj(9, zlib.DEFLATED, -15)
        begin = gzip.compress(b"")[:10] + head.compress(entry.tobuf()) + head.flush(zlib.Z_FULL_FLUSH)
        return "tgz bomb", "tgz", begin + _zeros_deflated(raw=False)[10:], None
    content = bytearray(_tar(rng, choice if choice in ("name", "symlink", "hardlink", "fifo", "device", "sparse") else ""))
    if choice in ("header", "size"):
        start = content.find(rng.choice(picture_paths()).encode())
        field, length = (
            (124, 12)
            if choice == "size"
            else rng.choice(((0, 100), (100, 8), (148, 8), (156, 1), (157, 100), (257, 8), (345, 100)))
        )
        place = start + field + rng.randrange(length)
        content[place] = rng.randrange(256)
        if choice == "size":
            content[start + 124 : start + 136] = rng.choice(
                (b"77777777777\0", b"00000000000\0", b"\x80" + b"\xff" * 11, b"\xff" * 12)
            )
        if rng.random() < 0.7:  # with a right checksum of the header
            content[start + 148 : start + 156] = b" " * 8
            content[start + 148 : start + 156] = b"%06o\0 " % sum(content[start : start + 512])
    if choice == "cut":
        content = content[: rng.randrange(len(content))]
    packed = pack(bytes(content))
    if choice == "cut packed":
        packed = packed[: rng.randrange(len(packed))]
    elif choice == "packed":
        packed = rng.choice((flip_bits, overwrite_run))(rng, packed)
    return f"{ending} {choice}", ending, packed, None


# 7z


def _seven_zip_case(rng: random.Random) -> tuple[str, bytes]:
    import py7zr

    file = io.BytesIO()
    filters = rng.choice((None, [{"id": py7zr.FILTER_COPY}], [{"id": py7zr.FILTER_DEFLATE}], [{"id": py7zr.FILTER_BZIP2}]))
    with py7zr.SevenZipFile(file, "w", filters=filters) as archive:
        for path, content in pictures().items():
            archive.writestr(content, path)
    return "7z", file.getvalue()


def mutated_archive(seed: int, number: int) -> ArchiveCase:
    """Case ``number`` of a run: depends on both numbers alone."""
    rng = random.Random(f"{seed} archive {number}")
    kind = rng.choice(("zip", "zip", "zip", "tar", "tar", "7z"))
    if kind == "zip":
        story, content, lost = _zip_case(rng)
        ending = "zip"
    elif kind == "tar":
        story, ending, content, lost = _tar_case(rng)
    else:
        ending, lost = "7z", None
        story, content = _seven_zip_case(rng)
    if kind == "7z" or rng.random() < 0.15:
        mutator = rng.choice((flip_bits, overwrite_run, cut, remove_run, insert_run, extreme_number))
        story, content, lost = f"{story} {mutator.__name__}", mutator(rng, content) or b"\0", None
    return ArchiveCase(number, story, f"wikiart.{ending}", content, lost)
