"""Where the files of an image set lie: a data set's column, a folder, or raw data with its archives.

Each kind gives a file by number, or many in whatever order is fastest to read.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import datasets

import imaginet
from imaginet_core.storage.files import LocationError, open_regular

OnError = Callable[[int, ValueError], None]
"""Called with the number of a file that cannot be read and the reason, instead of raising it."""


class ImageFiles(Protocol):
    """The files of N images, by number."""

    def item(self, index: int) -> dict:
        """File ``index`` as an undecoded item of ``datasets.Image``: ``bytes`` (or None) and ``path``.

        Raises ValueError where there is none.
        """

    def read(self, indices: Sequence[int], on_error: OnError | None = None) -> Iterator[tuple[int, bytes]]:
        """(index, the file's bytes) of the files asked for, in any order.

        One that cannot be read is told ``on_error`` and left out, or without that raises ValueError naming it.
        """

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

    def read(self, indices: Sequence[int], on_error: OnError | None = None) -> Iterator[tuple[int, bytes]]:
        return _read_each(self._content, indices, on_error)

    def _content(self, index: int) -> bytes:
        item = self.item(index)
        return item["bytes"] if item["bytes"] is not None else read_file(item["path"])

    def select(self, indices: Sequence[int]) -> "DatasetFiles":
        return DatasetFiles(self.rows.select(indices), self.title)


class FolderFiles:
    """Files ``names`` in ``folder``."""

    def __init__(self, folder: str, names: list[str]):
        self.folder, self.names = folder, names

    def item(self, index: int) -> dict:
        return {"bytes": None, "path": os.path.join(self.folder, self.names[index])}

    def read(self, indices: Sequence[int], on_error: OnError | None = None) -> Iterator[tuple[int, bytes]]:
        return _read_each(lambda index: read_file(os.path.join(self.folder, self.names[index])), indices, on_error)

    def select(self, indices: Sequence[int]) -> "FolderFiles":
        return FolderFiles(self.folder, [self.names[index] for index in indices])


class RawFiles:
    """The images ``records`` of raw data, all of which are there; an archive is read once, from its beginning to its end."""

    def __init__(self, raw: imaginet.Raw, records: list[imaginet.Record]):
        self.raw, self.records = raw, records

    def item(self, index: int) -> dict:
        return {"bytes": next(content for _, content in self.read([index])), "path": None}

    def read(self, indices: Sequence[int], on_error: OnError | None = None) -> Iterator[tuple[int, bytes]]:
        index_of = {self.records[index].path: index for index in indices}
        tell = on_error and (lambda record, error: on_error(index_of[record.path], error))
        for record, content in imaginet.read_images(self.raw, [self.records[index] for index in indices], on_error=tell):
            yield index_of[record.path], content

    def select(self, indices: Sequence[int]) -> "RawFiles":
        return RawFiles(self.raw, [self.records[index] for index in indices])


def _read_each(content_of: Callable[[int], bytes], indices: Sequence[int], on_error: OnError | None) -> Iterator[tuple[int, bytes]]:
    for index in indices:
        try:
            content = content_of(index)
        except ValueError as error:
            if on_error is None:
                raise
            on_error(index, error)
        else:
            yield index, content


def read_file(file: str) -> bytes:
    """The bytes of a file. Raises ValueError naming one that cannot be read."""
    try:
        with open_regular(file) as stream:
            return stream.read()
    except LocationError as error:
        raise ValueError(str(error)) from error
    except OSError as error:
        raise ValueError(f"{file} cannot be read ({error.strerror}).") from error
