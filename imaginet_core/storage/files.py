"""Random reads of local files and fsspec URLs, whole or in volumes, with errors that say what to do."""

import contextlib
import errno
import io
import os
import stat
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

from imaginet_core.safe_text import mask_secrets

REMOTE_BUFFER = 64 << 10
"""Bytes fetched at least when a remote file is read at random."""
_STAMPS = (
    "ETag", "etag", "Content-MD5", "md5Hash", "blob_id", "Last-Modified", "LastModified", "last_modified", "mtime", "created",
)
"""What the file systems of fsspec call a file's version, best first."""


class State(NamedTuple):
    """Size in bytes (-1 where not known) and stamp of a file; two states differ when the file has changed."""

    size: int
    stamp: str


class FileLocation(NamedTuple):
    """Where a file's bytes lie.

    Attributes:
        container: path or fsspec URL of an archive (its first volume), or "" for a file of its own.
        member: the file's path or fsspec URL, or the exact name inside the archive.
        size: bytes; -1 where not known.
        stamp: whatever changes with the content: times of change, checksum, ETag.
    """

    container: str
    member: str
    size: int
    stamp: str


class ArchiveError(ValueError):
    """An archive, or an entry of it, that cannot be used; the message names it, without secrets, and says what to do."""

    def __init__(self, message: str):
        super().__init__(mask_secrets(message))


class LocationError(OSError):
    """A file or URL that cannot be read; the message names it, without secrets, and says what to do."""

    def __init__(self, message: str):
        super().__init__(mask_secrets(message))


def is_remote(location: str) -> bool:
    """Whether ``location`` is an fsspec URL such as https://… or s3://…"""
    return "://" in location


@contextlib.contextmanager
def explain_errors(location: str):
    """Turns whatever a file system raises into a FileNotFoundError, PermissionError or LocationError of one sentence."""
    try:
        yield
    except LocationError:
        raise
    except PermissionError as error:
        raise PermissionError(f"{mask_secrets(location)} may not be read by this user; change its or its folder's permissions.") from error
    except OSError as error:
        if not is_remote(location):
            if isinstance(error, FileNotFoundError | NotADirectoryError):
                raise FileNotFoundError(f"{location} does not exist.") from error
            raise LocationError(f"{location} cannot be read: {error.strerror or error}.") from error
        raise _unreachable(location, error) from error
    except Exception as error:
        if not is_remote(location):  # a fault of ours, or of an archive: not for here
            raise
        raise _unreachable(location, error) from error


def _unreachable(location: str, error: Exception) -> OSError:
    """fsspec passes on the errors of every network library that it uses."""
    cause = error.__cause__ or error
    reason = " ".join(str(cause).split()) or type(cause).__name__
    if isinstance(cause, FileNotFoundError) or getattr(cause, "status", None) == 404:
        return FileNotFoundError(mask_secrets(f"{location} cannot be found ({reason}); check the address."))
    advice = "check address and network, or download it and give the local path"
    return LocationError(mask_secrets(f"{location} cannot be reached ({reason}); {advice}."))


def file_state(location: str) -> State:
    """Size and stamp of a file: modification time, or ETag and the like of a URL.

    Raises:
        FileNotFoundError, PermissionError, LocationError: with one sentence.
    """
    with explain_errors(location):
        if not is_remote(location):
            found = os.stat(location)
            check_regular(location, found)
            return State(found.st_size, stamp_of(found))
        system, path = file_system(location)
        found = system.info(path)
        size = found.get("size")
        return State(-1 if size is None else size, version_of(found))


_KINDS = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}


def check_regular(file: str, state: os.stat_result | None = None) -> None:
    """Raises LocationError for a folder, and for a pipe, socket or device, which would keep whoever reads it waiting for ever.

    Args:
        file: path on this machine; links are followed.
        state: of it, where it is known already.
    """
    mode = (state or os.stat(file)).st_mode
    if not stat.S_ISREG(mode):
        raise LocationError(f"{file} is {_KINDS.get(stat.S_IFMT(mode), 'something else')}, not a regular file; replace it or leave it out.")


def open_regular(file: str, buffering: int = -1) -> io.BufferedReader:
    """A file on this machine, opened for reading bytes, if it is a regular one; opening never waits.

    Raises:
        OSError: where it cannot be opened; LocationError as ``check_regular`` does.
    """
    return io.open(file, "rb", buffering, opener=_open_at_once)


def _open_at_once(file: str, flags: int) -> int:
    check_regular(file)
    return os.open(file, flags | getattr(os, "O_NONBLOCK", 0))  # it may have become a pipe since


def stamp_of(state: os.stat_result) -> str:
    """Changes with a local file's content, also where its time of modification was set back: the second is the system's."""
    return f"{state.st_mtime_ns} {state.st_ctime_ns}"


NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
"""Numbers of the errors which say that there is no such file: no entry, a link to itself, a name that no file system has."""


def walk_files(folder: str, on_error: Callable[[str, OSError], None] | None = None) -> Iterator[str]:
    """Paths of all that is no folder below a folder, relative to it with "/"; not only of regular files, see check_regular.

    Links to folders are followed, but not back to where they lie.

    Args:
        folder: where to begin.
        on_error: is told of each folder that cannot be listed, which is then passed over.

    Raises:
        OSError: for a folder that cannot be listed, as file_state does, where there is no ``on_error``.
    """
    waiting = [("", (os.path.realpath(folder),))]
    while waiting:
        below, trail = waiting.pop()
        try:
            with explain_errors(f"{folder}/{below}".rstrip("/")):
                entries = sorted(os.scandir(f"{folder}/{below}"), key=lambda entry: entry.name)
        except OSError as error:
            if on_error is None:
                raise
            on_error(f"{folder}/{below}".rstrip("/"), error)
            continue
        for entry in entries:
            # a link to itself makes is_dir raise an error
            if not (os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()):
                yield f"{below}{entry.name}"
                continue
            place = os.path.realpath(entry.path) if entry.is_symlink() else f"{trail[-1]}/{entry.name}"
            if not any(f"{passed}/".startswith(f"{place}/") for passed in trail):
                waiting.append((f"{below}{entry.name}/", (*trail, place)))


def version_of(entry: dict) -> str:
    """What a file system of fsspec tells of a file's version; else its size."""
    return next((str(entry[key]) for key in _STAMPS if entry.get(key)), f"{entry.get('size')} bytes")


CONNECT_SECONDS, ANSWER_SECONDS = 15, 60
"""How long a web server may take to accept a connection, and to send anything more; fsspec alone would wait for five minutes."""


def file_system(url: str):
    """fsspec's file system of a URL and the path in it; a web server that does not answer is given up."""
    import fsspec

    chained = url.rpartition("::")[2]
    if not chained.startswith(("http://", "https://")):
        return fsspec.core.url_to_fs(url)
    import aiohttp

    patience = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=ANSWER_SECONDS)
    options = {"client_kwargs": {"timeout": patience}}
    protocol = chained.partition("://")[0]
    return fsspec.core.url_to_fs(url, **(options if chained == url else {protocol: options}))


def first_bytes(location: str, length: int) -> bytes:
    """The first bytes of a file. Raises as file_state does."""
    with explain_errors(location), _open_at_random(location, seekable=False) as file:
        return file.read(length)


def open_stream(location: str) -> io.BufferedReader:
    """Opens a file for reading from its beginning to its end; a URL's server need not know ranges. Raises as file_state does."""
    return io.BufferedReader(_Sequential(location), 1 << 20)


class _Sequential(io.RawIOBase):
    def __init__(self, location: str):
        super().__init__()
        self._location, self._position = location, 0
        with explain_errors(location):
            if is_remote(location):
                system, path = file_system(location)
                self._file = system.open(path, "rb")
            else:
                self._file = open_regular(location, buffering=0)

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer) -> int:
        with explain_errors(self._location):
            content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)

    def close(self) -> None:
        self._file.close()
        super().close()


class RandomFile(io.RawIOBase):
    """One file, or several volumes one after the other, read at any position.

    Opens its volumes anew in each process, so it may be carried over a fork. Not for several threads at once.

    Args:
        locations: paths or fsspec URLs of the volumes, in order.
        sizes: bytes of each.
    """

    def __init__(self, locations: list[str], sizes: list[int]):
        super().__init__()
        self.locations = locations
        self.size = sum(sizes)
        self._starts = [sum(sizes[:number]) for number in range(len(sizes) + 1)]
        self._position = 0
        self._handles = {}
        self._window = (0, b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = max(0, offset + (0, self._position, self.size)[whence])
        return self._position

    def readinto(self, buffer) -> int:
        content = self.read_at(self._position, len(buffer))
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)

    def prefetch(self, start: int, length: int) -> None:
        """Fetches a range at once if it lies in a remote file, for the reads that follow."""
        if is_remote(self.locations[0]):
            start = max(0, start)
            self._window = (start, b"")
            self._window = (start, self._fetch(start, min(length, self.size - start)))

    def read_at(self, start: int, length: int) -> bytes:
        """``length`` bytes from position ``start`` on; fewer only at the end. Raises as file_state does."""
        length = min(length, self.size - start)
        if length <= 0:
            return b""
        first, content = self._window
        if first <= start and start + length <= first + len(content):
            return content[start - first : start - first + length]
        if is_remote(self.locations[0]) and length < REMOTE_BUFFER:
            self.prefetch(start, REMOTE_BUFFER)
            return self._window[1][:length]
        return self._fetch(start, length)

    def _fetch(self, start: int, length: int) -> bytes:
        parts = []
        for number, location in enumerate(self.locations):
            begin, end = max(start, self._starts[number]), min(start + length, self._starts[number + 1])
            if begin < end:
                parts.append(self._read_volume(number, location, begin - self._starts[number], end - begin))
        return b"".join(parts) if len(parts) > 1 else parts[0]

    def _read_volume(self, number: int, location: str, start: int, length: int) -> bytes:
        with explain_errors(location):
            key = (os.getpid(), number)
            if key not in self._handles:
                self._handles[key] = _open_at_random(location)
            handle = self._handles[key]
            handle.seek(start)
            content = handle.read(length)
        if len(content) < length:
            raise LocationError(
                f"{location} ended early, at byte {start + len(content):,}: it changed, or the connection broke; try again."
            )
        return content

    def close(self) -> None:
        for (process, _), handle in self._handles.items():
            if process == os.getpid():
                handle.close()
        self._handles = {}
        super().close()


def _open_at_random(location: str, seekable: bool = True):
    if not is_remote(location):
        return open_regular(location, buffering=0)
    system, path = file_system(location)
    handle = system.open(path, "rb", cache_type="none")  # by itself fsspec fetches 5 MB around every read
    if seekable and not handle.seekable():
        raise OSError("its server cannot send parts of a file")
    return handle


LOCK = threading.RLock()
"""Held while a shared handle is opened or read, and over a fork: no child inherits one in the middle of a read."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release)

_SHARED = {}


def shared_file(location: str, fresh: bool = False) -> tuple[State, RandomFile]:
    """The state of a file and a handle on it that this process keeps open; to be read with LOCK held.

    A local file that has changed is opened anew; a remote one only where ``fresh`` asks for it. Raises as file_state does.
    """
    with LOCK:
        known = _SHARED.get(location)
        if known is None or fresh or not is_remote(location):
            state = file_state(location)
            if state.size < 0:
                raise LocationError(f"The server of {location} does not tell its size; download it and give the local path.")
            if known is None or known[0] != state:
                known = _SHARED[location] = (state, RandomFile([location], [state.size]))
        return known
