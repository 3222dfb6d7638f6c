"""The probe of what a detector was not made for: the share of documents, screenshots and flat graphics that it calls synthetic."""

import io
from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from scipy.stats import binomtest
from tqdm import tqdm

from imaginet_tools.evaluation.picture_grids import draw_grid
from imaginet_tools.evaluation.robustness.drawn_pictures import DRAWN, drawn_picture
from imaginet_tools.images.image_files import OnError
from imaginet_tools.images.image_set import REAL, ImageSet
from imaginet_tools.inference.detector import Detector

BATCH_SIZE = 16
"""Pictures at a time."""


def probe_out_of_scope(detector: Detector, threshold: float, count: int = 20) -> list[dict]:
    """What a detector says of pictures that are neither photographs nor a generator's, drawn by this code.

    Args:
        detector: see ``imaginet_tools.inference.detector``.
        threshold: at or above it a picture is called synthetic.
        count: pictures of each kind.

    Returns:
        see :func:`out_of_scope_rows`.
    """
    images = drawn_images(count)
    probability = []
    title = f"{detector.name} on out-of-scope pictures"
    with tqdm(total=len(images), desc=title, unit="image", dynamic_ncols=True, mininterval=1.0) as bar:
        for start in range(0, len(images), BATCH_SIZE):
            pictures = [images.pixels(index) for index in range(start, min(start + BATCH_SIZE, len(images)))]
            probability.append(detector.scores(pictures).probability)
            bar.update(len(pictures))
    return out_of_scope_rows(images, np.concatenate(probability), threshold)


def drawn_images(count: int) -> ImageSet:
    """``count`` pictures of each kind as images like any others, so that their scores can be stored like others.

    They have no true label: the column says real, since no generator made them, and no figure is computed of it.
    ``content`` is the kind. Raises ValueError for a count below 1.
    """
    if count < 1:
        raise ValueError(f"The probe of out-of-scope pictures needs at least 1 picture of each kind, got {count}.")
    names = [(kind, number) for kind in DRAWN for number in range(count)]
    column = lambda values: np.array(values, dtype=str)
    paths, real = column([f"{kind}/{number}.png" for kind, number in names]), column(["real"] * len(names))
    return ImageSet(
        DrawnFiles(names), np.full(len(names), REAL), column([kind for kind, _ in names]), real, real, paths, paths,
        np.zeros(len(names), dtype=bool), title="pictures out of scope",
    )


class DrawnFiles:
    """The files of drawn pictures, (kind, number) each: PNG, made when they are read."""

    def __init__(self, names: Sequence[tuple[str, int]]):
        self.names = list(names)

    def item(self, index: int) -> dict:
        return {"bytes": lossless_png(drawn_picture(*self.names[index])), "path": None}

    def read(self, indices: Sequence[int], on_error: OnError | None = None) -> Iterator[tuple[int, bytes]]:
        return ((index, self.item(index)["bytes"]) for index in indices)

    def select(self, indices: Sequence[int]) -> "DrawnFiles":
        return DrawnFiles([self.names[index] for index in indices])


def lossless_png(picture: np.ndarray) -> bytes:
    """uint8 RGB (H, W, 3) as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()


def out_of_scope_rows(images: ImageSet, probability: np.ndarray, threshold: float) -> list[dict]:
    """The share of each kind that is called synthetic. It is told as out of scope and is no false-alarm rate.

    Args:
        images: from :func:`drawn_images`.
        probability: float (N,) of being synthetic.
        threshold: at or above it a picture is called synthetic.

    Returns:
        for each kind ``kind``, ``pictures``, ``called_synthetic`` (a share), its exact 95 % interval ``low`` and ``high``
        (Clopper-Pearson), and ``median`` probability.
    """
    rows = []
    for kind in dict.fromkeys(images.content.tolist()):
        own = probability[images.content == kind]
        flagged = int((own >= threshold).sum())
        interval = binomtest(flagged, len(own)).proportion_ci(0.95, "exact")
        rows.append({
            "kind": kind, "pictures": len(own), "called_synthetic": flagged / len(own), "low": float(interval.low),
            "high": float(interval.high), "median": float(np.median(own)),
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
