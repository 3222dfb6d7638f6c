"""`python imaginet.py doctor --data_dir RAW`: what of the data set is there, what is missing, and where to get it.

With ``--verify`` every image is decoded, and what is wrong with any of them is listed (imaginet_tools/verify.py).
"""

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
        where: folders and archives that hold what was found, each with its number of images.
        missing: first missing paths, at most three.
        bytes: of the images found; of unknown sizes nothing is counted.
        licence, home: terms and where to get it; empty for own lists.
    """

    source: str
    wanted: dict
    found: dict
    where: dict
    missing: list
    bytes: int
    licence: str
    home: str


def diagnose(raw: imaginet.Raw) -> list[Diagnosis]:
    """One entry per source, in the registry's order, then own folders by name."""
    wanted, found, size, where, missing = Counter(), Counter(), Counter(), {}, {}
    for split, records in raw.splits.items():
        for record in records:
            name, place = record.source, raw.places.get(record.path)
            wanted[name, split] += 1
            if place is None:
                missing.setdefault(name, []).append(record.path)
                continue
            found[name, split] += 1
            size[name] += max(0, place.size)
            where.setdefault(name, Counter())[place.container or _top_folder(place.member, raw.root)] += 1
    sources = {source.name: source for source in raw.names.sources}
    order = {name: number for number, name in enumerate(sources)}
    diagnoses = []
    for name in sorted({name for name, _ in wanted}, key=lambda name: (order.get(name, len(order)), name)):
        terms = (sources[name].licence, sources[name].home) if name in sources else ("", "")
        counts = ({split: count[name, split] for split in raw.splits} for count in (wanted, found))
        diagnoses.append(Diagnosis(name, *counts, dict(where.get(name, {})), missing.get(name, [])[:3], size[name], *terms))
    return diagnoses


def _top_folder(member: str, root: str) -> str:
    """The first folder below the root; for a place outside it, the folder itself."""
    if member.startswith(root + "/"):
        return f"{root}/{member[len(root) + 1 :].split('/', 1)[0]}"
    return member.rpartition("/")[0]


def table(diagnoses: list[Diagnosis], root: str) -> str:
    """The diagnoses as fixed-width text, with a line of sums."""
    splits = list(diagnoses[0].wanted)
    head = ["source", *(f"{split} found" for split in splits), "missing", "MB", "in", "licence", "home"]
    lines = []
    for each in diagnoses:
        counts = [f"{each.found[split]:,} of {each.wanted[split]:,}" for split in splits]
        gone = sum(each.wanted.values()) - sum(each.found.values())
        where = ", ".join(os.path.relpath(place, root) if "://" not in place else place for place in each.where) or "-"
        lines.append([each.source, *counts, f"{gone:,}", f"{each.bytes / 1e6:,.1f}", where, each.licence, each.home])
    total = {split: [sum(getattr(each, what)[split] for each in diagnoses) for what in ("found", "wanted")] for split in splits}
    gone = sum(wanted - found for found, wanted in total.values())
    size = sum(each.bytes for each in diagnoses) / 1e6
    lines.append(["all", *(f"{found:,} of {wanted:,}" for found, wanted in total.values()), f"{gone:,}", f"{size:,.1f}", "", "", ""])
    widths = [max(len(line[column]) for line in (head, *lines)) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in (head, *lines))


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line of the doctor."""
    parser = argparse.ArgumentParser(prog="imaginet.py doctor", description="Says what of the data set is there and what is missing.")
    parser.add_argument("--data_dir", required=True, help="folder of the raw images")
    parser.add_argument("--annotations", help="folder of the lists, if they lie elsewhere")
    parser.add_argument("--locations", help="YAML file: source -> folder, archive or URL, for sources that lie elsewhere")
    parser.add_argument("--registry", help="YAML file with sources of one's own")
    parser.add_argument("--config_name", default="all", choices=("all", *imaginet.CONTENTS, *imaginet.TESTSETS), help="a part only")
    parser.add_argument("--verify", action="store_true", help="decode every image and list what is wrong; takes long")
    parser.add_argument("--num_proc", type=int, default=os.cpu_count() or 1, help="processes of --verify (default: all cores)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Runs the command; returns 0 only when nothing is missing and, with --verify, nothing is wrong."""
    options = parse(arguments)
    given = {name: getattr(options, name) for name in ("data_dir", "annotations", "locations", "registry")}
    try:
        raw = imaginet.read_raw(imaginet.ImagiNetConfig(name=options.config_name, **given), make_index=options.verify)
        diagnoses = diagnose(raw)
        findings = None
        if options.verify:
            from imaginet_tools.verify import verify

            findings = verify(raw, options.num_proc)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        sys.exit(f"imaginet.py doctor: {error}")
    if options.json:
        answer = {"sources": [each._asdict() for each in diagnoses], "findings": findings}
        print(json.dumps(answer, indent=1, ensure_ascii=False))
    else:
        print(table(diagnoses, raw.root))
        for each in diagnoses:
            if each.missing:
                print(f"missing of {each.source}, e.g. {', '.join(each.missing)}")
        if findings is not None:
            from imaginet_tools.verify import describe

            print(describe(findings))
    return 1 if raw.missing or any((findings or {}).values()) else 0
