"""What is kept of each visitor while the page is open, in memory alone and within a limit."""

import threading
from collections import OrderedDict
from collections.abc import Sequence

from imaginet_tools.inference.app.judge import Judged

MOST_BYTES = 2**29
GONE = "These pictures are no longer kept, because the page was left open long or many others came; upload them again."


class Sessions:
    """The pictures of each session's last upload. Those of the sessions that were away longest go first; nothing touches the disk.

    ``most_bytes``: of files, over all sessions; the last upload is kept whatever its size.
    """

    def __init__(self, most_bytes: int = MOST_BYTES):
        self.most_bytes, self._kept, self._lock = most_bytes, OrderedDict(), threading.Lock()

    def put(self, session: str, pictures: Sequence[Judged]) -> None:
        """Keeps these pictures instead of those that the session had."""
        with self._lock:
            self._kept[session] = tuple(pictures)
            self._kept.move_to_end(session)
            while len(self._kept) > 1 and self.bytes() > self.most_bytes:
                self._kept.popitem(last=False)

    def get(self, session: str, number: int | None = None) -> tuple[Judged, ...]:
        """The session's pictures, or the one of that number alone; () where there is none."""
        with self._lock:
            found = self._kept.get(session, ())
            if found:
                self._kept.move_to_end(session)
        return found if number is None else found[number : number + 1]

    def forget(self, session: str) -> None:
        """Drops what is kept of a session."""
        with self._lock:
            self._kept.pop(session, None)

    def bytes(self) -> int:
        """Of all files that are kept."""
        return sum(len(picture.content) for pictures in self._kept.values() for picture in pictures)
