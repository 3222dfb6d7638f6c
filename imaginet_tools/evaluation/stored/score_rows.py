"""The lines of a file of scores, whatever kind of file it is, and the threshold of what made them. Needs no PyTorch."""

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from imaginet_tools.images.image_set import read_text
from imaginet_tools.inference.scoring.formats import FORMATS, JOINT, read_made_by
from imaginet_tools.inference.scoring.output import MADE_BY


def read_rows(file: str) -> tuple[list[dict[str, str]], list[str]]:
    """(a dict of texts for each score, names of the columns) of a CSV file, JSON lines, a Parquet file, or a folder of Parquet files, such as
    ``imaginet score`` writes. What is null is "".

    Raises:
        ValueError: in one sentence, for a file that is not of the kind that its name says, or a folder without Parquet files.
    """
    place = Path(file)
    if place.is_dir():
        parts = sorted(part for part in place.glob("*.parquet") if not part.name.startswith(("_", ".")))
        if not parts:
            raise ValueError(f"{file} holds no Parquet files with scores.")
        tables = [_rows_of_parquet(part) for part in parts]
        return [row for rows, _ in tables for row in rows], tables[0][1]
    if place.suffix.lower() == ".parquet":
        return _rows_of_parquet(place)
    if place.suffix.lower() == ".jsonl":
        return _rows_of_lines(file)
    reader = csv.DictReader(io.StringIO(read_text(file), newline=""))
    return list(reader), list(reader.fieldnames or ())


def read_threshold(file: str) -> tuple[float, str] | None:
    """(threshold, name of the operating point) of the model whose scores ``imaginet score`` wrote there; None where that is not told."""
    place = Path(file)
    try:
        if place.is_dir():
            told = json.loads((place / MADE_BY).read_text(encoding="utf-8"))
        else:
            told = read_made_by(place, FORMATS[place.suffix.lower()])
        return float(told["threshold"]), told["operating_point"]
    except (OSError, KeyError, TypeError, ValueError):  # a file of others, which tells nothing of the kind
        return None


def _rows_of_parquet(file: Path) -> tuple[list[dict[str, str]], list[str]]:
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{file} cannot be read as Parquet ({str(error).splitlines()[0]}).") from error
    return [_texts(row) for row in table.to_pylist()], table.column_names


def _rows_of_lines(file: str) -> tuple[list[dict[str, str]], list[str]]:
    rows = []
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        try:
            rows.append(_texts(json.loads(line)))
        except (ValueError, AttributeError) as error:
            raise ValueError(f"{file}, line {number} is no JSON object.") from error
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [{**dict.fromkeys(names, ""), **row} for row in rows], names


def _texts(row: dict) -> dict[str, str]:
    return {name: _text(value) for name, value in row.items()}


def _text(value) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return JOINT.join(map(str, value))
    return repr(value) if isinstance(value, float) else str(value)
