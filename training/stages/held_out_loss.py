"""The loss of held-out images, which trained nothing: it tells which checkpoint is the best."""

from collections.abc import Callable

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from imaginet_tools.images.image_set import pick_evenly
from training.stages.normalise import normalise
from training.views.random_views import RandomViews

MOST_IMAGES = 1024


class HeldOutViews:
    """Views of held-out images, drawn once.

    Args:
        accelerator: every process computes the same loss of all these images.
        views: of the held-out images; at most ``MOST_IMAGES`` of them are used, evenly picked.
        batch_size: rows at a time.
    """

    def __init__(self, accelerator: Accelerator, views: RandomViews, batch_size: int):
        self.accelerator, self.views, self.batch_size = accelerator, views, batch_size
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
                total += float(sum(terms_of(network(normalise(own["pixels"].flatten(0, 1))), own).values())) / len(self.batches)
        network.train()
        return total

    def _draw(self) -> list[dict[str, Tensor]]:
        chosen = pick_evenly(np.arange(len(self.views)), MOST_IMAGES)
        groups = np.array_split(chosen, max(1, round(len(chosen) / self.batch_size)))
        return [torch.utils.data.default_collate([self.views[int(index)] for index in group]) for group in groups]
