"""The kinds of files that scores may be written to: Parquet, CSV and JSON lines, each read and written table by table."""

import contextlib
import csv
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from imaginet_core.storage.safe_writes import write_aside
from imaginet_tools.inference.scoring.records import SCHEMA

KEY = b"imaginet_scores"
"""Of the Parquet file's metadata: what made it, as JSON."""
ROWS = 50_000
"""Of a Parquet file's row group, and in memory at a time."""
JOINT = "; "
"""Between the notes of a picture, and between statements of its file, where they are one text."""
LISTS = ("notes", "provenance")


class Format(NamedTuple):
    """How a file is written (from tables, to a path, with what made it) and read (as tables with at least the column ``id``)."""

    write: Callable[[Iterable[pa.Table], Path, dict], None]
    read: Callable[[Path], Iterator[pa.Table]]
    sidecar: bool


def find_format(place: Path) -> Format | None:
    """The format by the ending; None for a folder, which has none. Raises ValueError for another ending."""
    if not place.suffix or place.is_dir():
        return None
    if place.suffix.lower() not in FORMATS:
        raise ValueError(f"--output {place} must end with {', '.join(FORMATS)}, or be a folder, which gets Parquet files.")
    return FORMATS[place.suffix.lower()]


def sidecar(place: Path) -> Path:
    """Where it is written what made a file that cannot hold it itself."""
    return place.with_name(f"{place.name}.made_by.json")


def read_made_by(place: Path, form: Format) -> dict:
    """What made the file. Raises ValueError for a file that does not tell."""
    try:
        if form.sidecar:
            return json.loads(sidecar(place).read_text(encoding="utf-8"))
        return json.loads((pq.read_schema(place).metadata or {})[KEY])
    except (OSError, KeyError, ValueError) as error:  # ArrowInvalid is a ValueError
        raise ValueError(
            f"{place} does not tell which model made it, so nothing can be added to it; choose another --output."
        ) from error


@contextlib.contextmanager
def written(file: Path, output: Path) -> Iterator[Path]:
    """As ``write_aside``, for a file of the output, with a sentence where the disk does not take it."""
    try:
        with write_aside(file, durable=True) as aside:
            yield aside
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(f"{output} cannot be written ({reason}); make room, then run the same command with --resume.") from error


def _write_parquet(tables: Iterable[pa.Table], file: Path, made_by: dict) -> None:
    with pq.ParquetWriter(file, SCHEMA.with_metadata({KEY: json.dumps(made_by).encode()})) as writer:
        waiting = []
        for table in tables:
            waiting.append(table)
            if sum(map(len, waiting)) >= ROWS:
                writer.write_table(pa.concat_tables(waiting).cast(writer.schema))
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting).cast(writer.schema))


def _read_parquet(file: Path) -> Iterator[pa.Table]:
    with pq.ParquetFile(file) as opened:
        for batch in opened.iter_batches(ROWS):
            yield pa.Table.from_batches([batch]).replace_schema_metadata(None)


def _write_csv(tables: Iterable[pa.Table], file: Path, made_by: dict) -> None:
    with open(file, "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, SCHEMA.names)
        writer.writeheader()
        for table in tables:
            writer.writerows(row | {name: JOINT.join(row[name] or ()) for name in LISTS} for row in table.to_pylist())


def _read_csv(file: Path) -> Iterator[pa.Table]:
    def typed(row: dict) -> dict:
        values = {name: text if text != "" else None for name, text in row.items()}
        lists = {name: values.pop(name) for name in LISTS}
        return {name: _number(name, text) for name, text in values.items()} | {
            name: text.split(JOINT) if text else [] for name, text in lists.items()
        }

    with open(file, encoding="utf-8", newline="") as stream:
        yield from _batched(map(typed, csv.DictReader(stream)))


def _write_jsonl(tables: Iterable[pa.Table], file: Path, made_by: dict) -> None:
    with open(file, "w", encoding="utf-8") as stream:
        for table in tables:
            stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist())


def _read_jsonl(file: Path) -> Iterator[pa.Table]:
    with open(file, encoding="utf-8", newline="\n") as stream:
        yield from _batched(map(json.loads, stream))


def _batched(rows: Iterable[dict]) -> Iterator[pa.Table]:
    waiting = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == ROWS:
            yield pa.Table.from_pylist(waiting, SCHEMA)
            waiting = []
    if waiting:
        yield pa.Table.from_pylist(waiting, SCHEMA)


def _number(name: str, text: str | None):
    kind = SCHEMA.field(name).type
    return text if text is None or pa.types.is_string(kind) else int(text) if pa.types.is_integer(kind) else float(text)


FORMATS = {
    ".parquet": Format(_write_parquet, _read_parquet, False),
    ".csv": Format(_write_csv, _read_csv, True),
    ".jsonl": Format(_write_jsonl, _read_jsonl, True),
}
