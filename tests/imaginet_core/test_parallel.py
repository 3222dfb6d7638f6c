"""Ordered work in processes: few jobs at a time, and an end with a sentence when a process is killed."""

import functools
import os
import signal
import subprocess
import sys
import time

import pytest

from imaginet_core.parallel import BATCH, WorkerKilled, in_processes


def square(number: int) -> int:
    time.sleep(0.002 * (number % 3))  # so that they do not end in their order
    return number * number


def fail_at_twenty(number: int) -> int:
    if number == 20:
        raise ValueError("twenty is too many")
    return number


def die_at_twenty(number: int) -> int:
    if number == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def threads_of_opencv(_) -> tuple[int, int]:
    import cv2

    return os.getpid(), cv2.getNumThreads()


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("jobs", [0, 1, BATCH, 100])
def test_results_come_in_the_jobs_order(processes, jobs):
    assert list(in_processes(square, range(jobs), processes)) == [number * number for number in range(jobs)]


def test_few_jobs_are_taken_ahead():
    taken = 0

    def jobs():
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield number

    results = in_processes(square, jobs(), 2)
    for number in range(300):
        assert next(results) == number * number
        assert taken <= number + 1 + 4 * BATCH + BATCH
    results.close()


def test_jobs_run_in_other_processes_with_one_thread_each():
    found = set(in_processes(threads_of_opencv, range(50), 2))
    assert os.getpid() not in {process for process, _ in found} and {threads for _, threads in found} == {1}


def test_processes_start_where_opencv_s_own_threads_sleep(repository):
    """As in a notebook that used OpenCV before: threads do not come along in a fork, but what waits for them does."""
    script = (
        "import time, cv2, numpy as np\nfrom imaginet_core.parallel import in_processes\n"
        "cv2.setNumThreads(4)\ncv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (0, 0), 3)\ntime.sleep(0.5)\n"
        "assert list(in_processes(abs, range(50), 2)) == list(range(50)) and cv2.getNumThreads() == 4"
    )
    subprocess.run([sys.executable, "-c", script], cwd=repository, check=True, timeout=60)


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_arrives_as_it_is_after_the_results_before_it(processes):
    results = in_processes(fail_at_twenty, range(100), processes)
    assert [next(results) for _ in range(2 * BATCH)] == list(range(2 * BATCH))
    with pytest.raises(ValueError, match="^twenty is too many$"):
        list(results)


def test_a_killed_process_ends_the_run_with_a_sentence_within_seconds():
    start = time.monotonic()
    with pytest.raises(WorkerKilled, match="was killed.* again with fewer processes") as raised:
        list(in_processes(die_at_twenty, range(1000), 2))
    assert time.monotonic() - start < 10 and "\n" not in str(raised.value)


ENDLESS = """
import itertools, os, sys, time
from imaginet_core.parallel import in_processes

def slowly(number):
    time.sleep(0.05)
    return os.getpid()

if __name__ == "__main__":
    for done in in_processes(slowly, itertools.count(), 2):
        print(done, flush=True)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_one_that_started_it(tmp_path, repository, how):
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # also where these tests run in the background, which ignores it
    process = subprocess.Popen([sys.executable, script], **pipes, env=environment, start_new_session=True, preexec_fn=heard)
    workers = {int(process.stdout.readline()) for _ in range(4 * BATCH)}
    os.killpg(process.pid, how) if how == signal.SIGINT else process.kill()  # as Ctrl-C at a terminal reaches all of them
    _, told = process.communicate(timeout=60)
    assert told.count("Traceback") <= 1  # the parent's, none of the workers'
    deadline = time.monotonic() + 10
    while any(_is_alive(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert workers and not any(_is_alive(worker) for worker in workers)


def _is_alive(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
