"""Tar archives, compressed or not: an index made in one pass, then reading at random or in one further pass."""

import bz2
import contextlib
import functools
import gzip
import lzma
import posixpath
import tarfile
import zlib
from collections.abc import Iterator, Sequence

from datasets.utils import tqdm

from imaginet_core.errors import first_line
from imaginet_core.storage.files import LOCK, ArchiveError, RandomFile, State, first_bytes, is_remote, open_stream, shared_file
from imaginet_core.storage.listings import check_path_traversal, index_of

_COMPRESSIONS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_LINKS_FOLLOWED = 40


UNPACKED_BYTES, UNPACKED_RATIO = 2**28, 200
"""Bytes that any compressed tar may unpack to, and times its own size that it may beyond that: pictures hardly shrink."""


class _EndingStream:
    """A stream that raises EOFError for whoever goes on reading after its end.

    tarfile skips what a damaged header gives as an entry's size in small steps, and would take billions of them beyond the end.
    """

    ENOUGH = 100

    def __init__(self, plain):
        self.plain, self.ended = plain, 0

    def read(self, size: int) -> bytes:
        """So many bytes, fewer only at the end."""
        content = self.plain.read(size)
        self.ended += not content
        if self.ended > self.ENOUGH:
            raise EOFError("an entry is longer than the archive")
        return content


class _Unpacked:
    """What comes out of a decompressor; of a bomb only its beginning.

    Args:
        container: the archive's name.
        plain: gives the unpacked bytes.
        packed: what it reads from.
    """

    def __init__(self, container: str, plain, packed):
        self.container, self.plain, self.packed, self.count = container, plain, packed, 0

    def read(self, size: int) -> bytes:
        """So many bytes, fewer only at the end. Raises ArchiveError for a bomb."""
        content = self.plain.read(size)
        self.count += len(content)
        if self.count > max(UNPACKED_BYTES, UNPACKED_RATIO * self.packed.tell()):
            raise ArchiveError(
                f"{self.container} unpacks to more than {UNPACKED_RATIO} times its size, which no archive of pictures does; "
                "leave it out, or pack it again as a plain tar."
            )
        return content


class _Header(tarfile.TarInfo):
    """By itself tarfile takes a damaged or missing header for the archive's end."""

    @classmethod
    def fromtarfile(cls, archive):
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # the blocks of zeros that end an archive
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{error} at byte {archive.offset:,}") from error


def is_compressed(container: str) -> bool:
    """Whether a tar is compressed and so can be read from its beginning only; its bytes decide, not its name."""
    return _decompressor(container, shared_file(container)[0]) is not None


@functools.lru_cache(maxsize=64)
def _decompressor(container: str, state: State):
    start = first_bytes(container, 6)
    return next((reader for magic, reader in _COMPRESSIONS.items() if start.startswith(magic)), None)


@contextlib.contextmanager
def _explain_damage(container: str):
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if isinstance(error, OSError) and type(error) not in (OSError, gzip.BadGzipFile):
            raise  # a file that cannot be read; bz2 and gzip raise these two for damage
        raise ArchiveError(f"{container} is cut short, damaged or no tar archive ({first_line(error)}); fetch it again.") from error


def entries(container: str, fresh: bool = False) -> dict[str, list]:
    """name -> [bytes, position of its content in the uncompressed archive] of all files; links have those of their target.

    Raises:
        ArchiveError: where the archive is damaged, or an entry or link climbs out of it.
    """
    return index_of(container, shared_file(container, fresh)[0], _make_index)


def _make_index(container: str, state: State) -> dict[str, list]:
    found, links = {}, {}
    reader = _decompressor(container, state)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_explain_damage(container))
        raw = stack.enter_context(open_stream(container))
        plain = _Unpacked(container, stack.enter_context(reader(raw)), raw) if reader else raw
        at_random = reader is None and not is_remote(container)
        if at_random:
            plain = stack.enter_context(RandomFile([container], [state.size]))
        source, mode = (plain, "r:") if at_random else (_EndingStream(plain), "r|")
        archive = stack.enter_context(tarfile.open(fileobj=source, mode=mode, tarinfo=_Header))
        name = posixpath.basename(container)
        total = state.size if state.size > 0 else None
        bar = stack.enter_context(tqdm(total=total, unit="B", unit_scale=True, delay=1, desc=f"Listing {name}, once"))
        while (entry := archive.next()) is not None:
            archive.members.clear()  # or a million of them stay in memory
            _note(entry, container, found, links)
            bar.update((plain if at_random else raw).tell() - bar.n)
        while not at_random and plain.read(1 << 20):
            pass  # the rest, for its checksum
    return {**found, **_follow_links(links, found)}


def _follow_links(links: dict, found: dict) -> dict:
    """The content of links, as far as they lead to a file."""
    files = {posixpath.normpath(name): content for name, content in found.items()} if links else {}
    further = {posixpath.normpath(name): target for name, target in links.items()}
    ends = {}
    for name, target in links.items():
        for _ in range(_LINKS_FOLLOWED):
            target = further.get(target, target)
        if target in files:
            ends[name] = files[target]
    return ends


def _note(entry: tarfile.TarInfo, container: str, found: dict, links: dict) -> None:
    check_path_traversal(container, entry.name)
    if entry.issparse():
        raise ArchiveError(f"{container} holds {entry.name} as a sparse file; pack it again without --sparse.")
    if entry.isreg():
        found[entry.name] = [entry.size, entry.offset_data]
        links.pop(entry.name, None)
    elif entry.islnk() or entry.issym():
        beside = posixpath.dirname(entry.name) if entry.issym() else ""
        target = posixpath.normpath(posixpath.join(beside, entry.linkname))
        check_path_traversal(container, entry.name, target)
        links[entry.name] = target
        found.pop(entry.name, None)


def read(container: str, names: Sequence[str]) -> Iterator[tuple[int, bytes]]:
    """Yields (index in ``names``, content): in the order asked where the tar is not compressed, else in the archive's order.

    Raises:
        ArchiveError: where the archive lacks one of them, or is damaged.
    """
    known = entries(container)
    for name in names:
        if name not in known:
            raise ArchiveError(f"{container} holds no {name} (any more); build again.")
    wanted = [known[name] for name in names]
    if is_compressed(container):
        yield from _read_in_one_pass(container, wanted)
        return
    for index, (size, offset) in enumerate(wanted):
        with LOCK:
            content = shared_file(container)[1].read_at(offset, size)
        if len(content) < size:
            raise ArchiveError(f"{container} is cut short within {names[index]}; fetch it again.")
        yield index, content


def _read_in_one_pass(container: str, wanted: list) -> Iterator[tuple[int, bytes]]:
    indices = {}
    for index, (_, offset) in enumerate(wanted):
        indices.setdefault(offset, []).append(index)
    reader = _decompressor(container, shared_file(container)[0])
    with _explain_damage(container), open_stream(container) as raw, reader(raw) as plain, tarfile.open(
        fileobj=_EndingStream(_Unpacked(container, plain, raw)), mode="r|", tarinfo=_Header
    ) as archive:
        while indices and (entry := archive.next()) is not None:
            archive.members.clear()
            if entry.isreg() and entry.offset_data in indices:
                content = archive.extractfile(entry).read()
                for index in indices.pop(entry.offset_data):
                    yield index, content
    if indices:
        raise ArchiveError(f"{container} changed while it was read; build again.")
