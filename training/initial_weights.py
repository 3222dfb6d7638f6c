"""Weights that the trunk starts from."""

import pickle
from pathlib import Path

import torch
from torch import nn


def load_initial_weights(model: nn.Module, source: str) -> str:
    """Fills the trunk of ``model`` and says in one sentence what was and was not loaded.

    Args:
        model: a SelfCon model; its trunk is ``model.encoder``.
        source: "none" (keep the random weights), "imagenet" (torchvision's ResNet-50 IMAGENET1K_V2, fetched from its
            publisher and hash-checked), or a file with a ResNet state under torchvision's names.

    Raises:
        FileNotFoundError, ConnectionError, ValueError: no such file; no download; a state of another network.
    """
    if source == "none":
        return "Initial weights: random."
    state = imagenet_state() if source == "imagenet" else file_state(source)
    own = model.encoder.state_dict()
    state = {name.replace("downsample", "shortcut"): value for name, value in state.items()}
    unfit = [name for name, value in state.items() if name in own and own[name].shape != value.shape]
    trunk = [name for name in own if not name.startswith("selfcon_layer")]
    absent = [name for name in trunk if name not in state]
    if unfit or absent:
        if absent:
            first = f"{absent[0]} is missing"
        else:
            first = f"{unfit[0]} is {tuple(state[unfit[0]].shape)} there and {tuple(own[unfit[0]].shape)} here"
        raise ValueError(
            f"The weights {source!r} do not fit this network ({first}); use --initial_weights none, or the network options of "
            "preset paper."
        )
    model.encoder.load_state_dict({name: state[name] for name in trunk}, strict=False)
    ignored = sorted({name.split(".")[0] for name in state if name not in own})
    return (
        f"Initial weights: {len(trunk)} tensors of the trunk from {source!r}; not taken from it: "
        f"{', '.join(ignored) or 'nothing'}; random: sub-network layer, projection heads, classifiers."
    )


def imagenet_state() -> dict[str, torch.Tensor]:
    """torchvision's IMAGENET1K_V2 state of ResNet-50. Raises ConnectionError if it cannot be fetched."""
    from torchvision.models import ResNet50_Weights

    try:
        return ResNet50_Weights.IMAGENET1K_V2.get_state_dict(progress=True, check_hash=True)
    except OSError as error:
        raise ConnectionError(
            f"The ImageNet weights could not be fetched from {ResNet50_Weights.IMAGENET1K_V2.url} ({error}); give a local copy "
            "as --initial_weights FILE, or start from random weights with --initial_weights none."
        ) from error


def file_state(file: str) -> dict[str, torch.Tensor]:
    """A state dict from a .pth file, read without running code from it."""
    if not Path(file).is_file():
        raise FileNotFoundError(f"--initial_weights {file}: no such file; 'imagenet' and 'none' are the other choices.")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(f"--initial_weights {file} is not a file of weights that can be read safely: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"--initial_weights {file} must hold a plain state dict (names to tensors).")
    return state
