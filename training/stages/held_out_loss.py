"""The loss of held-out images, which trained nothing: it tells which checkpoint is the best."""

from collections.abc import Callable

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from imaginet_tools.images.image_set import pick_evenly
from training.stages.frozen_trunk import FrozenTrunk
from training.stages.normalise import normalise, rows_of
from training.views.random_views import RandomViews

MOST_IMAGES = 1024


class HeldOutViews:
    """Views of held-out images, drawn once.

    Args:
        accelerator: every process computes the same loss of all these images.
        views: of the held-out images; at most ``MOST_IMAGES`` of them are used, evenly picked.
        batch_size: rows at a time.
        trunk: a frozen one, which sees the views once, when they are drawn; None where the network is to see the pixels.
    """

    def __init__(self, accelerator: Accelerator, views: RandomViews, batch_size: int, trunk: FrozenTrunk | None = None):
        self.accelerator, self.views, self.batch_size, self.trunk = accelerator, views, batch_size, trunk
        self.batches: list[dict[str, Tensor]] | None = None

    def loss(self, network: nn.Module, terms_of: Callable[[tuple, dict[str, Tensor]], dict]) -> float:
        """Mean over batches of the sum of ``terms_of(outputs, batch)``, in eval mode; the network's mode and random numbers stay."""
        if self.batches is None:
            self.batches = self._draw()
        network.eval()
        total = 0.0
        with torch.no_grad(), self.accelerator.autocast():
            for batch in self.batches:
                own = {name: value.to(self.accelerator.device) for name, value in batch.items()}
                total += float(sum(terms_of(network(normalise(rows_of(own))), own).values())) / len(self.batches)
        network.train()
        return total

    def _draw(self) -> list[dict[str, Tensor]]:
        chosen = pick_evenly(np.arange(len(self.views)), MOST_IMAGES)
        groups = np.array_split(chosen, max(1, round(len(chosen) / self.batch_size)))
        return [self._batch(group) for group in groups]

    def _batch(self, indices: np.ndarray) -> dict[str, Tensor]:
        batch = torch.utils.data.default_collate([self.views[int(index)] for index in indices])
        return batch if self.trunk is None else {"features": self.trunk(batch.pop("pixels")), **batch}
