"""Stage 2: the classifiers learn on the frozen trunk: origin, origin from the sub-network, family, generator."""

from functools import partial

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from training.run.context import Run
from training.run.hardware import synchronise_batch_norm
from training.stages.contrastive import freeze_all_but
from training.stages.contrastive_loss import class_cross_entropy, origin_cross_entropy
from training.stages.held_out_loss import HeldOutViews
from training.stages.loop import Stage, run_stage
from training.stages.normalise import normalise, rows_of
from training.views.batches import Batches

NAME = "classifiers"
CLASSIFIERS = ["classifier", "sub_classifier", "family_classifier", "generator_classifier"]


class ClassifierNetwork(nn.Module):
    """All classifiers on features of the frozen trunk.

    The trunk's weights are fixed, but its normalisation layers (unless they are a frozen backbone's) stay in training mode, as in
    the recipe: their running statistics move from stage 1's small crops to the larger views that the detector will see.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        freeze_all_but(model, CLASSIFIERS)

    def forward(self, pixel_values: Tensor) -> dict[str, Tensor]:
        """float (B, 3, H, W), normalised, or features float (B, D) that are kept -> logits by classifier: (B, 1), (B, 1),
        (B, families), (B, generators)."""
        with torch.no_grad():
            sub, feature = self.model.encode(pixel_values)
        inputs = {"sub_classifier": sub}
        present = [name for name in CLASSIFIERS if getattr(self.model, name) is not None]
        return {name: getattr(self.model, name)(inputs.get(name, feature)) for name in present}


def train_classifiers(run: Run, model: nn.Module, batches: Batches, held_out: HeldOutViews) -> None:
    """Runs stage 2 from where the run stands; the model holds the result."""
    accelerator, options = run.accelerator, run.options.stage_2
    network = synchronise_batch_norm(accelerator, ClassifierNetwork(model))
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    rate = options.classifier_learning_rate
    optimizer = torch.optim.Adam(trained, lr=rate, weight_decay=options.classifier_weight_decay)
    prepared, optimizer = accelerator.prepare(network, optimizer)

    def step(batch: dict[str, Tensor]) -> dict[str, float]:
        losses = classifier_losses(prepared(normalise(rows_of(batch))), batch, accelerator)
        accelerator.backward(sum(losses.values()))
        return {name: float(accelerator.reduce(loss.detach(), "mean")) for name, loss in losses.items()}

    stage = Stage(
        name=NAME, epochs=options.classifier_epochs, first_epoch=run.options.stage_1.epochs, network=prepared,
        optimizer=optimizer, batches=batches, step=step, rate=lambda epoch: rate,
        held_out_loss=partial(held_out.loss, network, classifier_losses),
    )
    run_stage(run, stage)
    accelerator.free_memory()


def classifier_losses(
    logits: dict[str, Tensor], batch: dict[str, Tensor], accelerator: Accelerator | None = None
) -> dict[str, Tensor]:
    """Loss by classifier, float scalars: binary cross-entropy for origin, cross-entropy over synthetic images for the rest.

    A batch without a synthetic image gives the latter 0. With an accelerator the mean of all processes' losses is that of the
    whole batch.
    """
    losses = {}
    for name, values in logits.items():
        if name in ("classifier", "sub_classifier"):
            losses[name] = origin_cross_entropy(values.float(), batch["label"])
        else:
            losses[name] = class_cross_entropy(values.float(), batch[name.removesuffix("_classifier")], accelerator)
    return losses
