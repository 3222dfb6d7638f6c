"""Failures of the network, which are of all inputs and not of one: asked again, and told from what is wrong with an input."""

import re
import time
from collections.abc import Callable
from typing import TypeVar

from imaginet_core.storage.files import is_remote

Found = TypeVar("Found")
WAITS = (0.5, 2.0, 8.0)
"""Seconds before what failed is asked again."""
_NO_ANSWER = re.compile(r"took longer|connection ended|server cannot be read|cannot be reached")
_BUSY = re.compile(r"answered (408|429|5\d\d)")
_CLOSED = "may not be read by this user"
ADVICE = (
    "run the same command with --resume when it answers, or with --skip_unreachable, which gives such inputs a row with the reason"
)


class NetworkDown(OSError):
    """Something behind the network gives no answer, or is closed; the message says what to do."""


def ask_again(ask: Callable[[], Found]) -> Found:
    """What ``ask`` returns; asked again after growing pauses where the network failed or a server was busy.

    Raises:
        OSError, ValueError: of the last time, or at once where asking again would not help.
    """
    for wait in WAITS:
        try:
            return ask()
        except (OSError, ValueError) as error:
            if not (_NO_ANSWER.search(str(error)) or _BUSY.search(str(error))):
                raise
            time.sleep(wait)
    return ask()


def is_down(sentence: str, location: str) -> bool:
    """Whether an input could not be had for a reason that is of others, too: no answer came, or a bucket is closed.

    A server that answers, though with an error, a missing file and a closed file on this machine are of one input alone.
    """
    return bool(_NO_ANSWER.search(sentence)) or (_CLOSED in sentence and is_remote(location))
