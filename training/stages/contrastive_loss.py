"""What stage 1 minimises: a contrastive loss over the global batch, cross-entropy, consistency; which of them the options say."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn

from training.options import ContrastiveOptions
from training.stages.losses.consistency import ConsistencyLoss
from training.stages.losses.selfcon import SelfConLoss


class Outputs(NamedTuple):
    """What stage 1's network gives for R rows (an image's views are rows one after the other).

    Attributes:
        embeddings: projections of sub-network and trunk, L2-normalised, float (R, 2, D).
        origin: origin logits of sub-network and trunk, float (R, 2); (R, 0) where they do not learn in stage 1.
        family: family logits of the trunk, float (R, families); (R, 0) where they do not learn in stage 1.
    """

    embeddings: Tensor
    origin: Tensor
    family: Tensor


def trained_parts(options: ContrastiveOptions) -> list[str]:
    """Names of the model's parts that learn in stage 1: those that the loss depends on."""
    heads = ["head", "sub_heads"]
    if options.objective == "ce":  # no loss of embeddings but that of consistency
        return ["encoder", *(heads if options.consistency else []), "classifier", "sub_classifier", "family_classifier"]
    return ["encoder", *heads, *(["classifier", "sub_classifier"] if options.cross_entropy_weight else [])]


class Stage1Loss(nn.Module):
    """The objective of stage 1. Its terms:

    - ``selfcon``: the SelfCon loss of sub-network and trunk, by origin and by family; ``supcon``: the same of the trunk alone;
      either plus ``cross_entropy_weight`` times the cross-entropy of the origin classifiers;
    - ``ce``: instead of a contrastive loss the cross-entropy of the same labels: origin (trunk and sub-network), family (trunk);
    - with ``consistency``: the degraded view of an image is a further positive, and is held to its image's answer.

    Args:
        accelerator: whose processes share the batch.
        options: of stage 1.
    """

    def __init__(self, accelerator: Accelerator, options: ContrastiveOptions):
        super().__init__()
        self.accelerator, self.objective = accelerator, options.objective
        self.cross_entropy_weight = 1.0 if options.objective == "ce" else options.cross_entropy_weight
        self.consistency_weight = options.consistency_weight if options.consistency else 0.0
        self.selfcon, self.consistency = SelfConLoss(options.temperature), ConsistencyLoss()

    def forward(self, outputs: Outputs, batch: dict[str, Tensor], gather: bool = True) -> tuple[Tensor, dict[str, float]]:
        """Computes the loss of one batch.

        Args:
            outputs: of this process's rows, B images × V views.
            batch: ``label`` and ``family``, int (B,), of this process's images.
            gather: whether the contrastive loss is that of all processes' images.

        Returns:
            what to send backward on this process (gradients are averaged over processes), and the loss's terms for the log: each
            term of the global batch, weighted.
        """
        label, family = batch["label"], batch["family"]
        views = len(outputs.embeddings) // len(label)
        terms, backward = {}, 0.0
        if self.objective != "ce":
            contrastive, terms = self._contrastive(outputs.embeddings, label, family, views, gather)
            backward = backward + contrastive
        own = {}  # of the own part, so that their mean over the processes is the batch's
        if self.cross_entropy_weight:
            own["cross_entropy"] = self.cross_entropy_weight * origin_cross_entropy(outputs.origin, label.repeat_interleave(views))
        if self.objective == "ce" and outputs.family.shape[1]:
            own["family_cross_entropy"] = class_cross_entropy(
                outputs.family, family.repeat_interleave(views), self.accelerator if gather else None
            )
        if self.consistency_weight:
            own["consistency"] = self.consistency_weight * self.consistency(
                outputs.embeddings[:, 1].unflatten(0, (-1, views)),
                outputs.origin[:, 1].unflatten(0, (-1, views)) if outputs.origin.shape[1] else None,
            )
        for name, term in own.items():
            backward = backward + term
            terms[name] = self.accelerator.reduce(term.detach(), "mean") if gather else term
        return backward, {name: float(term.detach()) for name, term in terms.items()}

    def _contrastive(self, embeddings: Tensor, label: Tensor, family: Tensor, views: int, gather: bool) -> tuple[Tensor, dict]:
        if self.objective == "supcon":
            embeddings = embeddings[:, 1:]
        embeddings = embeddings.unflatten(0, (-1, views)).flatten(1, 2)  # (images, views × networks, D)
        processes = 1
        if gather:
            processes = self.accelerator.num_processes
            embeddings = gather_with_own_gradient(self.accelerator, embeddings)
            label, family = self.accelerator.gather((label, family))
        parts = self.selfcon(embeddings, label, family)
        # each process holds the gradient of the whole contrastive loss through its own embeddings only, and the
        # processes' gradients are averaged, hence the factor
        return parts.total * processes, {"origin": parts.origin, "family": parts.family}


def origin_cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Binary cross-entropy, float scalar, of origin logits (R, n) that share the labels int (R,): 0 real, 1 synthetic."""
    return F.binary_cross_entropy_with_logits(logits, label.to(logits.dtype)[:, None].expand_as(logits))


def class_cross_entropy(logits: Tensor, target: Tensor, accelerator: Accelerator | None = None) -> Tensor:
    """Cross-entropy, float scalar, of logits (R, classes) over the rows whose class int (R,) is not -1; 0 if there is none.

    With an accelerator the mean of all processes' results is that over the rows of all, however many of them each has.
    """
    summed, known = F.cross_entropy(logits, target, ignore_index=-1, reduction="sum"), (target >= 0).sum()
    if accelerator is not None:
        known = accelerator.reduce(known.float(), "mean")
        return summed / known.clamp(min=1 / accelerator.num_processes)
    return summed / known.clamp(min=1)


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
