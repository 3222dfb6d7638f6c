"""Where the images of audit and perturb come from: raw images of ImagiNet, a prepared data set, a folder, a CSV file."""

import csv
import hashlib
import io
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

import imaginet

REAL_NAMES = ("real", "authentic", "natural", "nature", "human", "genuine", "0_real")
"""What data sets call real images."""


class Picture(NamedTuple):
    """An image; ``label`` is 0 for real and 1 for synthetic, ``generator`` "real" for real images."""

    name: str
    label: int
    content: str
    generator: str
    source_image: str


class Collection(NamedTuple):
    """Images of one data set.

    Attributes:
        title: what it is, for people.
        pictures: its images, each name once.
        read: yields (index, the file's bytes) of the images asked for by index, in any order.
        left_out: how many images are listed but not there.
    """

    title: str
    pictures: list[Picture]
    read: Callable[[list[int]], Iterator[tuple[int, bytes]]]
    left_out: int = 0


def choose(pictures: list[Picture], limit: int) -> list[int]:
    """Indices of at most ``limit`` images (0: all), by a checksum of names; labels, contents, generators keep their shares."""
    if not limit or len(pictures) <= limit:
        return list(range(len(pictures)))
    groups = defaultdict(list)
    for index, picture in enumerate(pictures):
        groups[picture.label, picture.content, picture.generator].append(index)
    chosen, seen = [], 0
    for key in sorted(groups):
        ranked = sorted(groups[key], key=lambda index: _checksum(pictures[index].name))
        before, seen = seen, seen + len(ranked)
        chosen += ranked[: seen * limit // len(pictures) - before * limit // len(pictures)]
    return sorted(chosen)


def _checksum(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()


def of_raw(config_name: str, splits: tuple = (), **given) -> Collection:
    """Raw images as the builder finds them; those not there are counted in ``left_out``.

    Args:
        config_name: of the builder.
        splits: names; none means all.
        given: data_dir, annotations, locations, registry of ``imaginet.ImagiNetConfig``.
    """
    raw = imaginet.ImagiNetConfig(name=config_name, **given).raw
    absent = set(splits) - set(raw.splits)
    if absent:
        raise ValueError(f"{raw.root} has no split {', '.join(sorted(absent))}, only {', '.join(raw.splits)}.")
    listed = [record for split, records in raw.splits.items() if not splits or split in splits for record in records]
    there = [record for record in listed if record.path in raw.places]
    pictures = [
        Picture(record.path, imaginet.LABELS.index(record.label), record.content, record.generator, record.source_image)
        for record in there
    ]

    def read(indices: list[int]):
        index_of = {there[index].path: index for index in indices}
        for container, items in imaginet.shards_of(raw, [there[index] for index in indices]):
            for item, content in imaginet.read_shard(container, items):
                yield index_of[item[1].path], content

    return Collection(f"{raw.root} ({config_name})", pictures, read, len(listed) - len(there))


def of_folder(folder: str) -> Collection:
    """``real/`` and ``synthetic/`` with images at any depth; a folder below ``synthetic`` names the generator."""
    pictures = []
    for label, name in enumerate(imaginet.LABELS):
        files = _image_files(f"{folder}/{name}")
        if not files:
            raise ValueError(f"{folder} must hold folders real and synthetic with images; {name} has none.")
        for file in files:
            below = os.path.dirname(file).split(os.sep)[0]
            path = f"{name}/{file}".replace(os.sep, "/")
            pictures.append(Picture(path, label, "uncategorized", "real" if label == 0 else below or "unknown", path))
    return Collection(folder, pictures, _file_reader(folder, [picture.name for picture in pictures]))


def _image_files(folder: str) -> list[str]:
    found = []
    for at, _, files in os.walk(folder):
        found += [os.path.relpath(f"{at}/{file}", folder) for file in files if file.lower().endswith(imaginet.IMAGE_SUFFIXES)]
    return sorted(found)


def of_csv(file: str) -> Collection:
    """A CSV file with a header: ``path``, ``label`` (0/1, real/synthetic), optionally ``content``, ``generator``,
    ``source_image``.

    Relative paths start from the file's folder.
    """
    with io.open(file, encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        rows = list(reader)
    absent = {"path", "label"} - set(reader.fieldnames or ())
    if absent:
        raise ValueError(f"{file} needs a header with the columns path and label; {', '.join(sorted(absent))} is not in it.")
    pictures = []
    for number, row in enumerate(rows, start=2):
        label = {"0": 0, "real": 0, "1": 1, "synthetic": 1, "fake": 1}.get((row["label"] or "").strip().lower())
        if label is None:
            raise ValueError(f"{file}, line {number}: the label {row['label']!r} is none of 0, 1, real, synthetic.")
        generator = "real" if label == 0 else row.get("generator") or "unknown"
        content, source_image = row.get("content") or "uncategorized", row.get("source_image") or row["path"]
        pictures.append(Picture(row["path"], label, content, generator, source_image))
    twice = [name for name, times in Counter(picture.name for picture in pictures).items() if times > 1]
    if twice:
        raise ValueError(f"{file} names {twice[0]} more than once; keep one line.")
    folder = os.path.dirname(os.path.abspath(file))
    absent = [picture.name for picture in pictures if not os.path.isfile(os.path.join(folder, picture.name))]
    if absent:
        raise ValueError(f"{file} names {len(absent)} file(s) that are not there, e.g. {absent[0]}; mend or remove these lines.")
    return Collection(file, pictures, _file_reader(folder, [picture.name for picture in pictures]))


def _file_reader(folder: str, names: list[str]):
    def read(indices: list[int]):
        for index in indices:
            file = os.path.join(folder, names[index])
            try:
                with io.open(file, "rb") as stream:
                    yield index, stream.read()
            except OSError as error:
                raise ValueError(f"{file} cannot be read ({error.strerror}).") from error

    return read


def of_dataset(name: str, config_name: str | None, split: str | None, image: str, label: str, real: str | None) -> Collection:
    """A prepared data set: a folder of ``save_to_disk``, or whatever ``load_dataset`` takes.

    Args:
        name: folder or name.
        config_name, split: as for ``load_dataset``; without a split, all images.
        image, label: names of the columns; ``content``, ``generator``, ``source_image`` and ``path`` are used where they exist
            (``path`` only if no two images share one: an image is else named by its number).
        real: the value of the label that means real; found by its name (REAL_NAMES) or 0 if not given.
    """
    rows = _rows(name, config_name, split)
    import datasets

    for column in (image, label):
        if column not in rows.column_names:
            there = ", ".join(rows.column_names)
            raise ValueError(f"{name} has no column {column!r}, only {there}; name it with --image_column or --label_column.")
    if not isinstance(rows.features[image], datasets.Image):
        raise ValueError(f"The column {image!r} of {name} holds no images but {rows.features[image]}.")
    rows = rows.cast_column(image, datasets.Image(decode=False))
    unlabelled = sum(value is None or value == -1 for value in rows[label])
    if unlabelled:
        raise ValueError(f"{unlabelled} of {len(rows)} images of {name} have no {label}; choose a labelled split with --split.")
    columns = {key: _texts(rows, key) for key in ("path", "content", "generator", "source_image") if key in rows.column_names}
    labels = _texts(rows, label)
    wanted = real if real is not None else next((text for text in sorted(set(labels)) if text.lower() in REAL_NAMES), "0")
    if wanted not in labels:
        there = ", ".join(sorted(set(labels))[:10])
        raise ValueError(f"No image of {name} has the label {wanted!r}; its labels are {there}. Say which is real with --real.")
    named = len(set(columns.get("path", ()))) == len(labels)
    pictures = []
    for index, text in enumerate(labels):
        value = int(text != wanted)
        path = columns["path"][index] if named else str(index)
        generator = "real" if value == 0 else columns["generator"][index] if "generator" in columns else text
        content = columns["content"][index] if "content" in columns else "uncategorized"
        source_image = columns["source_image"][index] if "source_image" in columns else path
        pictures.append(Picture(path, value, content, generator, source_image))

    def read(indices: list[int]):
        for index in indices:
            file = rows[index][image]
            if file is None:
                raise ValueError(f"Row {index} of {name} has no image; leave it out with datasets' filter and save the rest.")
            if file["bytes"] is not None:
                yield index, file["bytes"]
            else:
                with io.open(file["path"], "rb") as stream:
                    yield index, stream.read()

    return Collection(f"{name}, real: {label} = {wanted}", pictures, read)


def _rows(name: str, config_name: str | None, split: str | None):
    import datasets

    if os.path.isfile(f"{name}/state.json") or os.path.isfile(f"{name}/dataset_dict.json"):
        loaded = datasets.load_from_disk(name)
        loaded = loaded[split] if split and isinstance(loaded, dict) else loaded
    else:
        loaded = datasets.load_dataset(name, config_name, split=split)
    return datasets.concatenate_datasets(list(loaded.values())) if isinstance(loaded, dict) else loaded


def _texts(rows, column: str) -> list[str]:
    """A column's values as text, class labels by their names."""
    import datasets

    feature, values = rows.features[column], rows[column]
    if isinstance(feature, datasets.ClassLabel):
        return [feature.int2str(value) for value in values]
    return [str(int(value)) if isinstance(value, bool) else str(value) for value in values]
