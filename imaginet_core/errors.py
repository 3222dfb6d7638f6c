"""What is told of errors that other libraries raise."""

import re

LONGEST = 300
"""Characters that are repeated of another library's message; some hold all that a damaged file has in place of a name."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message that says anything, cut where it is very long; the name of its class where it has none."""
    lines = (line.strip() for line in str(error).splitlines())
    line = next((line for line in lines if line), type(error).__name__)
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def sentence_of(error: BaseException) -> str:
    """What an error says. One from a loading process of torch arrives with a traceback around it; its last line says it."""
    text = str(error).strip() or type(error).__name__
    return re.sub(rf"^[\w.]*\b{type(error).__name__}: ", "", text.splitlines()[-1]) if text.startswith("Caught ") else text
