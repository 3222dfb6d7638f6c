"""What an exported detector says of real pictures beside what the same detector says in PyTorch, and how far they may be apart."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

import imaginet
from imaginet_core.label_words import label_of_word
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.inference.networks.self_test import deviation
from imaginet_tools.inference.networks.network import Logits, Network
from imaginet_tools.inference.saved_detector import SavedDetector

BATCHES = (1, 2, 3, 7)
"""Sizes of the batches in which pictures are compared, in turn."""
LIMITS = {"fp32": 0.001, "bf16": 0.05, "int8": 0.1}
"""By precision: the largest difference of a picture's probability that an export may make."""
AUC_LIMIT = 0.005
"""By how much an export's AUC may lie below PyTorch's, where the pictures are many enough to tell."""
FEWEST = 30
"""Pictures of each class; with fewer, a few pairs that change places outweigh the limit, and the AUC is printed but not judged."""


@dataclass(frozen=True)
class Pictures:
    """Crops to compare on.

    Attributes:
        crops: uint8 RGB, each (height, width, 3): the centre of each picture.
        label: int (N,), 0 real, 1 synthetic; None where not all are known, or all are the same.
        title: where they come from.
    """

    crops: list[np.ndarray]
    label: np.ndarray | None
    title: str


@dataclass(frozen=True)
class Parity:
    """How an export compares with PyTorch.

    Attributes:
        pictures: how many were compared, in batches of ``batches``, and ``title``, where they come from.
        probability, mean_probability: the largest and the mean difference of a picture's calibrated probability.
        logits: the largest difference of any output, as a share of that output's largest magnitude.
        auc_torch, auc: of both; None without labels.
        fewest: pictures of the rarer class; 0 without labels.
        limit: the largest difference of a probability that was admitted.
    """

    pictures: int
    title: str
    batches: tuple[int, ...]
    probability: float
    mean_probability: float
    logits: float
    auc_torch: float | None
    auc: float | None
    fewest: int
    limit: float

    def check(self) -> None:
        """Raises ValueError, in a sentence, where the export is further away than admitted."""
        if not self.probability <= self.limit:
            raise ValueError(
                f"The export was not kept: on {self.pictures} pictures ({self.title}) a probability differs by {self.probability:.3g} "
                f"from PyTorch's, and {self.limit:.3g} is admitted; choose another precision, or admit more (limit)."
            )
        if self.fewest >= FEWEST and self.auc < self.auc_torch - AUC_LIMIT:
            raise ValueError(
                f"The export was not kept: its AUC on {self.pictures} pictures ({self.title}) is {self.auc:.4f}, PyTorch's "
                f"{self.auc_torch:.4f}, and {AUC_LIMIT} less is admitted; choose another precision."
            )

    def sentences(self) -> list[str]:
        """For the screen."""
        sizes = ", ".join(map(str, self.batches))
        auc = "labels unknown, so no AUC" if self.auc is None else f"AUC {self.auc:.4f}, in PyTorch {self.auc_torch:.4f}"
        return [
            f"Compared with PyTorch on {self.pictures} pictures ({self.title}) in batches of {sizes}:",
            f"  largest difference of a probability {self.probability:.2g} (admitted {self.limit:.2g}), mean {self.mean_probability:.2g}; "
            f"of an output {self.logits:.2g} of its size; {auc}.",
        ]

    def as_dict(self) -> dict:
        """For ``export.json``."""
        return asdict(self)


def load_pictures(detector: SavedDetector, folder: str | None, split: str, most: int) -> Pictures:
    """Crops of at most ``most`` pictures, evenly drawn.

    Args:
        detector: reads and crops them.
        folder: of pictures at any depth; labels are known where its own folders are called real and synthetic, or by words for
            them. None for the embedded sample.
        split: of the sample.
        most: how many.

    Raises:
        ValueError: for a folder without pictures, and for a picture that cannot be read.
    """
    found = _of_sample(split) if folder is None else _of_folder(Path(folder))
    if not found:
        raise ValueError(f"{folder} holds no pictures, or is no folder.")
    chosen = [found[index] for index in np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int))]
    label = np.array([-1 if each is None else each for _, each in chosen])
    return Pictures(
        list(_crops(detector, [picture for picture, _ in chosen])), label if set(label.tolist()) == {0, 1} else None,
        folder or f"the sample's split {split}",
    )


def compare(detector: SavedDetector, reference: SavedDetector, pictures: Pictures, limit: float) -> Parity:
    """Asks both detectors for the same crops: ``detector`` in batches of all sizes of BATCHES in turn."""
    found = logits_of(detector.network, pictures.crops, cycle(BATCHES))
    expected = logits_of(reference.network, pictures.crops, cycle([1]))
    probability, wanted = (reference.network.settings.probability(each.origin) for each in (found, expected))
    off = np.abs(probability - wanted)
    auc = [None, None] if pictures.label is None else [float(roc_auc_score(pictures.label, each)) for each in (wanted, probability)]
    return Parity(
        len(pictures.crops), pictures.title, BATCHES, float(off.max()), float(off.mean()),
        max(deviation(*pair) for pair in zip(found, expected, strict=True) if pair[1] is not None), *auc,
        0 if pictures.label is None else int(np.bincount(pictures.label).min()), limit,
    )


def logits_of(network: Network, crops: Sequence[np.ndarray], sizes: Iterator[int]) -> Logits:
    """Logits of crops in batches of the sizes that ``sizes`` gives."""
    parts, start = [], 0
    while start < len(crops):
        size = next(sizes)
        parts.append(network(np.stack(crops[start : start + size])))
        start += size
    return Logits(*(None if column[0] is None else np.concatenate(column) for column in zip(*parts, strict=True)))


def _crops(detector: SavedDetector, pictures: list) -> Iterator[np.ndarray]:
    for picture in pictures:
        prepared = detector.prepare(picture)
        if prepared.error is not None:
            raise ValueError(f"{prepared.error} Take it out of the pictures to compare or to calibrate on.")
        yield prepared.crops[0]


def _of_sample(split: str) -> list[tuple[bytes, int]]:
    images = ImageSet.from_raw("sample", (split,))
    return [(images.content_of(index), int(label)) for index, label in enumerate(images.label)]


def _of_folder(folder: Path) -> list[tuple[Path, int | None]]:
    files = [file for file in sorted(folder.rglob("*")) if file.name.lower().endswith(imaginet.IMAGE_SUFFIXES) and file.is_file()]
    return [(file, label_of_word(file.relative_to(folder).parts[0])) for file in files]
