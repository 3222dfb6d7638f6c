"""Where results are kept from one run to the next: the user's cache."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """IMAGINET_CACHE, else "imaginet" in the user's cache (XDG_CACHE_HOME, else ``~/.cache``); it need not be there."""
    own = os.environ.get("IMAGINET_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "imaginet")
