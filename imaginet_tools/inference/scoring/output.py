"""The rows that were scored, in parts that are there whole or not at all, and the one file that they become at the end."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from imaginet_core.storage.safe_writes import PART, check_writable, lock_or_refuse, remove_parts
from imaginet_tools.inference.scoring import formats
from imaginet_tools.inference.scoring.made_by import check_same
from imaginet_tools.inference.scoring.records import table_of

PART_ROWS, PART_SECONDS = 10_000, 20.0
"""A part ends with so many rows or after so long: what a killed run loses at most."""
MADE_BY, INPUTS, LOCK = "_made_by.json", "_inputs.parquet", "_lock"
"""Beside the parts; readers of Parquet folders pass over names that begin so."""


class Output:
    """Rows on their way to ``place``.

    Parts are numbered Parquet files in the folder ``place.parts``, which is there as long as the work is under way. Where
    ``place`` has no suffix it is that folder itself, and stays.

    Args:
        place: file that ends with a name in ``formats.FORMATS``, or a folder.
        resume: go on with what is there.

    Raises:
        FileExistsError: where there is an output already and ``resume`` does not say to go on; or another process writes it.
        ValueError: for an ending that there is not.
        PermissionError: where it may not be written.
    """

    def __init__(self, place: str, resume: bool = False):
        self.place, self.resume = Path(place), resume
        self.format = formats.find_format(self.place)
        self.folder = self.place.with_name(f"{self.place.name}.parts") if self.format else self.place
        self._check_free()
        self._rows, self._since, self._lock = [], time.monotonic(), None

    def _check_free(self) -> None:
        begun, there = (self.folder / MADE_BY).exists(), self.place.exists()
        if there and self.format is None and self.place.is_dir():
            # a run that was killed before it could say what made it leaves its lock and what it was writing
            there = any(file.name != LOCK and not (file.name.startswith(".") and file.suffix == PART) for file in self.place.iterdir())
        if self.resume and there and self.format is None and not begun:
            raise FileExistsError(f"{self.place} is no output of this command, so it cannot be resumed; choose another place.")
        if not self.resume and (begun or there):
            name = self.place if there else self.folder
            raise FileExistsError(f"{name} exists; give --resume to go on with it, or choose another --output.")
        check_writable(self.folder.parent, named=self.place)

    @property
    def inputs(self) -> Path:
        """Where the list of the inputs lies."""
        return self.folder / INPUTS

    @property
    def is_joined(self) -> bool:
        """Whether the file is there already, of an earlier run that reached its end."""
        return self.format is not None and self.place.exists()

    def is_ours(self, path: str) -> bool:
        """Whether a local path is this output or lies in it."""
        path = Path(path).absolute()
        ours = {self.place.absolute(), self.folder.absolute(), formats.sidecar(self.place).absolute()}
        return not ours.isdisjoint((path, *path.parents))

    def begin(self, made_by: dict) -> None:
        """Locks the output; refuses, with a ValueError, to go on with one that was made otherwise."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = lock_or_refuse(
            self.folder / LOCK, f"Another process is writing {self.place} right now; wait for it, or choose another --output."
        )
        remove_parts(self.folder)
        before = [formats.read_made_by(self.place, self.format)] if self.is_joined else []
        if (self.folder / MADE_BY).exists():
            before.append(json.loads((self.folder / MADE_BY).read_text(encoding="utf-8")))
        try:
            for each in before:
                check_same(str(self.place), each, made_by)
        except ValueError:
            self.leave()
            raise
        self.made_by = made_by
        with self._written(self.folder / MADE_BY) as aside:
            aside.write_text(json.dumps(made_by, indent=1), encoding="utf-8")

    def parts(self) -> list[Path]:
        """The parts, in the order in which they were written."""
        return sorted(self.folder.glob("part-*.parquet"))

    def done(self) -> np.ndarray:
        """int64, ids of all rows that are written."""
        found = [pq.read_table(part, columns=["id"]).column("id").to_numpy() for part in self.parts()]
        if self.is_joined:
            found.append(self.joined_ids())
        return np.concatenate(found) if found else np.empty(0, np.int64)

    def joined_ids(self) -> np.ndarray:
        """int64, ids of the rows in the file."""
        return np.concatenate([np.empty(0, np.int64), *(table.column("id").to_numpy() for table in self.format.read(self.place))])

    def add(self, rows: list[dict]) -> None:
        """Keeps rows, and writes a part where it is time for one. Raises OSError in one sentence where the disk is full."""
        self._rows += rows
        if len(self._rows) >= PART_ROWS or time.monotonic() - self._since > PART_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Writes a part of the rows that were not written yet. Raises as :meth:`add` does."""
        rows, self._rows = self._rows, []  # at once: what is interrupted here must not be written a second time
        if rows:
            parts = self.parts()
            number = int(parts[-1].stem.partition("-")[2]) + 1 if parts else 0
            with self._written(self.folder / f"part-{number:08}.parquet") as aside:
                pq.write_table(table_of(rows), aside)
        self._since = time.monotonic()

    def finish(self) -> None:
        """Makes the file of all parts, and removes what was needed for it alone. Raises as :meth:`add` does."""
        self.flush()
        if self.format is not None and (self.parts() or not self.is_joined):
            if self.format.sidecar:
                with self._written(formats.sidecar(self.place)) as aside:
                    aside.write_text(json.dumps(self.made_by, indent=1), encoding="utf-8")
            with self._written(self.place) as aside:
                self.format.write(self._tables(), aside, self.made_by)
        self.inputs.unlink(missing_ok=True)
        if self.format is not None:
            shutil.rmtree(self.folder)
        self.leave()

    def _tables(self) -> Iterator[pa.Table]:
        """All rows, each once: those of the file, and those of the parts that the file has not."""
        there = np.empty(0, np.int64)
        if self.is_joined:
            there = self.joined_ids()
            yield from self.format.read(self.place)
        for part in self.parts():
            table = pq.read_table(part)
            yield table.filter(pa.array(~np.isin(table.column("id").to_numpy(), there)))

    def leave(self) -> None:
        """Lets go of the lock; what is written stays."""
        if self._lock is not None:
            (self.folder / LOCK).unlink(missing_ok=True)
            self._lock.release()
            self._lock = None
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _written(self, file: Path):
        return formats.written(file, self.place)
