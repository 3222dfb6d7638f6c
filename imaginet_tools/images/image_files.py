"""Where the files of an image set lie: a data set's column, a folder, or raw data with its archives.

Each kind gives a file by number, or many in whatever order is fastest to read.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Protocol

import datasets

import imaginet


class ImageFiles(Protocol):
    """The files of N images, by number."""

    def item(self, index: int) -> dict:
        """File ``index`` as an undecoded item of ``datasets.Image``: ``bytes`` (or None) and ``path``.

        Raises ValueError where there is none.
        """

    def read(self, indices: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """(index, the file's bytes) of the files asked for, in any order. Raises ValueError naming one that cannot be read."""

    def select(self, indices: Sequence[int]) -> "ImageFiles":
        """The files ``indices`` in this order, numbered from 0."""


class DatasetFiles:
    """The images of a ``datasets.Dataset``: undecoded, in its one column ``image``. ``title`` names it in messages."""

    def __init__(self, rows: datasets.Dataset, title: str = "the data set"):
        self.rows, self.title = rows, title

    def item(self, index: int) -> dict:
        item = self.rows[int(index)]["image"]
        if item is None:
            raise ValueError(f"Row {index} of {self.title} has no image; leave it out with datasets' filter and save the rest.")
        return item

    def read(self, indices: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        for index in indices:
            item = self.item(index)
            yield index, item["bytes"] if item["bytes"] is not None else read_file(item["path"])

    def select(self, indices: Sequence[int]) -> "DatasetFiles":
        return DatasetFiles(self.rows.select(indices), self.title)


class FolderFiles:
    """Files ``names`` in ``folder``."""

    def __init__(self, folder: str, names: list[str]):
        self.folder, self.names = folder, names

    def item(self, index: int) -> dict:
        return {"bytes": None, "path": os.path.join(self.folder, self.names[index])}

    def read(self, indices: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        for index in indices:
            yield index, read_file(os.path.join(self.folder, self.names[index]))

    def select(self, indices: Sequence[int]) -> "FolderFiles":
        return FolderFiles(self.folder, [self.names[index] for index in indices])


class RawFiles:
    """The images ``records`` of raw data, all of which are there; an archive is read once, from its beginning to its end."""

    def __init__(self, raw: imaginet.Raw, records: list[imaginet.Record]):
        self.raw, self.records = raw, records

    def item(self, index: int) -> dict:
        return {"bytes": next(content for _, content in self.read([index])), "path": None}

    def read(self, indices: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        index_of = {self.records[index].path: index for index in indices}
        for record, content in imaginet.read_images(self.raw, [self.records[index] for index in indices]):
            yield index_of[record.path], content

    def select(self, indices: Sequence[int]) -> "RawFiles":
        return RawFiles(self.raw, [self.records[index] for index in indices])


def read_file(file: str) -> bytes:
    """The bytes of a file. Raises ValueError naming one that cannot be read."""
    try:
        with open(file, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise ValueError(f"{file} cannot be read ({error.strerror}).") from error
