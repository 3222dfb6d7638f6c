"""One function over many images in several processes, with few of them in memory at a time."""

import contextlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator

BATCH = 8
"""Jobs sent to a process at a time."""


def in_processes(function: Callable, jobs: Iterable, processes: int) -> Iterator:
    """``function(job)`` of every job, in the jobs' order.

    A pool's own ``imap`` takes in all that it is given; here twice as many batches as processes are waiting at most, so jobs may
    hold whole files.

    Args:
        function: of a module's top level, as it is sent to other processes.
        jobs: read as they are needed.
        processes: 1 works in this one.
    """
    if processes == 1:
        with _one_thread():
            yield from map(function, jobs)
        return
    with multiprocessing.Pool(processes, initializer=_one_thread_for_good) as pool:
        waiting, batch = [], []
        for job in jobs:
            batch.append(job)
            if len(batch) == BATCH:
                waiting.append(pool.map_async(function, batch))
                batch = []
            if len(waiting) == 2 * processes:
                yield from waiting.pop(0).get()
        waiting.append(pool.map_async(function, batch))
        for done in waiting:
            yield from done.get()


@contextlib.contextmanager
def _one_thread():
    """No threads within OpenCV and the linear algebra: they would wait for each other more than they help."""
    import cv2
    import threadpoolctl

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threadpoolctl.threadpool_limits(1):
            yield
    finally:
        cv2.setNumThreads(before)


def _one_thread_for_good() -> None:
    _one_thread().__enter__()
