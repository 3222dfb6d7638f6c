"""ImagiNet (https://arxiv.org/abs/2407.20020) as a data set: real and generated images from wherever their parts lie on your disk.

    import imaginet                                                          # registers the name
    from datasets import load_dataset
    sample = load_dataset("imaginet", "sample")                              # embedded, small, not ImagiNet itself
    faces = load_dataset("imaginet", "faces", data_dir="RAW")                # RAW: folders as in README.md, "The raw images"
    first = load_dataset("imaginet", data_dir="RAW", split="test[:1%]")      # also streaming=True, num_proc=2

With datasets 3 the same file is a loading script: ``load_dataset("imaginet.py", "faces", data_dir="RAW", trust_remote_code=True)``.
That is why it stays one file that imports nothing else of this project at its top.

From top to bottom: labels, the registry of sources, lists, what lies on the disk, the builder, registration.
"""

if __name__ == "__main__":  # before the libraries, which take seconds
    from imaginet_core.interrupts import end_at_once_on_interrupt

    end_at_once_on_interrupt("imaginet")

import contextlib
import csv
import difflib
import errno
import fnmatch
import functools
import gc
import hashlib
import io
import itertools
import json
import logging
import os
import re
import stat
import sys
import time
import unicodedata
import warnings
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import datasets
import pyarrow as pa
from PIL import Image

logger = logging.getLogger(__name__)

VERSION = datasets.Version("1.0.0")
UPSTREAM = "https://github.com/delyan-boychev/imaginet"
UPSTREAM_LISTS = "https://raw.githubusercontent.com/delyan-boychev/imaginet/main/annotations"
UPSTREAM_FFHQ_MAP = (UPSTREAM_LISTS, f"{UPSTREAM_LISTS.rpartition('/')[0]}/download_scripts")
"""Folders in which upstream has kept its map of FFHQ's names over time."""
UPSTREAM_IMAGES = "https://drive.google.com/drive/folders/1OGVxMuKKaRFwEJjhE_sX2ysB7nmn74M2"
LIST_NAMES = {
    "train": ("train_annotations.txt", "annotations_train.txt"),
    "test": ("test_annotations.txt", "annotations_test.txt"),
}
"""Split -> names its list may have; the first is upstream's."""
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".heif")
IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Pillow's names of the formats that are read, as in imaginet_core/pictures/sources.py; told by content. Others may start programs."""
LABELS = ("real", "synthetic")
CONTENTS = ("photos", "paintings", "faces", "uncategorized")
SAMPLE_LIMITS = (
    "This is the embedded sample, not ImagiNet: 192 crops of 256×256 pixels, synthesised by three super-resolution networks and one "
    "autoencoder. A detector trained on it knows those four networks, not text-to-image generators."
)
DESCRIPTIONS = {
    "official": "ImagiNet: 200,000 images, half of them real, in four content types from eight generators.",
    "lists": "Images of the user's own lists, with the names of their labels.yaml.",
    "folders": "Images of a plain folder: train and test, each with real and synthetic images.",
    "sample": SAMPLE_LIMITS,
    "testset": "ImagiNet's perturbed test set, ready as its authors packed it; published figures refer to it.",
    "perturbed": "Perturbed test images, made from the raw ones: a random square resized to 256×256, three in four compressed.",
    "aligned": "Aligned: real and synthetic images with the same sizes, container and kind of compression history.",
}
TESTSET_FAMILIES = ("gan", "sd", "midjourney", "dalle3")
"""In the order of upstream's lists of them."""
LICENCE_NOTES = {
    "official": "Each source has its own terms, in the column license; not all of them allow passing the images on.",
    "testset": "Those of the originals, see the column license.",
    "sample": "Each picture has its own free licence, in the column license and in LICENSES.md.",
    "lists": "", "folders": "",
}
"""What ``info.license`` says, by kind of data."""
TESTSETS = ("testset", *(f"testset_{family}" for family in TESTSET_FAMILIES))
"""Configurations of upstream's ready copy of the perturbed test set, whole and per family."""
PERTURBED = ("perturbed", *(f"perturbed_{content}" for content in CONTENTS))
"""Configurations that make the perturbed test set from the raw test images, whole and per content type."""
LEFT_OUT = "left_out.jsonl"
PERTURBED_COLUMNS = {
    "perturbed_side": datasets.Value("int32"), "perturbed_codec": datasets.Value("string"), "perturbed_quality": datasets.Value("int32"),
}
CITATION = """@article{boychev2024imaginet,
  title={ImagiNet: A Multi-Content Benchmark for Synthetic Image Detection},
  author={Boychev, Delyan and Cholakov, Radostin},
  journal={arXiv preprint arXiv:2407.20020},
  year={2024}
}"""


@dataclass(frozen=True)
class LabelNames:
    """What the numbers in a list mean.

    Attributes:
        contents, families, generators: number -> name; the name of real images is "real".
        source_images: source pictures known by name, of which images are crops called ``<source picture>_<k>.<suffix>``, each with
            its licence or None.
        sources: the sources whose folders hold all images; empty where any folder will do (own lists).
    """

    contents: dict
    families: dict
    generators: dict
    source_images: dict = field(default_factory=dict)
    sources: tuple = ()

    def features(self) -> datasets.Features:
        """The columns of a data set with these labels."""
        return datasets.Features({
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=list(LABELS)),
            "content": datasets.ClassLabel(names=list(self.contents.values())),
            "generator": datasets.ClassLabel(names=list(self.generators.values())),
            "family": datasets.ClassLabel(names=list(self.families.values())),
            "source": datasets.Value("string"),
            "path": datasets.Value("string"),
            "source_image": datasets.Value("string"),
            "calibration": datasets.Value("bool"),
            "width": datasets.Value("int32"),
            "height": datasets.Value("int32"),
            "format": datasets.Value("string"),
            "license": datasets.Value("string"),
        })


class Source(NamedTuple):
    """Where a part of ImagiNet comes from.

    Attributes:
        name: as in the column ``source``.
        folders: patterns of its folders under the root; ``*`` stands for one folder.
        what: a few words for people.
        home: where to get it.
        licence: its terms as known in November 2026; check at the source.
        redistributable: whether they allow passing the images on.
        archives: patterns of the file names that its publisher ships; upstream's own packages hold the rest.
        depth: how many parts at the end of a path tell an image from all others inside such an archive.
    """

    name: str
    folders: tuple
    what: str
    home: str
    licence: str
    redistributable: bool = False
    archives: tuple = ()
    depth: int = 1


_CC_BY, _NO_TERMS = "CC BY 4.0", "none stated; research"
_CNN_DETECTION = "https://github.com/PeterWang512/CNNDetection"
SOURCES = {source.name: source for source in (
    Source("imagenet", ("imagenet/ILSVRC/Data/CLS-LOC/train", "imagenet/ILSVRC/Data/CLS-LOC/val"), "ImageNet, real photos",
           "https://www.kaggle.com/c/imagenet-object-localization-challenge", "ImageNet terms: research, non-commercial",
           archives=("imagenet-object-localization-challenge*.zip", "ILSVRC*.zip", "ILSVRC*.tar*")),
    Source("coco", ("train2017", "val2017"), "COCO, real photos",
           "http://images.cocodataset.org/zips/train2017.zip and val2017.zip", "each photo under its Flickr licence",
           archives=("train2017.zip", "val2017.zip")),
    Source("lsun", ("progan_train/*/0_real", "progan_val/*/0_real"), "LSUN as packed with ProGAN by CNNDetection, real photos",
           _CNN_DETECTION, _NO_TERMS,
           archives=("progan_train*", "progan_val*"), depth=3),
    Source("progan", ("progan_train/*/1_fake", "progan_val/*/1_fake"), "ProGAN photos, from the same packages as LSUN",
           _CNN_DETECTION, "CC BY-NC-SA 4.0",
           archives=("progan_train*", "progan_val*"), depth=3),
    Source("stylegan_xl_photos", ("imagenet_stylegan",), "StyleGAN-XL photos", UPSTREAM_IMAGES, _CC_BY, True),
    Source("sd_photos", ("sd_photos_fake",), "Stable Diffusion v2.1 photos", UPSTREAM_IMAGES, _CC_BY, True),
    Source("sdxl_photos", ("sdxl_photos_fake",), "SDXL v1.0 photos", UPSTREAM_IMAGES, _CC_BY, True),
    Source("wikiart", ("wikiart",), "WikiArt, real paintings",
           "https://drive.google.com/file/d/1vTChp3nU5GQeLkPwotrybpUGUXj12BTK/view", "mixed; research, non-commercial",
           archives=("wikiart*.zip",), depth=2),
    Source("danbooru", ("danbooru2021",), "Danbooru, real drawings (its first host is down; upstream links a backup)",
           "https://gwern.net/danbooru2021", "the artists' own", archives=("danbooru*",)),
    Source("stylegan3_paintings", ("wikiart_stylegan",), "StyleGAN3 paintings", UPSTREAM_IMAGES, _CC_BY, True),
    Source("sd_paintings", ("sd_paintings_fake",), "Stable Diffusion v2.1 paintings", UPSTREAM_IMAGES, _CC_BY, True),
    Source("sdxl_paintings", ("sdxl_paintings_fake",), "SDXL v1.0 paintings", UPSTREAM_IMAGES, _CC_BY, True),
    Source("animagine_paintings", ("animaginexl_paintings_fake",), "Animagine XL drawings", UPSTREAM_IMAGES, _CC_BY, True),
    Source("ffhq", ("ffhq",), "FFHQ, real faces, 1024×1024 PNG, renamed",
           "https://github.com/NVlabs/ffhq-dataset", "CC BY-NC-SA 4.0, each photo its own",
           archives=("images1024x1024*", "ffhq.*", "ffhq-*", "ffhq[0-9]*", "ffhq_[0-9]*", "ffhq_images*")),
    Source("stylegan_xl_faces", ("ffhq_stylegan",), "StyleGAN-XL faces", UPSTREAM_IMAGES, _CC_BY, True),
    Source("sd_faces", ("sd_faces_fake",), "Stable Diffusion v2.1 faces", UPSTREAM_IMAGES, _CC_BY, True),
    Source("sdxl_faces", ("sdxl_faces_fake",), "SDXL v1.0 faces", UPSTREAM_IMAGES, _CC_BY, True),
    Source("photozilla", ("photozilla/dataset/*", "photozilla/other_dataset/*"), "Photozilla, real uncategorized photos",
           "https://drive.google.com/file/d/1WkY6rcXMnir8nk4obejVq64h_WrtydVg/view", "not stated",
           archives=("photozilla*", "dataset*.zip", "other_dataset*.zip"), depth=2),
    Source("journeydb", ("journeydb",), "Midjourney images, from JourneyDB's 000.tgz (its folder 000)",
           "https://huggingface.co/datasets/JourneyDB/JourneyDB", "JourneyDB terms: non-commercial",
           archives=("000.tgz",)),
    Source("dalle3", ("dalle3",), "DALL·E 3 images, collected", UPSTREAM_IMAGES, "CC0", True),
    Source("dalle3_addition", ("dalle3_addition", "dalle3_addition2"), "DALL·E 3 images, generated by ImagiNet's authors",
           UPSTREAM_IMAGES, _CC_BY, True),
)}
"""ImagiNet's sources by name; see REFERENCE of the paper's repository, https://github.com/delyan-boychev/imaginet."""
TESTSET_SOURCE = Source(
    "testset", ("testset/*/real", "testset/*/synthetic/*"), "ImagiNet's perturbed test images, as packed by its authors",
    "https://huggingface.co/datasets/delyanboychev/imaginet", "those of the originals",
)

OFFICIAL = LabelNames(
    contents=dict(enumerate(CONTENTS)),
    families=dict(enumerate(("GAN", "SD", "Midjourney", "DALL·E 3", "real"))),
    generators=dict(enumerate((
        "ProGAN", "StyleGAN-XL", "StyleGAN3", "SD v2.1", "SDXL v1.0", "Animagine XL", "Midjourney", "DALL·E 3", "real",
    ))),
    sources=tuple(SOURCES.values()),
)


@functools.lru_cache
def _folders(sources: tuple) -> tuple:
    """(one regular expression of all folder patterns, the source's name by its group)."""
    patterns = [(pattern, source.name) for source in sources for pattern in source.folders]
    joined = "|".join(f"({re.escape(pattern)}/)".replace(r"\*", "[^/]+") for pattern, _ in patterns)
    return re.compile(joined), [name for _, name in patterns]


def source_of(path: str, sources: tuple = OFFICIAL.sources) -> str | None:
    """Name of the source whose folder holds ``path`` (relative to the root, with "/"), or None."""
    expression, names = _folders(sources)
    match = expression.match(path)
    return names[match.lastindex - 1] if match else None


class Record(NamedTuple):
    """One image of a list; all strings. ``path`` is relative to the root, with "/" and without a leading "./"."""

    path: str
    label: str
    content: str
    family: str
    generator: str
    source: str
    source_image: str


def read_list(file: str, names: LabelNames, unique: bool = True, content: bytes | None = None) -> list[Record]:
    """Reads a list of images: ``./relative/path,origin,content,family,generator`` a line, UTF-8, without header.

    Args:
        file: path of the list.
        names: what its numbers mean.
        unique: whether an image may stand in it only once.
        content: of the file, where it was read already.

    Raises:
        ValueError: naming file and line, for a line that is not of this form, numbers without a name, labels that contradict each
            other, paths that leave the root or lie in no folder of ImagiNet (official names only), and images listed twice.
    """
    records, numbers, known, number = [], [], _Known({}, {}), 0

    def where() -> str:
        return f"{file}, line {number}"

    with _open_text(file, content=content) as lines:
        try:
            for number, line in enumerate(lines, start=1):
                line = line.rstrip("\r\n")
                if line and not line.isspace():
                    try:
                        records.append(_record(line, names, where, known))
                    except ValueError as error:
                        told = _how_to_write(line, 1 if not records else number)
                        raise ValueError(f"{where()}: {told}" if told else str(error)) from error
                    numbers.append(number)
        except UnicodeDecodeError as error:
            raise ValueError(f"{file} is not a UTF-8 text file ({error.reason} at byte {error.start}); save the list as UTF-8.") from error
    if not records:
        raise ValueError(f"The list {file} names no image.")
    places = _same_places(records)
    if unique and len(set(places)) < len(places):
        first = {}
        for place, number, record in zip(places, numbers, records, strict=True):
            if place in first:
                raise ValueError(f"{where()}: {record.path} stands in line {first[place]} already; keep one of them.")
            first[place] = number
    return records


def same_place(path: str) -> str:
    """What two spellings of one place have in common: letters with accents may be one character or two (Unicode's NFC and NFD)."""
    return path if path.isascii() else unicodedata.normalize("NFC", path)


def _same_places(records: list[Record]) -> list[str]:
    """:func:`same_place` of each record's path, in their order."""
    paths = [record.path for record in records]
    return paths if all(map(str.isascii, paths)) else list(map(same_place, paths))


def listed_paths(file: str, content: bytes | None = None) -> frozenset:
    """The paths on a list, whatever its labels, as in :class:`Record`. Raises ValueError for one that is quoted or has backslashes.

    ``content``: of the file, where it was read already.
    """
    found = set()
    with _open_text(file, content=content) as lines:
        for number, line in enumerate(lines, start=1):
            path = line.strip().rsplit(",", 4)[0]
            if _is_quoted(path) or "\\" in path:
                raise ValueError(f"{file}, line {number}: {_how_to_write(line.strip(), number)}")
            found.add("/".join(part for part in path.removeprefix("./").split("/") if part not in ("", ".")))
    return frozenset(found - {""})


def _open_text(file: str, newline: str | None = None, content: bytes | None = None) -> io.TextIOWrapper:
    """A text file of the user's, or its ``content`` where that was read already. Raises as :func:`_open_file` does."""
    return io.TextIOWrapper(_open_file(file) if content is None else io.BytesIO(content), encoding="utf-8-sig", newline=newline)


def _open_file(file: str) -> io.BufferedReader:
    """A file of the user's. Raises OSError for a pipe, socket or device, which would keep everybody waiting for ever."""
    if os.path.exists(file) and not os.path.isfile(file):
        raise OSError(f"{file} is a folder, pipe, socket or device, not a regular file; replace it or take it away.")
    return io.open(file, "rb", opener=_open_at_once)


class ListFile(NamedTuple):
    """A list and its bytes, read once: what is found out about it at different times is true of the same bytes."""

    file: str
    content: bytes


def _read_list_file(file: str) -> ListFile:
    with _open_file(file) as opened:
        return ListFile(file, opened.read())


def _open_at_once(file: str, flags: int) -> int:
    """For ``open``: what has become a pipe since it was looked at is empty, and does not keep everybody waiting."""
    return os.open(file, flags | getattr(os, "O_NONBLOCK", 0))


class _Known(NamedTuple):
    """What folders and labels of a list mean, found out once: folder -> (its normal form, source), labels as written -> their names."""

    folders: dict
    labels: dict


def _record(line: str, names: LabelNames, where: Callable[[], str], known: _Known) -> Record:
    """A line of a list; ``where`` names file and line for messages."""
    fields = line.rsplit(",", 4)
    if len(fields) != 5:
        raise ValueError(f"{where()}: expected path,origin,content,family,generator but found {line[:100]!r}.")
    written = fields[0]
    if _is_quoted(written):
        raise ValueError(f"{where()}: the path {written} is quoted.")
    folder, _, name = written.rpartition("/")
    if name in ("", ".", "..") or "\\" in name or (not folder and ":" in name):
        raise ValueError(f"{where()}: the path {written!r} is not a relative path inside the root.")
    if folder not in known.folders:
        known.folders[folder] = _folder_and_source(written, folder, names, where)
    folder, source = known.folders[folder]
    path = f"{folder}/{name}" if folder else name
    labels = line[len(written) :]
    if labels not in known.labels:
        known.labels[labels] = _labels(fields[1:], path, names, where)
    source_picture = name.rpartition(".")[0].rpartition("_")[0] if names.source_images else ""
    source_image = source_picture if source_picture in names.source_images else path
    return Record._make((path, *known.labels[labels], source, source_image))


def _is_quoted(value: str) -> bool:
    return value[:1] in ('"', "'") and len(value) > 1 and value[0] == value[-1]


def _how_to_write(line: str, number: int) -> str:
    """What is wrong with a line of a list that another program wrote in its own way, and how it is written here; "" for any other."""
    fields = [field.strip() for field in line.split(",")]
    plain = [field.strip("\"'") for field in fields]
    if number == 1 and len(fields) > 1 and not any(field.lstrip("-").isdecimal() or re.search(r"[/\\.]", field) for field in plain):
        return f"{line[:100]!r} looks like a header, which a list has none of; take this line out."
    if any(map(_is_quoted, fields)) or _is_quoted(line.strip()):
        return f"{line[:100]!r} is quoted; write path,origin,content,family,generator without quotation marks."
    if "\\" in line:
        return f"{line[:100]!r} holds backslashes and is not a relative path inside the root; separate folders with /."
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(fields) < 5 and line.count(mark) >= 4:
            return f"the values of {line[:100]!r} are separated by {name}; separate them with commas."
    return ""


def _folder_and_source(written: str, folder: str, names: LabelNames, where: Callable[[], str]) -> tuple[str, str]:
    """A listed folder without ".", "//" and the like, and its source. Raises ValueError where it leaves the root or is no source's."""
    parts = folder.split("/")
    if folder.startswith("/") or written.startswith("/") or ".." in parts or "\\" in folder or ":" in parts[0]:
        raise ValueError(f"{where()}: the path {written!r} is not a relative path inside the root.")
    folder = "/".join(part for part in parts if part not in ("", "."))
    source = source_of(f"{folder}/", names.sources) if names.sources else folder
    if source is None:
        raise ValueError(
            f"{where()}: {written.removeprefix('./')} lies in no folder of ImagiNet's sources. For images of your own, put a labels.yaml "
            "beside the list that names its contents, families and generators."
        )
    return folder, source


def _labels(values: list[str], path: str, names: LabelNames, where: Callable[[], str]) -> tuple[str, str, str, str]:
    """Label, content, family and generator by their numbers in a list. Raises ValueError for numbers without a name, or a contradiction."""
    tables = (dict(enumerate(LABELS)), names.contents, names.families, names.generators)
    found = []
    for column, value, table in zip(("origin", "content", "family", "generator"), values, tables, strict=True):
        value = value.strip()
        if not value.isdecimal() or int(value) not in table:
            allowed = ", ".join(f"{key} ({name})" for key, name in table.items())
            raise ValueError(f"{where()}: the {column} {value!r} of {path} is none of {allowed}.")
        found.append(table[int(value)])
    label, content, family, generator = found
    if not (label == "real") == (family == "real") == (generator == "real"):
        raise ValueError(f"{where()}: {path} is called {label}, but its family is {family} and its generator {generator}.")
    return label, content, family, generator


def read_yaml(file: str):
    """What a YAML file holds.

    Raises:
        ValueError: naming it, where it is not there or no YAML, or its aliases (``*name``) stand for more than YAML_NODES values.
    """
    import yaml

    try:
        with _open_text(file) as stream:
            loader = yaml.SafeLoader(stream)
            node = loader.get_single_node()
            if node is not None and _expanded_nodes(node, {}) > YAML_NODES:
                raise ValueError(f"{file} stands for more than {YAML_NODES:,} values by aliases that name each other; write them out.")
            return None if node is None else loader.construct_document(node)
    except RecursionError as error:
        raise ValueError(f"{file} cannot be read as YAML: it is nested too deeply.") from error
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read as YAML: {' '.join(str(error).split())}") from error


YAML_NODES = 1_000_000
"""Values of a YAML file at most, aliases counted each time they are used."""


def _expanded_nodes(node, known: dict) -> int:
    """How many values a node of a YAML document stands for, with aliases written out; more than YAML_NODES for one within itself."""
    if id(node) not in known:
        known[id(node)] = YAML_NODES + 1  # while it is counted: an alias to itself
        children = node.value if isinstance(node.value, list) else ()
        flat = itertools.chain.from_iterable(child if isinstance(child, tuple) else (child,) for child in children)
        known[id(node)] = min(YAML_NODES + 1, 1 + sum(_expanded_nodes(child, known) for child in flat))
    return known[id(node)]


def read_label_names(file: str) -> LabelNames:
    """Reads a labels.yaml: the keys contents, families and generators, each a list of names or a mapping number -> name.

    Source pictures (see :class:`LabelNames`) are the keys of its entry ``sources`` or, where there is none, the column ``key`` of a
    SOURCES.tsv beside it.

    Raises:
        ValueError: naming the file and what is wrong with it.
    """
    values, tables = read_yaml(file), {}
    for key in ("contents", "families", "generators"):
        table = values.get(key) if isinstance(values, dict) else None
        if isinstance(table, list):
            table = dict(enumerate(table))
        if not isinstance(table, dict) or not table or not all(isinstance(number, int) for number in table):
            raise ValueError(f"{file}: {key} must be a list of names, or a mapping from the list's numbers to names.")
        if len({str(name) for name in table.values()}) != len(table):
            raise ValueError(f"{file}: {key} gives one name to two numbers.")
        tables[key] = {number: str(table[number]) for number in sorted(table)}
    for key in ("families", "generators"):
        if "real" not in tables[key].values():
            raise ValueError(f"{file}: {key} must name the number of real images 'real'.")
    return LabelNames(**tables, source_images=_source_pictures(values.get("sources"), f"{_folder_of(file)}/SOURCES.tsv"))


def _source_pictures(entries, table: str) -> dict:
    """Source picture -> its licence or None: of the labels' own entries or, where there are none, of a table beside them."""
    if isinstance(entries, dict):
        return {str(key): entry.get("licence") if isinstance(entry, dict) else None for key, entry in entries.items()}
    if not os.path.lexists(table):
        return {}
    with _open_text(table, newline="") as lines:
        return {row["key"]: row.get("licence") for row in csv.DictReader(lines, delimiter="\t") if row.get("key")}


class Place(NamedTuple):
    """Where an image's bytes lie.

    Attributes:
        container: path or fsspec URL of an archive (its first volume), or "" for a file of its own.
        member: the file's path or fsspec URL, or the exact name inside the archive.
        size: bytes; -1 where not known.
        stamp: whatever changes with the content: modification time, checksum, ETag.
    """

    container: str
    member: str
    size: int
    stamp: str


class Raw(NamedTuple):
    """Everything known of the raw images before any is read.

    Attributes:
        root: absolute folder of the images.
        kind: a key of DESCRIPTIONS.
        names: of the labels.
        splits: split -> its images, those of the configuration only.
        places: path -> where its image lies, for those found.
        missing: images that are not there or empty.
        calibration: paths on upstream's calibration list; None without the list.
        fingerprint: changes with root, lists, labels, and size and time of any file.
    """

    root: str
    kind: str
    names: LabelNames
    splits: dict
    places: dict
    missing: list
    calibration: frozenset | None
    fingerprint: str


class Opened(NamedTuple):
    """What is known of the raw images when no more is read than it takes to find the data set that was prepared of them.

    Attributes:
        root, kind, names: as in :class:`Raw`.
        splits: split -> its images, where they stand in no lists.
        lists: split -> its list, not understood yet.
        calibration: upstream's calibration list, or None.
        states: what the system knows of the file of each image of the configuration, in the lists' order, None where there is none;
            None without lists, with ``locations``, or where only :func:`read_raw` can say what a list means.
        fingerprint: changes with whatever the data set is made of; None unless each listed image is a file at its own path.
    """

    root: str
    kind: str
    names: LabelNames
    splits: dict
    lists: dict
    calibration: ListFile | None
    states: list | None = None
    fingerprint: str | None = None


def list_folders(root: str, annotations: str | None = None) -> list[str]:
    """Where lists are searched, in this order: the folder that the user says, else ``annotations`` in the root and the root."""
    return [os.path.abspath(annotations)] if annotations else [f"{root}/annotations", root]


def find_lists(root: str, annotations=None) -> dict[str, str]:
    """The lists of a data set: split -> file. Empty if there is none.

    Args:
        root: folder of the images; searched are its folder ``annotations`` and then itself.
        annotations: instead, a folder with lists or a mapping split -> file.

    Raises:
        FileNotFoundError, ValueError: if ``annotations`` leads to no list.
    """
    if isinstance(annotations, dict):
        strange = [split for split in annotations if split not in LIST_NAMES]
        absent = [file for file in annotations.values() if not os.path.lexists(file)]
        if strange or not annotations:
            raise ValueError(f"annotations must map train and/or test to list files, got {annotations}.")
        if absent:
            raise FileNotFoundError(f"The list {absent[0]} given as annotations does not exist.")
        return {split: os.path.abspath(file) for split, file in annotations.items()}
    if annotations is not None and not os.path.isdir(annotations):
        raise FileNotFoundError(f"annotations must be a folder with lists or a mapping such as {{'test': file}}, got {annotations}.")
    for folder in list_folders(root, annotations):
        found = {
            split: next((f"{folder}/{name}" for name in names if os.path.lexists(f"{folder}/{name}")), None)
            for split, names in LIST_NAMES.items()
        }
        if any(found.values()):
            return {split: file for split, file in found.items() if file}
    if annotations is not None:
        raise FileNotFoundError(f"{annotations} holds none of the lists {', '.join(sum(LIST_NAMES.values(), ()))}.")
    return {}


def download_lists() -> dict[str, str]:
    """Fetches upstream's lists of both splits into the cache of ``datasets``: split -> file. Raises ConnectionError."""
    urls = {split: f"{UPSTREAM_LISTS}/{names[0]}" for split, names in LIST_NAMES.items()}
    try:
        return datasets.DownloadManager(download_config=datasets.DownloadConfig(max_retries=2)).download(urls)
    except OSError as error:  # of every network library that datasets uses
        raise ConnectionError(
            f"The data folder holds no lists, and upstream's could not be fetched from {UPSTREAM_LISTS} "
            f"({str(error).splitlines()[0] if str(error) else type(error).__name__}). Put train_annotations.txt and/or "
            "test_annotations.txt into its folder annotations/, or give annotations=FOLDER."
        ) from error


SPLIT_WORDS = {
    "train": ("train", "training"), "validation": ("val", "valid", "validation", "dev"), "test": ("test", "testing"),
}
"""Split -> what its folder may be called, in small letters."""
PLAIN_LAYOUT = (
    "A plain folder of images looks so: train/real, train/synthetic, test/real, test/synthetic (or fake for synthetic, val for a third "
    "split), with images at any depth; a folder below synthetic names the generator."
)


def read_folders(root: str) -> tuple[LabelNames, dict]:
    """Reads a plain folder, see PLAIN_LAYOUT. Without folders of splits, all images are of the split train.

    A folder below ``synthetic`` names the generator; images right inside it are of the generator "unknown".

    Returns:
        label names and split -> records; no split where the root has no such folders.

    Raises:
        ValueError: for folders beside those of the labels, two folders of one split, and a generator's folder called real.
    """
    splits, ignored = {}, []
    for split, folder in _split_folders(root).items():
        prefix = f"{folder}/" if folder else ""
        records = [record for name, label in _label_folders(root, folder) for record in _of_label_folder(root, prefix + name, label, ignored)]
        missing = [label for label in LABELS if label not in {record.label for record in records}]
        if records:
            splits[split] = records
            if missing:
                logger.warning("%s holds no %s image.", f"{root}/{folder}".rstrip("/"), missing[0])
    if ignored:
        logger.warning("%d file(s) under %s are no images and left out, e.g. %s", len(ignored), root, ignored[0])
    generators = sorted({record.generator for records in splits.values() for record in records} - {"real"})
    names = LabelNames(OFFICIAL.contents, {0: "unknown", 1: "real"}, dict(enumerate([*generators, "real"])))
    return names, splits


def _folders_in(folder: str) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith((".", "__")))


def _split_folders(root: str) -> dict[str, str]:
    """Split -> its folder below the root; "" for a root whose own folders are those of the labels."""
    found, there = {}, _folders_in(root)
    for split, words in SPLIT_WORDS.items():
        own = [name for name in there if name.lower() in words]
        if len(own) > 1:
            raise ValueError(f"{root} holds {' and '.join(own)}, which would be one split; join or rename them.")
        if own:
            found[split] = own[0]
            if own[0] != split:
                logger.warning("%s/%s is taken for the split %s.", root, own[0], split)
    if not found and {_label_of_folder(name) for name in there} >= set(LABELS):
        logger.warning("%s has no folders train and test, so all its images are of the split train.", root)
        found["train"] = ""
    return found


def _label_folders(root: str, folder: str) -> list[tuple[str, str]]:
    """(name, label) of the folders of a split. Raises ValueError where there are others, so that none is left out without a word."""
    place = f"{root}/{folder}".rstrip("/")
    labels = {name: _label_of_folder(name) for name in _folders_in(place)}
    strange = [name for name, label in labels.items() if label is None]
    if strange and any(labels.values()):
        raise ValueError(f"{place}/{strange[0]} names neither real nor synthetic images; rename it or move it elsewhere. {PLAIN_LAYOUT}")
    guessed = {name: label for name, label in labels.items() if label and name != label}
    if guessed:
        told = ", ".join(f"{name} for {label}" for name, label in guessed.items())
        logger.warning("In %s the folder(s) are taken as follows: %s images.", place, told)
    return [(name, label) for name, label in labels.items() if label]


def _label_of_folder(name: str) -> str | None:
    """The label that a folder's name says, by the words of the field where imaginet_core is there."""
    try:
        from imaginet_core.label_words import label_of_word
    except ModuleNotFoundError as error:
        if error.name != "imaginet_core":
            raise
        return name if name in LABELS else None  # this file alone, as a loading script
    label = label_of_word(name)
    return None if label is None else LABELS[label]


def _of_label_folder(root: str, folder: str, label: str, ignored: list[str]) -> list[Record]:
    """The images below ``root``/``folder``, all of one label; other files are added to ``ignored``."""
    records = []
    for file in _files_below(f"{root}/{folder}"):
        below, path = file.split("/"), f"{folder}/{file}"
        generator = "real" if label == "real" else below[0] if len(below) > 1 else "unknown"
        if label == "synthetic" and generator == "real":
            raise ValueError(
                f"{root}/{folder}/real: a folder below {folder.rpartition('/')[2]} names the generator, and real means no generator; move real "
                "images to a folder real beside it, or rename the folder."
            )
        if not file.lower().endswith(IMAGE_SUFFIXES):
            ignored.append(path)
            continue
        family = "real" if label == "real" else "unknown"
        records.append(Record(path, label, "uncategorized", family, generator, path.rpartition("/")[0], path))
    return records


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """While millions of objects are made that all stay, looking for garbage among them again and again takes a quarter of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_no_garbage_collection()
def open_raw(config: "ImagiNetConfig") -> Opened | None:
    """Finds lists (or plain folders) and reads the state of every listed file; None where no data folder is given.

    Whether a list has faults is left to :func:`read_raw`: data was prepared only of lists without any, and it is found again by their
    bytes and the state of every file. What is prepared later is made of these same bytes and states, so that it is what the fingerprint
    says, even where a list is edited in between.
    """
    root = _root_of(config)
    if root is None:
        return None
    kind, names, splits, files = _find_labels(config, root)
    lists = {split: _read_list_file(file) for split, file in files.items()}
    opened = Opened(root, kind, names, splits, lists, _calibration_list(root, config.annotations))
    members = None if config.locations else _listed_members(opened, config)
    if members is None:
        return opened
    states = _states_of(members)
    return opened._replace(states=states, fingerprint=_fingerprint_of_files(opened, states, config))


def _listed_members(opened: Opened, config: "ImagiNetConfig") -> list[str] | None:
    """Where the configuration's images lie if all lie at their own paths, in the lists' order.

    None without lists, for one that :func:`read_list` refuses or that holds lines of spaces, and where a list has no such image.
    """
    members, of_labels = [], {}
    whole = all(_is_wanted(label, content, config) for label in LABELS for content in opened.names.contents.values())
    for split, (_, content) in opened.lists.items():
        if not _is_split_wanted(split, config):
            continue
        try:
            text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
            lines = list(filter(None, text.split("\n")))
            if not whole:
                lines = [line for line in lines if _is_line_wanted(line, opened.names, config, of_labels)]
        except ValueError:  # read_list tells of it, with the line
            return None
        if not lines or any(map(str.isspace, lines)):
            return None
        members += [f"{opened.root}/{line.rsplit(',', 4)[0].removeprefix('./')}" for line in lines]
    return members or None


def _is_line_wanted(line: str, names: LabelNames, config: "ImagiNetConfig", of_labels: dict[str, bool]) -> bool:
    """Whether a line of a list is of the configuration; ``of_labels`` keeps what was found out of labels as written. Raises ValueError."""
    path = line.rsplit(",", 4)[0]
    labels = line[len(path) :]
    if labels not in of_labels:
        label, content, *_ = _labels(labels.split(",")[1:], path, names, where=str)
        of_labels[labels] = _is_wanted(label, content, config)
    return of_labels[labels]


def _fingerprint_of_files(opened: Opened, states: list, config: "ImagiNetConfig") -> str | None:
    """``Raw.fingerprint`` where all listed images are files at their own paths, by the lists' bytes; else None."""
    if None in states:
        return None
    sizes = [state.st_size for state in states]
    if 0 in sizes or not all(map(stat.S_ISREG, {state.st_mode for state in states})):
        return None
    digest = hashlib.sha256(repr((opened.root, opened.names, config.name, config.track)).encode())
    for name, each in {**opened.lists, "calibration": opened.calibration}.items():
        content = b"" if each is None else each.content
        digest.update(f"{name} {'none' if each is None else len(content)}\n".encode() + content)
    try:
        for numbers in (sizes, [state.st_mtime_ns for state in states], [state.st_ctime_ns for state in states]):
            digest.update(array("q", numbers))
    except OverflowError:  # a time after the year 2262
        return None
    return digest.hexdigest()[:16]


@_no_garbage_collection()
def read_raw(config: "ImagiNetConfig", make_index: bool = True, opened: Opened | None = None) -> Raw | None:
    """Finds lists (or plain folders) and looks every image up; None where no data folder is given.

    Args:
        config: of the data set.
        make_index: whether FFHQ under its own numbers may be hashed to find out which picture is which; takes minutes to hours, once.
        opened: what :func:`open_raw` found for it, if it was called already.
    """
    opened = open_raw(config) if opened is None else opened
    if opened is None:
        return None
    root, names = opened.root, opened.names
    splits = opened.splits or {split: read_list(file, names, content=content) for split, (file, content) in opened.lists.items()}
    _check_disjoint(splits)
    splits = _select_configuration(splits, config, root)
    _check_locations(config.locations, names, splits)
    places = _look_up(root, names, splits, _locations(config.locations), make_index, opened.states)
    _check_places(places)
    missing = [record for records in splits.values() for record in records if record.path not in places]
    calibration = None if opened.calibration is None else listed_paths(*opened.calibration)
    fingerprint = opened.fingerprint or _fingerprint_of_places(root, names, splits, places, calibration)
    return Raw(root, opened.kind, names, splits, places, missing, calibration, fingerprint)


def _fingerprint_of_places(root: str, names: LabelNames, splits: dict, places: dict[str, Place], calibration: frozenset | None) -> str:
    """``Raw.fingerprint`` where images lie in archives and other places, are missing, or stand in no list."""
    digest = hashlib.sha256(repr((root, names, calibration and sorted(calibration))).encode())
    for split, records in splits.items():
        found = (places.get(record.path) for record in records)
        parts = [split, *map("\0".join, records), *(f"{each.container}\0{each.member}\0{each.size}\0{each.stamp}" if each else "" for each in found)]
        digest.update("\n".join(parts).encode("utf-8", "surrogatepass"))
    for container in sorted({place.container for place in places.values()} - {""}):
        digest.update(f"{container}\0{_reader(container).state_of(container)}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]


def _root_of(config: "ImagiNetConfig") -> str | None:
    """Absolute folder of the images; None where none is given. Raises ValueError and FileNotFoundError."""
    if config.name == "sample":
        if config.data_dir or config.annotations or config.registry:
            raise ValueError("The configuration 'sample' is embedded and takes no data_dir; choose another one for your own images.")
        return sample_folder(config.script_folder)
    if config.data_dir is None:
        return None
    if not str(config.data_dir).strip():
        raise ValueError('data_dir is empty; give the folder of the images, or load_dataset("imaginet", "sample") to try things out.')
    root = os.path.abspath(os.path.expanduser(config.data_dir))
    if not os.path.isdir(root):
        packed = " It is a file: unpack it, or put it into a folder and give that." if os.path.isfile(root) else ""
        raise FileNotFoundError(f"The data folder {config.data_dir} does not exist or is no folder.{packed}")
    return root


def _find_labels(config: "ImagiNetConfig", root: str) -> tuple[str, LabelNames, dict, dict[str, str]]:
    """Kind, label names and split -> records, of the test set, a registry of one's own or plain folders; or split -> file of its list."""
    if config.name in TESTSETS:
        return "testset", *read_testset(root, config.annotations, config.name), {}
    if config.registry is not None:
        names, splits, alone = read_registry(config.registry, root)
        if alone:
            return "lists", names, splits, {}
        lists = find_lists(root, config.annotations) or download_lists()
        return "lists", names, {
            split: [*(read_list(lists[split], names) if split in lists else ()), *splits.get(split, ())]
            for split in LIST_NAMES if split in lists or split in splits
        }, {}
    lists = find_lists(root, config.annotations)
    names = OFFICIAL
    if lists:
        for folder in (_folder_of(next(iter(lists.values()))), root):
            if os.path.lexists(f"{folder}/labels.yaml"):
                names = read_label_names(f"{folder}/labels.yaml")
                break
    else:
        folder_names, splits = read_folders(root)
        if splits:
            return "folders", folder_names, splits, {}
        _check_is_raw(root, config)
        lists = download_lists()
    kind = "official" if names is OFFICIAL else "sample" if config.name == "sample" else "lists"
    return kind, names, {}, lists


def read_registry(file: str, root: str) -> tuple[LabelNames, dict, bool]:
    """Reads a registry of sources of one's own, see imaginet_core/storage/registry_file.py.

    Args:
        file: the YAML file.
        root: absolute folder of the images, where patterns are searched.

    Returns:
        label names with all sources; split -> records of the registry's own sources; whether it stands alone (``extends: nothing``).

    Raises:
        ValueError: naming the file, the source and what is wrong.
    """
    from imaginet_core.storage.registry_file import check_registry

    official = {"contents": OFFICIAL.contents, "families": OFFICIAL.families, "generators": OFFICIAL.generators}
    registry = check_registry(read_yaml(file), file, root, tuple(LIST_NAMES), official)
    sources = {} if registry.alone else dict(SOURCES)
    sources.update((name, Source(name=name, **fields)) for name, fields in registry.sources.items())
    names = LabelNames(registry.contents, registry.families, registry.generators, sources=tuple(sources.values()))
    splits = {}
    for part in registry.parts:
        records = read_list(part.list_file, names) if part.list_file else []
        for found in part.found:
            if source_of(found.path, names.sources) != part.source:
                what = f"{found.path} fits its {part.split} pattern but lies in none of its folders"
                raise ValueError(f"The registry {file}, source {part.source}: {what}.")
            records.append(Record(*found, source=part.source, source_image=found.path))
        splits.setdefault(part.split, []).extend(records)
    for records in splits.values():
        twice = [path for path, times in Counter(record.path for record in records).items() if times > 1]
        if twice:
            raise ValueError(f"The registry {file} names {twice[0]} twice; let one pattern or list find it.")
    return names, {split: splits[split] for split in LIST_NAMES if split in splits}, registry.alone


def read_testset(root: str, annotations, name: str) -> tuple[LabelNames, dict]:
    """Reads upstream's ready copy of the perturbed test set, ``testset/<content>/<real|synthetic/<family>>/NNNNN.webp``, by its lists.

    Its numbers count the lines of upstream's four per-family lists of raw images, read one after the other, so every image is
    traced to its original where those lists lie beside it.

    Args:
        root: folder that holds ``testset/``.
        annotations: folder of the lists, if not ``root``/annotations or ``root``.
        name: of the configuration, one of TESTSETS.

    Returns:
        label names and {"test": records}, of which ``source`` and ``source_image`` are the original image's, where it is known.

    Raises:
        FileNotFoundError, ValueError: if there is no such list, or it is wrong.
    """
    wanted = f"test_{name.removeprefix('testset').lstrip('_') or 'all'}.txt"
    if isinstance(annotations, dict):
        raise ValueError(f"The configuration {name!r} takes annotations=FOLDER with upstream's {wanted}, no mapping.")
    folders = list_folders(root, annotations)
    folder = next((folder for folder in folders if os.path.isfile(f"{folder}/{wanted}")), None)
    if folder is None:
        raise FileNotFoundError(f"{' and '.join(folders)} hold(s) no {wanted}; fetch it from {UPSTREAM_LISTS}/{wanted}.")
    own = LabelNames(OFFICIAL.contents, OFFICIAL.families, OFFICIAL.generators, sources=(TESTSET_SOURCE,))
    originals, files = [], [f"{folder}/test_annotations_{family}.txt" for family in TESTSET_FAMILIES]
    if all(map(os.path.isfile, files)):
        # a few real images stand twice in these lists, and each of their lines has its own perturbed copy
        originals = [record for file in files for record in read_list(file, OFFICIAL, unique=False)]
    records = [_trace_original(record, originals) for record in read_list(f"{folder}/{wanted}", own)]
    return LabelNames(own.contents, own.families, own.generators, sources=(*OFFICIAL.sources, TESTSET_SOURCE)), {"test": records}


def _trace_original(record: Record, originals: list[Record]) -> Record:
    number = record.path.rpartition("/")[2].partition(".")[0]
    if not number.isdecimal() or int(number) >= len(originals):
        return record
    original = originals[int(number)]
    if original[1:5] != record[1:5]:
        raise ValueError(
            f"{record.path} is labelled {', '.join(record[1:5])}, but line {int(number) + 1} of the lists that it counts is {original.path}, "
            f"labelled {', '.join(original[1:5])}; take all lists from one version of upstream's."
        )
    return record._replace(source=original.source, source_image=original.source_image)


def _check_is_raw(root: str, config: "ImagiNetConfig") -> None:
    """Raises FileNotFoundError where nothing in the root is of ImagiNet: then its lists would help nobody."""
    if config.locations:
        return
    names = os.listdir(root)
    tops = {folder.partition("/")[0] for source in SOURCES.values() for folder in source.folders}
    patterns = [pattern for source in SOURCES.values() for pattern in source.archives]
    archives = (".zip", ".tar", ".tgz", ".tar.gz", ".7z", ".7z.001")
    if not any(name in tops or name.endswith(archives) or any(fnmatch.fnmatch(name, pattern) for pattern in patterns) for name in names):
        raise FileNotFoundError(
            f"{root} holds no list, no folder or archive of ImagiNet's sources (such as {', '.join(sorted(tops)[:3])}), and no folders of real "
            f"and synthetic images. {PLAIN_LAYOUT}"
        )


def _calibration_list(root: str, annotations) -> ListFile | None:
    """Upstream's calibration.txt beside the lists, if it is there."""
    for folder in list_folders(root, annotations if isinstance(annotations, str) else None):
        if os.path.lexists(f"{folder}/calibration.txt"):
            return _read_list_file(f"{folder}/calibration.txt")
    return None


def _locations(locations) -> dict[str, list[str]]:
    """``locations`` as source -> places; read from a YAML file if it is a path. Raises ValueError."""
    locations = (read_yaml(locations) if isinstance(locations, str) else locations) or {}
    if not isinstance(locations, dict):
        raise ValueError(f"locations must map sources to folders, archives or URLs, got {locations!r}.")
    return {str(source): [places] if isinstance(places, str) else list(places) for source, places in locations.items()}


def _check_locations(locations, names: LabelNames, splits: dict) -> None:
    """Raises ValueError for a location of a source that there is not."""
    known = {source.name for source in names.sources} | {record.source for records in splits.values() for record in records}
    for source in _locations(locations).keys() - known if locations else ():
        similar = difflib.get_close_matches(source, known, 1)
        meant = f"; did you mean {similar[0]!r}?" if similar else f", which is none of {', '.join(sorted(known)[:30])}."
        raise ValueError(f"locations names the source {source!r}{meant}")


def _check_disjoint(splits: dict) -> None:
    if not {"train", "test"} <= splits.keys():
        return
    both = set(_same_places(splits["train"])).intersection(_same_places(splits["test"]))
    if both:
        raise ValueError(f"{len(both)} image(s) stand in the train and in the test list, e.g. {min(both)}; take them out of one.")


def _check_places(places: dict[str, Place]) -> None:
    """Raises ValueError where two listed images are one file: in two splits or with two labels they would say nothing true."""
    if len({place.member for place in places.values()}) < len(places):  # of one container or of several
        first = {}
        for path, place in places.items():
            other = first.setdefault((place.container, place.member), path)
            if other != path:
                where = f"{place.member} in {place.container}" if place.container else place.member
                raise ValueError(f"The listed images {other!r} and {path!r} are one and the same file, {where}; take one out.")


def _select_configuration(splits: dict, config: "ImagiNetConfig", root: str) -> dict:
    """The images of the configuration's content type and track; a split without any is left out."""
    splits = {split: records for split, records in splits.items() if _is_split_wanted(split, config)}
    if not splits and config.name in PERTURBED:
        raise ValueError(f"{root} has no test list, of which the configuration {config.name!r} perturbs the images.")
    chosen = {
        split: [record for record in records if _is_wanted(record.label, record.content, config)] for split, records in splits.items()
    }
    chosen = {split: records for split, records in chosen.items() if records}
    if not chosen:
        there = sorted({record.content for records in splits.values() for record in records})
        raise ValueError(f"No image of {root} is of the configuration {config.name!r}; its content types are: {', '.join(there)}.")
    for split in splits.keys() - chosen.keys():
        logger.warning("The %s split of %s has no image of the configuration %r and is left out.", split, root, config.name)
    return chosen


def _is_split_wanted(split: str, config: "ImagiNetConfig") -> bool:
    return split == "test" or config.name not in PERTURBED


def _is_wanted(label: str, content: str, config: "ImagiNetConfig") -> bool:
    """Whether images of this label and content type are of the configuration."""
    wanted = config.name.removeprefix("perturbed_")
    return (wanted not in CONTENTS or content == wanted) and (config.track == "origin" or label == "synthetic")


def _look_up(root: str, names: LabelNames, splits: dict, locations: dict, make_index: bool, states: list | None) -> dict[str, Place]:
    """path -> place of every image that is there: in its folder, or else wherever ``find_images`` of imaginet_core finds its source.

    ``states``: as in :class:`Opened`; read here where it is None.
    """
    places, absent, own = {}, {}, []
    for records in splits.values():
        for record in records:
            if record.source in locations:
                absent.setdefault(record.source, []).append(record.path)
            else:
                own.append(record)
    members = [f"{root}/{record.path}" for record in own]
    for record, member, state in zip(own, members, _states_of(members) if states is None else states, strict=True):
        if state is None:
            absent.setdefault(record.source, []).append(record.path)
        elif _is_image_file(state):
            places[record.path] = Place("", member, state.st_size, _stamp_of(state))
    if absent and (locations or names.sources):
        try:
            from imaginet_core.storage import ffhq_numbers, find_images
        except ModuleNotFoundError as error:
            if error.name != "imaginet_core":
                raise
            logger.warning("Archives are not looked into: imaginet_core is not installed beside this loading script.")
        else:
            sources = {source.name: source for source in names.sources}
            ffhq_map = functools.partial(ffhq_numbers.read_map, list_folders(root), UPSTREAM_FFHQ_MAP)
            found = find_images.locate(absent, root, locations, sources, IMAGE_SUFFIXES, ffhq_map, make_index)
            places.update((path, Place(*location)) for path, location in found.items())
    return places


def add_published_images(raw: Raw, manifest: str) -> Raw:
    """``raw`` with the images of published shards: they are preferred to copies under the root, which nobody checked.

    Shards lie beside the manifest (see imaginet_core/storage/manifest.py); given a lone file elsewhere there are none, and all
    images must lie under the root.
    """
    from imaginet_core.storage import manifest as manifests
    from imaginet_core.storage import parquet_shards

    stored = parquet_shards.image_locations(manifests.folder_of(manifest))
    listed = {record.path for records in raw.splits.values() for record in records}
    places = {**raw.places, **{path: Place(*location) for path, location in stored.items() if path in listed}}
    seen = hashlib.sha256(f"{raw.fingerprint}\0{sorted(manifests.read(manifest).values())}".encode())
    seen.update(repr(sorted(place for place in places.values() if place.container.endswith(".parquet"))).encode())
    return _with_places(raw, places)._replace(fingerprint=seen.hexdigest()[:16])


def _with_places(raw: Raw, places: dict[str, Place]) -> Raw:
    """``raw`` with these places; what has none is missing."""
    missing = [record for records in raw.splits.values() for record in records if record.path not in places]
    return raw._replace(places=places, missing=missing)


def compare_copies(raw: Raw, manifest: str) -> list:
    """Compares the copies under the root with a manifest, reading them all.

    Args:
        raw: what :func:`add_published_images` returned; of images in the published shards, the shards are checked, as is any that the
            manifest names, too.
        manifest: see imaginet_core/storage/manifest.py, of which everything that is wrong is a ``Problem``, in the lists' order.
    """
    from imaginet_core.storage import manifest as manifests
    from imaginet_core.storage import parquet_shards

    def size_of(path: str) -> int | None:
        return raw.places[path].size if path in raw.places else None

    entries = manifests.read(manifest)
    records = {record.path: record for of_split in raw.splits.values() for record in of_split}
    changed = parquet_shards.changed_shards(manifests.folder_of(manifest))
    published = {path: place.container for path, place in raw.places.items() if place.container.endswith(".parquet")}
    own = [path for path in records if path not in published or path in entries and published[path] not in changed]
    problems, unsure = manifests.compare_sizes(entries, ((path, records[path].source, size_of(path)) for path in own))
    images = read_images(raw, [records[path] for path in unsure], title="Checking against the manifest")
    problems += manifests.compare_hashes(entries, ((record.path, content) for record, content in images))
    problems += [
        manifests.Problem(path, records[path].source, "different", changed[shard]) for path, shard in published.items() if shard in changed
    ]
    order = {path: number for number, path in enumerate(records)}
    return sorted(problems, key=lambda problem: order[problem.path])


def check_copies(raw: Raw, manifest: str, allow_missing: bool = False) -> Raw:
    """``raw`` as :func:`compare_copies` finds it: unchanged, or without what cannot be joined if ``allow_missing``.

    Raises:
        ValueError: that names everything that cannot be joined, unless ``allow_missing``.
    """
    problems = compare_copies(raw, manifest)
    if not problems:
        return raw
    if not allow_missing:
        from imaginet_core.storage.manifest import message

        homes = {source.name: source.home for source in raw.names.sources}
        raise ValueError(message(problems, sum(map(len, raw.splits.values())), raw.root, homes))
    wrong = {problem.path for problem in problems}
    return _with_places(raw, {path: place for path, place in raw.places.items() if path not in wrong})


def missing_images_message(raw: Raw) -> str:
    """What is missing, wholly: how many of which source, three examples, where it comes from and under which terms."""
    wanted = Counter(record.source for records in raw.splits.values() for record in records)
    missing = {}
    for record in raw.missing:
        missing.setdefault(record.source, []).append(record.path)
    sources = {source.name: source for source in raw.names.sources}
    lines = [f"{len(raw.missing):,} of {sum(wanted.values()):,} listed images are missing (or empty, or no regular files) under {raw.root}:"]
    for name, paths in missing.items():
        lines.append(f"- {name}: {len(paths):,} of {wanted[name]:,}, e.g. {', '.join(paths[:3])}")
        if name in sources:
            lines.append(f"  {sources[name].what}; from {sources[name].home}; terms: {sources[name].licence}.")
    lines.append(
        "Nothing was built. Add the images, give shorter lists (annotations=FOLDER; a folder with one list offers that split only), "
        "or build without them (allow_missing=True)."
    )
    return "\n".join(lines)


NO_DATA_DIR = (
    'To try things out now: load_dataset("imaginet", "sample"). ImagiNet itself must be fetched from its publishers; then give '
    "data_dir=FOLDER, which holds:\n" + "\n".join(
        f"- {', '.join(source.folders)}: {source.what}; from {source.home}; terms: {source.licence}" for source in SOURCES.values()
    )
)


def sample_folder(script_folder: str | None = None) -> str:
    """The embedded sample's folder: beside this file in a clone, a package of its own once installed. Raises FileNotFoundError."""
    here = _folder_of(os.path.abspath(__file__))
    places = [f"{folder}/{name}" for folder in (script_folder, here) if folder for name in ("sample", "imaginet_sample")]
    for place in places:
        if os.path.isfile(f"{place}/labels.yaml"):
            return os.path.abspath(place)
    raise FileNotFoundError(f"The sample lies in none of {', '.join(places)}; put the clone's folder sample/ beside imaginet.py.")


def _state_of(file: str) -> os.stat_result | None:
    """What the system knows of a file; None where there is none, nor could be one of this name. Raises PermissionError."""
    try:
        return os.stat(file)
    except PermissionError as error:
        raise PermissionError(f"{file} may not be read by this user; change its folders' permissions.") from error
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
            return None
        raise
    except ValueError:  # a NUL in its name
        return None


SLOW_STATE, STATES_AT_ONCE, THREADS_OF_STATES = 3e-5, 1000, 16
"""Seconds for a file's state above which a disk is slow, which then is asked by so many threads; and files after which it is timed."""


def _states_of(files: list[str]) -> list["os.stat_result | None"]:
    """:func:`_state_of` each. In threads where the disk is slow (a network's, say); elsewhere they would only cost."""
    states, slow, share = [], False, -(-STATES_AT_ONCE // THREADS_OF_STATES)
    with ThreadPoolExecutor(THREADS_OF_STATES) as threads:
        for start in range(0, len(files), STATES_AT_ONCE):
            some, began = files[start : start + STATES_AT_ONCE], time.perf_counter()
            if slow:  # many files a job: handing one over takes ten times as long as asking for its state
                jobs = [some[first : first + share] for first in range(0, len(some), share)]
                states.extend(itertools.chain.from_iterable(threads.map(_some_states, jobs)))
            else:
                states += _some_states(some)
                slow = time.perf_counter() - began > SLOW_STATE * len(some)
    return states


def _some_states(files: list[str]) -> list["os.stat_result | None"]:
    """:func:`_state_of` each; as a rule at the cost of ``os.stat`` alone."""
    states, waiting = [], iter(files)
    while len(states) < len(files):
        try:
            states.extend(map(os.stat, waiting))  # what it has got is kept where it stops at a file that is not there
        except (OSError, ValueError):
            states.append(_state_of(files[len(states)]))
    return states


def _is_image_file(state: os.stat_result) -> bool:
    """Whether it is the state of a file with something in it; a pipe or device, say, is none."""
    return state.st_size > 0 and stat.S_ISREG(state.st_mode)


def _stamp_of(state: os.stat_result) -> str:
    """As ``files.stamp_of`` of imaginet_core: the second time cannot be set back by unpacking or copying."""
    return f"{state.st_mtime_ns} {state.st_ctime_ns}"


def _folder_of(file: str) -> str:
    return file.replace(os.sep, "/").rpartition("/")[0]


def _files_below(folder: str) -> list[str]:
    """Files below a folder, sorted, relative to it with "/"; hidden ones left out. Empty if there is no such folder.

    As ``files.walk_files`` of imaginet_core, without which a loading script must do.
    """
    found, waiting = [], [("", (os.path.realpath(folder),))] if os.path.isdir(folder) else []
    while waiting:
        below, trail = waiting.pop()
        with os.scandir(f"{folder}/{below}") as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if not (os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()):  # a link to itself makes is_dir raise
                    found.append(f"{below}{entry.name}")
                    continue
                place = os.path.realpath(entry.path) if entry.is_symlink() else f"{trail[-1]}/{entry.name}"
                if not any(f"{passed}/".startswith(f"{place}/") for passed in trail):  # no link back to where it lies
                    waiting.append((f"{below}{entry.name}/", (*trail, place)))
    return sorted(found)


class ImageError(ValueError):
    """Images that cannot be read, or no space to store them; the message says which and what to do."""


UNKNOWN_LICENCE = "unknown"
"""In the column license, where nothing is known of an image's terms; no column is null, so that torch's DataLoader takes every row."""


class ImageToRead(NamedTuple):
    """One image of a :class:`ReadUnit`.

    Attributes:
        member: as in :class:`Place`.
        record: its line.
        licence: its terms, or UNKNOWN_LICENCE.
        calibration: whether it is on upstream's calibration list; False without the list.
        step: what alignment does to it, see imaginet_core/pictures/alignment.py; None without alignment.
    """

    member: str
    record: Record
    licence: str | None
    calibration: bool
    step: tuple | None


class ReadUnit(NamedTuple):
    """What is read apart from the rest.

    An image of its own where it can be read at random, so that a stream of the data set can be shuffled whole; all images of an
    archive that can only be read from its beginning to its end. ``container`` as in :class:`Place`.
    """

    container: str
    images: tuple[ImageToRead, ...]


def read_units(raw: Raw, records: list[Record], steps: dict | None = None) -> list[ReadUnit]:
    """The units of those of ``records`` that are there; ``steps``: path -> what alignment does to it."""
    units, streams, is_stream = [], {}, {}
    licences = {**raw.names.source_images, **{source.name: source.licence for source in raw.names.sources}}
    for record in records:
        place = raw.places.get(record.path)
        if place is None:
            continue
        licence = licences.get(record.source) or licences.get(record.source_image) or UNKNOWN_LICENCE
        calibration = raw.calibration is not None and record.path in raw.calibration
        image = ImageToRead(place.member, record, licence, calibration, steps.get(record.path) if steps else None)
        if place.container not in is_stream:
            is_stream[place.container] = bool(place.container) and _reader(place.container).is_stream(place.container)
        if is_stream[place.container]:
            streams.setdefault(place.container, []).append(image)
        else:
            units.append(ReadUnit(place.container, (image,)))
    return units + [ReadUnit(container, tuple(images)) for container, images in streams.items()]


def _reader(container: str):
    """The module that reads a container: an archive, or a Parquet shard of a published data set."""
    from imaginet_core.storage import archives, parquet_shards

    return parquet_shards if container.endswith(".parquet") else archives


def read_unit(unit: ReadUnit, first_bytes: int = -1) -> Iterator[tuple[ImageToRead, "bytes | ImageError"]]:
    """Yields each image of a unit with its file's bytes or, where they cannot be had, the error that says why.

    Args:
        unit: see :func:`read_units`.
        first_bytes: how many bytes of a file of its own are enough; -1 for all. Of an archive all are read.

    Raises:
        ImageError: where an archive cannot be reached or may not be read.
    """
    if not unit.container:
        for image in unit.images:
            yield image, _read_file(image.member, first_bytes)
        return
    waiting = dict(enumerate(unit.images))
    try:
        members = _reader(unit.container).read_members(unit.container, [image.member for image in unit.images])
        for index, content in members:
            yield waiting.pop(index), ImageError(str(content)) if isinstance(content, ValueError) else content
    except OSError as error:
        raise ImageError(str(error)) from error
    except ValueError as error:  # damaged: what follows in a stream cannot be read either
        for image in waiting.values():
            yield image, ImageError(str(error))


def _read_file(member: str, first_bytes: int) -> "bytes | ImageError":
    try:
        if "://" in member:
            from imaginet_core.storage import files

            return files.first_bytes(member, first_bytes)
        # not the builtin open: datasets replaces it by one that takes "::" in a name for a chain of archives
        with io.open(member, "rb", opener=_open_at_once) as file:
            return file.read(first_bytes)
    except OSError as error:
        return ImageError(f"{member} could not be read ({error.strerror or error}); it was there a moment ago.")


READ_AHEAD = 16
"""Files of :func:`read_images` in memory at most, but for the one in use."""


def read_images(
    raw: Raw, records: list[Record], first_bytes: int = -1, title: str | None = None,
    on_error: Callable[[Record, "ImageError"], None] | None = None,
) -> Iterator[tuple[Record, bytes]]:
    """Yields (record, the file's bytes) of images that are there: files of their own, read by threads, then archives in their order.

    Args:
        raw: see :func:`read_raw`.
        records: of it; those that are not there are left out.
        first_bytes: how many bytes of a file of its own are enough; -1 for all. Of an archive all are read.
        title: of a progress bar; None for no bar.
        on_error: called for an image that cannot be read, which is then left out.

    Raises:
        ImageError: for an image that cannot be read, without ``on_error``; for an archive that cannot be reached.
    """
    units = read_units(raw, records)
    files, others = [unit for unit in units if not unit.container], [unit for unit in units if unit.container]
    total = sum(len(unit.images) for unit in units)
    bar = datasets.utils.tqdm(total=total, unit=" images", desc=title, disable=title is None)
    with bar, ThreadPoolExecutor() as pool:
        results = itertools.chain(
            _map_ahead(pool, lambda unit: next(read_unit(unit, first_bytes)), files),
            itertools.chain.from_iterable(map(read_unit, others)),
        )
        for image, content in results:
            bar.update()
            if not isinstance(content, ImageError):
                yield image.record, content
            elif on_error is None:
                raise content
            else:
                on_error(image.record, content)


def _map_ahead(pool: ThreadPoolExecutor, function: Callable, jobs: list) -> Iterator:
    """As ``pool.map``, which would hold the results of all jobs at once."""
    waiting = deque()
    try:
        for job in jobs:
            waiting.append(pool.submit(function, job))
            if len(waiting) == READ_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def image_facts(content: bytes) -> dict:
    """Format, width and height of a picture's file that can be decoded; see imaginet_core/pictures/integrity.py.

    Returns:
        dict with ``format`` (Pillow's name, "JPEG"), ``width`` and ``height`` in pixels.

    Raises:
        ValueError: with the reason, for no picture that is read, or a broken one.
    """
    try:
        from imaginet_core.pictures.integrity import check_picture
    except ModuleNotFoundError as error:
        if error.name != "imaginet_core":
            raise
        return _facts_by_pillow(content)  # this file alone, as a loading script
    return check_picture(content)._asdict()


def _facts_by_pillow(content: bytes) -> dict:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of EXIF and the like
            with Image.open(io.BytesIO(content), formats=IMAGE_FORMATS) as image:
                image.load()
                return {"format": image.format, "width": image.width, "height": image.height}
    except Exception as error:  # decoders raise OSError, SyntaxError, RuntimeError, struct.error, IndexError and more
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error


@dataclass
class ImagiNetConfig(datasets.BuilderConfig):
    """A part of the data set.

    Attributes:
        data_dir: folder of the raw images, in the reference layout, with own lists, or train/ and test/ with real/ and synthetic/.
        annotations: lists elsewhere than in it: a folder, or a mapping split -> file.
        locations: sources elsewhere than in it: a mapping source -> folder, archive or fsspec URL (or several), or a YAML file of one.
        registry: a YAML file with sources of one's own, see imaginet_core/storage/registry_file.py.
        manifest: a published data set that others' copies are joined with and checked by, see imaginet_core/storage/manifest.py.
        track: "origin" (real or synthetic) or "generator" (synthetic images only).
        aligned: crop and recompress real and synthetic images alike, see imaginet_core/pictures/alignment.py.
        allow_missing: build what is there.
        on_corrupt: "error", or "skip" to leave out images that cannot be read.
        script_folder: where this file came from if it is run as a loading script; set by the builder.
    """

    annotations: str | dict | None = None
    locations: str | dict | None = None
    registry: str | None = None
    manifest: str | None = None
    track: str = "origin"
    aligned: bool = False
    allow_missing: bool = False
    on_corrupt: str = "error"
    script_folder: str | None = None
    _raw: Raw | Opened | None = field(default=None, init=False, repr=False)

    @property
    def raw(self) -> Raw | None:
        """Lists and the state of the raw images, read once; None where no data folder is given."""
        return self.read_all()

    def read_all(self) -> Raw | None:
        """Reads what ``raw`` returns, if it was not read yet."""
        self._check()
        if not isinstance(self._raw, Raw):
            raw = read_raw(self, opened=self._raw)
            if self.manifest is not None and raw is not None:
                raw = add_published_images(raw, self.manifest)
            self._raw = raw
        return self._raw

    @property
    def opened(self) -> Raw | Opened | None:
        """``raw``, or less where that is enough for a fingerprint: while the lists' lines are not needed they are not understood."""
        self._check()
        if self._raw is None:
            self._raw = open_raw(self)
        enough = isinstance(self._raw, Opened) and self._raw.fingerprint is not None and self.manifest is None
        return self._raw if enough else self.raw

    def _check(self) -> None:
        """Raises ValueError for options that there are not, or that contradict each other."""
        for name, allowed in (("track", ("origin", "generator")), ("on_corrupt", ("error", "skip"))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be {' or '.join(map(repr, allowed))}, got {getattr(self, name)!r}.")
        if self.aligned and (self.track != "origin" or self.name in PERTURBED):
            raise ValueError("aligned=True needs real and synthetic images as they are: no track='generator', no perturbed configuration.")

    def create_config_id(self, config_kwargs: dict, custom_features=None) -> str:
        """Names the cache folder by what the raw data is, not by how its folder was spelled."""
        spelled = ("data_dir", "data_files", "annotations", "locations", "registry", "manifest", "script_folder")
        others = {key: value for key, value in config_kwargs.items() if key not in spelled}
        return super().create_config_id({**others, "raw": self.opened.fingerprint if self.opened else "none"}, custom_features)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_raw": None}  # the lists need not travel to worker processes


class ImagiNet(datasets.GeneratorBasedBuilder):
    """Builds ImagiNet, the embedded sample, or data sets of one's own with the same columns.

    Columns: ``image`` (stored as the bytes of the file), ``label`` (real, synthetic), ``content``, ``generator``, ``family``, ``source``
    (names in SOURCES; the folder for own lists), ``path`` (as listed), ``source_image`` (what two crops of one picture share; the path
    where nothing better is known), ``calibration`` (whether it is on upstream's calibration list; false without the list), ``width``,
    ``height``, ``format`` (Pillow's name), ``license`` (terms of the source; "unknown" where they are). The ``perturbed`` configurations add
    what was drawn: ``perturbed_side`` (pixels), ``perturbed_codec`` (JPEG, WEBP, none), ``perturbed_quality``.

    Images that were left out (``allow_missing``, ``on_corrupt="skip"``) are counted in the description and named in LEFT_OUT, a file beside
    the prepared data.
    """

    BUILDER_CONFIG_CLASS = ImagiNetConfig
    BUILDER_CONFIGS = [ImagiNetConfig(name=name, version=VERSION) for name in ("all", *CONTENTS, "sample", *TESTSETS, *PERTURBED)]
    DEFAULT_CONFIG_NAME = "all"

    def __init__(self, *args, base_path: str | None = None, **kwargs):
        self._preparing_in, self._notes = None, 0
        if __name__ == "imaginet":  # one prepared copy, whether load_dataset or this class is called
            kwargs = {"dataset_name": "imaginet", "hash": code_hash(), **{name: value for name, value in kwargs.items() if value is not None}}
        super().__init__(*args, base_path=base_path, script_folder=base_path, **kwargs)
        self._check_lists()

    def _check_lists(self) -> None:
        """Reads all of the raw data that is not prepared yet, so that what is wrong with its lists is told at once."""
        if not os.path.exists(self._cache_dir):
            self.config.read_all()

    def _info(self) -> datasets.DatasetInfo:
        raw = self.config.opened
        kind = raw.kind if raw else "official"
        of_imaginet = kind in ("official", "testset")
        features = (raw.names if raw else OFFICIAL).features()
        description = [DESCRIPTIONS[kind]]
        if self.config.name in PERTURBED:
            features.update(PERTURBED_COLUMNS)
            description.append(DESCRIPTIONS["perturbed"])
        if self.config.aligned:
            description.append(DESCRIPTIONS["aligned"])
        return datasets.DatasetInfo(
            description=" ".join(description),
            features=features,
            license=LICENCE_NOTES[kind],
            homepage=UPSTREAM if of_imaginet else "",
            citation=CITATION if of_imaginet else "",
        )

    def _split_generators(self, dl_manager) -> list[datasets.SplitGenerator]:
        raw = self.config.raw
        if raw is None:
            raise FileNotFoundError(NO_DATA_DIR)
        if self.config.manifest is not None:
            raw = self.config._raw = check_copies(raw, self.config.manifest, self.config.allow_missing)
        if raw.missing and not self.config.allow_missing:
            raise FileNotFoundError(missing_images_message(raw))
        self._leave_out((record.path, "missing") for record in raw.missing)
        steps = {}
        if self.config.aligned:
            steps = {split: _plan_alignment(raw, records) for split, records in raw.splits.items()}
        units = {split: read_units(raw, records, steps.get(split)) for split, records in raw.splits.items()}
        if not any(units.values()):
            raise FileNotFoundError(missing_images_message(raw))
        return [datasets.SplitGenerator(name=split, gen_kwargs={"units": of_split}) for split, of_split in units.items() if of_split]

    def _generate_examples(self, units: list[ReadUnit]):
        corrupt = []
        pool = _builder_pool()
        for unit in units if pool is None else pool.each_of(units):
            for (_, record, licence, calibration, step), content in read_unit(unit):
                try:
                    if isinstance(content, ImageError):
                        raise content
                    if not _is_text(record.path):
                        raise ImageError("its name is no UTF-8 text, which a data set cannot hold; rename it")
                    name, facts = record.path.rpartition("/")[2], {}
                    if step or self.config.name in PERTURBED:
                        name = f"{name.rpartition('.')[0]}.webp"
                        content, facts = _align_or_perturb(record, content, step)
                    facts.update(image_facts(content))
                except ValueError as error:
                    shown = record.path if _is_text(record.path) else record.path.encode("utf-8", "backslashreplace").decode()
                    corrupt.append((shown, str(error)))
                    logger.warning("%s is corrupt: %s", *corrupt[-1])
                    if len(corrupt) == 10 and self.config.on_corrupt == "error":
                        raise ImageError(self._corrupt_message(corrupt)) from error
                    continue
                if corrupt and self.config.on_corrupt == "error":
                    continue  # nothing will be built; the rest is only searched for more
                image = {"bytes": content, "path": name}
                yield record.path, {"image": image, **record._asdict(), "license": licence, "calibration": calibration, **facts}
        if corrupt and self.config.on_corrupt == "error":
            raise ImageError(self._corrupt_message(corrupt))
        self._leave_out(corrupt)

    def _generate_tables(self, units: list[ReadUnit]) -> Iterator[tuple[int, pa.Table]]:
        """The same rows for building, as Arrow tables: encoding them one by one, as ``datasets`` does, takes as long as all the rest."""
        rows, size, tables = [], 0, 0
        for _, row in self._generate_examples(units):
            rows.append(row)
            size += len(row["image"]["bytes"])
            if len(rows) == TABLE_ROWS or size > TABLE_BYTES:
                yield tables, _table(rows, self.info.features)
                rows, size, tables = [], 0, tables + 1
        if rows:
            yield tables, _table(rows, self.info.features)

    def _corrupt_message(self, corrupt: list[tuple]) -> str:
        named = "\n".join(f"- {path}: {reason}" for path, reason in corrupt)
        outcome = "so nothing was built" if self._preparing_in else "so the stream ends here"
        return (
            f"{len(corrupt)}{' or more' if len(corrupt) == 10 else ''} image(s) are corrupt, {outcome}:\n{named}\n"
            'Fetch them again, or leave them out with on_corrupt="skip"; `imaginet doctor --data_dir FOLDER --verify` names all.'
        )

    def _leave_out(self, images) -> None:
        """Notes (path, reason) pairs beside the data being prepared; each process in a file of its own."""
        lines = [json.dumps({"path": path, "reason": reason}, ensure_ascii=False) for path, reason in images]
        if lines and self._preparing_in:
            self._notes += 1
            with self._fs.open(f"{self._preparing_in}/{LEFT_OUT}.{os.getpid()}-{self._notes}", "wb") as file:
                file.write(("\n".join(lines) + "\n").encode("utf-8", "backslashreplace"))

    def _download_and_prepare(self, dl_manager, verification_mode, **keywords):
        self._preparing_in = self._output_dir
        for place in self._files_prepared():  # what a killed run left in this folder of ours
            self._fs.rm(place)
        try:
            super()._download_and_prepare(dl_manager, verification_mode, **keywords)
        finally:
            self._preparing_in = None
        lines = []
        for place in self._files_prepared(f"{LEFT_OUT}."):
            with self._fs.open(place, "rb") as file:
                lines += file.read().decode("utf-8").splitlines()
            self._fs.rm(place)
        if lines:
            missing = sum(json.loads(line)["reason"] == "missing" for line in lines)
            self.info.description += f" Left out: {missing:,} missing and {len(lines) - missing:,} corrupt images, named in {LEFT_OUT}."
            with self._fs.open(f"{self._output_dir}/{LEFT_OUT}", "wb") as file:
                file.write(("\n".join(lines) + "\n").encode("utf-8"))

    def _files_prepared(self, start: str = "") -> list[str]:
        """Files in the folder that is being prepared, which may be on a remote file system, whose names begin so."""
        if not self._fs.exists(self._output_dir):
            return []  # an object store has no empty folders
        listed = self._fs.ls(self._output_dir, detail=False, refresh=True)
        return sorted(place for place in listed if place.rpartition("/")[2].startswith(start) and self._fs.isfile(place))

    def _prepare_split(self, split_generator, *args, **keywords):
        """In processes that end with this one, and with a sentence where one of them is killed."""
        keywords.pop("check_duplicate_keys", None)  # every path stands in a list once
        pool = _builder_pool()
        if pool is None:
            datasets.ArrowBasedBuilder._prepare_split(self, split_generator, *args, **keywords)
            return
        with pool.builder_pool(), pool.share(split_generator.gen_kwargs["units"]) as units:
            split_generator.gen_kwargs = {"units": units}
            datasets.ArrowBasedBuilder._prepare_split(self, split_generator, *args, **keywords)

    def _prepare_split_single(self, *args, **keywords):
        """Lets our own sentences through where datasets would wrap them into errors of its own; in worker processes, too."""
        try:
            yield from datasets.ArrowBasedBuilder._prepare_split_single(self, *args, **keywords)
        except datasets.exceptions.DatasetGenerationError as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
                cause = ImageError(f"No space is left for the prepared data in {self._cache_dir_root}; free some, or give another cache_dir.")
            if isinstance(cause, ImageError):
                raise cause from None
            raise


def _builder_pool():
    """The module of the processes that build; None where this file is alone, as a loading script."""
    try:
        from imaginet_core import builder_pool
    except ModuleNotFoundError as error:
        if error.name != "imaginet_core":
            raise
        return None
    return builder_pool


def _is_text(name: str) -> bool:
    """Whether a name can be stored; one that is no UTF-8 comes from the system with halves of characters in it."""
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)


TABLE_ROWS, TABLE_BYTES = 100, 64 << 20
"""Rows of a table, which becomes a row group, and bytes of images after which it is full before that."""


def _table(rows: list[dict], features: datasets.Features) -> pa.Table:
    """Rows as ``_generate_examples`` gives them, as a table of the features' types."""
    columns = []
    for name, feature in features.items():
        values = [row[name] for row in rows]
        if isinstance(feature, datasets.Image):
            parts = [pa.array([value[part] for value in values], kind) for part, kind in (("bytes", pa.binary()), ("path", pa.string()))]
            columns.append(pa.StructArray.from_arrays(parts, ["bytes", "path"]))
        elif isinstance(feature, datasets.ClassLabel):
            numbers = {label: number for number, label in enumerate(feature.names)}
            columns.append(pa.array([numbers[value] for value in values], pa.int64()))
        else:
            columns.append(pa.array(values, feature.pa_type))
    return pa.Table.from_arrays(columns, names=list(features))


def _align_or_perturb(record: Record, content: bytes, step: tuple | None) -> tuple[bytes, dict]:
    """The image's file aligned as ``step`` says or else perturbed, and further columns. Raises ValueError for a broken image."""
    if step is None:
        from imaginet_core.pictures.perturbed_test_set import perturb

        return perturb(content, record.path)
    from imaginet_core.pictures.alignment import align

    return align(content, record.path, step), {}


def _plan_alignment(raw: Raw, records: list[Record]) -> dict[str, tuple]:
    """Path -> what alignment does to each image of one split that is there; images that are no images are left to the builder.

    Reads the headers of all images: the first kilobytes of files, and whole those few that need more; members of archives whole.

    Raises:
        ValueError: if a content type has images of one class only.
    """
    from imaginet_core.pictures.alignment import FIRST_BYTES, plan_alignment, read_headers

    def left_to_the_builder(record: Record, _: ImageError) -> None:
        """It names the image."""

    facts, unclear = read_headers(read_images(raw, records, FIRST_BYTES, "Reading headers for alignment", left_to_the_builder))
    more, _ = read_headers(read_images(raw, unclear, on_error=left_to_the_builder))
    return plan_alignment(facts + more)


@functools.lru_cache
def code_hash() -> str:
    """Of this file; prepared data is made anew when it changes."""
    with io.open(__file__, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def register() -> None:
    """Makes ``load_dataset("imaginet", ...)`` find this builder.

    ``datasets`` has no public way for that since its version 4, so private names are used, and where they are not as known
    a warning says what to call instead.
    """
    try:
        from datasets.data_files import DataFilesDict
        from datasets.load import DatasetModule, PackagedDatasetModuleFactory
        from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES as known
    except ImportError as error:
        logger.warning(
            "datasets %s is not a version that imaginet can register with (%s); instead of load_dataset use "
            "builder = imaginet.ImagiNet(config_name=..., data_dir=...); builder.download_and_prepare(); builder.as_dataset().",
            datasets.__version__, error,
        )
        return
    own_hash = code_hash()

    class Factory(PackagedDatasetModuleFactory):
        """The stock one would look for data files in the whole current folder."""

        def get_module(self):
            if self.name != "imaginet":
                return super().get_module()
            if self.data_files is not None:
                raise ValueError("imaginet takes data_dir and annotations, no data_files.")
            if os.path.isfile("imaginet/README.md"):
                logger.warning('"imaginet" means this builder; the folder imaginet/ beside it is load_dataset("./imaginet", ...).')
            return DatasetModule(__name__, own_hash, {"data_files": DataFilesDict(), "dataset_name": "imaginet"})

    known["imaginet"] = (__name__, own_hash)
    datasets.load.PackagedDatasetModuleFactory = Factory


if __name__ == "imaginet":  # not as a loading script of datasets 3, which has a name of its own
    register()


def main(arguments: list[str]) -> int:
    """The command line: ``python imaginet.py doctor --data_dir RAW``. Returns the exit status."""
    from imaginet_tools.commands.main import main as run_command  # the one import upwards, named in tests/test_layers.py

    return run_command(arguments)


if __name__ == "__main__":
    import imaginet  # under its own name, so that it is registered and can be pickled

    sys.exit(imaginet.main(sys.argv[1:]))
