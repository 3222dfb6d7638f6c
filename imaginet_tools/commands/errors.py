"""How every command ends when something is wrong: with one sentence and an exit status, never a traceback."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.errors import HfHubHTTPError

from imaginet_core.interrupts import one_sentence_on_interrupt
from imaginet_core.safe_text import mask_secrets


@contextmanager
def in_one_sentence(command: str, interrupted: str = "nothing was left behind") -> Iterator[None]:
    """Ends the program with status 1 and "imaginet COMMAND: SENTENCE" for what a user can mend, with 130 after Ctrl-C.

    Args:
        command: its name.
        interrupted: what becomes of the work after Ctrl-C, the end of a sentence.
    """
    try:
        with one_sentence_on_interrupt(f"imaginet {command}", interrupted):
            yield
    except BrokenPipeError:
        raise  # nobody reads on, as with `| head`: nothing is wrong; see quiet_when_nobody_reads
    except ModuleNotFoundError as error:
        sys.exit(sentence_of_missing_package(command, error))
    except (ValueError, OSError, HfHubHTTPError) as error:
        sys.exit(f"imaginet {command}: {mask_secrets(str(error))}")


def sentence_of_missing_package(command: str, error: ModuleNotFoundError) -> str:
    """What to install for a command."""
    advice = "" if "pip install" in str(error) else '; pip install "imaginet[all]" brings what every command needs.'
    return f"imaginet {command}: {error}{advice}"


@contextmanager
def quiet_when_nobody_reads() -> Iterator[None]:
    """Ends the program without a word where whoever read its output, such as ``head``, has ended."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is written there when Python ends
        sys.exit(1)
