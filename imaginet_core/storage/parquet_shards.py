"""Reading Parquet shards of images, which lie in a folder per content type."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow.parquet as pq

from imaginet_core.storage.files import FileLocation, State, check_regular, file_state, stamp_of


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
        counts.update(pq.read_table(file, columns=[column]).column(column).to_pylist())
    return counts


def image_locations(folder: str) -> dict[str, FileLocation]:
    """Path -> location of the images in the shards of an exported folder; the container is the shard, the member the path."""
    locations = {}
    for file in shard_files(folder):
        state = os.stat(file)
        stamp = f"{state.st_size} {stamp_of(state)}"
        for path in pq.read_table(file, columns=["path"]).column("path").to_pylist():
            locations[path] = FileLocation(file, path, -1, stamp)
    return locations


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
