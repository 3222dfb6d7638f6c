"""Stage 1: the trunk, its sub-network and the projection heads learn with the SelfCon loss."""

import math
import time

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import DataLoader

from training.random_views import RandomViews
from training.losses.selfcon import SelfConLoss
from training.options import TrainingOptions
from training.progress import Progress

PIXEL_MEAN, PIXEL_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ContrastiveNetwork(nn.Module):
    """The part of the model that stage 1 trains, behind one ``forward`` so that it can be wrapped for several processes.

    Args:
        model: the detector.
        with_classifiers: whether the origin classifiers of trunk and sub-network learn too.
    """

    def __init__(self, model: nn.Module, with_classifiers: bool):
        super().__init__()
        self.model = model
        self.with_classifiers = with_classifiers
        classifiers = ["classifier", "sub_classifier"] if with_classifiers else []
        freeze_all_but(model, ["encoder", "head", "sub_heads", *classifiers])

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings and origin logits of normalised images float (B, 3, H, W).

        Returns:
            projections of sub-network and trunk, L2-normalised, float (B, 2, D); the origin logits of sub-network and trunk,
            float (B, 2), or (B, 0) without classifiers.
        """
        sub, feature = self.model.encode(pixel_values)
        embeddings = self.model.project(sub, feature).float()
        if not self.with_classifiers:
            return embeddings, embeddings.new_empty(len(embeddings), 0)
        return embeddings, torch.cat([self.model.sub_classifier(sub), self.model.classifier(feature)], dim=1).float()


class Stage1Loss(nn.Module):
    """SelfCon over the global batch, plus the weighted cross-entropy of the origin classifiers.

    Args:
        accelerator: whose processes share the batch.
        temperature: of the contrastive loss.
        cross_entropy_weight: 0 leaves the second term out, as in the paper.
    """

    def __init__(self, accelerator: Accelerator, temperature: float, cross_entropy_weight: float):
        super().__init__()
        self.accelerator, self.weight = accelerator, cross_entropy_weight
        self.selfcon = SelfConLoss(temperature)

    def forward(self, embeddings: Tensor, logits: Tensor, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """What to send backward on this process, and the terms of the global batch for the log."""
        everyone = gather_with_own_gradient(self.accelerator, embeddings)
        origin, family = self.accelerator.gather((batch["label"], batch["family"]))
        contrastive = self.selfcon(everyone, origin, family)
        terms = {"origin": contrastive.origin, "family": contrastive.family}
        # each process holds the gradient of the whole contrastive loss through its own embeddings only, and the
        # processes' gradients are averaged, hence the factor; the cross-entropy is a mean over the own part already
        backward = contrastive.total * self.accelerator.num_processes
        if self.weight:
            target = batch["label"].float()[:, None].expand_as(logits)
            cross_entropy = F.binary_cross_entropy_with_logits(logits, target)
            backward = backward + self.weight * cross_entropy
            terms["cross_entropy"] = self.accelerator.reduce(cross_entropy.detach(), "mean")
        return backward, {name: float(term.detach()) for name, term in terms.items()}


def train_contrastive(accelerator: Accelerator, model: nn.Module, views: RandomViews, options: TrainingOptions) -> list[dict]:
    """Runs stage 1 and returns one row per epoch: epoch, learning_rate, the loss and its terms, seconds, images.

    The loss sees the global batch: embeddings are gathered over processes. Batch normalisation uses each process's own
    part of the batch.
    """
    network = ContrastiveNetwork(model, options.cross_entropy_weight > 0)
    loader = make_loader(accelerator, views, options, drop_last=True)
    network, optimizer, loader = accelerator.prepare(network, make_optimizer(network, options), loader)
    loss_of, history = Stage1Loss(accelerator, options.temperature, options.cross_entropy_weight), []

    network.train()
    with Progress(accelerator, "contrastive", options.epochs * len(loader), options.batch_size) as progress:
        for epoch in range(options.epochs):
            start, totals = time.monotonic(), {}
            rate = learning_rate(epoch, options)
            for group in optimizer.param_groups:
                group["lr"] = rate
            views.set_epoch(epoch)
            loader.set_epoch(epoch)
            for batch in loader:
                loss, terms = loss_of(*network(normalise(batch["pixels"].flatten(0, 1))), batch)
                optimizer.zero_grad()
                accelerator.backward(loss)
                optimizer.step()
                check_finite(loss, "contrastive", epoch)
                for name, term in terms.items():
                    totals[name] = totals.get(name, 0.0) + term / len(loader)
                progress.step(sum(terms.values()))
            history.append({
                "stage": "contrastive", "epoch": epoch, "learning_rate": rate, "loss": sum(totals.values()), **totals,
                "seconds": time.monotonic() - start, "images": len(loader) * options.batch_size,
            })
    accelerator.free_memory()
    return history


def learning_rate(epoch: int, options: TrainingOptions) -> float:
    """Rate of one epoch: linear warm-up from 1e-4 of the peak, then a cosine down to 1e-3 of it, stepped per epoch."""
    peak = options.learning_rate
    if epoch < options.warmup_epochs:
        return peak * (1e-4 + (1 - 1e-4) * epoch / options.warmup_epochs)
    done = (epoch - options.warmup_epochs) / (options.epochs - options.warmup_epochs)
    return peak * (1e-3 + (1 - 1e-3) * (1 + math.cos(math.pi * done)) / 2)


def gather_with_own_gradient(accelerator: Accelerator, embeddings: Tensor) -> Tensor:
    """All processes' embeddings in process order, float (N · processes, V, D); gradient flows into the own ones only.

    ``accelerator.gather`` has no gradient. As every process computes the same loss of all embeddings, the gradient with
    respect to its own is all that it needs.
    """
    if accelerator.num_processes == 1:
        return embeddings
    parts = list(accelerator.gather(embeddings.detach()).chunk(accelerator.num_processes))
    parts[accelerator.process_index] = embeddings
    return torch.cat(parts)


def make_optimizer(network: nn.Module, options: TrainingOptions) -> torch.optim.Optimizer:
    """SGD with momentum 0.9 (the recipe) or AdamW, on what is not frozen. AdamW does not decay biases and norms."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if options.optimizer == "sgd":
        return torch.optim.SGD(trained, lr=options.learning_rate, momentum=0.9, weight_decay=options.weight_decay)
    matrices = [parameter for parameter in trained if parameter.ndim > 1]
    others = [parameter for parameter in trained if parameter.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": options.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=options.learning_rate)


def make_loader(accelerator: Accelerator, views: RandomViews, options: TrainingOptions, drop_last: bool) -> DataLoader:
    """Shuffled batches of ``options.batch_size`` over all processes.

    Raises:
        ValueError: if there are fewer images, or a process would get a single one, which batch normalisation cannot use.
    """
    processes = accelerator.num_processes
    if drop_last and len(views) < options.batch_size:
        raise ValueError(f"There are {len(views)} training images, fewer than --batch_size {options.batch_size}; lower it.")
    if options.batch_size % processes or options.batch_size // processes < 2:
        raise ValueError(
            f"--batch_size {options.batch_size} does not part over {processes} process(es): each needs the same number of images, and "
            "at least 2 images."
        )
    return DataLoader(
        views, batch_size=options.batch_size, shuffle=True, drop_last=drop_last, num_workers=options.num_workers,
        persistent_workers=options.num_workers > 0,
    )


def normalise(pixels: Tensor) -> Tensor:
    """uint8 (B, 3, H, W) -> float32 with ImageNet mean 0 and standard deviation 1, channels last in memory."""
    mean, std = (torch.tensor(x, device=pixels.device).view(1, 3, 1, 1) * 255 for x in (PIXEL_MEAN, PIXEL_STD))
    return ((pixels.float() - mean) / std).contiguous(memory_format=torch.channels_last)


def freeze_all_but(model: nn.Module, trained: list[str]) -> None:
    """Lets only the named children of the model learn."""
    for name, child in model.named_children():
        child.requires_grad_(name in trained)


def check_finite(loss: Tensor, stage: str, epoch: int) -> None:
    """Raises FloatingPointError at the first loss that is not a finite number."""
    if not torch.isfinite(loss):
        raise FloatingPointError(f"The {stage} loss is {loss.item()} in epoch {epoch}; lower --learning_rate.")
