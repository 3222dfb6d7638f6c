"""A small network, pictures, and a Python process that knows nothing of this project."""

import json
import os
from pathlib import Path

import numpy as np
import torch

from modeling import SelfConConfig, SelfConForImageClassification
from tests import fresh_process

SMALL = dict(
    stem_kernel=3, stem_stride=2, stem_width=8, stem_pool=False, block="basic", widths=[8, 8, 16, 16], depths=[1, 1, 1, 1],
    projection_size=16, classifier_hidden=8,
)


def small_model(**config) -> SelfConForImageClassification:
    """A random small network in eval mode; temperature and bias make its scores differ visibly from picture to picture."""
    torch.manual_seed(0)
    return SelfConForImageClassification(SelfConConfig(**{**SMALL, "temperature": 0.02, "bias": 6.5, **config})).eval()


def pixels(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth colours with fine noise, uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    waves = 128 + 60 * np.sin(rows / 17 + seed) + 60 * np.cos(columns / 23)
    return (waves[..., None] + rng.integers(-40, 40, (height, width, 3))).clip(0, 255).astype(np.uint8)


def in_fresh_process(script: str, arguments: list, folder: Path, environment: dict[str, str] | None = None):
    """Runs ``script`` in ``folder`` in a new Python process and returns the JSON that it prints last.

    Nothing of this project is on its path. ``environment``: default the current one with an empty Hub cache below ``folder``
    and no connection.
    """
    home = {**os.environ, "HF_HOME": str(folder / "home"), "HF_HUB_OFFLINE": "1"}
    environment = {**(home if environment is None else environment), "OMP_NUM_THREADS": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    environment.pop("PYTHONPATH", None)
    guard = "import importlib.util\nassert importlib.util.find_spec('modeling') is None\n"
    done = fresh_process.run(["-c", guard + script, *arguments], folder, environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
