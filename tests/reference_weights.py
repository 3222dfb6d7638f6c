"""What the reference's numbers were computed with: weights filled by name, so that no file has to be carried, and pictures."""

import json
import zlib
from pathlib import Path

import numpy as np
import torch

DATA = Path(__file__).parent / "data"


def reference_shapes() -> dict[str, dict[str, list[int]]]:
    """The published checkpoint's two parts, "model" and "classifier": name -> shape."""
    listed = json.loads((DATA / "reference_state_dict.json").read_text())
    return {part: {name: shape for name, (shape, _) in entries.items()} for part, entries in listed.items()}


def filled_checkpoint(tame: bool = False) -> dict[str, dict[str, torch.Tensor]]:
    """A checkpoint of the published shape in float64, filled by rule; ``tame`` weights give logits between 0.2 and 0.4."""
    prefixes = {"model": "", "classifier": "classifier."}
    return {
        part: {name: _filled(prefixes[part] + name, shape, tame) for name, shape in entries.items()}
        for part, entries in reference_shapes().items()
    }


def reference_state(tame: bool = False) -> dict[str, torch.Tensor]:
    """The same under the names of our model."""
    parts = filled_checkpoint(tame)
    return {**parts["model"], **{f"classifier.{name}": value for name, value in parts["classifier"].items()}}


def reference_pictures() -> dict[str, tuple[np.ndarray | None, float]]:
    """Whole pictures with the reference's probability of "synthetic" on the tame weights.

    Name -> (uint8 (H, W, 3), probability); None instead of the array where the name is a path in the lab.
    """
    listed = np.load(DATA / "reference_pictures.npz")
    probabilities = 1 / (1 + np.exp(-listed["logits"]))
    return {
        str(name): (listed[name] if name in listed.files else None, float(probability))
        for name, probability in zip(listed["names"], probabilities, strict=True)
    }


def _filled(name: str, shape: list[int], tame: bool) -> torch.Tensor:
    rng = np.random.default_rng(zlib.crc32((name + ("tame-1" if tame else "")).encode()))
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    if name.endswith("running_var"):
        value = 1 + 0.1 * rng.random(shape)
    elif name.endswith("running_mean"):
        value = 0.1 * rng.standard_normal(shape)
    elif len(shape) == 1:
        value = 0.1 * rng.standard_normal(shape) + (1 if name.endswith("weight") else 0)
    else:
        value = rng.standard_normal(shape) * np.sqrt((2 if len(shape) == 4 else 1) / np.prod(shape[1:]))
    if tame and name.endswith(("bn3.weight", "shortcut.1.weight")):
        value = value * 0.4
    return torch.from_numpy(value)
