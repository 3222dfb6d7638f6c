"""Loss and gradients of one global batch, whatever the number of processes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from modeling import SelfConConfig, SelfConForImageClassification
from training.options import ContrastiveOptions
from training.stages.classifiers import ClassifierNetwork, classifier_losses
from training.stages.contrastive import ContrastiveNetwork
from training.stages.contrastive_loss import Outputs, Stage1Loss, trained_parts
from training.stages.gradient_cache import backward_in_chunks

OPTIONS = ContrastiveOptions(cross_entropy_weight=1.0)
STEPS = 2
"""Whoever leaves a part of the network out of the loss learns of it in the second, from DistributedDataParallel."""


def small_model() -> SelfConForImageClassification:
    torch.manual_seed(3)
    return SelfConForImageClassification(SelfConConfig(
        stem_kernel=3, stem_width=8, stem_pool=False, block="basic", widths=[8, 8, 8], depths=[1, 1, 1], high_pass="mean2x2",
        projection_size=16, classifier_hidden=16, families=["GAN", "SD"], generators=["smooth", "chequered"],
    ))


def batch_of(size: int, uneven: bool = False) -> dict[str, Tensor]:
    """Normalised noise, float (size, 3, 32, 32), half of it synthetic, of two families; ``uneven``: nearly all in the second half."""
    noise = torch.from_numpy(np.random.default_rng(4).standard_normal((size, 3, 32, 32), dtype=np.float32))
    label = torch.arange(size) % 2
    if uneven:
        label = label.sort().values.roll(1)
    family = torch.where(label == 1, torch.arange(size) // 2 % 2, -1)
    return {"pixels": noise, "label": label, "family": family, "generator": family}


def loss_and_gradients(accelerator: Accelerator, chunk: int | None = None, objective: str = "selfcon") -> dict[str, np.ndarray]:
    """The loss of an uneven batch of 12 as it is logged, and the gradient of every parameter that learns in stage 1 or, for the
    objective "stage 2", there; after STEPS backward passes, whose gradients add up. ``chunk`` rows at a time.

    In float64: in float32 rounding alone, which depends on the processor, differs by up to 3e-5 of the largest gradient.
    """
    if objective == "stage 2":
        network = accelerator.prepare(ClassifierNetwork(small_model().double()).eval())
    else:
        options = replace(OPTIONS, objective=objective)
        network = accelerator.prepare(ContrastiveNetwork(small_model().double(), trained_parts(options)).eval())
        loss_of = Stage1Loss(accelerator, options)
    share = 12 // accelerator.num_processes
    start = accelerator.process_index * share
    own = {name: value[start : start + share] for name, value in batch_of(12, uneven=True).items()}
    own["pixels"] = own["pixels"].double()
    for _ in range(STEPS):
        if objective == "stage 2":
            terms = classifier_losses(network(own["pixels"]), own, accelerator)
            accelerator.backward(sum(terms.values()))
            terms = {name: accelerator.reduce(term.detach(), "mean").item() for name, term in terms.items()}
        elif chunk is None:
            loss, terms = loss_of(Outputs(*network(own["pixels"])), own)
            accelerator.backward(loss)
        else:
            terms = backward_in_chunks(accelerator, network, own["pixels"], lambda *outputs: loss_of(Outputs(*outputs), own), chunk)
    model = accelerator.unwrap_model(network).model
    gradients = {name: value.grad.numpy() for name, value in model.named_parameters() if value.grad is not None}
    return {**gradients, "loss": np.array(list(terms.values())), "processes": np.array(accelerator.num_processes)}


def write_loss_and_gradients(folder: Path, plan: dict[int | None, list[str]]) -> None:
    """Those of each chunk's objectives, in the file "OBJECTIVE, CHUNK.npz" of the first process."""
    accelerator = Accelerator(cpu=True)
    for chunk, objectives in plan.items():
        for objective in objectives:
            found = loss_and_gradients(accelerator, chunk, objective)
            if accelerator.is_main_process:
                np.savez(folder / f"{objective}, {chunk}.npz", **found)
    accelerator.end_training()
