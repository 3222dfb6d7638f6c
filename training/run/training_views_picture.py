"""A picture of what the network is shown in training."""

import numpy as np
from matplotlib.figure import Figure

from imaginet_tools.evaluation.picture_grids import draw_grid
from training.views.random_views import RandomViews


def draw_training_views(views: RandomViews, pictures: int = 6, epochs: int = 4) -> Figure:
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
    return draw_grid(tiles, captions, len(tiles) // len(rows), title)
