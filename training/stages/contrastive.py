"""Stage 1: the trunk, its sub-network and the projection heads learn with a contrastive loss."""

import math
from functools import partial

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training.options import ContrastiveOptions
from training.run.context import Run
from training.run.hardware import synchronise_batch_norm
from training.stages.contrastive_loss import Outputs, Stage1Loss, trained_parts
from training.stages.frozen_trunk import is_low_rank
from training.stages.gradient_cache import backward_in_chunks
from training.stages.held_out_loss import HeldOutViews
from training.stages.loop import Stage, run_stage
from training.stages.normalise import normalise, rows_of
from training.views.batches import Batches

NAME = "contrastive"


class ContrastiveNetwork(nn.Module):
    """The part of the model that stage 1 trains, behind one ``forward`` so that it can be wrapped for several processes.

    Args:
        model: the detector.
        trained: names of its parts that learn, see ``training.stages.contrastive_loss.trained_parts``.
    """

    def __init__(self, model: nn.Module, trained: list[str]):
        super().__init__()
        self.model = model
        self.trained = [name for name in trained if getattr(model, name) is not None]
        freeze_all_but(model, self.trained)

    def forward(self, pixel_values: Tensor) -> Outputs:
        """Normalised images float (R, 3, H, W), or features float (R, D) that are kept -> embeddings and logits, see
        ``training.stages.contrastive_loss.Outputs``."""
        sub, feature = self.model.encode(pixel_values)
        embeddings = self.model.project(sub, feature).float()
        nothing = embeddings.new_empty(len(embeddings), 0)
        origin = family = nothing
        if "head" not in self.trained:
            embeddings = embeddings.detach()
        if "classifier" in self.trained:
            origin = torch.cat([self.model.sub_classifier(sub), self.model.classifier(feature)], dim=1).float()
        if "family_classifier" in self.trained:
            family = self.model.family_classifier(feature).float()
        return Outputs(embeddings, origin, family)


def train_contrastive(run: Run, model: nn.Module, batches: Batches, held_out: HeldOutViews) -> None:
    """Runs stage 1 from where the run stands; the model holds the result (with ``ema_decay`` its moving average).

    The contrastive loss sees the global batch: embeddings are gathered over processes. Batch normalisation uses each
    process's own part of the batch (on several GPUs the whole).
    """
    accelerator, options = run.accelerator, run.options.stage_1
    network = synchronise_batch_norm(accelerator, ContrastiveNetwork(model, trained_parts(options)))
    average = make_average(network, options.ema_decay, accelerator.device)
    if run.options.run.compile and accelerator.device.type != "cpu":  # on a CPU the first step would take minutes
        network.compile()
    loss_of = Stage1Loss(accelerator, options)
    prepared, optimizer = accelerator.prepare(network, make_optimizer(network, options))
    stage = Stage(
        name=NAME, epochs=options.epochs, first_epoch=0, network=prepared, optimizer=optimizer, batches=batches,
        step=partial(gradients, accelerator, prepared, loss_of, options.embed_chunk),
        rate=partial(learning_rate, options=options),
        held_out_loss=lambda: held_out.loss(
            average.module if average else network, lambda outputs, batch: loss_of(Outputs(*outputs), batch, gather=False)[1]
        ),
        average=average,
    )
    run_stage(run, stage)
    if average is not None:
        network.load_state_dict(average.module.state_dict())
    accelerator.free_memory()


def gradients(
    accelerator: Accelerator, network: nn.Module, loss_of: Stage1Loss, chunk: int | None, batch: dict[str, Tensor]
) -> dict[str, float]:
    """Fills the gradients of one step, all rows at once or in chunks; returns the loss's terms."""
    rows = rows_of(batch)
    if chunk is not None:
        return backward_in_chunks(
            accelerator, network, rows, lambda *outputs: loss_of(Outputs(*outputs), batch), chunk, transform=normalise
        )
    loss, terms = loss_of(Outputs(*network(normalise(rows))), batch)
    accelerator.backward(loss)
    return terms


def learning_rate(epoch: int, options: ContrastiveOptions) -> float:
    """Rate of one epoch: linear warm-up from 1e-4 of the peak, then a cosine down to 1e-3 of it, stepped per epoch."""
    peak = options.learning_rate
    if epoch < options.warmup_epochs:
        return peak * (1e-4 + (1 - 1e-4) * epoch / options.warmup_epochs)
    done = (epoch - options.warmup_epochs) / (options.epochs - options.warmup_epochs)
    return peak * (1e-3 + (1 - 1e-3) * (1 + math.cos(math.pi * done)) / 2)


def make_optimizer(network: nn.Module, options: ContrastiveOptions) -> torch.optim.Optimizer:
    """SGD with momentum 0.9 (the recipe) or AdamW, on what is not frozen. AdamW does not decay biases and norms."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if options.optimizer == "sgd":
        return torch.optim.SGD(trained, lr=options.learning_rate, momentum=0.9, weight_decay=options.weight_decay)
    matrices = [parameter for parameter in trained if parameter.ndim > 1]
    others = [parameter for parameter in trained if parameter.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": options.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=options.learning_rate)


def make_average(network: nn.Module, decay: float | None, device: torch.device) -> AveragedModel | None:
    """A copy of the network that follows its weights: after each step, decay · average + (1 - decay) · weights.

    Running statistics are averaged in the same way. None without a decay.
    """
    if decay is None:
        return None
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True).to(device)


def freeze_all_but(model: nn.Module, trained: list[str]) -> None:
    """Lets only the named children of the model learn; of a frozen backbone in them no more than low-rank additions."""
    for name, child in model.named_children():
        child.requires_grad_(name in trained)
    if model.config.frozen:
        for name, parameter in model.encoder.trunk.named_parameters():
            parameter.requires_grad_(parameter.requires_grad and is_low_rank(name))
