"""Grids of pictures with captions: what the network is shown, and where it is most confidently wrong."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure  # not pyplot, which would choose a display for the whole process

from imaginet_tools.images.image_set import SYNTHETIC, ImageSet
from training.views.random_views import RandomViews

TITLES = {
    "training_views.png": "Training views: a row per image, a column per epoch and view",
    "training.png": "Loss, its terms and the learning rate by epoch",
    "map.png": "What the network sees: features of images that it was not trained on",
    "roc.png": "ROC curves",
    "scores.png": "How the model's probabilities spread",
    "confusion.png": "Who is taken for whom, without degradation",
    "mistakes.png": "The most confident mistakes",
}
"""Picture of a report -> its title."""


def draw_views(views: RandomViews, file: Path, pictures: int = 6, epochs: int = 4) -> None:
    """What stage 1 is shown: a row per training image, real and synthetic ones in turn, a column per epoch and view.

    With pairs of views, a view and its degraded copy stand side by side; with reconstructions, the row below a real image is that
    of its reconstruction.
    """
    real, synthetic = (np.flatnonzero(views.images.label == value).tolist() for value in range(2))
    rows = []
    for place in range(pictures // 2):
        index = real[place % len(real)]
        rows += [index] if views.reconstructions is None else [index, len(views) + index]  # N + i is that of image i
        rows.append(synthetic[place % len(synthetic)])
    tiles, captions = [], []
    for row in rows:
        name = "reconstruction" if row >= len(views) else views.images.generator[row]
        for epoch in range(epochs):
            views.set_epoch(epoch)
            shown = views[row]["pixels"].permute(0, 2, 3, 1).numpy()
            tiles += list(shown)
            captions += [name if epoch == 0 else "", *["degraded"] * (len(shown) - 1)]
    title = f"Training views: a row per image, {'two columns' if views.degraded else 'a column'} per epoch"
    draw_grid(tiles, captions, len(tiles) // len(rows), title, file)


def draw_mistakes(images: ImageSet, probability: np.ndarray, threshold: float, file: Path, pictures: int = 6) -> None:
    """The most confident mistakes: a row of synthetic images taken for real, a row of real images taken for synthetic.

    Args:
        images: N images.
        probability: float (N,) of "synthetic".
        threshold: at or above it an image is called synthetic.
        file: PNG to write.
        pictures: at most so many in a row.
    """
    wrong = (probability >= threshold) != (images.label == SYNTHETIC)
    tiles, captions = [], []
    for value, order in ((SYNTHETIC, probability), (1 - SYNTHETIC, -probability)):
        missed = np.flatnonzero(wrong & (images.label == value))
        worst = missed[np.argsort(order[missed], kind="stable")][:pictures]
        tiles += [images.pixels(index) for index in worst] + [None] * (pictures - len(worst))
        captions += [f"{images.generator[index]}\nscore {probability[index]:.2f}" for index in worst]
        captions += [""] * (pictures - len(worst))
    title = f"Most confident mistakes of {len(images)} images ({int(wrong.sum())} wrong at threshold {threshold:.2f})"
    draw_grid(tiles, captions, pictures, title, file)


def draw_grid(tiles: list[np.ndarray | None], captions: list[str], columns: int, title: str, file: Path) -> None:
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
    figure.savefig(file, dpi=120)
