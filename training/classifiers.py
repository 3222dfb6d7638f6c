"""Stage 2: the classifiers learn on the frozen trunk: origin, origin from the sub-network, family, generator."""

import time

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn

from training.contrastive import check_finite, freeze_all_but, make_loader, normalise
from training.random_views import RandomViews
from training.options import TrainingOptions
from training.progress import Progress

CLASSIFIERS = ["classifier", "sub_classifier", "family_classifier", "generator_classifier"]


class ClassifierNetwork(nn.Module):
    """All classifiers on features of the frozen trunk.

    The trunk's weights are fixed, but its normalisation layers stay in training mode, as in the recipe: their running
    statistics move from stage 1's small crops to the larger views that the detector will see.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> dict[str, Tensor]:
        """float (B, 3, H, W), normalised -> logits by classifier: (B, 1), (B, 1), (B, families), (B, generators)."""
        with torch.no_grad():
            sub, feature = self.model.encode(pixel_values)
        inputs = {"sub_classifier": sub}
        present = [name for name in CLASSIFIERS if getattr(self.model, name) is not None]
        return {name: getattr(self.model, name)(inputs.get(name, feature)) for name in present}


def train_classifiers(accelerator: Accelerator, model: nn.Module, views: RandomViews, options: TrainingOptions) -> list[dict]:
    """Runs stage 2 and returns one row per epoch: epoch, learning_rate, loss, seconds, images."""
    freeze_all_but(model, CLASSIFIERS)
    network = ClassifierNetwork(model)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    rate = options.classifier_learning_rate
    optimizer = torch.optim.Adam(trained, lr=rate, weight_decay=options.classifier_weight_decay)
    loader = make_loader(accelerator, views, options, drop_last=len(views) >= options.batch_size)
    network, optimizer, loader = accelerator.prepare(network, optimizer, loader)
    history = []

    network.train()
    with Progress(accelerator, "classifiers", options.classifier_epochs * len(loader), options.batch_size) as progress:
        for epoch in range(options.classifier_epochs):
            start, total = time.monotonic(), 0.0
            # other numbers than stage 1's epochs, so that the views are new ones
            views.set_epoch(options.epochs + epoch)
            loader.set_epoch(options.epochs + epoch)
            for batch in loader:
                loss = sum(classifier_losses(network(normalise(batch["pixels"].flatten(0, 1))), batch).values())
                optimizer.zero_grad()
                accelerator.backward(loss)
                optimizer.step()
                check_finite(loss, "classifier", epoch)
                total += loss.item()
                progress.step(loss.item())
            history.append({
                "stage": "classifiers", "epoch": epoch, "learning_rate": rate, "loss": total / len(loader),
                "seconds": time.monotonic() - start, "images": len(loader) * options.batch_size,
            })
    accelerator.free_memory()
    return history


def classifier_losses(logits: dict[str, Tensor], batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Loss by classifier, float scalars: binary cross-entropy for origin, cross-entropy over synthetic images for the rest.

    A batch without a synthetic image gives the latter 0.
    """
    losses = {}
    for name, values in logits.items():
        if values.shape[1] == 1 and name in ("classifier", "sub_classifier"):
            losses[name] = F.binary_cross_entropy_with_logits(values[:, 0].float(), batch["label"].float())
        else:
            target = batch[name.removesuffix("_classifier")]
            known = (target >= 0).sum().clamp(min=1)
            losses[name] = F.cross_entropy(values.float(), target, ignore_index=-1, reduction="sum") / known
    return losses
