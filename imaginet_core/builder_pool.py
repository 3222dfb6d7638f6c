"""The processes in which ``datasets`` builds with num_proc: they end with their parent, one of them may be killed, and what they
build from is theirs from the start where the system forks them.

``datasets`` uses multiprocess.Pool. If one of its processes is killed while it waits for work or takes some, it keeps the lock of
the queue, and ending the pool waits for that lock for ever; and if the parent is killed, idle processes stay.
"""

import contextlib
import copy
import functools
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import datasets.builder
import multiprocess
from multiprocess.managers import SyncManager
from multiprocess.pool import TERMINATE, Pool

_NOTICED = "abruptly died"
"""In the error that ``datasets`` raises when a process of its pool is not there any more."""


PARTS = 1000
"""Into which a long list is taken apart for the processes, at most."""
_shared: dict[int, Sequence] = {}
"""What this process has shared, and the one that it was forked from had: number -> the list."""


class Part(NamedTuple):
    """``[start:stop]`` of a shared list, which costs a few bytes to send to a process that has the list already."""

    shared: int
    start: int
    stop: int


@contextlib.contextmanager
def share(values: list) -> Iterator[list]:
    """``values`` as a list of :class:`Part`, for processes that are forked meanwhile; themselves where the system does not fork.

    Sending a long list of objects to a process takes longer than many a process works on it: ``datasets`` pickles with dill.
    """
    if multiprocess.get_start_method() != "fork":
        yield values
        return
    number, length = max(_shared, default=0) + 1, -(-len(values) // PARTS)
    _shared[number] = values
    try:
        yield [Part(number, start, min(start + length, len(values))) for start in range(0, len(values), length)]
    finally:
        del _shared[number]


def each_of(values: Sequence) -> Iterator:
    """The values of a list that :func:`share` gave, or of a part of it."""
    for value in values:
        if isinstance(value, Part):
            yield from _shared[value.shared][value.start : value.stop]
        else:
            yield value


class BuilderKilled(ValueError):
    """A process that built for this one was ended from outside; the message says what to do."""


class BuilderPool(Pool):
    """A pool whose end waits for no lock of a killed process. The process of its ``Manager`` ends with the parent, too."""

    def __init__(self, processes: int):
        context = copy.copy(multiprocess.get_context())
        context.Manager = functools.partial(_start_manager, context)
        super().__init__(processes, initializer=_prepare_worker, context=context)

    def terminate(self) -> None:
        """Ends all processes at once."""
        self._state = self._worker_handler._state = self._task_handler._state = TERMINATE
        self._change_notifier.put(None)
        self._worker_handler.join()  # it starts a process for each one that it finds ended, which would keep the lock as well
        for worker in list(self._pool):
            worker.kill()
            worker.join()
        for lock, seconds in ((self._inqueue._rlock, 0), (self._outqueue._wlock, 1)):
            if lock is not None:  # a killed process keeps it for ever; a thread of this one may need the second for a moment
                lock.acquire(timeout=seconds)
                lock.release()
        while self._task_handler.is_alive():  # it may be handing out work that nobody takes
            if self._inqueue._reader.poll(0.05):
                os.read(self._inqueue._reader.fileno(), 1 << 20)
        super().terminate()


def _start_manager(context) -> SyncManager:
    manager = SyncManager(ctx=context)
    manager.start(initializer=_prepare_worker)
    return manager


def _prepare_worker() -> None:
    """Ctrl-C is for the parent, which ends this process; without a parent there is nothing to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocess.parent_process().join()
    os._exit(1)


@contextlib.contextmanager
def builder_pool() -> Iterator[None]:
    """Lets ``datasets`` build in a :class:`BuilderPool`, which it has no public way for.

    Raises:
        BuilderKilled: in one sentence, if one of the processes was killed, for want of memory as a rule.
    """
    before = datasets.builder.Pool
    datasets.builder.Pool = BuilderPool
    try:
        yield
    except RuntimeError as error:
        if _NOTICED not in str(error):
            raise
        raise BuilderKilled(
            "One of the processes that build the data set was killed, as the system does when memory runs out, so nothing was "
            "built; try again with a smaller num_proc, or with more memory."
        ) from error
    except Exception as error:
        if _follows_interrupt(error):
            raise KeyboardInterrupt from None
        raise
    finally:
        datasets.builder.Pool = before


def _follows_interrupt(error: BaseException) -> bool:
    """Whether it came up while the work was being ended because of Ctrl-C, which it would hide."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None
