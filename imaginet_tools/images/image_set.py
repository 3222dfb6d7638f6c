"""The one record of images with their labels, from whatever they come: a data set, raw data, a folder, a CSV file.

Of a data set, the columns with image and label are needed; the other columns of ImagiNet (content, family, generator,
source_image, path, calibration) are used where present.
"""

import csv
import hashlib
import io
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import datasets
import numpy as np

import imaginet
from imaginet_core.label_words import NAMES, label_of_word, read_labels
from imaginet_core.pictures.partial_decode import PictureFile
from imaginet_tools.images.image_files import DatasetFiles, FolderFiles, ImageFiles, OnError, RawFiles, read_file

REAL, SYNTHETIC = 0, 1
COLUMNS = ("label", "content", "family", "generator", "source_image", "path", "calibration")
"""Of an image set, each with a value for every image."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageSet:
    """Images with their labels, in a fixed order.

    Attributes:
        files: where the images' files lie.
        label: int (N,), 0 real, 1 synthetic.
        content, family, generator, source_image, path: str (N,); family and generator are "real" for real images, and no two
            images of a folder, a CSV file or raw data have one path.
        calibration: bool (N,), whether the data set marks it as one for the classifier stage (upstream's calibration list).
        title: what the images are, for people.
        missing: how many images are listed but not there.
        turn_upright: whether pictures are turned by their EXIF orientation, as everywhere, or are seen as stored, as the paper's
            code sees them.
        extra: whatever else is known of the images (platform, release_date, prompt, id): name -> str (N,), "" where it is not.
        masks: the files of pictures that show what was synthesised of each image, in the same order; None where there are none.
    """

    files: ImageFiles
    label: np.ndarray
    content: np.ndarray
    family: np.ndarray
    generator: np.ndarray
    source_image: np.ndarray
    path: np.ndarray
    calibration: np.ndarray
    title: str = ""
    missing: int = 0
    turn_upright: bool = True
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    masks: ImageFiles | None = None

    @classmethod
    def from_rows(
        cls, rows: datasets.Dataset, title: str, image: str = "image", label: str = "label", real: str | None = None,
        kinds: bool = False,
    ) -> "ImageSet":
        """Rows of a prepared data set; columns that are not there become one value for all.

        Args:
            rows: at least with images and labels.
            title: what they are, for people and messages.
            image, label: names of the columns.
            real: the value of the label that means real; by default found by ``imaginet_core.label_words``.
            kinds: the label may name kinds of synthetic images beside one value for real; without a column ``generator`` these
                are the generators.

        Raises:
            ValueError: for columns that are not there or hold no images, and for wrong or missing labels.
        """
        check_columns(rows.column_names, title, image, label)
        if not isinstance(rows.features[image], datasets.Image):
            raise ValueError(f"The column {image!r} of {title} holds no images but {rows.features[image]}; cast it to Image.")
        words = column_texts(rows, label)
        if unlabelled := words.count(None):
            raise ValueError(f"{unlabelled} of {len(rows)} images of {title} have no {label}; choose a labelled split.")
        labels = _labels(words, title, real, kinds)
        column = lambda name, default: _column(rows, name, default)
        number = np.arange(len(rows)).astype(str)
        path = column("path", number)
        path = path if len(set(path)) == len(path) else number
        unknown = np.array(words, dtype=str) if kinds else np.full(len(rows), "unknown")
        of_synthetic = lambda name, default: np.where(labels == REAL, "real", column(name, default))
        return cls(
            files=DatasetFiles(_undecoded(rows, image), title), title=title, label=labels, path=path,
            source_image=column("source_image", path), content=column("content", np.full(len(rows), "uncategorized")),
            family=of_synthetic("family", np.full(len(rows), "unknown")), generator=of_synthetic("generator", unknown),
            calibration=np.array([bool(marked) for marked in rows["calibration"]], dtype=bool)  # null without the list
            if "calibration" in rows.column_names else np.zeros(len(rows), dtype=bool),
        )

    @classmethod
    def from_dataset(
        cls, name: str, config_name: str | None = None, split: str | None = None, image: str = "image", label: str = "label",
        real: str | None = None,
    ) -> "ImageSet":
        """A prepared data set: a folder of ``save_to_disk``, or whatever ``load_dataset`` takes; without a split all images.

        Args: see :meth:`from_rows`. The label may name kinds of synthetic images.
        """
        if os.path.isfile(f"{name}/state.json") or os.path.isfile(f"{name}/dataset_dict.json"):
            loaded = datasets.load_from_disk(name)
            loaded = loaded[split] if split and isinstance(loaded, dict) else loaded
        else:
            loaded = datasets.load_dataset(name, config_name, split=split)
        rows = datasets.concatenate_datasets(list(loaded.values())) if isinstance(loaded, dict) else loaded
        images = cls.from_rows(rows, name, image, label, real, kinds=True)
        of_real = {word for word, value in zip(column_texts(rows, label), images.label, strict=True) if value == REAL}
        return replace(images, title=f"{name}, real: {label} = {', '.join(sorted(of_real))}")

    @classmethod
    def from_raw(cls, config_name: str, splits: tuple = (), **given) -> "ImageSet":
        """Raw images as the builder finds them; those that are not there are counted in ``missing``.

        Args:
            config_name: of the builder.
            splits: names; none means all.
            given: data_dir, annotations, locations, registry of ``imaginet.ImagiNetConfig``.
        """
        raw = imaginet.ImagiNetConfig(name=config_name, **given).raw
        if absent := set(splits) - set(raw.splits):
            raise ValueError(f"{raw.root} has no split {', '.join(sorted(absent))}, only {', '.join(raw.splits)}.")
        listed = [record for split, records in raw.splits.items() if not splits or split in splits for record in records]
        there = [record for record in listed if record.path in raw.places]
        of = lambda name: np.array([getattr(record, name) for record in there], dtype=str)
        return cls(
            RawFiles(raw, there), np.array([imaginet.LABELS.index(record.label) for record in there], dtype=np.int64),
            of("content"), of("family"), of("generator"), of("source_image"), of("path"),
            np.array([record.path in (raw.calibration or ()) for record in there], dtype=bool),
            title=f"{raw.root} ({config_name})", missing=len(listed) - len(there),
        )

    @classmethod
    def from_folder(cls, folder: str) -> "ImageSet":
        """``real/`` and ``synthetic/`` (or other words for them) with images at any depth; a folder below the latter names the
        generator."""
        if not os.path.isdir(folder):
            raise ValueError(f"{folder} is no folder.")
        label_of = {name: label_of_word(name) for name in sorted(os.listdir(folder)) if os.path.isdir(f"{folder}/{name}")}
        paths, labels, generators = [], [], []
        for label, title in enumerate(NAMES):
            own = [name for name, value in label_of.items() if value == label]
            found = [(name, file) for name in own for file in list_image_files(f"{folder}/{name}")]
            if not found:
                there = f" (its folders: {', '.join(label_of)})" if label_of else ""
                raise ValueError(f"{folder} must hold folders real and synthetic with images; {title} has none{there}.")
            for name, file in found:
                paths.append(f"{name}/{file}".replace(os.sep, "/"))
                labels.append(label)
                generators.append("real" if label == REAL else os.path.dirname(file).split(os.sep)[0] or "unknown")
        _labels([path.split("/")[0] for path in paths], f"the folders of {folder}")
        return cls.from_files(folder, folder, paths, labels, generators)

    @classmethod
    def from_csv(cls, file: str) -> "ImageSet":
        """A CSV file with a header: ``path``, ``label``, optionally ``content``, ``generator``, ``source_image``; other columns are kept
        in ``extra``.

        Labels are words for real and synthetic, or 0 and 1. Relative paths start from the file's folder.
        """
        reader = csv.DictReader(io.StringIO(read_text(file), newline=""))
        rows = list(reader)
        if absent := {"path", "label"} - set(reader.fieldnames or ()):
            raise ValueError(f"{file} needs a header with the columns path and label; {', '.join(sorted(absent))} is not in it.")
        words = [(row["label"] or "").strip() for row in rows]
        for number, word in enumerate(words, start=2):
            if word not in ("0", "1") and label_of_word(word) is None:
                raise ValueError(f"{file}, line {number}: the label {word!r} is none of 0, 1, real, synthetic or words for them.")
        paths = [row["path"] for row in rows]
        if twice := [path for path, times in Counter(paths).items() if times > 1]:
            raise ValueError(f"{file} names {twice[0]} more than once; keep one line.")
        folder = os.path.dirname(os.path.abspath(file))
        for wrong, fits in (("not there", os.path.exists), ("no regular files", os.path.isfile)):
            if strange := [path for path in paths if not fits(os.path.join(folder, path))]:
                raise ValueError(f"{file} names {len(strange)} file(s) that are {wrong}, e.g. {strange[0]}; mend or remove these lines.")
        labels = _labels(words, file)
        generators = [
            "real" if label == REAL else row.get("generator") or "unknown" for label, row in zip(labels, rows, strict=True)
        ]
        contents = [row.get("content") or "uncategorized" for row in rows]
        source_images = [row.get("source_image") or row["path"] for row in rows]
        others = [name for name in reader.fieldnames if name and name not in COLUMNS]
        extra = {name: np.array([row[name] or "" for row in rows], dtype=str) for name in others}
        return cls.from_files(file, folder, paths, labels, generators, contents, source_images, extra)

    @classmethod
    def from_files(
        cls, title: str, folder: str, paths: list[str], labels: Iterable[int], generators: list[str],
        contents: list[str] | None = None, source_images: list[str] | None = None, extra: dict[str, np.ndarray] | None = None,
    ) -> "ImageSet":
        """Files ``paths`` in ``folder``, each with its label and generator; without source images each file is its own."""
        count = len(paths)
        label, generator = np.array(list(labels), dtype=np.int64), np.array(generators, dtype=str)
        return cls(
            FolderFiles(folder, paths), label, np.array(contents or ["uncategorized"] * count, dtype=str),
            np.where(label == REAL, "real", "unknown"), generator, np.array(source_images or paths, dtype=str),
            np.array(paths, dtype=str), np.zeros(count, dtype=bool), title=title, extra=extra or {},
        )

    def __len__(self) -> int:
        return len(self.label)

    @property
    def rows(self) -> datasets.Dataset:
        """The data set behind images that come from one: undecoded images in its one column ``image``."""
        if not isinstance(self.files, DatasetFiles):
            raise ValueError(f"{self.title} is no prepared data set.")
        return self.files.rows

    def with_rows(self, rows: datasets.Dataset) -> "ImageSet":
        """The same labels with other images: a data set with one column ``image``, undecoded, in the same order."""
        return replace(self, files=DatasetFiles(rows, self.title))

    def select(self, chosen: np.ndarray) -> "ImageSet":
        """The images where ``chosen`` (bool (N,) or int indices) says so."""
        indices = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        return replace(
            self, files=self.files.select(indices), **{name: getattr(self, name)[indices] for name in COLUMNS},
            extra={name: values[indices] for name, values in self.extra.items()},
            masks=None if self.masks is None else self.masks.select(indices),
        )

    def read(self, indices: Sequence[int], on_error: OnError | None = None) -> Iterator[tuple[int, bytes]]:
        """(index, the file's bytes) of the images asked for, in the order that is fastest to read.

        One that cannot be read is told ``on_error`` (its index, the reason) and left out, or without that raises ValueError naming it.
        """
        return self.files.read(indices, on_error)

    def content_of(self, index: int) -> bytes:
        """The bytes of the file of image ``index``. Raises ValueError naming a file that cannot be read."""
        return next(content for _, content in self.files.read([int(index)]))

    def pixels(self, index: int) -> np.ndarray:
        """Image ``index`` decoded: uint8 RGB (H, W, 3). Raises ValueError naming a file that is no image."""
        with PictureFile(self.files.item(index), self.path[index], self.turn_upright) as picture:
            return picture.read()

    def choose(self, limit: int) -> np.ndarray:
        """Indices of at most ``limit`` images (0: all), int, by a checksum of their paths; labels, contents and generators keep
        their shares."""
        if not limit or len(self) <= limit:
            return np.arange(len(self))
        groups = defaultdict(list)
        paths = self.path.tolist()
        for index, group in enumerate(zip(self.label.tolist(), self.content.tolist(), self.generator.tolist(), strict=True)):
            groups[group].append(index)
        chosen, seen = [], 0
        for group in sorted(groups):
            ranked = sorted(groups[group], key=lambda index: _checksum(paths[index]))
            before, seen = seen, seen + len(ranked)
            chosen += ranked[: seen * limit // len(self) - before * limit // len(self)]
        return np.sort(np.array(chosen, dtype=np.int64))

    def fingerprint(self) -> str:
        """A short hash of paths and labels, for reports."""
        digest = hashlib.sha256()
        for row in zip(self.path, self.label, self.generator, strict=True):
            digest.update("\t".join(map(str, row)).encode() + b"\n")
        return digest.hexdigest()[:16]

    def counts(self) -> dict:
        """Images, real, synthetic, source images, and images per content and generator."""
        tally = lambda column: {str(k): int(v) for k, v in zip(*np.unique(column, return_counts=True), strict=True)}
        return {
            "images": len(self), "real": int((self.label == REAL).sum()), "synthetic": int((self.label == SYNTHETIC).sum()),
            "source_images": len(np.unique(self.source_image)),
            "content": tally(self.content), "generator": tally(self.generator),
        }


def check_columns(names: Iterable[str], what: str, image: str = "image", label: str = "label") -> None:
    """Raises ValueError unless there are columns with images and labels."""
    for kind, column in (("image", image), ("label", label)):
        if column not in names:
            raise ValueError(f"{what} has no column {column!r} (it has {', '.join(names)}); name it with --{kind}_column.")


def pick_evenly(indices: np.ndarray, most: int) -> np.ndarray:
    """At most ``most`` of the indices, evenly spread."""
    return indices[np.unique(np.linspace(0, len(indices) - 1, min(most, len(indices))).round().astype(int))]


def read_text(file: str) -> str:
    """What a text file holds. Raises ValueError naming one that cannot be read or is no UTF-8."""
    try:
        return read_file(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not a UTF-8 text file ({error.reason} at byte {error.start}); save it as UTF-8.") from error


def _checksum(path: str) -> bytes:
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).digest()


def _labels(words: list[str], what: str, real: str | None = None, kinds: bool = False) -> np.ndarray:
    """Labels of words, int (N,); says what was guessed."""
    reading = read_labels(words, what, real, kinds)
    if reading.guess:
        log.warning(reading.guess)
    return np.array([reading.labels[word] for word in words], dtype=np.int64)


def _undecoded(rows: datasets.Dataset, image: str) -> datasets.Dataset:
    """The column of images alone, as ``image``, each as bytes or a path."""
    rows = rows.select_columns(image)
    return (rows if image == "image" else rows.rename_column(image, "image")).cast_column("image", datasets.Image(decode=False))


def column_texts(rows: datasets.Dataset, column: str) -> list[str | None]:
    """A column's values as text, class labels by their names; None where there is no value."""
    feature, values = rows.features[column], rows[column]
    if isinstance(feature, datasets.ClassLabel):
        return [None if value is None or value < 0 else feature.names[value] for value in values]
    return [None if value is None else str(int(value)) if isinstance(value, bool) else str(value) for value in values]


def _column(rows: datasets.Dataset, name: str, default: np.ndarray) -> np.ndarray:
    """A column as text, str (N,); the default where it has no value, or is not there."""
    if name not in rows.column_names:
        return default
    return np.array([other if text is None else text for text, other in zip(column_texts(rows, name), default, strict=True)], dtype=str)


def list_image_files(folder: str) -> list[str]:
    """What is called an image below a folder, by its path in it, regular file or not: whoever reads it says what is wrong with it.

    Folders that are links are followed, but not back to where they lie in.
    """
    found = []
    for at, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not _contains(os.path.realpath(f"{at}/{name}"), os.path.realpath(at))]
        found += [
            os.path.relpath(f"{at}/{file}", folder) for file in files
            if file.lower().endswith(imaginet.IMAGE_SUFFIXES) and not file.startswith("._")
        ]
    return sorted(found)


def _contains(folder: str, place: str) -> bool:
    """Whether a place is the folder or lies in it; both without links."""
    return os.path.commonpath([folder, place]) == folder
