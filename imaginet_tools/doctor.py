"""`python imaginet.py doctor --data_dir RAW`: what of the data set is there, what is missing, and where to get it."""

import argparse
import json
import os
import sys
from collections import Counter
from typing import NamedTuple

import imaginet


class Diagnosis(NamedTuple):
    """What was found of one source.

    Attributes:
        source: its name; the folder for own lists.
        wanted, found: images by split, {"train": n, "test": n}.
        missing: first missing paths, at most three.
        bytes: of the images found.
        licence, home: terms and where to get it; empty for own lists.
    """

    source: str
    wanted: dict
    found: dict
    missing: list
    bytes: int
    licence: str
    home: str


def diagnose(raw: imaginet.Raw) -> list[Diagnosis]:
    """Looks every listed image up; one entry per source, in the registry's order, then own folders by name."""
    missing = {record.path for record in raw.missing}
    wanted, found, size, examples = Counter(), Counter(), Counter(), {}
    for split, records in raw.splits.items():
        for record in records:
            wanted[record.source, split] += 1
            if record.path in missing:
                examples.setdefault(record.source, []).append(record.path)
            else:
                found[record.source, split] += 1
                size[record.source] += os.stat(f"{raw.root}/{record.path}").st_size
    order = {name: number for number, name in enumerate(imaginet.SOURCES)}
    names = sorted({source for source, _ in wanted}, key=lambda name: (order.get(name, len(order)), name))
    return [
        Diagnosis(
            name, {split: wanted[name, split] for split in raw.splits}, {split: found[name, split] for split in raw.splits},
            examples.get(name, [])[:3], size[name], *_terms(name),
        )
        for name in names
    ]


def _terms(name: str) -> tuple[str, str]:
    source = imaginet.SOURCES.get(name)
    return (source.licence, source.home) if source else ("", "")


def table(diagnoses: list[Diagnosis]) -> str:
    """The diagnoses as fixed-width text, with a line of sums."""
    splits = list(diagnoses[0].wanted)
    head = ["source", *(f"{split} found" for split in splits), "missing", "MB", "licence", "home"]
    lines = []
    for each in diagnoses:
        counts = [f"{each.found[split]:,} of {each.wanted[split]:,}" for split in splits]
        gone = sum(each.wanted.values()) - sum(each.found.values())
        lines.append([each.source, *counts, f"{gone:,}", f"{each.bytes / 1e6:,.1f}", each.licence, each.home])
    sums = [
        f"{sum(each.found[split] for each in diagnoses):,} of {sum(each.wanted[split] for each in diagnoses):,}" for split in splits
    ]
    gone = sum(sum(each.wanted.values()) - sum(each.found.values()) for each in diagnoses)
    lines.append(["all", *sums, f"{gone:,}", f"{sum(each.bytes for each in diagnoses) / 1e6:,.1f}", "", ""])
    widths = [max(len(line[column]) for line in (head, *lines)) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in (head, *lines))


def main(arguments: list[str]) -> int:
    """Runs the command; returns 0 only when nothing is missing."""
    parser = argparse.ArgumentParser(prog="imaginet.py doctor", description="Says what of the data set is there and what is missing.")
    parser.add_argument("--data_dir", required=True, help="folder of the raw images")
    parser.add_argument("--annotations", help="folder of the lists, if they lie elsewhere")
    parser.add_argument("--config_name", default="all", choices=("all", *imaginet.CONTENTS), help="one content type only")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    options = parser.parse_args(arguments)
    try:
        raw = imaginet.ImagiNetConfig(name=options.config_name, data_dir=options.data_dir, annotations=options.annotations).raw
    except (ValueError, OSError) as error:
        sys.exit(f"imaginet.py doctor: {error}")
    diagnoses = diagnose(raw)
    if options.json:
        print(json.dumps([each._asdict() for each in diagnoses], indent=1, ensure_ascii=False))
    else:
        print(table(diagnoses))
        for each in diagnoses:
            if each.missing:
                print(f"missing of {each.source}, e.g. {', '.join(each.missing)}")
    return 1 if raw.missing else 0
