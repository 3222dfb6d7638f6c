"""Building in several processes: killed ones are noticed with a sentence, and none outlives its parent."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import datasets
import multiprocess
import pytest

from imaginet_core.builder_pool import BuilderKilled, BuilderPool, builder_pool, each_of, share
from tests.imaginet.trees import write_image


def test_a_pool_ends_although_a_process_was_killed_while_it_held_the_lock_of_the_queue():
    """multiprocess.Pool waits for that lock for ever."""
    pool = BuilderPool(2)
    assert pool.map(abs, [-1, -2]) == [1, 2]
    time.sleep(0.2)  # both wait for work now, one of them with the lock
    for worker in pool._pool:
        os.kill(worker.pid, signal.SIGKILL)
    waiting = pool.map_async(len, [bytes(1 << 22)] * 8, chunksize=1)  # more than a pipe holds, and nobody to take it
    ended = threading.Thread(target=pool.terminate, daemon=True)
    ended.start()
    ended.join(20)
    assert not ended.is_alive() and not waiting.ready()


def test_a_killed_process_ends_the_build_with_a_sentence(tmp_path, monkeypatch):
    import imaginet

    for number in range(40):
        write_image(tmp_path / "raw" / "train" / ("real", "synthetic")[number % 2] / f"{number}.png", number)

    def dying(self, *args, **keywords):
        os.kill(os.getpid(), signal.SIGKILL)
        yield

    monkeypatch.setattr(imaginet.ImagiNet, "_generate_examples", dying)
    before = datasets.builder.Pool
    with pytest.raises(BuilderKilled, match="was killed.*smaller num_proc"):
        datasets.load_dataset("imaginet", data_dir=str(tmp_path / "raw"), cache_dir=str(tmp_path / "cache"), num_proc=2)
    assert datasets.builder.Pool is before


def test_an_error_that_follows_an_interrupt_does_not_hide_it():
    with pytest.raises(KeyboardInterrupt), builder_pool():
        try:
            raise KeyboardInterrupt
        finally:
            raise EOFError


WAITING = """
import sys, time
from imaginet_core.builder_pool import BuilderPool
with BuilderPool(2) as pool, pool._ctx.Manager() as manager:
    print(*(worker.pid for worker in pool._pool), manager._process.pid, flush=True)
    time.sleep(60)
"""


def test_no_process_outlives_a_killed_parent(repository):
    parent = subprocess.Popen([sys.executable, "-c", WAITING], cwd=repository, stdout=subprocess.PIPE, text=True)
    children = [int(pid) for pid in parent.stdout.readline().split()]
    parent.kill()
    parent.wait()
    limit = time.monotonic() + 10
    while (left := [pid for pid in children if os.path.exists(f"/proc/{pid}")]) and time.monotonic() < limit:
        time.sleep(0.1)
    parent.stdout.close()
    assert len(children) == 3 and not left


def test_a_forked_process_has_a_long_list_already_and_gets_all_of_it_once():
    values = [(number, "x" * 1000) for number in range(12_345)]
    with share(values) as parts:
        halves = parts[: len(parts) // 2], parts[len(parts) // 2 :]
        with multiprocess.get_context("fork").Pool(2) as pool:
            seen = pool.map(lambda half: [number for number, _ in each_of(half)], halves)
    assert [number for half in seen for number in half] == list(range(12_345))
    assert len(pickle.dumps(parts)) < len(values) * 10
    assert list(each_of(values[:3])) == values[:3]


def test_where_the_system_does_not_fork_the_list_itself_is_sent(monkeypatch):
    monkeypatch.setattr(multiprocess, "get_start_method", lambda: "spawn")
    with share([1, 2, 3]) as parts:
        assert parts == [1, 2, 3] == list(each_of(parts))
