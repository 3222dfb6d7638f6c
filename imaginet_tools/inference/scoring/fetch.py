"""From inputs to the bytes of their files, within limits; whatever cannot be had costs only itself."""

import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from imaginet_core.errors import first_line
from imaginet_core.pictures.sources import Limits, PictureError, PictureTooLargeError, content_of_source, fetch, format_of
from imaginet_core.safe_text import mask_secrets
from imaginet_core.storage import archives
from imaginet_core.storage.files import ArchiveError, LocationError, first_bytes, is_remote, open_stream
from imaginet_tools.inference.scoring.inputs import ARCHIVE, FILE, NONE, PARQUET, ROWS, Input
from imaginet_tools.inference.scoring.network import ask_again
from imaginet_tools.inference.scoring.rows import read_parquet, read_rows

Content = bytes | Exception | None
"""Of a file; or why it cannot be had; or None for one that is no picture and needs no row."""


def reads_alone(each: Input) -> bool:
    """Whether an input can be read by itself. Others are read with their neighbours in one pass over what holds them."""
    if each.kind == ARCHIVE:
        try:
            return not archives.is_stream(each.container)
        except OSError:
            return True  # reading it will tell
    return each.kind in (FILE, NONE)


def read_streams(
    inputs: Iterable[Input], limits: Limits, image_column: str | None = None
) -> Iterator[Input | tuple[Input, Content]]:
    """Inputs that :func:`reads_alone` as they are; the others with their content.

    Those of one archive or data set that follow each other are read in one pass, in its order.
    """
    for (kind, container), group in itertools.groupby(inputs, key=lambda each: (each.kind, each.container)):
        if kind in (PARQUET, ROWS):
            yield from _from_columns(kind, container, group, limits, image_column)
            continue
        first = next(group)
        group = itertools.chain([first], group)
        yield from group if reads_alone(first) else _in_one_pass(container, list(group))


def read(each: Input, limits: Limits) -> Content:
    """The content of an input that :func:`reads_alone`."""
    try:
        if each.kind == NONE:
            return LocationError(each.error or f"{each.path} cannot be listed.")
        if each.kind == ARCHIVE:
            [(_, content)] = ask_again(lambda: list(archives.read_members(each.container, [each.member])))
        elif each.may_be_left_out and not _begins_as_picture(each.member):
            return None
        else:
            content = _read_file(each.member, limits)
    except (PictureError, ArchiveError, OSError) as error:
        return error
    return None if isinstance(content, bytes) and each.may_be_left_out and format_of(content[:64]) is None else content


def sentence_of(error: Exception, name: str) -> str:
    """Why an input has no score, in one sentence without secrets."""
    if isinstance(error, PictureError):
        error = error.named(name)
    return mask_secrets(" ".join(str(error).split()) or first_line(error)).encode("utf-8", "backslashreplace").decode()


def _begins_as_picture(location: str) -> bool:
    if not is_remote(location) and not os.path.isfile(location):
        return True  # nothing to look into; reading it tells what it is
    return format_of(first_bytes(location, 64)) is not None


def _read_file(location: str, limits: Limits) -> bytes:
    if not is_remote(location):
        return content_of_source(Path(location), limits)[0]
    return ask_again(lambda: (fetch if location.startswith(("http://", "https://")) else _read_url)(location, limits))


def _read_url(url: str, limits: Limits) -> bytes:
    with open_stream(url) as stream:
        content = stream.read(limits.bytes + 1)
    if len(content) > limits.bytes:
        raise PictureTooLargeError(f"it has more than the limit of {limits.bytes:,} bytes", mask_secrets(url))
    return content


def _in_one_pass(container: str, group: list[Input]) -> Iterator[tuple[Input, Content]]:
    """Of an archive that can only be read from its beginning; what cannot be read of it any more has the reason."""
    waiting = dict(enumerate(group))
    try:
        for index, content in archives.read_members(container, [each.member for each in group]):
            each = waiting.pop(index)
            left_out = isinstance(content, bytes) and each.may_be_left_out and format_of(content[:64]) is None
            yield each, None if left_out else content
    except (ArchiveError, OSError) as error:
        yield from ((each, error) for each in waiting.values())


def _from_columns(
    kind: str, container: str, group: Iterable[Input], limits: Limits, column: str | None
) -> Iterator[tuple[Input, Content]]:
    group, asked = itertools.tee(group)
    numbers = (int(each.member) for each in asked)
    try:
        values = read_rows(container, numbers) if kind == ROWS else read_parquet(container, numbers, column)
        for value in values:
            yield next(group), _content_of(value, limits)
    except (ValueError, OSError) as error:
        yield from ((each, error) for each in group)


def _content_of(value: dict | None, limits: Limits) -> Content:
    if value is None or (value.get("bytes") is None and not value.get("path")):
        return PictureError("the row has no image")
    try:
        return value["bytes"] if value.get("bytes") is not None else _read_file(value["path"], limits)
    except (PictureError, OSError) as error:
        return error
