"""Scores that were computed before, by the content of the picture's file and by everything else that a score depends on.

A folder of the store holds the scores of one key: ``key.json`` says which, ``scores.jsonl`` has a line for each picture. A changed
model has another key, and so never meets an old score. Lines are appended as they are computed: a killed run loses the last batch at
most, and a line that was half written is dropped and computed again.
"""

import hashlib
import io
import json
import logging
from pathlib import Path

from imaginet_core.cache_folder import cache_folder
from imaginet_core.storage.safe_writes import check_writable, lock_or_refuse, remove_parts, write_aside

KEY, SCORES, LOCK = "key.json", "scores.jsonl", ".lock"
log = logging.getLogger(__name__)


def default_store() -> Path:
    """The folder for scores where none is given: IMAGINET_CACHE, else the user's cache."""
    return cache_folder() / "scores"


class StoredScores:
    """The scores of one key, for one process at a time; to be closed.

    Args:
        store: folder of all scores.
        key: what a score depends on beside the picture; values of JSON.

    Attributes:
        rows: SHA-256 of a picture's file, in hexadecimal digits -> what was computed of it.
        dropped: lines that could not be read.

    Raises:
        FileExistsError: where another process writes these scores.
        PermissionError: where the store may not be written.
    """

    def __init__(self, store: Path, key: dict):
        text = json.dumps(key, sort_keys=True, ensure_ascii=False)
        self.folder = store / hashlib.sha256(text.encode()).hexdigest()[:24]
        check_writable(self.folder, named=store)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = lock_or_refuse(
            self.folder / LOCK, f"Another process is writing the scores in {self.folder}; wait for it, or choose another --store."
        )
        try:
            remove_parts(self.folder)
            if not (self.folder / KEY).exists():
                with write_aside(self.folder / KEY) as aside:
                    aside.write_text(json.dumps(key, indent=1, sort_keys=True, ensure_ascii=False), encoding="utf-8")
            self.rows, self.dropped = self._read()
            self._stream = io.open(self.folder / SCORES, "a", encoding="utf-8", newline="\n")
        except BaseException:
            self._lock.release()
            raise

    def _read(self) -> tuple[dict, int]:
        """The whole lines; the file is written anew without the others."""
        file = self.folder / SCORES
        if not file.exists():
            return {}, 0
        lines = file.read_bytes().split(b"\n")
        whole, rows = [], {}
        for line in lines[:-1]:  # what comes after the last line's end was cut by a kill
            row = _row_of(line)
            if row is not None:
                whole.append(line)
                rows[row.pop("sha256")] = row
        dropped = len(lines) - 1 - len(whole) + bool(lines[-1])
        if dropped:
            log.warning(f"{dropped} score(s) in {file} were half written, and are computed again.")
            with write_aside(file) as aside:
                aside.write_bytes(b"".join(line + b"\n" for line in whole))
        return rows, dropped

    def add(self, rows: dict[str, dict]) -> None:
        """Keeps what was computed of pictures, by SHA-256; it is on its way to the disk when this returns."""
        self.rows.update(rows)
        self._stream.writelines(json.dumps({"sha256": sha256, **row}) + "\n" for sha256, row in rows.items())
        self._stream.flush()

    def __enter__(self) -> "StoredScores":
        return self

    def __exit__(self, *error) -> None:
        self._stream.close()
        self._lock.release()


def _row_of(line: bytes) -> dict | None:
    """The row of a line; None where it is no whole one."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("sha256"), str) and len(row) > 1 else None
