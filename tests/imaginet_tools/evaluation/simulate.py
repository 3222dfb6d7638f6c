"""Simulated scores and pictures for the tests of evaluation."""

import numpy as np
from PIL import Image

from imaginet_tools.metrics.detection import Scores


def clustered_scores(n_sources=40, per_source=5, shared=1.0, own=1.0, effect=1.0, seed=0) -> Scores:
    """Half of the source images real, half synthetic; images of one source share a normal part of their score.

    The score's logit is ±effect / 2 + shared · N(source) + own · N(image).
    """
    rng = np.random.default_rng(seed)
    source = np.repeat(np.arange(n_sources), per_source)
    label = source % 2
    logit = effect * (label - 0.5) + shared * rng.standard_normal(n_sources)[source] + own * rng.standard_normal(len(source))
    return Scores(
        label, 1 / (1 + np.exp(-logit)), np.full(len(label), "photos"), np.where(label == 1, "SDXL", "real"),
        np.array([f"picture {number}" for number in source]),
    )


def three_generators(n=240, seed=0) -> Scores:
    """Photos and faces, real and of three generators: A makes photos, B faces, C both."""
    rng = np.random.default_rng(seed)
    content = rng.choice(["photos", "faces"], n)
    label = rng.integers(0, 2, n)
    generator = np.where(rng.random(n) < 0.5, "C", np.where(content == "photos", "A", "B"))
    probability = np.round(np.clip(0.3 + 0.3 * label + 0.25 * rng.standard_normal(n), 0, 1), 2)  # with ties
    source = np.array([f"s{i // 2}" for i in range(n)])
    return Scores(label, probability, content, np.where(label == 1, generator, "real"), source)


SHAPES = ("normal", "heavy tails", "unequal spread", "skewed", "mixed")


def shaped_logits(shape: str, n: int, seed: int, effect: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores 0 to 1 of n images of one of SHAPES, about half of them synthetic, and their labels."""
    rng = np.random.default_rng(seed)
    label = np.r_[0, 1, rng.integers(0, 2, n - 2)]
    synthetic, normal = label == 1, rng.standard_normal(n)
    logit = {
        "normal": normal + effect * label,
        "heavy tails": 0.8 * rng.standard_t(2.5, n) + effect * label,
        "unequal spread": normal * np.where(synthetic, 2.5, 1) + 1.5 * effect * label,
        "skewed": np.where(synthetic, 1.2 * effect - rng.exponential(1.3, n), rng.exponential(0.3, n) - 0.3 * effect),
        "mixed": normal + np.where(synthetic & (rng.random(n) < 0.8), 2 * effect, 0),
    }[shape]
    return 1 / (1 + np.exp(-(logit - effect / 2))), label


def picture(seed=0, height=256, width=256, grain=6.0) -> np.ndarray:
    """Smooth coloured shapes with grain, uint8 (H, W, 3), without clipped values."""
    rng = np.random.default_rng(seed)
    smooth = np.asarray(
        Image.fromarray(rng.integers(60, 196, (9, 9, 3), dtype=np.uint8)).resize((width, height), Image.Resampling.BICUBIC), float
    )
    return np.clip(np.rint(smooth + grain * rng.standard_normal(smooth.shape)), 5, 250).astype(np.uint8)
