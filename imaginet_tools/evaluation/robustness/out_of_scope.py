"""The probe of what a detector was not made for: the share of documents, screenshots and flat graphics that it calls synthetic."""

from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import binomtest
from tqdm import tqdm

from imaginet_tools.evaluation.picture_grids import draw_grid
from imaginet_tools.evaluation.robustness.drawn_pictures import DRAWN, drawn_picture
from imaginet_tools.inference.detector import Detector

BATCH_SIZE = 16
"""Pictures at a time."""


def probe_out_of_scope(detector: Detector, threshold: float, count: int = 40) -> list[dict]:
    """What a detector says of pictures that are neither photographs nor a generator's, drawn by this code.

    They have no true label: the share is told as out of scope, and is no false-alarm rate.

    Args:
        detector: see ``imaginet_tools.inference.detector``.
        threshold: at or above it a picture is called synthetic.
        count: pictures of each kind.

    Returns:
        for each kind ``kind``, ``pictures``, ``called_synthetic`` (a share), its exact 95 % interval ``low`` and ``high``
        (Clopper-Pearson), and ``median`` probability.
    """
    if count < 1:
        raise ValueError(f"The probe of out-of-scope pictures needs at least 1 picture of each kind, got {count}.")
    rows = []
    for kind in DRAWN:
        with tqdm(total=count, desc=f"{detector.name} on {kind}", unit="image", dynamic_ncols=True, mininterval=1.0) as bar:
            probability = np.concatenate(list(_answers(detector, kind, count, bar)))
        flagged = int((probability >= threshold).sum())
        interval = binomtest(flagged, count).proportion_ci(0.95, "exact")
        rows.append({
            "kind": kind, "pictures": count, "called_synthetic": flagged / count, "low": float(interval.low),
            "high": float(interval.high), "median": float(np.median(probability)),
        })
    return rows


def out_of_scope_sentence(rows: list[dict], detector: str = "the detector") -> str:
    """The probe in words, for reports and cards."""
    parts = ", ".join(f"{row['called_synthetic']:.0%} of {row['pictures']} {row['kind']}" for row in rows)
    return (
        f"Out of scope: {detector} was made for photographs and artwork. It calls {parts} synthetic; its answers on such pictures mean "
        "nothing."
    )


def draw_examples(columns: int = 4) -> Figure:
    """Some pictures of each kind."""
    tiles = [drawn_picture(kind, number) for kind in DRAWN for number in range(columns)]
    captions = [kind for kind in DRAWN for _ in range(columns)]
    return draw_grid(tiles, captions, columns, "Pictures that detectors are not made for")


def _answers(detector: Detector, kind: str, count: int, bar: tqdm) -> Iterator[np.ndarray]:
    for start in range(0, count, BATCH_SIZE):
        pictures = [drawn_picture(kind, number) for number in range(start, min(start + BATCH_SIZE, count))]
        yield detector.scores(pictures).probability
        bar.update(len(pictures))
