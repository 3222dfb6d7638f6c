"""Loss and gradients of one global batch, whatever the number of processes; run by torchrun from test_stages.py."""

import sys

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from modeling import SelfConConfig, SelfConForImageClassification
from training.contrastive import ContrastiveNetwork
from training.gradient_cache import backward_in_chunks
from training.objectives import Outputs, Stage1Loss, trained_classifiers
from training.options import TrainingOptions

OPTIONS = TrainingOptions(cross_entropy_weight=1.0)



def small_model() -> SelfConForImageClassification:
    torch.manual_seed(3)
    return SelfConForImageClassification(SelfConConfig(
        stem_kernel=3, stem_width=8, stem_pool=False, block="basic", widths=[8, 8, 8], depths=[1, 1, 1], high_pass="mean2x2",
        projection_size=16, classifier_hidden=16, families=["GAN", "SD"], generators=["smooth", "chequered"],
    ))


def batch_of(size: int) -> dict[str, Tensor]:
    """Normalised noise, float (size, 3, 32, 32), half of it synthetic, of two families."""
    noise = torch.from_numpy(np.random.default_rng(4).standard_normal((size, 3, 32, 32), dtype=np.float32))
    label = torch.arange(size) % 2
    family = torch.where(label == 1, torch.arange(size) // 2 % 2, -1)
    return {"pixels": noise, "label": label, "family": family, "generator": family}


def loss_and_gradients(accelerator: Accelerator, chunk: int | None = None) -> dict[str, np.ndarray]:
    """The loss of a batch of 12 as it is logged, and the gradient of every parameter that learns; ``chunk`` rows at a time."""
    network = accelerator.prepare(ContrastiveNetwork(small_model(), trained_classifiers(OPTIONS)).eval())
    share = 12 // accelerator.num_processes
    start = accelerator.process_index * share
    own = {name: value[start : start + share] for name, value in batch_of(12).items()}
    loss_of = Stage1Loss(accelerator, OPTIONS)
    if chunk is None:
        loss, terms = loss_of(Outputs(*network(own["pixels"])), own)
        accelerator.backward(loss)
    else:
        terms = backward_in_chunks(accelerator, network, own["pixels"], lambda *outputs: loss_of(Outputs(*outputs), own), chunk)
    model = accelerator.unwrap_model(network).model
    gradients = {name: value.grad.numpy() for name, value in model.named_parameters() if value.grad is not None}
    return {**gradients, "loss": np.array(list(terms.values())), "processes": np.array(accelerator.num_processes)}


if __name__ == "__main__":
    accelerator = Accelerator(cpu=True)
    found = loss_and_gradients(accelerator, int(sys.argv[2]) if len(sys.argv) > 2 else None)
    if accelerator.is_main_process:
        np.savez(sys.argv[1], **found)
    accelerator.end_training()
