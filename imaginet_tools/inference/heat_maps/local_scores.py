"""Heat maps of a detector's own network: which networks have them, and how they are asked."""

from typing import Protocol

import numpy as np

from imaginet_core.detection.heat_map import WINDOW, HeatMap, LocalLogits, heat_map_of
from imaginet_tools.inference.networks.network import Settings


class LocalNetwork(Protocol):
    """A network (``networks.network.Network``) that gives local logits too."""

    settings: Settings

    def local_logits(self, pixels: np.ndarray, window: int) -> LocalLogits:
        """Of one picture, uint8 RGB (H, W, 3), at least as large as ``settings.crop_size``; see ``detection.heat_map.local_logits``."""


def heat_map_by(network: LocalNetwork, pixels: np.ndarray, threshold: float) -> HeatMap:
    """The heat map of a picture, uint8 RGB (H, W, 3), upright; see ``detection.heat_map.heat_map_of``.

    Raises:
        ValueError: in one sentence, for a network that has no local logits.
    """
    check_heat_maps(network)
    settings = network.settings
    return heat_map_of(lambda part: network.local_logits(part, WINDOW), settings.probability, pixels, settings.crop_size, threshold)


def check_heat_maps(network) -> None:
    """Raises ValueError, in one sentence, for a network that has no local logits."""
    if not hasattr(network, "local_logits"):
        raise ValueError(
            f"Heat maps need the saved model; this export for {network.engine} gives scores alone. Open the folder that it was exported from."
        )
