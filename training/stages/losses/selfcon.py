"""Self-contrastive loss (Bae et al., 2023, https://arxiv.org/abs/2106.15499) as ImagiNet uses it
(https://arxiv.org/abs/2407.20020): two supervised contrastive terms over sub-network and trunk."""

from typing import NamedTuple

from torch import Tensor, nn

from training.stages.losses.supcon import SupConLoss


class SelfConParts(NamedTuple):
    """The two terms of the loss, float scalars; their sum is what is minimised."""

    origin: Tensor
    family: Tensor

    @property
    def total(self) -> Tensor:
        return self.origin + self.family


class SelfConLoss(nn.Module):
    """Single-view SelfCon with two labels: origin over all images, family over the synthetic ones.

    The two "views" of an image are the projections of its sub-network (index 0) and of its trunk (index 1). The origin
    term makes real and synthetic images two clusters; the family term separates the families among the synthetic
    images. Both have weight 1. A batch without a synthetic image gives the origin term alone (family: 0).

    Args:
        temperature: see :class:`SupConLoss`.
    """

    def __init__(self, temperature: float = 0.07):
        super().__init__()
        self.supcon = SupConLoss(temperature)

    def forward(self, embeddings: Tensor, origin: Tensor, family: Tensor) -> SelfConParts:
        """Computes both terms for one (global) batch.

        Args:
            embeddings: float (N, 2, D), L2-normalised along D.
            origin: int (N,), 0 real, 1 synthetic.
            family: int (N,), family of the generator; read for synthetic images only.
        """
        synthetic = origin == 1
        return SelfConParts(
            origin=self.supcon(embeddings, origin),
            family=self.supcon(embeddings[synthetic], family[synthetic]),
        )
