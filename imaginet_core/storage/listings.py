"""Lists of what archives hold that take a pass over the whole archive to make: made once, kept in the cache of ``datasets``."""

import functools
import hashlib
import io
import json
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

import datasets

from imaginet_core.safe_text import mask_secrets
from imaginet_core.storage.files import ArchiveError, State
from imaginet_core.storage.safe_writes import write_aside

logger = logging.getLogger(__name__)

_FORM = 1
"""Raised when what is written changes."""


def index_folder() -> Path:
    """Where indexes are kept: ``imaginet/indexes`` in the cache of Hugging Face (HF_HOME)."""
    return Path(datasets.config.HF_CACHE_HOME) / "imaginet" / "indexes"


def index_file(location: str, ending: str) -> Path:
    """The index of the archive or folder ``location``."""
    return index_folder() / f"{hashlib.sha256(location.encode(errors='surrogateescape')).hexdigest()[:24]}{ending}"


def absolute(location: str) -> str:
    """The same location however it is spelled; URLs as they are."""
    return location if "://" in location else os.path.realpath(location)


_OUTSIDE = re.compile(r"(?:^|[/\\])\.\.(?:[/\\]|$)|^[/\\]|^[A-Za-z]:[/\\]")


def check_path_traversal(container: str, entry: str, target: str | None = None) -> None:
    """Raises ArchiveError if an entry, or what it links to, lies outside its archive."""
    if _OUTSIDE.search(entry if target is None else target):
        link = f" links to {target}, which" if target is not None else ""
        raise ArchiveError(f"{container} is not read: its entry {entry!r}{link} lies outside of it; pack it again without that.")


def index_of(container: str, state: State, make: Callable[[str, State], dict]) -> dict[str, list]:
    """The index of an archive, made with ``make(container, state)`` if there is none or the archive has changed since.

    Args:
        container: path or fsspec URL.
        state: of the container, or of its volumes together.
        make: gives entry -> [size, a number that tells the entry's content or place].

    Returns:
        what ``make`` gave.
    """
    return _index_of(absolute(container), state, make)


@functools.lru_cache(maxsize=4)
def _index_of(container: str, state: State, make: Callable) -> dict:
    file = index_file(container, ".json")
    head = {"form": _FORM, "location": container, "size": state.size, "stamp": state.stamp}
    try:
        with io.open(file, encoding="utf-8") as stream:
            saved = json.load(stream)
        if {key: saved.get(key) for key in head} == head:
            return saved["entries"]
    except FileNotFoundError:
        pass
    except (OSError, ValueError, AttributeError) as error:
        logger.warning("The index %s cannot be read (%s) and is made anew.", file, error)
    entries = make(container, state)
    try:
        with write_aside(file) as aside:
            aside.write_text(json.dumps({**head, "entries": entries}), encoding="utf-8")
    except OSError as error:
        logger.warning("The index of %s cannot be kept in %s (%s); next time it is made again.", mask_secrets(container), file.parent, error)
    return entries
