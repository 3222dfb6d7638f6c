"""One function over many images in several processes, with few of them in memory at a time.

On ``concurrent.futures``: joblib's ``Parallel(return_as="generator")`` takes jobs while nobody asks for results (1,374 of 2,000
after the first result and three seconds, with ``pre_dispatch=4``), so whole files would pile up in memory, and its processes take
three seconds to start.
"""

import collections
import contextlib
import itertools
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

BATCH = 8
"""Jobs sent to a process at a time."""


class WorkerKilled(ValueError):
    """A process that worked for this one was ended from outside; the message says what to do."""


def in_processes(function: Callable, jobs: Iterable, processes: int, batch: int = BATCH, apart: bool = False) -> Iterator:
    """``function(job)`` of every job, in the jobs' order.

    Twice as many batches as processes are under way at most, so jobs may hold whole files.

    Args:
        function: of a module's top level, as it is sent to other processes.
        jobs: read as they are needed, in this process.
        processes: 1 works in this one.
        batch: jobs that are sent to a process at a time; fewer where their results are large.
        apart: whether a single process is one beside this one, too, which then may use threads of its own.

    Raises:
        WorkerKilled: in one sentence, if one of the processes was killed, for want of memory as a rule.
        Exception: whatever ``function`` raises.
    """
    if processes == 1 and not apart:
        with _one_thread():
            yield from map(function, jobs)
        return
    # forked where that is safe: a process of its own would import everything anew, two seconds or more for each
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_prepare_worker)
    try:
        pool.submit(os.getpid).result()  # before jobs are read, perhaps in threads: a fork beside running threads may hang
        yield from _in_order(pool, function, iter(jobs), 2 * processes, batch)
    except BrokenProcessPool as error:
        raise WorkerKilled(
            f"One of the {processes} working processes was killed, as the system does when memory runs out; "
            "run the same command again with fewer processes, or with more memory."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(pool: ProcessPoolExecutor, function: Callable, jobs: Iterator, most: int, batch: int) -> Iterator:
    waiting = collections.deque()
    while some := list(itertools.islice(jobs, batch)):
        waiting.append(pool.submit(_run, function, some))
        if len(waiting) == most:
            yield from waiting.popleft().result()
    while waiting:
        yield from waiting.popleft().result()


def _run(function: Callable, batch: list) -> list:
    return [function(job) for job in batch]


def _limit_threads():
    """No threads within OpenCV and the linear algebra: they would wait for each other more than they help.

    0, not 1: with 1 OpenCV also ends its threads, and waits for ever in a process that was forked while they slept (opencv-python
    5.0, parallel_impl.cpp: it destroys a condition that threads of the other process wait for).
    """
    import cv2
    import threadpoolctl

    cv2.setNumThreads(0)
    return threadpoolctl.threadpool_limits(1)


@contextlib.contextmanager
def _one_thread():
    """As :func:`_limit_threads`, for a while."""
    import cv2

    before = cv2.getNumThreads()
    try:
        with _limit_threads():
            yield
    finally:
        cv2.setNumThreads(before)


def _prepare_worker() -> None:
    """One thread for good; Ctrl-C is for the parent, which ends this process, and without a parent there is nothing to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit_threads()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
