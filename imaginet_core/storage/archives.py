"""Lists and reads zip, tar and 7z archives where they lie, on the disk or behind an fsspec URL. Nothing is unpacked to the disk.

A zip and an uncompressed tar are read at random, also over HTTP; a compressed tar and a 7z in one pass from their beginning.
What a zip holds stands at its end; of the others an index is made once and kept in the cache of ``datasets``.

An archive with an entry (or a link in a tar) that lies outside of it is refused whole: nobody packs one by accident.
Symbolic links in zip and 7z archives are no files and left out.
"""

import io
import lzma
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from imaginet_core.errors import first_line
from imaginet_core.storage import seven_zip_archives, tar_archives
from imaginet_core.storage.files import LOCK, ArchiveError, State, is_remote, shared_file
from imaginet_core.storage.listings import check_path_traversal

_SUFFIX = re.compile(
    r"\.(?:(?P<zip>zip)|(?P<seven>7z|7z\.001)|(?P<tar>tar|tar\.gz|tgz|tar\.bz2|tbz2?|tar\.xz|txz))$", re.IGNORECASE
)
ENDINGS = ".zip, .tar, .tar.gz, .tgz, .tar.bz2, .tbz2, .tar.xz, .txz, .7z, .7z.001"


ENTRY_BYTES = 2**29
"""Bytes of the largest entry that is read: no picture is larger, and a few kilobytes may be packed to become a terabyte."""


class Member(NamedTuple):
    """A file in an archive.

    Attributes:
        name: exactly as stored.
        size: bytes.
        stamp: changes with its content: its CRC-32, or, where there is none, whatever changes with the archive.
    """

    name: str
    size: int
    stamp: str


def kind_of(location: str) -> str | None:
    """"zip", "seven" or "tar" by the name of a file or URL; None if it is no archive's, nor a 7z's first volume."""
    name = re.split(r"[?#]", location, maxsplit=1)[0] if is_remote(location) else location
    match = _SUFFIX.search(name)
    return match and match.lastgroup


def is_stream(container: str) -> bool:
    """Whether an archive can only be read from its beginning to its end: a 7z or a compressed tar.

    Raises:
        OSError: where it does not exist, may not be read or cannot be reached.
    """
    kind = kind_of(container)
    return kind == "seven" or kind == "tar" and tar_archives.is_compressed(container)


def state_of(container: str) -> State:
    """Size and stamp of an archive, of all its volumes together. Raises as ``members`` does."""
    return seven_zip_archives.volumes(container)[1] if kind_of(container) == "seven" else shared_file(container)[0]


def members(container: str) -> list[Member]:
    """All files of an archive, in its order; of two with one name in a zip or tar, the last, as unpacking leaves it.

    The first call for a compressed tar reads it whole, behind a bar with the time left, and keeps an index.

    Args:
        container: path or fsspec URL; the first volume of a multi-volume 7z.

    Raises:
        ArchiveError: (a ValueError) if it is cut short, damaged, encrypted, lacks a volume, or holds an entry outside of itself.
        OSError: where it does not exist, may not be read or cannot be reached.
    """
    kind = kind_of(container)
    if kind == "zip":
        return list(_zip_members(container).values())
    if kind == "tar":
        stamp = shared_file(container, fresh=True)[0].stamp
        return [Member(name, size, f"{stamp}@{offset}") for name, (size, offset) in tar_archives.entries(container).items()]
    if kind == "seven":
        state, entries = seven_zip_archives.entries(container)
        return [Member(name, size, state.stamp if crc is None else f"{crc:08x}") for name, (size, crc) in entries.items()]
    raise ArchiveError(f"{container} has none of the endings of archives that can be read: {ENDINGS}.")


def read_members(container: str, names: Sequence[str]) -> Iterator[tuple[int, bytes | ArchiveError]]:
    """Yields (index in ``names``, the file's bytes); for one of more than ENTRY_BYTES an error that says so, without reading it.

    In the order asked where ``is_stream`` is false, and cheap for one name at a time: the archive stays open in this process and
    in those forked from it. Otherwise in the archive's order, in one pass up to the last of them.

    Raises:
        ArchiveError, OSError: as ``members``; also for a damaged entry, which is named.
    """
    if kind_of(container) is None:
        raise ArchiveError(f"{container} has none of the endings of archives that can be read: {ENDINGS}.")
    size_of, rest = _size_of(container), []
    for index, name in enumerate(names):
        if (size := size_of(name)) > ENTRY_BYTES:
            much = f"{size:,} bytes, more than the {ENTRY_BYTES:,} that an image may have"
            yield index, ArchiveError(f"{container} holds {name} with {much}; leave it out.")
        else:
            rest.append(index)
    for position, content in _READERS[kind_of(container)](container, [names[index] for index in rest]):
        yield rest[position], content


def _size_of(container: str) -> Callable[[str], int]:
    """Name of an entry -> its bytes, unpacked; 0 where there is none, of which the reader tells."""
    kind = kind_of(container)
    if kind == "zip":
        with LOCK:
            known = _zip(container)[0].NameToInfo
        return lambda name: known[name].file_size if name in known else 0
    known = tar_archives.entries(container) if kind == "tar" else seven_zip_archives.entries(container)[1]
    return lambda name: known[name][0] if name in known else 0


_ZIPS = {}


def _zip(container: str, fresh: bool = False) -> tuple[zipfile.ZipFile, io.RawIOBase]:
    """The open zip and the file it reads from. With LOCK held."""
    state, file = shared_file(container, fresh)
    known = _ZIPS.get(container)
    if known is None or known[0] != state:
        file.prefetch(file.size - (1 << 16), 1 << 16)  # the directory's end, or all of it
        known = _ZIPS[container] = (state, _open_zip(container, file))
    return known[1], file


def _open_zip(container: str, file) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError) as error:
        start = file.read_at(0, 4)
        if start[:2] == b"PK":
            reason = f"is cut short or damaged: the directory at its end cannot be read ({first_line(error)})"
        else:
            reason = f"is no zip archive (it begins with {start!r})"
        raise ArchiveError(f"{container} {reason}; fetch it again.") from error


def _zip_members(container: str) -> dict[str, Member]:
    with LOCK:
        archive, _ = _zip(container, fresh=True)
    found = {}
    for entry in archive.infolist():
        check_path_traversal(container, entry.filename)
        if entry.is_dir() or stat.S_ISLNK(entry.external_attr >> 16):
            continue
        _check_not_encrypted(container, entry)
        found[entry.filename] = Member(entry.filename, entry.file_size, f"{entry.CRC:08x}")
    return found


def _check_not_encrypted(container: str, entry: zipfile.ZipInfo) -> None:
    if entry.flag_bits & 1:
        raise ArchiveError(f"{container} is encrypted (its entry {entry.filename} is); pack it again without a password.")


def _read_zip(container: str, name: str) -> bytes:
    with LOCK:
        archive, file = _zip(container)
        try:
            entry = archive.getinfo(name)
        except KeyError as error:
            raise ArchiveError(f"{container} holds no {name} (any more); build again.") from error
        _check_not_encrypted(container, entry)
        # one request to a server, not three: the header before the content has 30 bytes, the name and extra fields
        file.prefetch(entry.header_offset, 30 + len(name.encode(errors="replace")) + 1024 + entry.compress_size)
        try:
            return archive.read(entry)
        except NotImplementedError as error:
            raise ArchiveError(
                f"{container} stores {name} by a method that Python cannot read ({first_line(error)}); pack it again, plainly or deflated."
            ) from error
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError) as error:
            if isinstance(error, OSError) and type(error) is not OSError:
                raise  # a file that cannot be read; bz2 raises a plain one for damage
            raise ArchiveError(f"{container} is damaged: its entry {name} cannot be read ({first_line(error)}); fetch it again.") from error


def _read_zips(container: str, names: Sequence[str]) -> Iterator[tuple[int, bytes]]:
    return ((index, _read_zip(container, name)) for index, name in enumerate(names))


_READERS = {"zip": _read_zips, "tar": tar_archives.read, "seven": seven_zip_archives.read}
