"""How a run that cannot go on ends: with one sentence, said by one of its processes, and an exit status."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from imaginet_core.errors import sentence_of
from imaginet_core.interrupts import INTERRUPTED, raise_on_interrupt

EXPECTED = (ValueError, OSError, FloatingPointError, ModuleNotFoundError)
"""Errors whose words are for the user; any other is ours, and keeps its traceback."""
KILLED_WORKER = (
    "A process that reads pictures for this one was killed, as the system does when memory runs out. The same command with "
    "--resume goes on from the last checkpoint; a smaller --num_workers or --batch_size needs less memory."
)
HEAD_START = 3.0
"""Seconds that a process waits before it says what stopped it, so that the first one's words, if there are any, are the only
ones: when that one ends, the launcher ends the others."""


def is_first_process() -> bool:
    """Whether this is the launch's first process, also before the processes know of each other."""
    return int(os.environ.get("RANK", 0)) == 0


@contextmanager
def one_sentence(program: str) -> Iterator[None]:
    """Ends the program with one sentence and an exit status for whatever a user can mend, and for Ctrl-C."""
    try:
        raise_on_interrupt()
        yield
    except KeyboardInterrupt:
        _end(program, "Interrupted. The same command with --resume goes on from the last checkpoint.", INTERRUPTED)
    except EXPECTED as error:
        _end(program, sentence_of(error), 1)
    except RuntimeError as error:
        if is_killed_worker(error):
            _end(program, KILLED_WORKER, 1)
        if not is_lost_connection(error):
            raise
        _end(program, "Another process of this run ended; what it said tells why.", 1)


def is_killed_worker(error: RuntimeError) -> bool:
    """Whether an error is torch's of a process that loads data and is gone; what such a process raises has other words."""
    return str(error).startswith("DataLoader worker (pid")


def is_lost_connection(error: RuntimeError) -> bool:
    """Whether an error says that another process is gone: of torch.distributed's own kinds, or gloo's, which has none."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return False
    return isinstance(error, torch.distributed.DistError) or "gloo" in str(error) or "Connection closed by peer" in str(error)


def _end(program: str, words: str, status: int) -> None:
    if not is_first_process():
        time.sleep(HEAD_START)
    print(f"{program}: {words}", file=sys.stderr, flush=True)
    sys.exit(status)
