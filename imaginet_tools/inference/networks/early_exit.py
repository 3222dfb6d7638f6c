"""Early exit in PyTorch: the sub-network answers alone where it is sure, and the later layers see the other crops alone."""

from functools import partial

import numpy as np
import torch

from imaginet_core.detection.early_exit import is_sure, to_network_logit
from imaginet_tools.inference.networks.network import Logits, Settings


def early_logits(model: torch.nn.Module, pixels: torch.Tensor, early_exit: dict) -> Logits:
    """Logits of normalised crops, float (B, 3, H, W); of those that leave early there are no family, generator and feature (NaN)."""
    sub, went_on, found = model.forward_early(pixels, partial(is_sure, early_exit=early_exit))
    sub, went_on = sub.float().cpu().numpy(), went_on.cpu().numpy()
    values = [None if each is None else _in_rows(each.float().cpu().numpy(), went_on) for each in found.values()]
    origin, family, generator, feature = values
    return Logits(np.where(went_on, origin, to_network_logit(sub, early_exit).astype(np.float32)), sub, family, generator, feature)


def _in_rows(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``values`` in the chosen rows (bool (B,)), NaN in all others."""
    found = np.full((len(rows), *values.shape[1:]), np.nan, np.float32)
    found[rows] = values
    return found


def check_early_exit(place: str, settings: Settings, model: torch.nn.Module) -> dict:
    """What was fitted for early exit. Raises ValueError, with what to do, where nothing was or the model's code cannot do it."""
    if settings.early_exit is None:
        raise ValueError(
            f"{place} has no early exit: none was fitted, or its sub-network is sure of too few pictures; imaginet calibrate {place} "
            "--real FOLDER --synthetic FOLDER --output NEW fits it on pictures of your own."
        )
    if not hasattr(model, "forward_early"):
        raise ValueError(f"{place} brings the code of an older version, which has no early exit; save the model anew, or leave early_exit out.")
    return settings.early_exit
