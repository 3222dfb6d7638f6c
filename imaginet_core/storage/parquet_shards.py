"""Reading Parquet shards of images, which lie in a folder per content type."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq
from datasets.utils import tqdm

from imaginet_core.errors import first_line
from imaginet_core.storage.files import FileLocation, State, check_regular, file_state, open_regular, stamp_of

CROISSANT = "croissant.json"
"""Of an exported folder: its description for machines, with the SHA-256 of each shard."""


def shard_files(folder: str) -> list[str]:
    """The Parquet shards below an exported folder, sorted: those that lie in a folder of a content type.

    Raises LocationError for one that is no regular file.
    """
    found = sorted(
        f"{folder}/{content}/{name}"
        for content in os.listdir(folder)
        if os.path.isdir(f"{folder}/{content}") and not content.startswith(".")
        for name in os.listdir(f"{folder}/{content}")
        if name.endswith(".parquet")
    )
    for file in found:
        check_regular(file)
    return found


def column_counts(folder: str, column: str) -> Counter:
    """How often each value of a column stands in the shards of an exported folder."""
    counts = Counter()
    for file in shard_files(folder):
        counts.update(_column(file, column))
    return counts


def image_locations(folder: str) -> dict[str, FileLocation]:
    """Path -> location of the images in the shards of an exported folder; the container is the shard, the member the path.

    Raises ValueError for a shard that cannot be read, and for a path that stands in two rows: nobody knows which is meant.
    """
    locations = {}
    for file in shard_files(folder):
        state = os.stat(file)
        stamp = f"{state.st_size} {stamp_of(state)}"
        for path in _column(file, "path"):
            if path in locations:
                other = "twice" if locations[path].container == file else f"as {locations[path].container} does"
                raise ValueError(f"{file} holds {path} {other}; take the data set as it was published.")
            locations[path] = FileLocation(file, path, -1, stamp)
    return locations


def _column(file: str, name: str) -> list:
    try:
        return pq.read_table(file, columns=[name]).column(name).to_pylist()
    except (pa.ArrowInvalid, KeyError, OSError) as error:
        raise ValueError(f"{file} is no shard of images, or cut short ({first_line(error)}); download it again.") from error


def changed_shards(folder: str) -> dict[str, str]:
    """Shard -> what is wrong with it, of those that are not as they were exported: CROISSANT tells the SHA-256 of each.

    Reads all shards, with a progress bar. Raises ValueError where there are shards and nothing to check them by.
    """
    shards = shard_files(folder)
    if not shards:
        return {}
    published, wrong = _published_digests(folder), {}
    for file in tqdm(shards, desc="Checking the published shards", unit=" shards", delay=1):
        wanted = published.get(os.path.relpath(file, folder).replace(os.sep, "/"))
        if wanted is None:
            wrong[file] = f"its shard {file} is not named in {CROISSANT}"
            continue
        with open_regular(file) as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        if digest != wanted:
            wrong[file] = f"its shard {file} has the SHA-256 {digest[:16]}…, wanted: {wanted[:16]}…"
    return wrong


def _published_digests(folder: str) -> dict[str, str]:
    """Shard, relative to the folder -> its SHA-256 as it was exported."""
    file = f"{folder}/{CROISSANT}"
    try:
        with open_regular(file) as content:
            described = json.load(content)
        return {each["name"]: each["sha256"] for each in described["distribution"] if "sha256" in each}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file}, which tells the SHA-256 of the shards beside it, is not there or cannot be read, so nobody knows whether they hold "
            "the published images; take the data set whole, as it was published."
        ) from error


def state_of(container: str) -> State:
    """As ``archives.state_of``."""
    return file_state(container)


def is_stream(container: str) -> bool:
    """As ``archives.is_stream``: a shard's images are read from its beginning to its end."""
    return True


def read_members(container: str, members: Sequence[str]) -> Iterator[tuple[int, bytes]]:
    """Yields (index in ``members``, the image file's bytes) from a Parquet shard, in the shard's order, a row group at a time.

    Raises:
        ValueError: if the shard lacks one of them.
    """
    wanted = {member: index for index, member in enumerate(members)}
    with pq.ParquetFile(container) as file:
        for group in range(file.num_row_groups):
            paths = file.read_row_group(group, columns=["path"]).column("path").to_pylist()
            if wanted.keys().isdisjoint(paths):
                continue
            images = file.read_row_group(group, columns=["image.bytes"]).column("image")
            for row, path in enumerate(paths):
                if path in wanted:
                    yield wanted.pop(path), images[row]["bytes"].as_py()
    if wanted:
        raise ValueError(f"{container} no longer holds {min(wanted)}; export or download it again.")
