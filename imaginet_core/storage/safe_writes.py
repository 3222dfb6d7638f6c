"""Files and folders that appear whole or not at all, and locks. The only places where this project does either.

What is written lies beside its place under another name until it is complete, and is then renamed, which a file system does at
once or not at all: whoever looks sees what was there before or what is there now, also when a process is killed on the way.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import filelock

PART = ".part"
"""Ending of what is not complete yet."""


@contextlib.contextmanager
def write_aside(file: str | Path, durable: bool = False) -> Iterator[Path]:
    """Gives a path to write to, and renames what was written there to ``file`` at the end; on an error nothing is left.

    Args:
        file: its folder is made if need be; what is there already stays until the new file is complete. Where it is a link, what
            it leads to is replaced.
        durable: whether to wait until the content is on the disk, so that it outlives a power cut too. Slow for many files.

    Raises:
        OSError: as writing and renaming do.
    """
    file = Path(os.path.realpath(file))
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name[:40]}.{secrets.token_hex(4)}{PART}")
    try:
        yield aside
        if durable:
            with open(aside, "rb+") as written:
                os.fsync(written.fileno())
        os.replace(aside, file)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def remove_parts(folder: str | Path) -> None:
    """Removes what killed processes left of :func:`write_aside` below ``folder``; for the one who holds that folder's lock."""
    for left in Path(folder).rglob(f".*{PART}"):
        left.unlink(missing_ok=True)


def check_new_folder(folder: str | Path) -> Path:
    """Makes sure, before any work, that :func:`new_folder` can make ``folder``; returns it with its links followed.

    Raises:
        FileExistsError: in one sentence, if it holds something, or is a file.
        ValueError: in one sentence, if it is where a disk is mounted: nothing can be moved onto that.
        PermissionError: as :func:`check_writable` does.
    """
    found = Path(os.path.realpath(folder))
    if found.exists() and (not found.is_dir() or any(found.iterdir())):
        raise FileExistsError(f"{folder} exists and is not empty; choose another folder.")
    if os.path.ismount(found):
        raise ValueError(f"{folder} is where a disk is mounted, which no folder can be moved onto; give a new folder inside it.")
    check_writable(found.parent, named=folder)
    return found


def check_writable(folder: str | Path, named: str | Path | None = None) -> None:
    """Makes sure, before any work, that files can be written into ``folder``, which is made later if it is not there.

    Args:
        folder: an existing folder, or one to be made.
        named: what the sentence names; by default ``folder``.

    Raises:
        PermissionError: in one sentence, if it may not be written here, or lies below a file.
    """
    there = Path(os.path.realpath(folder))
    while not there.exists() and there != there.parent:
        there = there.parent
    named = folder if named is None else named
    if not there.is_dir():
        raise PermissionError(f"{named} cannot be written, as {there} is no folder; choose another place.")
    if not os.access(there, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(f"{named} may not be written here ({there} is closed to you, or read-only); choose another place.")


@contextlib.contextmanager
def new_folder(folder: str | Path) -> Iterator[Path]:
    """Gives an empty folder to write into, and moves it to ``folder`` at the end; on an error nothing is left.

    What a killed run left is recognised by its lock, which nobody holds any more, and replaced.

    Args:
        folder: must not exist, or be empty; its parents are made. Where it is a link, what it leads to is meant.

    Raises:
        FileExistsError: in one sentence, before any work, if another process is writing it.
        OSError, ValueError: as :func:`check_new_folder`, writing and renaming do.
    """
    named, folder = folder, check_new_folder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside, lock_file = (folder.with_name(f".{folder.name[:100]}{ending}") for ending in (PART, ".lock"))
    lock = lock_or_refuse(lock_file, f"Another process is writing {named} right now; wait for it, or choose another folder.")
    try:
        if aside.exists():
            shutil.rmtree(aside)
        aside.mkdir()
        yield aside
        os.replace(aside, folder)  # onto an empty folder at most
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    finally:
        lock_file.unlink(missing_ok=True)  # while it is held, so that nobody has it in hand
        lock.release()


def lock_or_refuse(file: str | Path, sentence: str) -> filelock.FileLock:
    """The lock on ``file``, held; the system lets go of it when a process ends, however it ends.

    Raises:
        FileExistsError: with the sentence, where another process holds it.
    """
    lock = filelock.FileLock(file, blocking=False)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise FileExistsError(sentence) from error
    return lock


class HeldLock:
    """A read or write lock that is held until :meth:`release`, the end of a ``with`` block, or the end of the process."""

    def __init__(self, lock: filelock.ReadWriteLock):
        self._lock = lock

    def release(self) -> None:
        """Lets go of the lock; once is enough."""
        if self._lock is not None:
            self._lock.release()
            self._lock.close()
            self._lock = None

    def __enter__(self) -> "HeldLock":
        return self

    def __exit__(self, *error) -> None:
        self.release()


def read_lock(file: str | Path) -> HeldLock:
    """A lock that many may hold at the same time, while nobody holds the write lock; waits for it.

    Args:
        file: used for nothing else, on a local disk; made if it is not there. An empty file of another kind of lock will do.
    """
    return _held(file, "acquire_read", blocking=True)


def write_lock(file: str | Path, wait: bool = True) -> HeldLock | None:
    """A lock that one process holds alone, without readers beside it; None where others hold it and ``wait`` is false."""
    try:
        return _held(file, "acquire_write", blocking=wait)
    except filelock.Timeout:
        return None


def _held(file: str | Path, how: str, blocking: bool) -> HeldLock:
    # an instance of its own for each lock: a shared one would count a second lock of this process as the first
    lock = filelock.ReadWriteLock(str(file), blocking=blocking, is_singleton=False)
    try:
        getattr(lock, how)()
    except BaseException:
        lock.close()
        raise
    return HeldLock(lock)
