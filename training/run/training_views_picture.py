"""A picture of what the network is shown in training."""

import numpy as np
from matplotlib.figure import Figure

from imaginet_tools.evaluation.picture_grids import draw_grid
from training.views.random_views import RandomViews


def draw_training_views(views: RandomViews, pictures: int = 6, epochs: int = 4) -> Figure:
    """What stage 1 is shown: a row per training image, real and synthetic ones in turn, a column per epoch and view.

    With pairs of views, a view and its degraded copy stand side by side; where real images have synthetic counterparts, the row below a
    real image is that of its counterpart.
    """
    real, synthetic = (np.flatnonzero(views.images.label == value).tolist() for value in range(2))
    counterpart = "simulated" if views.simulated is not None else "reconstruction"
    rows = []
    for place in range(pictures // 2):
        index = real[place % len(real)]
        rows += [index, len(views) + index] if views.has_counterparts else [index]  # N + i is that of image i
        rows += [synthetic[place % len(synthetic)]] if synthetic else []
    tiles, captions = [], []
    for row in rows:
        name = counterpart if row >= len(views) else views.images.generator[row]
        for epoch in range(epochs):
            views.set_epoch(epoch)
            shown = views[row]["pixels"].permute(0, 2, 3, 1).numpy()
            tiles += list(shown)
            captions += [name if epoch == 0 else "", *["degraded"] * (len(shown) - 1)]
    title = f"Training views: a row per image, {'two columns' if views.degraded else 'a column'} per epoch"
    return draw_grid(tiles, captions, len(tiles) // len(rows), title)
