"""7z archives of one or several volumes (x.7z.001, x.7z.002 …), read in one pass."""

import contextlib
import io
import pathlib
import queue
import struct
import threading
from collections.abc import Iterator, Sequence

from imaginet_core.errors import first_line
from imaginet_core.storage.files import ArchiveError, RandomFile, State, file_state, first_bytes
from imaginet_core.storage.listings import check_path_traversal, index_of

_START = struct.Struct("<6s2sIQQI")
"""Signature, version, checksum; offset, size and checksum of the header at the end (SignatureHeader in 7-Zip's 7zFormat.txt)."""
_SIGNATURE = b"7z\xbc\xaf\x27\x1c"
_WAITING = 8
"""Files decompressed ahead of the reader at most."""


def _py7zr():
    try:
        import py7zr
    except ModuleNotFoundError as error:
        raise ArchiveError('7z archives need the package py7zr: pip install "imaginet[archives]".') from error
    return py7zr


def volumes(container: str) -> tuple[list[str], State, list[int]]:
    """The volumes of an archive, in order, their state together, and the bytes of each.

    Raises:
        ArchiveError: naming the volume that is missing or cut short.
    """
    start = first_bytes(container, _START.size)
    if len(start) < _START.size or not start.startswith(_SIGNATURE):
        raise ArchiveError(f"{container} is no 7z archive, or not its first volume; fetch it again or give the volume .001.")
    _, _, _, offset, length, _ = _START.unpack(start)
    whole = _START.size + offset + length
    names, states = [container], [file_state(container)]
    while sum(state.size for state in states) < whole:
        have = f"{sum(state.size for state in states):,} of {whole:,} bytes"
        if not container.endswith(".001"):
            raise ArchiveError(f"{container} is cut short: {have} are there; fetch it again.")
        following = f"{container[:-3]}{len(names) + 1:03d}"
        try:
            states.append(file_state(following))
        except FileNotFoundError as error:
            if states[-1].size < states[0].size:
                raise ArchiveError(f"{names[-1]} is cut short: {have} of all volumes are there; fetch it again.") from error
            raise ArchiveError(
                f"The volume {following} is missing: {have} are there; put all volumes into one folder."
            ) from error
        names.append(following)
    sizes = [state.size for state in states]
    return names, State(sum(sizes), " ".join(state.stamp for state in states)), sizes


def _open(container: str, names: list[str], sizes: list[int]):
    py7zr = _py7zr()
    file = io.BufferedReader(RandomFile(names, sizes), 1 << 20)
    try:
        archive = py7zr.SevenZipFile(file)
    except py7zr.exceptions.PasswordRequired as error:
        raise ArchiveError(_encrypted_message(container)) from error
    except OSError:
        raise
    except Exception as error:  # whatever py7zr and its decoders make of damaged bytes
        raise ArchiveError(f"{container} is damaged: its list of entries cannot be read ({first_line(error)}); fetch it again.") from error
    if archive.needs_password():
        raise ArchiveError(_encrypted_message(container))
    return archive


def _encrypted_message(container: str) -> str:
    return f"{container} is encrypted; pack it again without a password."


def entries(container: str) -> tuple[State, dict[str, list]]:
    """The state of the volumes, and name -> [bytes, CRC-32 or null] of all files. Raises ArchiveError."""
    _py7zr()
    state = volumes(container)[1]
    return state, index_of(container, state, _make_index)


def _make_index(container: str, state: State) -> dict[str, list]:
    names, _, sizes = volumes(container)
    found = {}
    with _open(container, names, sizes) as archive:
        for entry in archive.list():
            check_path_traversal(container, entry.filename)
            if entry.is_directory or entry.is_symlink:
                continue
            if entry.filename in found:
                raise ArchiveError(f"{container} holds two entries called {entry.filename}; take one of them out.")
            found[entry.filename] = [entry.uncompressed, entry.crc32]
    return found


def read(container: str, names: Sequence[str]) -> Iterator[tuple[int, bytes]]:
    """Yields (index in ``names``, content) in the archive's order, while the next files are decompressed.

    Raises:
        ArchiveError: where the archive lacks one of them, or is damaged.
    """
    known = entries(container)[1]
    indices = {}
    for index, name in enumerate(names):
        if name not in known:
            raise ArchiveError(f"{container} holds no {name} (any more); build again.")
        indices.setdefault(pathlib.PurePath(name).as_posix(), []).append(index)  # as py7zr calls it
    run = _Extraction(container, {names[places[0]] for places in indices.values()})
    try:
        for name, content in run.files():
            for index in indices.pop(name):
                yield index, content
    finally:
        run.stop()
    if indices:
        raise ArchiveError(f"{container} changed while it was read; build again.")


class _Stopped(Exception):
    """The reader wants no more."""


class _Extraction:
    """py7zr pushes files into a sink; this lets them be pulled, from a thread that decompresses a few ahead."""

    def __init__(self, container: str, names: set[str]):
        self._container, self._names = container, names
        self._queue = queue.Queue(_WAITING)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"reads {container}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            names, _, sizes = volumes(self._container)
            sink = _sink(self._put)
            with _open(self._container, names, sizes) as archive:
                archive.extract(targets=self._names, factory=sink)
            sink.hand_over()
            self._put(None)
        except _Stopped:
            pass
        except Exception as error:  # told to the reader, in its own thread
            with contextlib.suppress(_Stopped):
                self._put(error)

    def _put(self, item) -> None:
        while not self._over.is_set():
            try:
                self._queue.put(item, timeout=0.2)
                return
            except queue.Full:
                continue
        raise _Stopped

    def files(self) -> Iterator[tuple[str, bytes]]:
        """(name, content) of the files, in the archive's order."""
        while (item := self._queue.get()) is not None:
            if isinstance(item, tuple):
                yield item
            elif isinstance(item, ArchiveError) or (isinstance(item, OSError) and item.errno is not None):
                raise item  # decoders raise OSErrors without a number for damage
            else:  # whatever py7zr and its decoders make of damaged bytes
                entry = getattr(item, "filename", None)
                what = f"the entry {entry}" if entry else "an entry"
                raise ArchiveError(
                    f"{self._container} is damaged: {what} cannot be read ({type(item).__name__}); fetch it again."
                ) from item

    def stop(self) -> None:
        """Ends the thread, wherever it is."""
        self._over.set()
        self._thread.join()


def _sink(give):
    """A py7zr writer factory that gives each file (name, content) to ``give`` once it is complete and its checksum right."""
    from py7zr.io import Py7zIO, WriterFactory

    class File(Py7zIO):
        def __init__(self, name: str):
            self.name, self.parts = name, []

        def write(self, part) -> int:
            self.parts.append(bytes(part))
            return len(part)

        def read(self, size=None) -> bytes:
            raise io.UnsupportedOperation("only written to")

        def seek(self, offset: int, whence: int = 0) -> int:
            return 0

        def flush(self) -> None:
            """Nothing is held back."""

        def size(self) -> int:
            return sum(map(len, self.parts))

    class Sink(WriterFactory):
        def __init__(self):
            self.file = None

        def create(self, filename: str) -> Py7zIO:
            self.hand_over()  # py7zr has checked the file before when it asks for the next
            self.file = File(filename)
            return self.file

        def hand_over(self) -> None:
            if self.file is not None:
                give((self.file.name, b"".join(self.file.parts)))
            self.file = None

    return Sink()
