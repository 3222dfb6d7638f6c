"""`imaginet export --data_dir RAW --output imaginet/`: Parquet and a card, which load without any code of ours."""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import datasets
from datasets.utils import tqdm

import imaginet
from imaginet_core.storage import manifest
from imaginet_core.storage.safe_writes import check_new_folder, new_folder
from imaginet_tools.publish.audit_section import check_of_these_images, read_audit
from imaginet_tools.publish.croissant import write_croissant
from imaginet_tools.publish.dataset_card import MANIFEST, PREVIEW, write_card
from imaginet_tools.publish.preview import Candidates, draw
from imaginet_tools.publish.shard_writer import ShardWriter
from imaginet_tools.publish.summary import Description, LeftOut, Part


def export(
    output: str,
    config_name: str = "all",
    redistributable: bool = False,
    repo_id: str | None = None,
    audit: str | None = None,
    **keywords,
) -> Description:
    """Writes a data set as Parquet shards with a card, a preview and a Croissant file.

    It is written into a hidden folder beside ``output`` and moved when it is whole, so an interrupted run leaves nothing incomplete.

    Args:
        output: folder to make; it may exist if it is empty, also as a link. Its name is the name to load it by.
        config_name: a configuration of imaginet.py.
        redistributable: store only images whose source's terms allow passing them on, and name the others in a manifest.
        repo_id: where on the Hub it will go, for the card.
        audit: the audit.json of these images, for the card; see imaginet_tools/audit/audit.py.
        keywords: of the builder: ``data_dir``, ``annotations``, ``locations``, ``registry``, ``track``, ``manifest``,
            ``allow_missing``, ``on_corrupt``.

    Returns:
        what was written.

    Raises:
        FileExistsError: if ``output`` is not empty, or another run is writing it.
        PermissionError, ValueError: before any work, if it may not be written, or is where a disk is mounted.
        FileNotFoundError, ValueError: of the builder, for what is missing or wrong; for an audit that is none or of other images.
        OSError: in one sentence, if there is no space or no permission.
    """
    name = os.path.basename(os.path.abspath(output))
    output = str(check_new_folder(output))
    audited = read_audit(audit) if audit is not None else None
    builder = imaginet.ImagiNet(config_name=config_name, **keywords)
    raw = builder.config.raw
    if raw is None:
        raise FileNotFoundError(imaginet.NO_DATA_DIR)
    if audited:
        check_of_these_images(audited, audit, raw, config_name)
    allowed = sources_to_pass_on(raw) if redistributable else None
    streams = builder.as_streaming_dataset()  # says what is missing before anything is written
    raw = builder.config.raw  # joined with a manifest, it may hold less than before
    description = Description(
        raw.kind,
        name,
        config_name,
        builder.info.features,
        raw.names.sources,
        redistributable,
        repo_id,
        audited,
    )
    with _told_in_a_sentence(output), new_folder(output) as aside:
        folder = str(aside)
        _check_space(raw, allowed, output)
        _write_images(description, streams, raw, allowed, folder)
        write_card(description, folder)
        write_croissant(description, folder)
    return description


def sources_to_pass_on(raw: imaginet.Raw) -> frozenset:
    """Names of the sources whose terms allow passing their images on; of the sample all, as its licences go with it.

    Raises:
        ValueError: if there are none, or nothing is known of the terms.
    """
    if raw.kind == "sample":
        return frozenset(record.source for record in _records(raw))
    if not raw.names.sources:
        raise ValueError(
            "Nothing is known of the terms of these images, so none may be passed on; name their sources and terms in a registry "
            "(registry=FILE) with redistributable: true."
        )
    found = frozenset(source.name for source in raw.names.sources if source.redistributable)
    if not any(record.source in found for record in _records(raw)):
        raise ValueError("No source of these images allows passing them on; there is nothing to publish but a manifest.")
    return found


def _check_space(raw: imaginet.Raw, allowed: frozenset | None, output: str) -> None:
    needed = sum(
        max(raw.places[record.path].size, 0)
        for record in _records(raw)
        if record.path in raw.places and (allowed is None or record.source in allowed)
    )
    free = shutil.disk_usage(os.path.dirname(output)).free
    if needed > free:
        raise OSError(_no_space(output, f"{needed / 1e6:,.1f} MB are needed, {free / 1e6:,.1f} MB are free"))


def _no_space(output: str, told: str) -> str:
    return f"There is no space for the export at {output} ({told}); nothing was left there. Free some, or give another --output."


@contextmanager
def _told_in_a_sentence(output: str):
    """Turns what the system says of a full disk, or of one that may not be written, into a sentence that names the output."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OSError(_no_space(output, "the disk or a quota is full, or the file too large for it")) from error
        if error.errno == errno.EROFS:
            raise PermissionError(f"{output} may not be written here ({error.strerror}); give another --output.") from error
        raise


def _write_images(description: Description, streams: dict, raw: imaginet.Raw, allowed: frozenset | None, folder: str) -> None:
    """Writes shards, manifest, preview and the list of what was left out; one pass over all images."""
    contents = description.features["content"].names
    shards = Shards(folder, folder_names(description), description.features)
    rows_of_manifest, candidates, arrived = [], Candidates(), set()
    try:
        for split, row, named in _rows(description, streams, sum(record.path in raw.places for record in _records(raw))):
            arrived.add(row["path"])
            stored = allowed is None or row["source"] in allowed
            description.count(named, split, stored)
            image = row["image"]["bytes"]
            if stored:
                candidates.offer(named["content"], named["generator"], row["path"], image)
                shards.write(named["content"], split, row)
            else:
                rows_of_manifest.append((row["path"], row["source"], len(image), hashlib.sha256(image).hexdigest()))
        description.parts = shards.close([(content, split) for content in contents for split in streams])
    except BaseException:
        shards.abandon()
        raise
    if not description.parts:
        raise ValueError("No image is left to export.")
    if allowed is not None:
        manifest.write(f"{folder}/{MANIFEST}", rows_of_manifest)
    missing = {record.path for record in raw.missing}
    description.left_out = [
        LeftOut(record.path, record.source, "missing" if record.path in missing else "corrupt")
        for record in _records(raw) if record.path not in arrived
    ]
    manifest.write_left_out(f"{folder}/{imaginet.LEFT_OUT}", description.left_out)
    draw(candidates.rows(contents)).save(f"{folder}/{PREVIEW}", optimize=True)


def _records(raw: imaginet.Raw) -> list[imaginet.Record]:
    return [record for records in raw.splits.values() for record in records]


def _rows(description: Description, streams: dict, count: int) -> Iterator[tuple[str, dict, dict]]:
    """(split, row with the image's bytes, the same with its labels by name) of every image, with a progress bar of ``count``."""
    labels = {name: column for name, column in description.features.items() if isinstance(column, datasets.ClassLabel)}
    with tqdm(total=count, unit=" images", desc=f"Exporting {description.name}") as bar:
        for split, rows in streams.items():
            for row in rows.cast_column("image", datasets.Image(decode=False)):
                bar.update()
                yield split, row, {**row, **{name: column.int2str(row[name]) for name, column in labels.items()}}


class Shards:
    """The shards of an export, by content type and split.

    Args:
        folder: of the export.
        names: content type -> name of its folder.
        features: columns.
    """

    def __init__(self, folder: str, names: dict[str, str], features: datasets.Features):
        self._folder, self._names, self._features = folder, names, features
        self._writers: dict[tuple[str, str], ShardWriter] = {}

    def write(self, content: str, split: str, row: dict) -> None:
        """Adds a row. Raises OSError if the disk is full."""
        if (content, split) not in self._writers:
            self._writers[content, split] = ShardWriter(f"{self._folder}/{self._names[content]}", split, self._features)
        self._writers[content, split].write(row)

    def close(self, order: list[tuple[str, str]]) -> list[Part]:
        """Ends all files; what was written, in the order of (content type, split) that is given."""
        return [self._end(content, self._writers[content, split]) for content, split in order if (content, split) in self._writers]

    def _end(self, content: str, writer: ShardWriter) -> Part:
        written = writer.close()
        files = {os.path.relpath(file, self._folder).replace(os.sep, "/"): digest for file, digest in written.items()}
        size = sum(os.path.getsize(file) for file in written)
        return Part(content, self._names[content], writer.split, files, writer.rows, writer.num_bytes, size)

    def abandon(self) -> None:
        """Closes the open files after an error."""
        for writer in self._writers.values():
            writer.abandon()


def folder_names(description: Description) -> dict[str, str]:
    """Content type -> name of its folder and configuration: each its own, without what file systems and ``datasets`` forbid."""
    names = {}
    for content in description.features["content"].names:
        name = re.sub(r"[^\w.-]+", "_", content).strip("._") or "content"
        while name in names.values() or name == description.first_config and name not in imaginet.CONTENTS:
            name += "_"
        names[content] = name
    return names
