"""Benchmarks that come as Parquet files or data sets of the Hub: OpenFake, OpenSDI, Community Forensics, and any other."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import datasets
import numpy as np

from imaginet_core.label_words import NAMES
from imaginet_tools.images.image_files import DatasetFiles
from imaginet_tools.images.image_set import ImageSet, check_columns, column_texts
from imaginet_tools.images.layouts.conventions import understand_labels

NUMBERS = {"0": 0, "1": 1}
GENERATOR_COLUMNS = ("generator", "model", "model_name", "source", "method")
NAME_COLUMNS = ("path", "key", "image_name", "filename", "file_name", "id")
"""Columns that may name the generator, and those that may name the image, the first that is there."""


class TableLayout(NamedTuple):
    """What a benchmark's table holds.

    Attributes:
        title: the benchmark, for people.
        needed: the columns by which it is known.
        image, label: names of these columns.
        generator: the column that names it; None where a file or split holds one generator.
        stated: meaning of the label's numbers, as the authors state it.
        mask: the column with the mask.
    """

    title: str
    needed: tuple[str, ...]
    image: str = "image"
    label: str = "label"
    generator: str | None = None
    stated: dict[str, int] | None = None
    mask: str | None = None


TABLE_LAYOUTS = {
    "openfake": TableLayout("OpenFake", ("image", "prompt", "label", "model", "type", "release_date"), generator="model"),
    "opensdi": TableLayout("OpenSDI", ("key", "image", "mask", "label"), stated=NUMBERS, mask="mask"),
    "community_forensics": TableLayout(
        "Community Forensics", ("image_data", "model_name", "label"), image="image_data", generator="model_name", stated=NUMBERS,
    ),
}


def parquet_files(place: str) -> list[str]:
    """The Parquet files that a place is or holds, sorted."""
    path = Path(place)
    if path.is_file():
        return [place] if path.suffix.lower() == ".parquet" else []
    return sorted(str(file) for file in path.rglob("*.parquet") if not file.name.startswith("."))


def load_parquet(files: Sequence[str]) -> dict[str, datasets.Dataset]:
    """Rows by what the file's name begins with (``sdxl-00000-of-00004.parquet``: sdxl), as datasets stores them in its cache."""
    by_name: dict[str, list[str]] = {}
    for file in files:
        by_name.setdefault(Path(file).stem.partition("-")[0], []).append(file)
    try:
        return {name: datasets.Dataset.from_parquet(of_name) for name, of_name in by_name.items()}
    except (datasets.exceptions.DatasetGenerationError, OSError, ValueError) as error:
        first = str(error.__cause__ or error).splitlines()[0]
        raise ValueError(f"The Parquet files {', '.join(files[:3])} cannot be read ({first}); check that they are whole.") from error


def load_hub(name: str, config_name: str | None, split: str | None) -> dict[str, datasets.Dataset]:
    """Rows by split of a folder of ``save_to_disk`` or whatever ``load_dataset`` takes."""
    if os.path.isfile(f"{name}/state.json") or os.path.isfile(f"{name}/dataset_dict.json"):
        loaded = datasets.load_from_disk(name)
        loaded = loaded[split] if split and isinstance(loaded, dict) else loaded
    else:
        loaded = datasets.load_dataset(name, config_name, split=split)
    return dict(loaded) if isinstance(loaded, dict) else {split or "": loaded}


def recognise_table(columns: Sequence[str], layout: str | None, what: str) -> tuple[str, TableLayout]:
    """The name and layout of a table by its columns; "table" for any other set. Raises ValueError where a forced one does not fit."""
    if layout in TABLE_LAYOUTS:
        if missing := [name for name in TABLE_LAYOUTS[layout].needed if name not in columns]:
            raise ValueError(f"{what} is no {TABLE_LAYOUTS[layout].title}: it has no column {missing[0]} (it has {', '.join(columns)}).")
        return layout, TABLE_LAYOUTS[layout]
    if layout is None:
        for name, known in TABLE_LAYOUTS.items():
            if set(known.needed) <= set(columns):
                return name, known
    return "table", TableLayout("a data set with images and labels", ())


def read_table(
    parts: dict[str, datasets.Dataset], what: str, layout: TableLayout, label_map: dict[str, int] | None = None,
    image: str | None = None, label: str | None = None, real: str | None = None,
) -> tuple[ImageSet, str]:
    """The images of a table, with every other column in ``extra``, and the sentence on how its labels are read.

    Args:
        parts: rows by split or file.
        what: names the set in sentences.
        layout: see :func:`recognise_table`.
        label_map, real: see ``conventions.understand_labels``.
        image, label: names of these columns, in place of the layout's.

    Raises:
        ValueError: for columns that are not there or hold no images, labels that are missing or could mean either, and images
            of one class only.
    """
    image, label = image or layout.image, label or layout.label
    for name, rows in parts.items():
        check_columns(rows.column_names, f"{what} {name}".strip(), image, label)
    rows = _with_images(datasets.concatenate_datasets(list(parts.values())), image, what)
    words = column_texts(rows, label)
    if unlabelled := words.count(None):
        raise ValueError(f"{unlabelled} of {len(words)} images of {what} have no {label}; choose a labelled split.")
    reading = understand_labels(words, what, label_map, layout.stated, real, kinds=True)
    labels = np.array([reading.labels[word] for word in words], dtype=np.int64)
    if len(set(labels.tolist())) < 2:
        raise ValueError(f"{what} holds only {NAMES[labels[0]]} images; detection needs both." if len(labels) else f"{what} holds no image.")
    part = [name for name, of_part in parts.items() for _ in range(len(of_part))]
    extra = {name: _texts(rows, name) for name in _plain_columns(rows, image, label, layout.mask)}
    if len(parts) > 1:
        extra["part"] = np.array(part, dtype=str)
    generator = _generators(rows, layout, parts, part, words, reading.labels)
    column = lambda name, default: np.where(extra[name] == "", default, extra[name]) if name in extra else default
    path = next((extra[name] for name in NAME_COLUMNS if name in extra and len(set(extra[name])) == len(labels)), None)
    path = np.array([f"{name}/{number}" for number, name in enumerate(part)], dtype=str) if path is None else path
    unknown = np.full(len(labels), "unknown")
    images = ImageSet(
        _files(rows, image, what),
        labels, column("content", np.full(len(labels), "uncategorized")), np.where(labels == 0, "real", column("family", unknown)),
        np.where(labels == 0, "real", generator), column("source_image", path), path, np.zeros(len(labels), dtype=bool), title=what,
        extra=extra,
    )
    if layout.mask is not None:
        images = replace(images, masks=_files(_with_images(rows, layout.mask, what), layout.mask, f"the masks of {what}"))
    return images, reading.guess


def _files(rows: datasets.Dataset, column: str, title: str) -> DatasetFiles:
    """The images of one column."""
    rows = rows.select_columns(column)
    return DatasetFiles(rows if column == "image" else rows.rename_column(column, "image"), title)


def _with_images(rows: datasets.Dataset, column: str, what: str) -> datasets.Dataset:
    """Rows with an undecoded column of images; bytes of files are taken as such."""
    feature = rows.features[column]
    if not isinstance(feature, datasets.Image) and not _holds_files(feature):
        raise ValueError(f"The column {column!r} of {what} holds no images but {feature}; name the right one with --image_column.")
    return rows.cast_column(column, datasets.Image(decode=False))


def _holds_files(feature) -> bool:
    if isinstance(feature, datasets.Value):
        return feature.dtype in ("binary", "large_binary")
    return isinstance(feature, dict) and {"bytes", "path"} == set(feature)


def _plain_columns(rows: datasets.Dataset, *used: str | None) -> list[str]:
    return [
        name for name, feature in rows.features.items()
        if name not in used and isinstance(feature, (datasets.Value, datasets.ClassLabel)) and not _holds_files(feature)
    ]


def _texts(rows: datasets.Dataset, name: str) -> np.ndarray:
    return np.array(["" if text is None else text for text in column_texts(rows, name)], dtype=str)


def _generators(
    rows: datasets.Dataset, layout: TableLayout, parts: dict, part: list[str], words: list[str], labels: dict[str, int],
) -> np.ndarray:
    """Who made each image, str (N,): by the layout's column, by the file, by the label where it names kinds, by a column so called."""
    if layout.mask is not None:  # OpenSDI: a file per generator
        return np.array(part, dtype=str)
    names = (layout.generator,) if layout.generator else GENERATOR_COLUMNS
    if (found := next((name for name in names if name in rows.column_names), None)) is not None:
        texts = _texts(rows, found)
        return np.where(texts == "", "unknown", texts)
    if sum(labels.values()) > 1:
        return np.array(words, dtype=str)
    return np.full(len(words), "unknown")
