"""Images that may not be passed on, named by path, source, size and SHA-256, so that others can check and join their own copies.

A redistributable export holds the images that may be passed on as Parquet shards, and ``manifest.parquet`` for all others.
Whoever has copies of those gives both to the builder: ``load_dataset("imaginet", data_dir=OWN, manifest=EXPORT)``. Labels are in
neither: they come from ImagiNet's own lists.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from imaginet_core.errors import first_line

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


def compare_sizes(entries: dict[str, Entry], listed: Iterable[tuple[str, str, int | None]]) -> tuple[list[Problem], list[str]]:
    """Compares copies with a manifest as far as that is possible without reading them.

    Args:
        entries: path -> entry, as :func:`read` gives.
        listed: (path, source, bytes of the copy; -1 where not known, None where there is no copy).

    Returns:
        what is wrong, in the order given, and the paths of all copies that must be read to be sure.
    """
    problems, unsure = [], []
    for path, source, size in listed:
        entry = entries.get(path)
        if entry is None:
            problems.append(Problem(path, source, "unpublished", "no hash to check it by"))
        elif size is None:
            problems.append(Problem(path, source, "missing", f"wanted: {entry.size:,} bytes"))
        elif size not in (-1, entry.size):
            problems.append(Problem(path, source, "different", f"{size:,} bytes, wanted: {entry.size:,}"))
        else:
            unsure.append(path)
    return problems, unsure


def compare_hashes(entries: dict[str, Entry], images: Iterable[tuple[str, bytes]]) -> list[Problem]:
    """Compares copies, as (path, the file's bytes), with their entries; says what is wrong."""
    problems = []
    for path, content in images:
        entry, digest = entries[path], hashlib.sha256(content).hexdigest()
        if digest != entry.sha256:
            problems.append(Problem(path, entry.source, "different", f"SHA-256 {digest[:16]}…, wanted: {entry.sha256[:16]}…"))
    return problems


def message(problems: Sequence[Problem], total: int, root: str, homes: dict[str, str]) -> str:
    """All problems in a few lines: how many of which kind and source, three examples each, and where the source comes from.

    Args:
        problems: as found.
        total: number of listed images.
        root: folder of the copies.
        homes: source -> where to get it.
    """
    lines = [f"{len(problems):,} of {total:,} listed images under {root} cannot be joined with the manifest:"]
    for kind, told in KINDS.items():
        of_kind = [problem for problem in problems if problem.kind == kind]
        for source in dict.fromkeys(problem.source for problem in of_kind):
            chosen = [problem for problem in of_kind if problem.source == source]
            examples = "; ".join(f"{problem.path} ({problem.detail})" for problem in chosen[:3])
            home = f" ({homes[source]})" if source in homes and kind != "unpublished" else ""
            lines.append(f"- {source}: {len(chosen):,} {told}{home}: {examples}")
    lines.append("Nothing was built. Put that right, or build without them (allow_missing=True).")
    return "\n".join(lines)


def write_left_out(file: str, left_out: Sequence[tuple]) -> None:
    """Writes a line of JSON per image that the lists name and the export lacks; no file where there is none."""
    if left_out:
        with open(file, "w", encoding="utf-8") as lines:
            lines.writelines(json.dumps(each._asdict(), ensure_ascii=False) + "\n" for each in left_out)
