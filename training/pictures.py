"""Grids of pictures with captions: what the network is shown, and where it is most confidently wrong."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure  # not pyplot, which would choose a display for the whole process

from training.data import SYNTHETIC, ImageSet
from training.random_views import RandomViews


def draw_views(views: RandomViews, file: Path, pictures: int = 6, epochs: int = 4) -> None:
    """A row per training image, a column per epoch: the views of stage 1, real and synthetic images in turn."""
    by_label = [np.flatnonzero(views.images.label == value) for value in range(2)]
    chosen = [int(by_label[row % 2][row // 2 % len(by_label[row % 2])]) for row in range(pictures)]
    tiles, captions = [], []
    for index in chosen:
        for epoch in range(epochs):
            views.set_epoch(epoch)
            tiles.append(views[index]["pixels"][0].permute(1, 2, 0).numpy())
            captions.append(f"{views.images.generator[index]}" if epoch == 0 else "")
    draw_grid(tiles, captions, epochs, "Training views: a row per image, a column per epoch", file)


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
