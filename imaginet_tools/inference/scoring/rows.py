"""Images in columns: Parquet files, folders of ``save_to_disk`` and whatever ``load_dataset`` takes, read row by row."""

import contextlib
import functools
import io
import json
import os
from collections.abc import Iterator, Sequence

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from imaginet_core.storage.files import explain_errors, file_system, is_remote


def is_saved_dataset(folder: str) -> bool:
    """Whether ``save_to_disk`` of ``datasets`` wrote a folder."""
    return any(os.path.isfile(f"{folder}/{name}") for name in ("state.json", "dataset_dict.json"))


def splits_of(dataset: dict) -> list[tuple[str, str, int]]:
    """(name, what :func:`open_rows` takes, number of rows) of each split.

    Args:
        dataset: ``folder`` of save_to_disk, or ``name`` with ``config_name`` and ``split`` for load_dataset; ``image_column``.

    Raises:
        ValueError, OSError: where there is no such data set, or it has no images.
    """
    loaded = _load(json.dumps(dataset, sort_keys=True))
    found = []
    for split, rows in loaded.items():
        container = json.dumps({**dataset, "part": split}, sort_keys=True)
        found.append((split, container, len(rows)))
        open_rows(container)
    return found


@functools.lru_cache(maxsize=4)
def _load(dataset: str) -> dict[str, datasets.Dataset]:
    given = json.loads(dataset)
    if "folder" in given:
        loaded = datasets.load_from_disk(given["folder"])
    else:
        try:
            loaded = datasets.load_dataset(given["name"], given["config_name"], split=given["split"])
        except datasets.exceptions.DatasetNotFoundError as error:
            raise FileNotFoundError(
                f"There is no data set {given['name']}; check its name, or give the path of its folder."
            ) from error
    return loaded if isinstance(loaded, dict) else {str(loaded.split or "rows").partition("[")[0]: loaded}


@functools.lru_cache(maxsize=16)
def open_rows(container: str) -> datasets.Dataset:
    """The undecoded images of a split, in their one column. Raises ValueError where there is no column of images."""
    given = json.loads(container)
    part = given.pop("part")
    rows = _load(json.dumps(given, sort_keys=True))[part]
    title = given.get("folder") or given["name"]
    column = choose_column(
        [name for name, feature in rows.features.items() if isinstance(feature, datasets.Image)], given["image_column"], title
    )
    rows = rows.select_columns([column]).cast_column(column, datasets.Image(decode=False))
    return rows if column == "image" else rows.rename_column(column, "image")


def read_rows(container: str, numbers: Sequence[int]) -> Iterator[dict | None]:
    """The undecoded images of these rows of a data set, as dict with ``bytes`` and ``path``."""
    rows = open_rows(container)
    return (rows[number]["image"] for number in numbers)


def choose_column(images: list[str], wanted: str | None, title: str) -> str:
    """The column with images: the one that is wanted, else the first. Raises ValueError if there is none."""
    if wanted in images or (images and wanted is None):
        return wanted or images[0]
    there = f"its columns of images: {', '.join(images)}" if images else "no column of it holds images"
    named = f" {wanted!r}" if wanted else ""
    raise ValueError(f"{title} has no column of images{named} ({there}); name one with --image_column, or leave it out.")


def rows_of_parquet(file: str, image_column: str | None) -> int:
    """Number of rows of a Parquet file or URL with images.

    Raises:
        ValueError: for no Parquet file, or one without images.
        OSError: where it cannot be read.
    """
    with _opened(file) as opened:
        _column_of(opened, file, image_column)
        return opened.metadata.num_rows


def read_parquet(file: str, numbers: Sequence[int], image_column: str | None) -> Iterator[dict | None]:
    """The images of these rows, ascending, as dict with ``bytes`` and ``path``, a row group at a time. Raises as above."""
    with _opened(file) as opened:
        column = _column_of(opened, file, image_column)
        end, group, values = 0, -1, None
        for number in numbers:
            while number >= end:
                group += 1
                start, end, values = end, end + opened.metadata.row_group(group).num_rows, None
            values = opened.read_row_group(group, columns=[column]).column(0) if values is None else values
            value = values[number - start].as_py()
            yield {"bytes": value, "path": None} if isinstance(value, bytes) else value


@contextlib.contextmanager
def _opened(file: str) -> Iterator[pq.ParquetFile]:
    with contextlib.ExitStack() as stack:
        with explain_errors(file):
            if is_remote(file):
                system, path = file_system(file)
                stream = stack.enter_context(system.open(path, "rb"))
            else:
                stream = stack.enter_context(io.open(file, "rb"))
        try:
            opened = pq.ParquetFile(stream)
        except pa.ArrowException as error:
            raise ValueError(f"{file} is cut short, damaged or no Parquet file; fetch it again.") from error
        yield opened


def _column_of(opened: pq.ParquetFile, file: str, wanted: str | None) -> str:
    def holds_images(field: pa.Field) -> bool:
        if pa.types.is_struct(field.type):
            return field.type.get_field_index("bytes") >= 0
        return field.name == wanted and (pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type))

    return choose_column([field.name for field in opened.schema_arrow if holds_images(field)], wanted, file)
