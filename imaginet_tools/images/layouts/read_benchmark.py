"""Any benchmark's images with their labels, whatever their layout: folders, lists, CSV files, Parquet files, data sets of the Hub."""

import os
from collections.abc import Sequence
from typing import NamedTuple

from imaginet_core.label_words import NAMES
from imaginet_tools.images.image_set import ImageSet, read_text
from imaginet_tools.images.layouts import folders, lists, tables

LAYOUTS = {
    **{name: f"{layout.title}: {layout.form}" for name, layout in folders.FOLDER_LAYOUTS.items()},
    **{
        f"{name}_parquet" if name in folders.FOLDER_LAYOUTS else name: f"{layout.title}: Parquet with {', '.join(layout.needed)}"
        for name, layout in tables.TABLE_LAYOUTS.items()
    },
    "list": "the paper's Corvi and practical lists: name,label[,number] or name label",
    "csv": "a CSV file with the columns path and label",
    "table": "any other Parquet files or data set of the Hub with images and labels",
}
"""Name for ``layout`` -> what it is."""
OF_LISTS = "0 is real and 1 is synthetic, as in the lists of the paper."


class Description(NamedTuple):
    """How a benchmark was read, for the report.

    Attributes:
        layout: a name in LAYOUTS.
        sentence: which layout that is and how it was chosen.
        labels: how the labels were understood.
        notes: what was left out or is missing, a sentence each.
        columns: names of what may be sliced by (``ImageSet.extra``).
    """

    layout: str
    sentence: str
    labels: str
    notes: tuple[str, ...]
    columns: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join([self.sentence, self.labels, *self.notes])


def read_benchmark(
    place: str, layout: str | None = None, label_map: dict[str, int] | None = None, split: str | None = None,
    config_name: str | None = None, root: str | None = None, image: str | None = None, label: str | None = None,
    real: str | None = None,
) -> tuple[ImageSet, Description]:
    """The images of a benchmark, and the sentences that say how it was read.

    ``images, description = read_benchmark(place)``; ``print(description)`` is the line for people. Other columns than ImagiNet's
    are in ``images.extra`` (name -> str (N,)), masks in ``images.masks``.

    Args:
        place: a folder, a ``.txt`` list, a ``.csv`` file, a ``.parquet`` file, a folder of Parquet files or of ``save_to_disk``,
            or the name of a data set of the Hub.
        layout: a name in LAYOUTS; by default it is recognised by structure.
        label_map: the set's label -> 0 real, 1 synthetic (``conventions.parse_label_map`` reads one from text); for Parquet and
            the Hub.
        split, config_name: of the benchmark; a folder with splits is read from test, else val, else train.
        root: the folder that a list's paths start from, by default the list's own.
        image, label, real: names of the columns, and the label that means real, for Parquet and the Hub.

    Raises:
        ValueError: in one sentence, for a place that is not there or holds no images, a layout that is not recognised or may be
            several (with the candidates), labels that may mean either, and images of one class only.
    """
    if layout is not None and layout not in LAYOUTS:
        raise ValueError(f"There is no layout {layout!r}; known are {', '.join(LAYOUTS)}.")
    kind, why = _kind_of(place, layout)
    if label_map is not None and kind != "table":
        raise ValueError(
            f"A label map is for Parquet files and data sets; {place} is read as {kind}, which says itself what its labels mean."
        )
    if kind == "csv":
        return _described(ImageSet.from_csv(place), "csv", why, "Labels are the words of its column label; 0 is real and 1 is synthetic.")
    if kind == "list":
        images, notes = lists.read_lists([place], root)
        return _described(images, "list", why, OF_LISTS, notes)
    if kind == "folder":
        return _read_folder(place, layout, split)
    return _read_table(place, layout, label_map, split, config_name, image, label, real)


def read_several_lists(files: Sequence[str], root: str | None = None) -> tuple[ImageSet, Description]:
    """The images of several lists as one benchmark; ``images.extra["list"]`` says which of them names an image.

    Raises ValueError as :func:`read_benchmark`, and for a file that is no list.
    """
    for file in files:
        kind = _kind_of(file, None)[0]
        if kind != "list":
            raise ValueError(f"Several files at once are read where all are lists of lines name,label; {file} is read as {kind}. Name it alone.")
    images, notes = lists.read_lists(files, root)
    return _described(images, "list", f"{' and '.join(files)} are lists of names and labels.", OF_LISTS, notes)


def _kind_of(place: str, layout: str | None) -> tuple[str, str]:
    """Which reader a place needs ("csv", "list", "folder", "table"), and why."""
    given = layout is not None
    if os.path.isfile(place):
        if layout == "csv" or (not given and place.lower().endswith(".csv")):
            return "csv", f"{place} is a CSV file."
        if layout == "list" or (not given and place.lower().endswith(".txt") and lists.is_list(read_text(place))):
            return "list", f"{place} is a list of names and labels, as the paper used for the Corvi and practical test sets."
        if place.lower().endswith(".parquet"):
            return "table", ""
        raise ValueError(
            f"{place} is neither a CSV file, a Parquet file nor a list of lines name,label or name label; ImagiNet's own lists are read "
            "with --data_dir."
        )
    if layout in ("csv", "list"):
        raise ValueError(f"{place} is no file; the layout {layout} needs one.")
    if not os.path.isdir(place):
        if os.path.isabs(place) or place.startswith(".") or place.count("/") > 1:
            raise ValueError(f"{place} is not there; name a folder, a file or a data set of the Hub.")
        return "table", ""
    if layout in folders.FOLDER_LAYOUTS:
        return "folder", ""
    if given or any(os.path.isfile(f"{place}/{name}.json") for name in ("state", "dataset_dict")):
        return "table", ""
    has_parquet, has_images = bool(tables.parquet_files(place)), bool(folders.list_image_files(place))
    if has_parquet and has_images:
        raise ValueError(
            f"{place} holds Parquet files and images; choose with --layout: table for the Parquet files, or one of "
            f"{', '.join(folders.FOLDER_LAYOUTS)} for the images."
        )
    return ("table" if has_parquet else "folder"), ""


def _read_folder(place: str, layout: str | None, split: str | None) -> tuple[ImageSet, Description]:
    paths = folders.image_paths(place)
    match = folders.force(place, paths, layout) if layout else folders.recognise(place, paths)
    images, notes = folders.read_folder(place, match, split)
    known = folders.FOLDER_LAYOUTS[match.name]
    sentence = f"{place} {'is read as asked' if layout else 'has the layout'}: {known.title}, {known.form}."
    words = sorted({(groups["label"], images.label[index]) for index, groups in _kept(match.groups, images)})
    labels = "; ".join(
        f"{', '.join(word for word, value in words if value == number)[:200]} as {name}" for number, name in enumerate(NAMES)
    )
    return _described(images, match.name, sentence, f"Folders are read so: {labels}.", notes)


def _kept(groups: dict[str, dict], images: ImageSet):
    return ((index, groups[path]) for index, path in enumerate(images.path.tolist()))


def _read_table(place, layout, label_map, split, config_name, image, label, real) -> tuple[ImageSet, Description]:
    asked = "community_forensics" if layout == "community_forensics_parquet" else layout
    files = tables.parquet_files(place) if os.path.exists(place) else []
    saved = os.path.isfile(f"{place}/state.json") or os.path.isfile(f"{place}/dataset_dict.json")
    parts = tables.load_hub(place, config_name, split) if saved or not files else tables.load_parquet(files)
    if files and not saved and split is not None:
        if split not in parts:
            raise ValueError(f"{place} has no Parquet files {split}-*, only {', '.join(parts)}.")
        parts = {split: parts[split]}
    columns = next(iter(parts.values())).column_names
    if different := [name for name, rows in parts.items() if set(rows.column_names) != set(columns)]:
        raise ValueError(f"{place} holds tables of different columns ({different[0]} differs); read one with --split.")
    name, known = tables.recognise_table(columns, asked, place)
    images, labels = tables.read_table(parts, place, known, label_map, image, label, real)
    name = f"{name}_parquet" if f"{name}_parquet" in LAYOUTS else name
    sentence = f"{place} {'is read as asked' if layout else 'has the columns of'}: {known.title}."
    return _described(images, name, sentence, labels)


def _described(images: ImageSet, layout: str, sentence: str, labels: str, notes=()) -> tuple[ImageSet, Description]:
    counts = images.counts()
    size = f"{counts['real']} real and {counts['synthetic']} synthetic images, generators: {len(counts['generator']) - 1}."
    return images, Description(layout, f"{sentence} {size}", labels, tuple(notes), tuple(images.extra))
