"""Both stages at the smallest size, in this process, with checkpoints."""

from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator

from imaginet_tools.images.splits import load_splits
from train_selfcon import make_model, train_stages
from training.options import TrainingOptions
from training.presets import PRESETS
from training.run.checkpoints import Checkpoints, RunState

SMALLEST = TrainingOptions(**{
    **PRESETS["laptop"], "stem_width": 8, "widths": [8, 8], "depths": [1, 1], "sub_network_after": 1, "crop_size": 32,
    "epochs": 6, "warmup_epochs": 1, "batch_size": 8, "classifier_crop_size": 32, "classifier_epochs": 2, "num_workers": 0,
    "held_out": 0.25, "aligned": False, "checkpoint_every": 3, "ema_decay": 0.9, "mixed_precision": "no", "resume": True,
})


def small_run(dataset: Path, folder: Path, **changes) -> tuple[dict[str, torch.Tensor], RunState, Checkpoints]:
    """Weights, final state and checkpoints of a run in ``folder``, resumed if there is something to resume."""
    options = replace(SMALLEST, dataset=str(dataset), output_dir=str(folder), **changes)
    accelerator = Accelerator(cpu=True)
    torch.manual_seed(options.seed)
    splits = load_splits(options.data_options(), options.seed)
    checkpoints = Checkpoints(accelerator, folder / "checkpoints", options, splits.train.fingerprint())
    state, model = checkpoints.resume(), make_model(options, splits)
    train_stages(accelerator, model, splits, options, checkpoints, state, say=lambda words: None)
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}, state, checkpoints
