"""The processes in which ``datasets`` builds with num_proc: they end with their parent, and one of them may be killed.

``datasets`` uses multiprocess.Pool. If one of its processes is killed while it waits for work or takes some, it keeps the lock of
the queue, and ending the pool waits for that lock for ever; and if the parent is killed, idle processes stay.
"""

import contextlib
import copy
import functools
import os
import signal
import threading
from collections.abc import Iterator

import datasets.builder
import multiprocess
from multiprocess.managers import SyncManager
from multiprocess.pool import TERMINATE, Pool

_NOTICED = "abruptly died"
"""In the error that ``datasets`` raises when a process of its pool is not there any more."""


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
        for worker in list(self._pool):
            worker.kill()
            worker.join()
        for lock in filter(None, (self._inqueue._rlock, self._outqueue._wlock)):
            lock.acquire(block=False)  # whoever held it is gone
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
