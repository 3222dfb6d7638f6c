"""Writing Parquet shards of images: a folder per content type, short row groups, so that viewers and streams read little at a time."""

import hashlib
import io
import os

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

ROWS_PER_GROUP = 100
GROUP_BYTES = 50_000_000
"""A row group ends at 100 rows or this many bytes of images, whichever comes first: it is what a writer holds in memory."""
SHARD_BYTES = 500_000_000
CHUNKING = {"min_chunk_size": 256 * 1024, "max_chunk_size": 1024 * 1024, "norm_level": 0}
"""Pages are cut by content, as ``datasets`` does too: the Hub then stores what two versions share only once."""


class ShardWriter:
    """Writes the rows of one content type and split as ``<folder>/<split>-00000-of-00002.parquet`` and so on.

    Args:
        folder: where the shards go; made if need be.
        split: its name.
        features: columns; ``image`` holds {"bytes", "path"}, class labels are numbers.
        shard_bytes: no shard is larger (but for a single row group that is).

    Attributes:
        rows: rows so far.
        num_bytes: their size in memory, as ``datasets`` counts it.
    """

    def __init__(self, folder: str, split: str, features: datasets.Features, shard_bytes: int = SHARD_BYTES):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.split, self.schema, self.shard_bytes = folder, split, features.arrow_schema, shard_bytes
        self.rows = self.num_bytes = 0
        self._waiting, self._waiting_bytes = [], 0
        self._digests, self._file, self._writer = [], None, None

    def write(self, row: dict) -> None:
        """Adds a row. Raises OSError if the disk is full."""
        self._waiting.append(row)
        self._waiting_bytes += len(row["image"]["bytes"])
        self.rows += 1
        if len(self._waiting) == ROWS_PER_GROUP or self._waiting_bytes >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        group = pa.Table.from_pylist(self._waiting, schema=self.schema)
        # what is not yet on the disk is at most the footer, a few hundred bytes a group: 1 % is left for it
        if self._writer is not None and self._file.tell() + group.nbytes > 0.99 * self.shard_bytes:
            self._end_shard()
        if self._writer is None:
            self._file = open_shard(self._temporary(len(self._digests)))
            self._writer = pq.ParquetWriter(self._file, self.schema, use_content_defined_chunking=CHUNKING, write_page_index=True)
            self._digests.append("")
        self._writer.write_table(group, row_group_size=ROWS_PER_GROUP)
        self.num_bytes += group.nbytes
        self._waiting, self._waiting_bytes = [], 0

    def _end_shard(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._file.close()
            self._digests[-1] = self._file.digest.hexdigest()
            self._writer = self._file = None

    def _temporary(self, number: int) -> str:
        return f"{self.folder}/{self.split}-{number:05d}.parquet"

    def close(self) -> dict[str, str]:
        """Ends the last shard; returns path -> SHA-256 of all, which only now know how many they are."""
        self._flush()
        self._end_shard()
        shards = len(self._digests)
        files = {
            f"{self.folder}/{self.split}-{number:05d}-of-{shards:05d}.parquet": digest
            for number, digest in enumerate(self._digests)
        }
        for number, file in enumerate(files):
            os.rename(self._temporary(number), file)
        return files

    def abandon(self) -> None:
        """Closes the open file after an error; what it holds is of no use."""
        if self._file is not None:
            self._file.close()


class HashedFile(io.BufferedWriter):
    """A file that is written from its beginning to its end and hashed on the way: ``digest`` is a hashlib object."""

    def __init__(self, raw: io.RawIOBase):
        super().__init__(raw)
        self.digest = hashlib.sha256()

    def write(self, content) -> int:
        """Writes bytes; returns how many."""
        self.digest.update(content)
        return super().write(content)


def open_shard(file: str) -> HashedFile:
    """Opens a shard for writing."""
    return HashedFile(io.FileIO(file, "w"))
