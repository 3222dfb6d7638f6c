"""`imaginet provenance FILE...`: what picture files state about their origin, and what each statement is worth."""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from imaginet_core.pictures.sources import LIMITS, PictureError
from imaginet_core.provenance.plain_text import plain
from imaginet_core.provenance.read_provenance import NOTHING, Provenance, read_provenance
from imaginet_core.text_tables import text_table
from imaginet_tools.commands.errors import in_one_sentence
from imaginet_tools.inference.scoring.fetch import Content, read, read_streams, sentence_of
from imaginet_tools.inference.scoring.inputs import Input, list_inputs, to_text


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="imaginet provenance",
        description="Says what picture files state about their origin: signed manifests (C2PA), labels of XMP and IPTC, what generators "
        "and cameras write. None of it is a part of any score, and none of it is proof by itself.",
    )
    parser.add_argument("paths", nargs="+", metavar="FILE", help="file, folder, pattern, archive or URL, as for imaginet score")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each file instead of tables")
    parser.add_argument("--trust", metavar="FILE", help="certificates in PEM; a manifest whose signer leads to one of them is trusted")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Runs the command; returns 0 when every file could be read, 1 where one could not."""
    options, failed = parse(arguments), False
    with in_one_sentence("provenance"):
        anchors = _read_anchors(options.trust)
        for name, found in _each(options.paths, anchors):
            failed |= isinstance(found, str)
            print(_json(name, found) if options.json else _table(name, found), flush=True)
    return int(failed)


def _read_anchors(file: str | None) -> str | None:
    if file is None:
        return None
    try:
        return Path(file).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in PEM"
        raise ValueError(f"--trust {file} cannot be read: {reason}.") from error


def _each(paths: Iterable[str], anchors: str | None) -> Iterator[tuple[str, Provenance | str]]:
    """(name, provenance or the sentence why there is none) of every picture."""
    for job in read_streams(list_inputs(paths), LIMITS):
        each, content = job if not isinstance(job, Input) else (job, read(job, LIMITS))
        if content is not None:
            name, _ = to_text(each.path)
            yield plain(name, 500), _of(content, name, anchors)


def _of(content: Content, name: str, anchors: str | None) -> Provenance | str:
    try:
        return sentence_of(content, name) if isinstance(content, Exception) else read_provenance(content, name=name, trust_anchors=anchors)
    except PictureError as error:
        return sentence_of(error, name)


def _json(name: str, found: Provenance | str) -> str:
    told = {"error": found} if isinstance(found, str) else {**found.as_dict(), "error": None}
    return json.dumps({"path": name, **told}, ensure_ascii=False)


def _table(name: str, found: Provenance | str) -> str:
    if isinstance(found, str):
        return f"{name}\n  {found}\n"
    lines = [f"{name} ({found.format})"]
    if found.broken:
        lines.append(f"  {found.broken}")
    if not found.entries:
        return "\n".join([*lines, f"  {NOTHING}", ""])
    rows = [(each.kind, each.where, each.states) for each in found.entries]
    lines += [f"  {line}" for line in text_table(("statement", "where", "what it states"), rows)]
    lines += [f"  {kind}: {worth}" for kind, worth in dict((each.kind, each.worth) for each in found.entries).items()]
    return "\n".join([*lines, ""])
