"""Which rule makes one answer of a large picture's windows: measured on mosaics of the lab's training pictures, by folds.

    python -m benchmarks.windows LAB [--folds 2] [--seconds 25] [--mosaics 400] [--seed 0]

A network learns on all folds but one, for so many seconds, and scores the pictures of that fold, which share no source picture with
those it learned from. Nine of these, each a window, make a mosaic: nine real ones; nine synthetic ones of one generator; or some synthetic
ones among real ones. Temperature and bias are fitted on one half of the fold's source pictures, mosaics are made of the other half. Each rule
of ``imaginet_core.detection.windows`` combines the same nine logits. Printed: the AUC against mosaics that are wholly real, and
how many of these are called synthetic at a probability of 0.5, with 95 % intervals over draws of source pictures. No test list is read.
"""

import argparse
import time
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from imaginet_core.detection.verdict import calibrated_probability
from imaginet_core.detection.windows import RULES, combine_windows
from imaginet_core.text_tables import markdown_table
from imaginet_tools.metrics.calibration import fit_temperature_and_bias
from imaginet_tools.metrics.early_exit import area_under_curve
from modeling import SelfConConfig, SelfConForImageClassification, SelfConImageProcessor

WINDOWS = 9
KINDS = {"all nine": 9, "five of nine": 5, "two of nine": 2, "one of nine": 1}
"""Mosaics by how many of their windows are synthetic."""
CROP, BATCH = 128, 32
SMALL = dict(
    stem_kernel=3, stem_width=16, stem_pool=False, block="basic", widths=[16, 32, 64], depths=[1, 1, 1], sub_network_after=1,
    high_pass="local_contrast", classifier_hidden=64, projection_size=16,
)


class Pictures(NamedTuple):
    """N pictures of the lab: pixels uint8 (N, 256, 256, 3), label, generator int (N,), number of the source picture int (N,)."""

    pixels: np.ndarray
    label: np.ndarray
    generator: np.ndarray
    source: np.ndarray

    def take(self, chosen: np.ndarray) -> "Pictures":
        return Pictures(*(column[chosen] for column in self))


def load(lab: Path) -> Pictures:
    """The pictures of the training list."""
    lines = [line.split(",") for line in (lab / "annotations_train.txt").read_text(encoding="utf-8").split()]
    sources = [Path(path).stem.rpartition("_")[0] for path, *_ in lines]
    pixels = [np.asarray(Image.open(lab / path).convert("RGB")) for path, *_ in lines]
    numbers = np.unique(sources, return_inverse=True)[1]
    return Pictures(np.stack(pixels), np.array([int(line[1]) for line in lines]), np.array([int(line[4]) for line in lines]), numbers)


def train(pictures: Pictures, seconds: float, seed: int) -> SelfConForImageClassification:
    """A small network that learned from random crops."""
    torch.manual_seed(seed)
    rng, network = np.random.default_rng(seed), SelfConForImageClassification(SelfConConfig(**SMALL)).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    by_label = [np.flatnonzero(pictures.label == label) for label in (0, 1)]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        some = np.concatenate([rng.choice(each, BATCH // 2) for each in by_label])
        top, left = rng.integers(0, (257 - CROP) // 2, 2) * 2
        crops = pictures.pixels[some, top : top + CROP, left : left + CROP]
        loss = F.binary_cross_entropy_with_logits(network(prepare(crops)).origin_logit, torch.tensor(pictures.label[some], dtype=torch.float32))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def prepare(pixels: np.ndarray) -> torch.Tensor:
    """uint8 (B, H, W, 3) -> what the network takes."""
    processor = SelfConImageProcessor()
    mean, std = (torch.tensor(values) for values in (processor.image_mean, processor.image_std))
    return ((torch.from_numpy(np.ascontiguousarray(pixels)) / 255 - mean) / std).permute(0, 3, 1, 2)


@torch.inference_mode()
def score(network: SelfConForImageClassification, pictures: Pictures) -> np.ndarray:
    """Logits, float (N,)."""
    parts = [network(prepare(pictures.pixels[start : start + BATCH])).origin_logit for start in range(0, len(pictures.label), BATCH)]
    return torch.cat(parts).numpy().astype(np.float64)


def mosaics(logits: np.ndarray, pictures: Pictures, synthetic: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """float (count, WINDOWS): logits of mosaics with so many synthetic windows, all of one generator."""
    real, found = logits[pictures.label == 0], []
    for _ in range(count):
        generator = rng.choice(np.unique(pictures.generator[pictures.label == 1]))
        fake = logits[(pictures.label == 1) & (pictures.generator == generator)]
        found.append(np.concatenate([rng.choice(fake, synthetic), rng.choice(real, WINDOWS - synthetic)]))
    return np.array(found)


def figures_of(fold: tuple[np.ndarray, Pictures, SimpleNamespace], count: int, rng: np.random.Generator) -> dict[str, list[float]]:
    """Rule -> AUC of each of KINDS, and the share of real mosaics that are called synthetic."""
    logits, pictures, calibration = fold
    sets = [mosaics(logits, pictures, synthetic, count, rng) for synthetic in (0, *KINDS.values())]
    labels, found = np.repeat([0, 1], count), {}
    for rule in RULES:
        real, *others = (combine_windows(some, rule, calibration) for some in sets)
        areas = [float(area_under_curve(np.concatenate([real, other]), labels)) for other in others]
        found[rule] = [*areas, float((calibrated_probability(real, calibration) >= 0.5).mean())]
    return found


def drawn(fold: tuple, rng: np.random.Generator) -> tuple:
    """A fold with its source pictures drawn anew, each as often as it comes."""
    logits, pictures, calibration = fold
    sources = np.unique(pictures.source)
    while True:
        chosen = np.concatenate([np.flatnonzero(pictures.source == each) for each in rng.choice(sources, len(sources))])
        if len(np.unique(pictures.label[chosen])) == 2:
            return logits[chosen], pictures.take(chosen), calibration


def score_folds(pictures: Pictures, folds: int, seconds: float, seed: int) -> list[tuple]:
    """Of each fold: logits and pictures that mosaics are made of, and the calibration."""
    order = np.random.default_rng(seed).permutation(pictures.source.max() + 1)
    place, found = order[pictures.source], []
    for number in range(folds):
        network = train(pictures.take(place % folds != number), seconds, seed)
        kept = pictures.take(place % folds == number)
        logits, calibrating = score(network, kept), order[kept.source] // folds % 2 == 0
        temperature, bias = fit_temperature_and_bias(logits[calibrating], kept.label[calibrating])
        area = float(area_under_curve(logits, kept.label))
        print(f"fold {number + 1}: {len(kept.label)} pictures, AUC of single windows {area:.3f}", flush=True)
        found.append((logits[~calibrating], kept.take(~calibrating), SimpleNamespace(temperature=temperature, bias=bias)))
    return found


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lab", type=Path, help="folder of the lab")
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=25, help="of training, for each fold (default 25)")
    parser.add_argument("--mosaics", type=int, default=400, help="of each kind (default 400)")
    parser.add_argument("--draws", type=int, default=100, help="of source pictures, for the intervals (default 100)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folds = score_folds(load(options.lab), options.folds, options.seconds, options.seed)
    rng = np.random.default_rng(options.seed)
    values = _mean([figures_of(fold, options.mosaics, rng) for fold in folds])
    draws = [_mean([figures_of(drawn(fold, rng), options.mosaics // 4, rng) for fold in folds]) for _ in range(options.draws)]
    lines = []
    for rule in RULES:
        low, high = np.percentile([draw[rule] for draw in draws], [2.5, 97.5], axis=0)
        lines.append([rule, *(f"{value:.3f} [{a:.3f}, {b:.3f}]" for value, a, b in zip(values[rule], low, high, strict=True))])
    print(markdown_table(["rule", *(f"AUC, {kind} synthetic" for kind in KINDS), "false alarms at 0.5"], lines))


def _mean(figures: list[dict[str, list[float]]]) -> dict[str, np.ndarray]:
    return {rule: np.mean([each[rule] for each in figures], axis=0) for rule in RULES}


if __name__ == "__main__":
    main()
