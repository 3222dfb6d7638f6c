"""Grids of pictures with captions: what the network is shown, and where it is most confidently wrong."""

import numpy as np
from matplotlib.figure import Figure  # not pyplot, which would choose a display for the whole process

from imaginet_tools.images.image_set import SYNTHETIC, ImageSet

TITLES = {
    "training_views.png": "Training views: a row per image, a column per epoch and view",
    "training.png": "Loss, its terms and the learning rate by epoch",
    "map.png": "What the network sees: features of images that it was not trained on",
    "roc.png": "ROC curves",
    "det.png": "Detection error trade-off",
    "reliability.png": "Reliability: what a probability is worth",
    "scores.png": "Distribution of the model's probabilities of \"synthetic\"",
    "confusion.png": "Confusion matrices of images without degradation",
    "mistakes.png": "The most confident mistakes",
}
"""Picture of a report -> its title."""


def draw_mistakes(images: ImageSet, probability: np.ndarray, threshold: float, pictures: int = 6) -> Figure:
    """The most confident mistakes: a row of synthetic images taken for real, a row of real images taken for synthetic.

    Args:
        images: N images.
        probability: float (N,) of "synthetic".
        threshold: at or above it an image is called synthetic.
        pictures: at most so many in a row.
    """
    wrong = (probability >= threshold) != (images.label == SYNTHETIC)
    tiles, captions = [], []
    for value, order in ((SYNTHETIC, probability), (1 - SYNTHETIC, -probability)):
        missed = np.flatnonzero(wrong & (images.label == value))
        worst = missed[np.argsort(order[missed], kind="stable")][:pictures]
        tiles += [images.pixels(index) for index in worst] + [None] * (pictures - len(worst))
        captions += [f"{images.generator[index]}\nsynthetic {probability[index]:.2f}" for index in worst]
        captions += [""] * (pictures - len(worst))
    title = f"Most confident mistakes of {len(images)} images ({int(wrong.sum())} wrong; called synthetic from {threshold:.2f} on)"
    return draw_grid(tiles, captions, pictures, title)


def draw_grid(tiles: list[np.ndarray | None], captions: list[str], columns: int, title: str) -> Figure:
    """Pictures uint8 (H, W, 3) in rows of ``columns``, each with its caption; None leaves a place empty."""
    rows = -(-len(tiles) // columns)
    figure = Figure(figsize=(1.9 * columns, 2.2 * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for place in axes.flat:
        place.set_axis_off()
    for place, tile, caption in zip(axes.flat, tiles, captions, strict=False):
        if tile is not None:
            place.imshow(tile)
            place.set_title(caption, fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure
