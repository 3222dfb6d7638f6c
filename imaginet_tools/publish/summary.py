"""What an exported data set is made of, counted while it is written: everything its card and its Croissant file say."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import datasets

import imaginet


class Facts(NamedTuple):
    """What is counted of an image; all strings but the last, which says whether the image itself is in the export."""

    split: str
    content: str
    label: str
    generator: str
    source: str
    format: str
    license: str
    stored: bool


class Part(NamedTuple):
    """Shards of one content type and split: their folder's name, files (relative to the export -> SHA-256), rows and bytes."""

    content: str
    folder: str
    split: str
    files: dict
    rows: int
    num_bytes: int
    file_bytes: int


class LeftOut(NamedTuple):
    """An image that a list names and the export does not hold; ``reason`` is "missing" or "corrupt"."""

    path: str
    source: str
    reason: str


@dataclass
class Description:
    """An exported data set.

    Attributes:
        kind: a key of ``imaginet.DESCRIPTIONS``.
        name: of the exported folder.
        first_config: name of the configuration that holds everything.
        features: columns.
        sources: registry entries of the images; empty for own lists without a registry.
        redistributable: whether only what may be passed on is stored and the rest is in a manifest.
        repo_id: where on the Hub it goes, if it does.
        audit: of which shortcuts its images offer, as ``card_audit.read_audit`` gives it; None if none is to be shown.
        parts: what was written, in the order of the contents.
        images: Facts -> number of images.
        source_bytes: (source, stored) -> size of its image files.
        sizes: (split, content, label, width, height) -> number of images.
        left_out: what the lists name and the export lacks.
    """

    kind: str
    name: str
    first_config: str
    features: datasets.Features
    sources: tuple
    redistributable: bool = False
    repo_id: str | None = None
    audit: dict | None = None
    parts: list[Part] = field(default_factory=list)
    images: Counter = field(default_factory=Counter)
    source_bytes: Counter = field(default_factory=Counter)
    sizes: Counter = field(default_factory=Counter)
    left_out: list[LeftOut] = field(default_factory=list)

    def count(self, row: dict, split: str, stored: bool) -> None:
        """Takes note of a row: the builder's columns, with names for the class labels."""
        facts = Facts(split, *(str(row[name] or "not stated") for name in Facts._fields[1:-1]), stored)
        self.images[facts] += 1
        self.source_bytes[facts.source, stored] += len(row["image"]["bytes"])
        self.sizes[split, facts.content, facts.label, row["width"], row["height"]] += 1

    def total(self, **wanted) -> int:
        """Number of images of these facts, e.g. ``total(split="test", stored=True)``."""
        return sum(n for facts, n in self.images.items() if all(getattr(facts, name) == value for name, value in wanted.items()))

    def values(self, name: str) -> list:
        """The values that a fact takes: class labels in the order of their numbers, sources in the registry's, others sorted."""
        found = {getattr(facts, name) for facts in self.images}
        column = self.features.get(name)
        order = column.names if isinstance(column, datasets.ClassLabel) else [source.name for source in self.sources]
        if name == "split":
            order = list(imaginet.LIST_NAMES)
        return [value for value in order if value in found] + sorted(found.difference(order))

    def configs(self) -> dict[str, dict[str, list[Part]]]:
        """Configuration -> split -> its parts. The first holds everything, the others a content type each."""
        found = {self.first_config: self.parts}
        for part in self.parts:
            found.setdefault(part.folder, [each for each in self.parts if each.folder == part.folder])
        return {
            name: {
                split: [part for part in parts if part.split == split]
                for split in self.values("split")
                if any(part.split == split for part in parts)
            }
            for name, parts in found.items()
        }


class FormatRule(NamedTuple):
    """The best classifier that looks at nothing but the file format.

    Attributes:
        real, synthetic: the formats it calls so, sorted.
        balanced_accuracy: mean of the shares of real and of synthetic images it gets right, on the images it was made from.
    """

    real: tuple
    synthetic: tuple
    balanced_accuracy: float


def format_rule(images: Counter) -> FormatRule | None:
    """Best guess at the label from the file format alone; None where there are no real or no synthetic images.

    Args:
        images: Facts -> number of images.
    """
    counts = {label: Counter() for label in imaginet.LABELS}
    for facts, n in images.items():
        counts[facts.label][facts.format] += n
    if not all(counts.values()):
        return None
    real, synthetic = (
        {name: counts[label][name] / counts[label].total() for name in sorted(counts["real"] | counts["synthetic"])}
        for label in imaginet.LABELS
    )
    called_real = tuple(name for name in real if real[name] >= synthetic[name])
    called_synthetic = tuple(name for name in real if name not in called_real)
    right = sum(real[name] for name in called_real) + sum(synthetic[name] for name in called_synthetic)
    return FormatRule(called_real, called_synthetic, right / 2)
