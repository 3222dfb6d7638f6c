"""The networks of a run: drawn by its seed, fitted once to its real pictures, and kept in its folder."""

import hashlib
from pathlib import Path

import numpy as np
from accelerate import Accelerator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from imaginet_core.storage.safe_writes import write_aside
from imaginet_tools.images.image_set import ImageSet, pick_evenly
from training.reconstructions.autoencoder import cut_crops
from training.run.progress import Progress
from training.simulation.fitting import STEPS, fit
from training.simulation.networks import SimulatedGenerator, draw_shape

PICTURES = 256
"""Real pictures at most that the networks are fitted to."""


def make_pool(real: ImageSet, count: int, folder: Path, seed: int, accelerator: Accelerator) -> list[SimulatedGenerator]:
    """Fits the networks that the folder lacks, in its main process; every process calls it. An interrupted pool is gone on with.

    Args:
        real: real pictures alone.
        count: of networks; a larger pool of the same seed and pictures begins with the networks of a smaller one.
        folder: where they are kept, in a folder of their own for each seed, set of pictures and length of fitting.
        seed: of shapes and weights.
        accelerator: of the run.

    Raises:
        ValueError: naming a file that holds something else.
        FloatingPointError: if a network cannot be fitted.
    """
    own = folder / hashlib.sha256(f"{seed}/{STEPS}/{real.fingerprint()}".encode()).hexdigest()[:16]
    missing = [number for number in range(count) if not _file(own, number).exists()]
    accelerator.wait_for_everyone()
    if missing and accelerator.is_main_process:
        own.mkdir(parents=True, exist_ok=True)
        crops = cut_crops((real.pixels(int(index)) for index in pick_evenly(np.arange(len(real)), PICTURES)), seed)
        with Progress(accelerator, "simulated generators", len(missing)) as progress:
            for number in missing:
                network = fit(_shape(seed, number), crops, seed + number)
                with write_aside(_file(own, number)) as aside:
                    save_file(network.state_dict(), aside)
                progress.step(1)
    accelerator.wait_for_everyone()
    return [_load(own, seed, number) for number in range(count)]


def _shape(seed: int, number: int):
    return draw_shape(np.random.default_rng((seed, number)))


def _file(folder: Path, number: int) -> Path:
    return folder / f"network-{number:03d}.safetensors"


def _load(folder: Path, seed: int, number: int) -> SimulatedGenerator:
    network, file = SimulatedGenerator(_shape(seed, number)), _file(folder, number)
    try:
        network.load_state_dict(load_file(file))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise ValueError(f"{file} does not hold the simulated generator of this seed; delete it and resume the run.") from error
    return network.eval().requires_grad_(False)
