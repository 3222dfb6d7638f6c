"""Images that may not be passed on, named by path, source, size and SHA-256, so that others can check and join their own copies.

A redistributable export holds the images that may be passed on as Parquet shards, and ``manifest.parquet`` for all others.
Whoever has copies of those gives both to the builder: ``load_dataset("imaginet", data_dir=OWN, manifest=EXPORT)``. Labels are in
neither: they come from ImagiNet's own lists.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from datasets.utils import tqdm

import imaginet
from imaginet_core.errors import first_line
from imaginet_core.storage.parquet_shards import shard_files

NAME = "manifest.parquet"
SCHEMA = pa.schema({"path": pa.string(), "source": pa.string(), "size": pa.int64(), "sha256": pa.string()})


class Entry(NamedTuple):
    """An image of a manifest: path as listed, source, bytes, SHA-256 of the file in hexadecimal."""

    path: str
    source: str
    size: int
    sha256: str


class Problem(NamedTuple):
    """An image of the receiver's lists that cannot be joined.

    Attributes:
        path, source: as listed.
        kind: "missing" (no copy), "different" (a copy that is not the publisher's) or "unpublished" (neither in the
            manifest nor in the shards, so nothing is known of it).
        detail: what was found; for people.
    """

    path: str
    source: str
    kind: str
    detail: str


KINDS = {
    "missing": "are missing; get them from their publisher",
    "different": "differ from the publisher's (another version, or damaged); fetch them again",
    "unpublished": "are in your lists but not in the published data set",
}


def write(file: str, entries: Sequence[tuple]) -> None:
    """Writes a manifest of tuples like :class:`Entry`, sorted by path, so that their order tells nothing of labels."""
    rows = [dict(zip(SCHEMA.names, entry, strict=True)) for entry in sorted(entries)]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), file)


def read(manifest: str) -> dict[str, Entry]:
    """Path -> entry of a manifest.

    Args:
        manifest: a folder that holds manifest.parquet, such a file, or the name of a data set on the Hub ("me/imaginet").

    Raises:
        FileNotFoundError, ValueError: if there is none, or it has other columns.
    """
    file = f"{folder_of(manifest)}/{NAME}" if not manifest.endswith(".parquet") else manifest
    if not os.path.isfile(file):
        raise FileNotFoundError(
            f"There is no {NAME} in {manifest}; give a folder that was exported with --redistributable, or the file itself."
        )
    try:
        table = pq.read_table(file)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{file} is no Parquet file, or cut short ({first_line(error)}).") from error
    if table.schema.names != SCHEMA.names:
        raise ValueError(
            f"{file} is no manifest: its columns are {', '.join(table.schema.names)}, not {', '.join(SCHEMA.names)}."
        )
    return {row["path"]: Entry(**row) for row in table.to_pylist()}


def folder_of(manifest: str) -> str:
    """The folder of a manifest on this machine; a data set on the Hub is downloaded into its cache. Raises ConnectionError."""
    if manifest.endswith(".parquet"):
        return os.path.dirname(os.path.abspath(manifest))
    if os.path.exists(manifest) or not re.fullmatch(r"[\w.-]+/[\w.-]+", manifest):
        return os.path.abspath(manifest)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    try:
        return snapshot_download(manifest, repo_type="dataset")
    except (HfHubHTTPError, HTTPError, OSError) as error:
        raise ConnectionError(
            f"{manifest} is no folder here, and the data set of this name could not be fetched from the Hub "
            f"({first_line(error)})."
        ) from error


def complete(manifest: str, raw: imaginet.Raw) -> imaginet.Raw:
    """``raw`` with the images of the published shards: they are preferred to copies under the root, which nobody checked.

    Shards lie beside the manifest; given a lone file elsewhere there are none, and all images must lie under the root.
    """
    folder = folder_of(manifest)
    listed = {record.path for records in raw.splits.values() for record in records}
    places = {**raw.places, **{path: place for path, place in stored_places(folder).items() if path in listed}}
    missing = [record for records in raw.splits.values() for record in records if record.path not in places]
    seen = hashlib.sha256(f"{raw.fingerprint}\0{sorted(read(manifest).values())}".encode())
    seen.update(repr(sorted(place for place in places.values() if place.container.endswith(".parquet"))).encode())
    return raw._replace(places=places, missing=missing, fingerprint=seen.hexdigest()[:16])


def stored_places(folder: str) -> dict[str, imaginet.Place]:
    """Path -> place of the images in the shards of an exported folder; the container is the shard, the member the path."""
    places = {}
    for file in shard_files(folder):
        state = os.stat(file)
        stamp = f"{state.st_size}:{state.st_mtime_ns}"
        for path in pq.read_table(file, columns=["path"]).column("path").to_pylist():
            places[path] = imaginet.Place(file, path, -1, stamp)
    return places


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


def check(manifest: str, raw: imaginet.Raw) -> list[Problem]:
    """Compares the copies under the root with a manifest, reading them all; says everything that is wrong, in the lists' order.

    Args:
        manifest: as for :func:`read`.
        raw: what :func:`complete` returned. Images in the published shards are not checked again.
    """
    entries = read(manifest)
    problems, wanted = {}, []
    for record in (record for records in raw.splits.values() for record in records):
        place = raw.places.get(record.path)
        if place is not None and place.container.endswith(".parquet"):
            continue
        entry = entries.get(record.path)
        if entry is None:
            problems[record.path] = Problem(record.path, record.source, "unpublished", "no hash to check it by")
        elif place is None:
            problems[record.path] = Problem(record.path, record.source, "missing", f"wanted: {entry.size:,} bytes")
        elif place.size not in (-1, entry.size):
            problems[record.path] = Problem(
                record.path, record.source, "different", f"{place.size:,} bytes, wanted: {entry.size:,}"
            )
        else:
            wanted.append(record)
    for path, digest in _digests(raw, wanted):
        entry = entries[path]
        if digest != entry.sha256:
            problems[path] = Problem(path, entry.source, "different", f"SHA-256 {digest[:16]}…, wanted: {entry.sha256[:16]}…")
    return [problems[record.path] for records in raw.splits.values() for record in records if record.path in problems]


def _digests(raw: imaginet.Raw, records: list) -> Iterator[tuple[str, str]]:
    """(path, SHA-256) of images, behind a bar: files of their own in parallel, archives one after the other."""
    files, archives = [], []
    for container, items in imaginet.shards_of(raw, records):
        (archives if container else files).append((container, items))

    def of_file(shard: tuple) -> tuple[str, str]:
        ((item, content),) = imaginet.read_shard(*shard)
        return item[1].path, hashlib.sha256(content).hexdigest()

    with tqdm(total=len(records), unit=" images", desc="Checking against the manifest") as bar:
        with ThreadPoolExecutor() as pool:
            for found in pool.map(of_file, files):
                bar.update()
                yield found
        for container, items in archives:
            for item, content in imaginet.read_shard(container, items):
                bar.update()
                yield item[1].path, hashlib.sha256(content).hexdigest()


def message(problems: Sequence[Problem], raw: imaginet.Raw) -> str:
    """All problems in a few lines: how many of which kind and source, three examples each, and where the source comes from."""
    homes = {source.name: source.home for source in raw.names.sources}
    total = sum(len(records) for records in raw.splits.values())
    lines = [f"{len(problems):,} of {total:,} listed images under {raw.root} cannot be joined with the manifest:"]
    for kind, told in KINDS.items():
        of_kind = [problem for problem in problems if problem.kind == kind]
        for source in dict.fromkeys(problem.source for problem in of_kind):
            chosen = [problem for problem in of_kind if problem.source == source]
            examples = "; ".join(f"{problem.path} ({problem.detail})" for problem in chosen[:3])
            home = f" ({homes[source]})" if source in homes and kind != "unpublished" else ""
            lines.append(f"- {source}: {len(chosen):,} {told}{home}: {examples}")
    lines.append("Nothing was built. Put that right, or build without them (allow_missing=True).")
    return "\n".join(lines)


def checked(manifest: str, raw: imaginet.Raw, allow_missing: bool = False) -> imaginet.Raw:
    """``raw`` as :func:`check` finds it: unchanged, or without what cannot be joined if ``allow_missing``.

    Raises:
        ValueError: that names everything that cannot be joined, unless ``allow_missing``.
    """
    problems = check(manifest, raw)
    if problems and not allow_missing:
        raise ValueError(message(problems, raw))
    return without(raw, problems) if problems else raw


def without(raw: imaginet.Raw, problems: Sequence[Problem]) -> imaginet.Raw:
    """``raw`` without the images that cannot be joined: they count as missing."""
    gone = {problem.path for problem in problems}
    places = {path: place for path, place in raw.places.items() if path not in gone}
    missing = [record for records in raw.splits.values() for record in records if record.path not in places]
    return raw._replace(places=places, missing=missing)


def write_left_out(file: str, left_out: Sequence[tuple]) -> None:
    """Writes a line of JSON per image that the lists name and the export lacks; no file where there is none."""
    if left_out:
        with open(file, "w", encoding="utf-8") as lines:
            lines.writelines(json.dumps(each._asdict(), ensure_ascii=False) + "\n" for each in left_out)
