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

import hashlib
import importlib
import io
import logging
import os
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import datasets

logger = logging.getLogger(__name__)

VERSION = datasets.Version("1.0.0")
UPSTREAM_LISTS = "https://raw.githubusercontent.com/delyan-boychev/imaginet/main/annotations"
UPSTREAM_IMAGES = "https://drive.google.com/drive/folders/1OGVxMuKKaRFwEJjhE_sX2ysB7nmn74M2"
LIST_NAMES = {
    "train": ("train_annotations.txt", "annotations_train.txt"),
    "test": ("test_annotations.txt", "annotations_test.txt"),
}
"""Split -> names its list may have; the first is upstream's."""
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
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
        source_images: source pictures known by name, of which images are crops called ``<source picture>_<k>.<suffix>``.
        official: whether these are ImagiNet's own names, so that its sources must be too.
    """

    contents: dict
    families: dict
    generators: dict
    source_images: frozenset = frozenset()
    official: bool = False

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
        })


OFFICIAL = LabelNames(
    contents=dict(enumerate(CONTENTS)),
    families=dict(enumerate(("GAN", "SD", "Midjourney", "DALL·E 3", "real"))),
    generators=dict(enumerate((
        "ProGAN", "StyleGAN-XL", "StyleGAN3", "SD v2.1", "SDXL v1.0", "Animagine XL", "Midjourney", "DALL·E 3", "real",
    ))),
    official=True,
)


class Source(NamedTuple):
    """Where a part of ImagiNet comes from.

    Attributes:
        name: as in the column ``source``.
        folders: patterns of its folders under the root; ``*`` stands for one folder.
        what: a few words for people.
        home: where to get it.
        licence: its terms as known in November 2026; check at the source.
        redistributable: whether they allow passing the images on.
    """

    name: str
    folders: tuple
    what: str
    home: str
    licence: str
    redistributable: bool = False


_CC_BY, _NO_TERMS = "CC BY 4.0", "none stated; research"
_CNN_DETECTION = "https://github.com/PeterWang512/CNNDetection"
SOURCES = {source.name: source for source in (
    Source("imagenet", ("imagenet/ILSVRC/Data/CLS-LOC/train", "imagenet/ILSVRC/Data/CLS-LOC/val"), "ImageNet, real photos",
           "https://www.kaggle.com/c/imagenet-object-localization-challenge", "ImageNet terms: research, non-commercial"),
    Source("coco", ("train2017", "val2017"), "COCO, real photos",
           "http://images.cocodataset.org/zips/train2017.zip and val2017.zip", "each photo under its Flickr licence"),
    Source("lsun", ("progan_train/*/0_real", "progan_val/*/0_real"), "LSUN as packed with ProGAN by CNNDetection, real photos",
           _CNN_DETECTION, _NO_TERMS),
    Source("progan", ("progan_train/*/1_fake", "progan_val/*/1_fake"), "ProGAN photos, from the same packages as LSUN",
           _CNN_DETECTION, "CC BY-NC-SA 4.0"),
    Source("stylegan_xl_photos", ("imagenet_stylegan",), "StyleGAN-XL photos", UPSTREAM_IMAGES, _CC_BY, True),
    Source("sd_photos", ("sd_photos_fake",), "Stable Diffusion v2.1 photos", UPSTREAM_IMAGES, _CC_BY, True),
    Source("sdxl_photos", ("sdxl_photos_fake",), "SDXL v1.0 photos", UPSTREAM_IMAGES, _CC_BY, True),
    Source("wikiart", ("wikiart",), "WikiArt, real paintings",
           "https://drive.google.com/file/d/1vTChp3nU5GQeLkPwotrybpUGUXj12BTK/view", "mixed; research, non-commercial"),
    Source("danbooru", ("danbooru2021",), "Danbooru, real drawings (its first host is down; upstream links a backup)",
           "https://gwern.net/danbooru2021", "the artists' own"),
    Source("stylegan3_paintings", ("wikiart_stylegan",), "StyleGAN3 paintings", UPSTREAM_IMAGES, _CC_BY, True),
    Source("sd_paintings", ("sd_paintings_fake",), "Stable Diffusion v2.1 paintings", UPSTREAM_IMAGES, _CC_BY, True),
    Source("sdxl_paintings", ("sdxl_paintings_fake",), "SDXL v1.0 paintings", UPSTREAM_IMAGES, _CC_BY, True),
    Source("animagine_paintings", ("animaginexl_paintings_fake",), "Animagine XL drawings", UPSTREAM_IMAGES, _CC_BY, True),
    Source("ffhq", ("ffhq",), "FFHQ, real faces, 1024×1024 PNG, renamed",
           "https://github.com/NVlabs/ffhq-dataset", "CC BY-NC-SA 4.0, each photo its own"),
    Source("stylegan_xl_faces", ("ffhq_stylegan",), "StyleGAN-XL faces", UPSTREAM_IMAGES, _CC_BY, True),
    Source("sd_faces", ("sd_faces_fake",), "Stable Diffusion v2.1 faces", UPSTREAM_IMAGES, _CC_BY, True),
    Source("sdxl_faces", ("sdxl_faces_fake",), "SDXL v1.0 faces", UPSTREAM_IMAGES, _CC_BY, True),
    Source("photozilla", ("photozilla/dataset/*", "photozilla/other_dataset/*"), "Photozilla, real uncategorized photos",
           "https://drive.google.com/file/d/1WkY6rcXMnir8nk4obejVq64h_WrtydVg/view", "not stated"),
    Source("journeydb", ("journeydb",), "Midjourney images, from JourneyDB's 000.tgz (its folder 000)",
           "https://huggingface.co/datasets/JourneyDB/JourneyDB", "JourneyDB terms: non-commercial"),
    Source("dalle3", ("dalle3",), "DALL·E 3 images, collected", UPSTREAM_IMAGES, "CC0", True),
    Source("dalle3_addition", ("dalle3_addition", "dalle3_addition2"), "DALL·E 3 images, generated by ImagiNet's authors",
           UPSTREAM_IMAGES, _CC_BY, True),
)}
"""ImagiNet's sources by name; see REFERENCE of the paper's repository, https://github.com/delyan-boychev/imaginet."""

_FOLDERS = [(pattern, source.name) for source in SOURCES.values() for pattern in source.folders]
_SOURCE_OF = re.compile("|".join(f"({re.escape(pattern)}/)".replace(r"\*", "[^/]+") for pattern, _ in _FOLDERS))


def official_source(path: str) -> str | None:
    """Name of the source whose folder holds ``path`` (relative to the root, with "/"), or None."""
    match = _SOURCE_OF.match(path)
    return _FOLDERS[match.lastindex - 1][1] if match else None


class Record(NamedTuple):
    """One image of a list; all strings. ``path`` is relative to the root, with "/" and without a leading "./"."""

    path: str
    label: str
    content: str
    family: str
    generator: str
    source: str
    source_image: str


def read_list(file: str, names: LabelNames) -> list[Record]:
    """Reads a list of images: ``./relative/path,origin,content,family,generator`` a line, UTF-8, without header.

    Args:
        file: path of the list.
        names: what its numbers mean.

    Raises:
        ValueError: naming file and line, for a line that is not of this form, numbers without a name, labels that contradict each
            other, paths that leave the root or lie in no folder of ImagiNet (official names only), and images listed twice.
    """
    records, lines_of = [], {}
    with io.open(file, encoding="utf-8-sig") as lines:
        try:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                record = _record(line.rstrip("\r\n"), names, f"{file}, line {number}")
                if record.path in lines_of:
                    raise ValueError(f"{file}, line {number}: {record.path} stands in line {lines_of[record.path]} already; keep one of them.")
                lines_of[record.path] = number
                records.append(record)
        except UnicodeDecodeError as error:
            raise ValueError(f"{file} is not a UTF-8 text file ({error.reason} at byte {error.start}); save the list as UTF-8.") from error
    if not records:
        raise ValueError(f"The list {file} names no image.")
    return records


def _record(line: str, names: LabelNames, where: str) -> Record:
    fields = line.rsplit(",", 4)
    if len(fields) != 5:
        raise ValueError(f"{where}: expected path,origin,content,family,generator but found {line[:100]!r}.")
    path = fields[0].removeprefix("./")
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or "\\" in path or ":" in parts[0]:
        raise ValueError(f"{where}: the path {fields[0]!r} is not a relative path inside the root.")
    source = official_source(path)
    if names.official and source is None:
        raise ValueError(
            f"{where}: {path} lies in no folder of ImagiNet's sources. For images of your own, put a labels.yaml beside the "
            "list that names its contents, families and generators."
        )
    tables = (dict(enumerate(LABELS)), names.contents, names.families, names.generators)
    found = []
    for column, value, table in zip(("origin", "content", "family", "generator"), fields[1:], tables, strict=True):
        value = value.strip()
        if not value.isdecimal() or int(value) not in table:
            allowed = ", ".join(f"{key} ({name})" for key, name in table.items())
            raise ValueError(f"{where}: the {column} {value!r} of {path} is none of {allowed}.")
        found.append(table[int(value)])
    label, content, family, generator = found
    if not (label == "real") == (family == "real") == (generator == "real"):
        raise ValueError(f"{where}: {path} is called {label}, but its family is {family} and its generator {generator}.")
    folder, _, file_name = path.rpartition("/")
    source_picture = file_name.rpartition(".")[0].rpartition("_")[0]
    return Record(
        path, label, content, family, generator, source if names.official else folder,
        source_picture if source_picture in names.source_images else path,
    )


def read_label_names(file: str) -> LabelNames:
    """Reads a labels.yaml: the keys contents, families and generators, each a list of names or a mapping number -> name.

    Source pictures (see :class:`LabelNames`) are the keys of its entry ``sources`` or, where there is none, the column ``key`` of a
    SOURCES.tsv beside it.

    Raises:
        ValueError: naming the file and what is wrong with it.
    """
    import yaml

    try:
        with io.open(file, encoding="utf-8-sig") as stream:
            values = yaml.safe_load(stream)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read as YAML: {' '.join(str(error).split())}") from error
    tables = {}
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
    keys = set(values.get("sources") or ())
    table = f"{_folder_of(file)}/SOURCES.tsv"
    if not keys and os.path.isfile(table):
        with io.open(table, encoding="utf-8-sig") as lines:
            keys = {line.split("\t", 1)[0] for line in lines}
    return LabelNames(**tables, source_images=frozenset(map(str, keys)))


class Raw(NamedTuple):
    """Everything known of the raw images before any is read.

    Attributes:
        root: absolute folder of the images.
        kind: a key of DESCRIPTIONS.
        names: of the labels.
        splits: split -> its images, those of the configuration's content only.
        missing: images that are not there or empty.
        fingerprint: changes with root, lists, labels, and size and time of any file.
    """

    root: str
    kind: str
    names: LabelNames
    splits: dict
    missing: list
    fingerprint: str


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
        absent = [file for file in annotations.values() if not os.path.isfile(file)]
        if strange or not annotations:
            raise ValueError(f"annotations must map train and/or test to list files, got {annotations}.")
        if absent:
            raise FileNotFoundError(f"The list {absent[0]} given as annotations does not exist.")
        return {split: os.path.abspath(file) for split, file in annotations.items()}
    if annotations is not None and not os.path.isdir(annotations):
        raise FileNotFoundError(f"annotations must be a folder with lists or a mapping such as {{'test': file}}, got {annotations}.")
    for folder in (f"{root}/annotations", root) if annotations is None else (os.path.abspath(annotations),):
        found = {
            split: next((f"{folder}/{name}" for name in names if os.path.isfile(f"{folder}/{name}")), None)
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


def read_folders(root: str) -> tuple[LabelNames, dict]:
    """Reads a plain folder: ``train/{real,synthetic}`` and/or ``test/{real,synthetic}``, with images at any depth below.

    A folder below ``synthetic`` names the generator; images right inside it are of the generator "unknown".

    Returns:
        label names and split -> records; no split where the root has no such folders.
    """
    splits, ignored = {}, []
    for split in LIST_NAMES:
        records = []
        for label in LABELS:
            for file in _files_below(f"{root}/{split}/{label}"):
                below = file.split("/")
                generator = "real" if label == "real" else below[0] if len(below) > 1 else "unknown"
                path = f"{split}/{label}/{file}"
                if not file.lower().endswith(IMAGE_SUFFIXES):
                    ignored.append(path)
                    continue
                family = "real" if label == "real" else "unknown"
                records.append(Record(path, label, "uncategorized", family, generator, path.rpartition("/")[0], path))
        if records:
            splits[split] = records
    if ignored:
        logger.warning("%d file(s) under %s are no images and left out, e.g. %s", len(ignored), root, ignored[0])
    generators = sorted({record.generator for records in splits.values() for record in records} - {"real"})
    names = LabelNames(OFFICIAL.contents, {0: "unknown", 1: "real"}, dict(enumerate([*generators, "real"])))
    return names, splits


def read_raw(config: "ImagiNetConfig") -> Raw | None:
    """Finds lists (or plain folders) and looks every image up; None where no data folder is given."""
    if config.name == "sample":
        if config.data_dir or config.annotations:
            raise ValueError("The configuration 'sample' is embedded and takes no data_dir; choose another one for your own images.")
        root = sample_folder(config.script_folder)
    elif config.data_dir is None:
        return None
    else:
        root = os.path.abspath(os.path.expanduser(config.data_dir))
        if not os.path.isdir(root):
            raise FileNotFoundError(f"The data folder {config.data_dir} does not exist or is no folder.")
    lists = find_lists(root, config.annotations)
    if lists:
        kind, names = "lists", OFFICIAL
        for folder in (_folder_of(next(iter(lists.values()))), root):
            if os.path.isfile(f"{folder}/labels.yaml"):
                names = read_label_names(f"{folder}/labels.yaml")
                break
    else:
        kind = "folders"
        names, splits = read_folders(root)
        if not splits:
            names, lists = OFFICIAL, download_lists()
    if lists:
        splits = {split: read_list(file, names) for split, file in lists.items()}
        kind = "official" if names.official else "sample" if config.name == "sample" else "lists"
    _check_disjoint(splits)
    return _look_up(root, kind, names, _of_content(splits, config.name, root))


def _check_disjoint(splits: dict) -> None:
    both = {record.path for record in splits.get("train", ())} & {record.path for record in splits.get("test", ())}
    if both:
        raise ValueError(f"{len(both)} image(s) stand in the train and in the test list, e.g. {min(both)}; take them out of one.")


def _of_content(splits: dict, name: str, root: str) -> dict:
    """The images of configuration ``name``; a split without any is left out."""
    if name in ("all", "sample"):
        return splits
    chosen = {split: [record for record in records if record.content == name] for split, records in splits.items()}
    chosen = {split: records for split, records in chosen.items() if records}
    if not chosen:
        there = sorted({record.content for records in splits.values() for record in records})
        raise ValueError(f"No image of {root} has the content type {name!r}; it has: {', '.join(there)}.")
    for split in splits.keys() - chosen.keys():
        logger.warning("The %s split of %s has no image of the content type %r and is left out.", split, root, name)
    return chosen


def _look_up(root: str, kind: str, names: LabelNames, splits: dict) -> Raw:
    digest, missing = hashlib.sha256(f"{root}\0{names}".encode()), []
    for split, records in splits.items():
        for record in records:
            try:
                state = os.stat(f"{root}/{record.path}")
                there = (state.st_size, state.st_mtime_ns)
            except (FileNotFoundError, NotADirectoryError):
                there = (0, 0)
            if there[0] == 0:
                missing.append(record)
            digest.update(f"{split}\0{record}\0{there}\n".encode())
    return Raw(root, kind, names, splits, missing, digest.hexdigest()[:16])


def missing_images_message(raw: Raw) -> str:
    """What is missing, wholly: how many of which source, three examples, where it comes from and under which terms."""
    wanted = Counter(record.source for records in raw.splits.values() for record in records)
    missing = {}
    for record in raw.missing:
        missing.setdefault(record.source, []).append(record.path)
    lines = [f"{len(raw.missing):,} of {sum(wanted.values()):,} listed images are missing (or empty files) under {raw.root}:"]
    for name, paths in missing.items():
        lines.append(f"- {name}: {len(paths):,} of {wanted[name]:,}, e.g. {', '.join(paths[:3])}")
        if raw.kind == "official":
            source = SOURCES[name]
            lines.append(f"  {source.what}; from {source.home}; terms: {source.licence}.")
    lines.append("Nothing was built. Add the images, or give shorter lists (annotations=FOLDER; a folder with one list offers that split only).")
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


def _folder_of(file: str) -> str:
    return file.replace(os.sep, "/").rpartition("/")[0]


def _files_below(folder: str) -> list[str]:
    """Files below a folder, sorted, relative to it with "/"; hidden ones left out. Empty if there is no such folder."""
    found = []
    for at, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [f"{at}/{name}"[len(folder) + 1 :].replace(os.sep, "/") for name in files if not name.startswith(".")]
    return sorted(found)


@dataclass
class ImagiNetConfig(datasets.BuilderConfig):
    """A part of the data set.

    Attributes:
        data_dir: folder of the raw images, in the reference layout, with own lists, or train/ and test/ with real/ and synthetic/.
        annotations: lists elsewhere than in it: a folder, or a mapping split -> file.
        script_folder: where this file came from if it is run as a loading script; set by the builder.
    """

    annotations: str | dict | None = None
    script_folder: str | None = None
    _raw: Raw | None = field(default=None, init=False, repr=False)

    @property
    def raw(self) -> Raw | None:
        """Lists and the state of the raw images, read once; None where no data folder is given."""
        if self._raw is None:
            self._raw = read_raw(self)
        return self._raw

    def create_config_id(self, config_kwargs: dict, custom_features=None) -> str:
        """Names the cache folder by what the raw data is, not by how its folder was spelled."""
        others = {key: value for key, value in config_kwargs.items() if key not in ("data_dir", "annotations", "script_folder")}
        return super().create_config_id({**others, "raw": self.raw.fingerprint if self.raw else "none"}, custom_features)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_raw": None}  # the lists need not travel to worker processes


class ImagiNet(datasets.GeneratorBasedBuilder):
    """Builds ImagiNet, the embedded sample, or data sets of one's own with the same columns.

    Columns: ``image`` (stored as the bytes of the file), ``label`` (real, synthetic), ``content``, ``generator``, ``family``, ``source``
    (names in SOURCES; the folder for own lists), ``path`` (as listed), ``source_image`` (what two crops of one picture share; the path
    where nothing better is known).
    """

    BUILDER_CONFIG_CLASS = ImagiNetConfig
    BUILDER_CONFIGS = [ImagiNetConfig(name=name, version=VERSION) for name in ("all", *CONTENTS, "sample")]
    DEFAULT_CONFIG_NAME = "all"

    def __init__(self, *args, base_path: str | None = None, **kwargs):
        super().__init__(*args, base_path=base_path, script_folder=base_path, **kwargs)

    def _info(self) -> datasets.DatasetInfo:
        raw = self.config.raw
        return datasets.DatasetInfo(
            description=DESCRIPTIONS[raw.kind if raw else "official"],
            features=(raw.names if raw else OFFICIAL).features(),
            homepage="https://github.com/delyan-boychev/imaginet",
            citation=CITATION,
        )

    def _split_generators(self, dl_manager) -> list[datasets.SplitGenerator]:
        raw = self.config.raw
        if raw is None:
            raise FileNotFoundError(NO_DATA_DIR)
        if raw.missing:
            raise FileNotFoundError(missing_images_message(raw))
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"root": raw.root, "records": records})
            for split, records in raw.splits.items()
        ]

    def _generate_examples(self, root: str, records: list[Record]):
        for record in records:
            # not the builtin open: datasets replaces it by one that takes "::" in a name for a chain of archives
            with io.open(f"{root}/{record.path}", "rb") as file:
                image = {"bytes": file.read(), "path": record.path.rpartition("/")[2]}
            yield record.path, {"image": image, **record._asdict()}


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
    with io.open(__file__, "rb") as file:
        code_hash = hashlib.sha256(file.read()).hexdigest()

    class Factory(PackagedDatasetModuleFactory):
        """The stock one would look for data files in the whole current folder."""

        def get_module(self):
            if self.name != "imaginet":
                return super().get_module()
            if self.data_files is not None:
                raise ValueError("imaginet takes data_dir and annotations, no data_files.")
            return DatasetModule(__name__, code_hash, {"data_files": DataFilesDict(), "dataset_name": "imaginet"})

    known["imaginet"] = (__name__, code_hash)
    datasets.load.PackagedDatasetModuleFactory = Factory


if __name__ == "imaginet":  # not as a loading script of datasets 3, which has a name of its own
    register()


def main(arguments: list[str]) -> int:
    """The command line: ``python imaginet.py doctor --data_dir RAW``. Returns the exit status."""
    commands = ("doctor",)
    if not arguments or arguments[0] not in commands:
        print(f"usage: python imaginet.py {{{','.join(commands)}}} [options]; each has --help")
        return 2
    tool = importlib.import_module(f"imaginet_tools.{arguments[0]}")
    return tool.main(arguments[1:])


if __name__ == "__main__":
    import imaginet  # under its own name, so that it is registered and can be pickled

    sys.exit(imaginet.main(sys.argv[1:]))
