"""Fits a network of random shape to give pictures back, sharp, in some fifteen seconds."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training.reconstructions.autoencoder import laplacian, to_unit
from training.simulation.networks import Shape, SimulatedGenerator

STEPS, BATCH, RATE = 1500, 4, 4e-3
"""With 200 steps they are too blurred to teach more than blur, see docs/unseen.md."""


def fit(shape: Shape, crops: np.ndarray, seed: int, steps: int = STEPS) -> SimulatedGenerator:
    """Trains on uint8 (N, S, S, 3) crops, S a multiple of 8; the same weights for the same arguments and machine.

    The loss is L1 on pixels, plus what keeps it from blurring: L1 on the Laplacian, and L1 on the logarithm of the spectrum's
    magnitudes, which asks for as much fine detail as there was, wherever it lies. No random state outside is touched.

    Raises FloatingPointError if the fit ends in no finite loss.
    """
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        network = SimulatedGenerator(shape)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.2)
    rng, device = np.random.default_rng(seed), torch.device("cpu")
    for _ in range(steps):
        batch = to_unit(crops[rng.integers(len(crops), size=BATCH)], device)
        loss = loss_of(network(batch), batch, shape)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    if not torch.isfinite(loss):
        raise FloatingPointError(f"A simulated generator of shape {tuple(shape)} could not be fitted; try another --seed.")
    return network.eval().requires_grad_(False)


def loss_of(made: Tensor, wanted: Tensor, shape: Shape) -> Tensor:
    """The loss of what a network made, float (B, 3, H, W) in -1..1."""
    loss = F.l1_loss(made, wanted)
    if shape.gradient:
        loss = loss + shape.gradient * F.l1_loss(laplacian(made), laplacian(wanted))
    if shape.spectrum:
        magnitudes = [torch.log(torch.fft.rfft2(each.float(), norm="ortho").abs() + 1e-2) for each in (made, wanted)]
        loss = loss + shape.spectrum * F.l1_loss(*magnitudes)
    return loss
