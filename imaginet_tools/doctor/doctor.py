"""`imaginet doctor --data_dir RAW`: what of the data set is there, what is missing, and where to get it.

With ``--verify`` every image is decoded, and what is wrong with any of them is listed (imaginet_tools/doctor/verify.py).
"""

import os
from collections import Counter
from typing import NamedTuple

import imaginet
from imaginet_core.safe_text import mask_secrets


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
            where.setdefault(name, Counter())[mask_secrets(place.container or _top_folder(place.member, raw.root))] += 1
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
