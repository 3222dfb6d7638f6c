"""Ctrl-C from a program's first line on: one sentence and status 130, never a traceback. Imports nothing that takes time."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130
"""Exit status of a program that ends by Ctrl-C, as shells have it: 128 and the number of SIGINT."""


def end_at_once_on_interrupt(program: str) -> None:
    """Until ``raise_on_interrupt``, Ctrl-C ends the program at once, with a sentence that names it.

    For the seconds in which libraries are imported: some turn a KeyboardInterrupt in there into errors of their own, and nothing
    has been begun that would have to be put away. Where Ctrl-C is ignored already, as in a shell's background, it stays so.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _End(program))


class _End:
    """A handler of signals that ends the program."""

    def __init__(self, program: str):
        self.program = program

    def __call__(self, *_) -> None:
        if int(os.environ.get("RANK", 0)) == 0:  # of several processes of a launch, one speaks
            os.write(2, f"{self.program}: interrupted while it was starting; nothing was done.\n".encode())
        os._exit(INTERRUPTED)


def raise_on_interrupt() -> None:
    """After ``end_at_once_on_interrupt``: Ctrl-C raises KeyboardInterrupt again, so that what was begun is put away."""
    if isinstance(signal.getsignal(signal.SIGINT), _End):
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def one_sentence_on_interrupt(program: str, outcome: str) -> Iterator[None]:
    """On Ctrl-C puts away what was begun and then ends the program with "PROGRAM: interrupted; OUTCOME." and status 130."""
    try:
        raise_on_interrupt()
        yield
    except KeyboardInterrupt:
        print(f"{program}: interrupted; {outcome}.", file=sys.stderr, flush=True)
        sys.exit(INTERRUPTED)
