"""How every command ends when something is wrong: with one sentence and an exit status, never a traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.errors import HfHubHTTPError

from imaginet_core.safe_text import mask_secrets

STOPPED_BY_USER = 130
"""Exit status after Ctrl-C, as shells have it: 128 and the number of SIGINT."""


@contextmanager
def in_one_sentence(command: str, interrupted: str = "nothing was left behind") -> Iterator[None]:
    """Ends the program with status 1 and "imaginet COMMAND: SENTENCE" for what a user can mend, with 130 after Ctrl-C.

    Args:
        command: its name.
        interrupted: what becomes of the work after Ctrl-C, the end of a sentence.
    """
    try:
        yield
    except (ValueError, OSError, ModuleNotFoundError, HfHubHTTPError) as error:
        sys.exit(f"imaginet {command}: {mask_secrets(str(error))}")
    except KeyboardInterrupt:
        print(f"imaginet {command}: interrupted; {interrupted}.", file=sys.stderr)
        sys.exit(STOPPED_BY_USER)
