"""From what a user names (files, folders, patterns, archives, URLs, data sets) to one input after the other, not read yet."""

import glob
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

from imaginet_core.errors import first_line
from imaginet_core.pictures.sources import format_of
from imaginet_core.safe_text import mask_secrets
from imaginet_core.storage.archives import kind_of, members
from imaginet_core.storage.files import ArchiveError, explain_errors, file_system, first_bytes, is_remote, walk_files
from imaginet_tools.inference.scoring.network import ask_again
from imaginet_tools.inference.scoring.rows import is_saved_dataset, rows_of_parquet, splits_of

FILE, ARCHIVE, PARQUET, ROWS, NONE = "file", "archive", "parquet", "rows", "none"
"""Kinds of inputs: a file or URL, an archive's entry, a row of a Parquet file or a data set, one that cannot be had."""
OTHER_FILES = frozenset(
    ".txt .md .rst .html .htm .xml .xmp .json .jsonl .ndjson .yaml .yml .toml .ini .cfg .conf .csv .tsv .log .py .pyc .ipynb "
    ".sh .js .css .pdf .doc .docx .xls .xlsx .odt .tex .bib "
    ".sha256 .md5 .lock .part .mp4 .mov .avi .mkv .webm .mp3 .wav .flac .ogg .m4a "
    ".npy .npz .pt .pth .safetensors .onnx .pkl".split()
)
"""Suffixes of what lies beside pictures and is none. A file of a folder or archive that is called so is left out and counted,
unless its content is a picture's; a file of any other name that is no picture gets its row."""
_OTHER_NAME = re.compile(
    r"\._.*|\.DS_Store|\.git(ignore|attributes|keep)|Thumbs\.db|desktop\.ini|LICENSE|README|.*\.7z\.(?!001)\d{3}", re.IGNORECASE
)


class Input(NamedTuple):
    """One thing to score.

    Attributes:
        path: what it is called: path or URL by which it was found, "ARCHIVE/ENTRY", "FILE.parquet/ROW" or "DATA SET/SPLIT/ROW".
            Bytes of a name that are no UTF-8 are surrogates, as Python has them.
        kind: one of this file's.
        container: the archive or Parquet file, or the data set as ``rows.open_rows`` takes it; "" for a file.
        member: path or URL of a file, name of an entry, number of a row.
        error: why there is nothing to read, of the kind NONE.
        named: whether the user named just this one, so that it gets a row whatever it is.
    """

    path: str
    kind: str
    container: str = ""
    member: str = ""
    error: str | None = None
    named: bool = False

    @property
    def id(self) -> int:
        """int64 that stands for the path: the first bytes of its SHA-256."""
        return int.from_bytes(hashlib.sha256(self.path.encode("utf-8", "surrogatepass")).digest()[:8], "big", signed=True)

    @property
    def may_be_left_out(self) -> bool:
        """Whether it needs no row if its content is no picture's."""
        name = self.path.rpartition("/")[2]
        return not self.named and (PurePosixPath(name).suffix.lower() in OTHER_FILES or _OTHER_NAME.fullmatch(name) is not None)


def list_inputs(
    places: Iterable[str], is_ours: Callable[[str], bool] = lambda path: False, image_column: str | None = None
) -> Iterator[Input]:
    """Inputs in a fixed order. Whatever cannot be listed is an input of the kind NONE with its reason.

    Args:
        places: paths of files, folders (links are followed), archives, Parquet files with images and folders of ``save_to_disk``;
            patterns (of what is not there by that very name); URLs of fsspec and of the web, which may be folders or patterns.
        is_ours: whether a local path is what this run writes itself.
        image_column: of Parquet files and data sets; by default the first that holds images.
    """
    lister = _Lister(is_ours, image_column)
    for place in places:
        yield from lister.place(place if place == "/" else place.rstrip("/"))


def list_rows(dataset: dict, title: str) -> Iterator[Input]:
    """The rows of a data set that ``load_dataset`` takes; ``dataset``: see ``rows.splits_of``."""
    for split, container, count in splits_of(dataset):
        yield from (Input(f"{title}/{split}/{number}", ROWS, container, str(number)) for number in range(count))


def refused(path: str, reason: str) -> Input:
    """An input that cannot be had."""
    return Input(path, NONE, error=mask_secrets(reason), named=True)


class _Lister:
    def __init__(self, is_ours: Callable[[str], bool], image_column: str | None):
        self.is_ours, self.image_column = is_ours, image_column

    def place(self, place: str) -> Iterator[Input]:
        if is_remote(place):
            yield from self._url(place)
        elif os.path.isdir(place):
            yield from self._folder(place)
        elif os.path.lexists(place):
            yield from self._file(place, named=True)
        elif glob.has_magic(place) and (found := sorted(glob.glob(place, recursive=True))):
            for match in found:  # "**" gives what lies in the folders, too
                if not os.path.isdir(match):
                    yield from self._file(match)
                elif "**" not in place:
                    yield from self._folder(match)
        else:
            yield refused(
                place, f"{place} does not exist{', nor anything that it is a pattern of' if glob.has_magic(place) else ''}"
            )

    def _folder(self, folder: str) -> Iterator[Input]:
        if is_saved_dataset(folder):
            try:
                yield from list_rows({"folder": folder, "image_column": self.image_column}, folder)
            except (ValueError, OSError) as error:
                yield refused(folder, f"{folder} cannot be read as a data set ({first_line(error)})")
            return
        failed: list[Input] = []
        for name in walk_files(folder, on_error=lambda place, error: failed.append(refused(place, str(error)))):
            yield from self._file(f"{folder.rstrip('/')}/{name}")
            yield from failed
            failed.clear()
        yield from failed

    def _file(self, file: str, named: bool = False) -> Iterator[Input]:
        """A file or URL, or what it holds."""
        if not is_remote(file) and self.is_ours(file):
            return
        ending = file.partition("?")[0].lower() if is_remote(file) else file.lower()
        try:
            if kind_of(file) and format_of(first_bytes(file, 64)) is None:
                yield from (Input(f"{file}/{each.name}", ARCHIVE, file, each.name) for each in members(file))
            elif ending.endswith(".parquet"):
                yield from (
                    Input(f"{file}/{row}", PARQUET, file, str(row)) for row in range(rows_of_parquet(file, self.image_column))
                )
            else:
                yield Input(file, FILE, "", file, None, named)
        except (ArchiveError, OSError, ValueError) as error:
            yield refused(file, str(error))

    def _url(self, url: str) -> Iterator[Input]:
        if url.startswith(("http://", "https://")) or "::" in url:  # the web knows no folders
            yield from self._file(url, named=True)
            return
        try:
            found = ask_again(lambda: _find(url))
        except OSError as error:
            yield refused(url, str(error))
            return
        if not found:
            yield refused(url, f"{url} holds no file, and nothing is called so")
        for each in found:
            yield from self._file(each, named=found == [url])


def _find(url: str) -> list[str]:
    """The URLs of all files that a URL stands for: itself, what lies below it, or what it is a pattern of."""
    with explain_errors(url):
        system, path = file_system(url)
        if glob.has_magic(path) and not system.exists(path):
            matches = system.glob(path, detail=True)
            files = {name for name, entry in matches.items() if entry["type"] != "directory"}
            for name in matches.keys() - files if not path.endswith("**") else ():
                files.update(system.find(name))
        elif system.info(path)["type"] == "directory":
            files = system.find(path)
        else:
            return [url]
    return sorted(system.unstrip_protocol(file) for file in files)


def to_text(path: str) -> tuple[str, str | None]:
    """How a path is written down: as text without secrets; and, where it is no UTF-8, its bytes in hexadecimal digits, else None.

    Bytes that are no UTF-8 stand in the text as ``\\xff``.
    """
    try:
        path.encode("utf-8")
        return mask_secrets(path) if is_remote(path) else path, None
    except UnicodeEncodeError:
        content = path.encode("utf-8", "surrogateescape")
        return content.decode("utf-8", "backslashreplace"), content.hex()
