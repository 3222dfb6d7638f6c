"""The list of all inputs of a run as a Parquet file, made before anything is read: memory stays small, the end is in sight."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets.utils import tqdm

from imaginet_core.storage.safe_writes import write_aside
from imaginet_tools.inference.scoring.inputs import Input

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("path", pa.binary()),
        ("kind", pa.string()),
        ("container", pa.binary()),
        ("member", pa.binary()),
        ("error", pa.string()),
        ("named", pa.bool_()),
    ]
)
"""Paths are bytes: not every name is text."""
ROWS = 10_000
"""Inputs in memory at a time."""


class Manifest:
    """The inputs in ``file``, numbered from 0.

    Args:
        file: as :func:`write_manifest` wrote it.
        done: int64, ids of inputs that are scored already.

    Attributes:
        pending: bool (N,), whether an input is still to be scored; of those of one name only the first is.
        repeated: how many were named more than once.
    """

    def __init__(self, file: Path, done: np.ndarray):
        self.file = file
        self.ids = pq.read_table(file, columns=["id"]).column("id").to_numpy()
        first = np.zeros(len(self.ids), dtype=bool)
        first[np.unique(self.ids, return_index=True)[1]] = True
        self.repeated = int((~first).sum())
        self.pending = first & ~np.isin(self.ids, done)

    def __iter__(self) -> Iterator[Input]:
        """The pending inputs."""
        start = 0
        with pq.ParquetFile(self.file) as opened:
            for batch in opened.iter_batches(ROWS):
                for number in np.flatnonzero(self.pending[start : start + len(batch)]):
                    yield input_of({name: batch.column(name)[number].as_py() for name in SCHEMA.names})
                start += len(batch)


def write_manifest(inputs: Iterable[Input], file: Path) -> None:
    """Writes the inputs in their order. Raises OSError as writing does."""
    with write_aside(file) as aside, pq.ParquetWriter(aside, SCHEMA) as writer:
        inputs = iter(tqdm(inputs, desc="Listing", unit=" inputs", delay=1))
        while some := list(itertools.islice(inputs, ROWS)):
            writer.write_table(pa.Table.from_pylist([_row(each) for each in some], SCHEMA))


def input_of(row: dict) -> Input:
    """The input of a row."""
    path, container, member = (row[name].decode("utf-8", "surrogatepass") for name in ("path", "container", "member"))
    return Input(path, row["kind"], container, member, row["error"], row["named"])


def _row(each: Input) -> dict:
    names = {name: getattr(each, name).encode("utf-8", "surrogatepass") for name in ("path", "container", "member")}
    error = each.error and each.error.encode("utf-8", "replace").decode()
    return {"id": each.id, "kind": each.kind, "error": error, "named": each.named, **names}
