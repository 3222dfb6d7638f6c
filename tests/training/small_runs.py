"""Both stages at the smallest size, in this process, with checkpoints."""

from pathlib import Path

import torch
from accelerate import Accelerator

from imaginet_tools.images.splits import load_splits
from train_selfcon import make_counterparts, make_model, train_stages
from training.options import TrainingOptions
from training.presets import PRESETS
from training.run.checkpoints import Checkpoints, RunState
from training.run.context import Run

SMALLEST = TrainingOptions.of(**{
    **PRESETS["laptop"], "stem_width": 8, "widths": [8, 8], "depths": [1, 1], "sub_network_after": 1, "crop_size": 32,
    "epochs": 6, "warmup_epochs": 1, "batch_size": 8, "classifier_crop_size": 32, "classifier_epochs": 2, "num_workers": 0,
    "held_out": 0.25, "aligned": False, "checkpoint_every": 3, "ema_decay": 0.9, "mixed_precision": "no", "resume": True,
})


def small_run(dataset: Path, folder: Path, **changes) -> tuple[dict[str, torch.Tensor], RunState, Checkpoints]:
    """Weights, final state and checkpoints of a run in ``folder``, resumed if there is something to resume."""
    options = SMALLEST.replace(dataset=str(dataset), output_dir=str(folder), **changes)
    accelerator = Accelerator(cpu=True)
    torch.manual_seed(options.run.seed)
    splits = load_splits(options.data, options.run.seed)
    checkpoints = Checkpoints(accelerator, folder / "checkpoints", options, splits.train.fingerprint())
    run, model = Run(accelerator, options, checkpoints, checkpoints.resume()), make_model(options, splits)
    train_stages(run, model, splits, make_counterparts(run, splits))
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}, run.state, checkpoints
