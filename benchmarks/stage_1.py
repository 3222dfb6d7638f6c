"""What the benchmarks of stage 1's step share: the network that a run would train, and batches of the embedded sample."""

import sys
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from imaginet_core.pictures.decode import decode  # noqa: E402
from imaginet_tools.images.image_set import ImageSet  # noqa: E402
from modeling import SelfConConfig, SelfConForImageClassification  # noqa: E402
from training.options import TrainingOptions  # noqa: E402
from training.presets import PRESETS  # noqa: E402
from training.stages.contrastive import ContrastiveNetwork, gradients, make_optimizer  # noqa: E402
from training.stages.contrastive_loss import Stage1Loss, trained_parts  # noqa: E402


def options_of(preset: str, **changes) -> TrainingOptions:
    """The options of a preset, from random weights."""
    return TrainingOptions.of(**{**PRESETS[preset], "initial_weights": "none", **changes})


def network_of(options: TrainingOptions) -> ContrastiveNetwork:
    """Stage 1's network with the seed's weights, contiguous in memory."""
    torch.manual_seed(options.run.seed)
    config = SelfConConfig(**options.network.architecture(), families=family_names())
    return ContrastiveNetwork(SelfConForImageClassification(config), trained_parts(options.stage_1)).train()


def sample_batches(count: int, size: int, side: int, seed: int = 0) -> list[dict[str, Tensor]]:
    """Batches of crops of the sample's training images, half of them synthetic; as a loader gives them."""
    images, rng = ImageSet.from_raw("sample", ("train",)), np.random.default_rng(seed)
    pixels = dict(images.read(list(range(len(images)))))
    of_label = [np.flatnonzero(images.label == label) for label in (0, 1)]
    batches = []
    for _ in range(count):
        chosen = [int(index) for each in of_label for index in rng.choice(each, size // 2, replace=size // 2 > len(each))]
        crops = [_crop(decode(pixels[index]), side, rng) for index in chosen]
        family = images.generator[chosen].tolist()
        batches.append({
            "pixels": torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)[:, None].contiguous(),
            "label": torch.tensor(images.label[chosen]),
            "family": torch.tensor([-1 if name == "real" else family_names().index(name) for name in family]),
        })
    return batches


def family_names() -> list[str]:
    """The sample's generators, each a family here."""
    return sorted({*ImageSet.from_raw("sample", ("train",)).generator.tolist()} - {"real"})


def _crop(image: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    top, left = (int(rng.integers(length - side + 1)) for length in image.shape[:2])
    return image[top : top + side, left : left + side]


__all__ = ["Accelerator", "Stage1Loss", "gradients", "make_optimizer", "network_of", "options_of", "sample_batches"]
