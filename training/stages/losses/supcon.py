"""Supervised contrastive loss (Khosla et al., 2020, https://arxiv.org/abs/2004.11362), form L_out."""

import torch
from torch import Tensor, nn


class SupConLoss(nn.Module):
    """Pulls embeddings of one label together and pushes all others away.

    For every anchor the loss is the mean, over its positives, of the negative log-probability of the positive
    among all other embeddings of the batch. Positives of an anchor are the other views of its own image and, if labels are
    given, every view of the images with its label. Anchors without any positive are left out of the mean; a batch without
    a single positive pair has the loss 0 and zero gradients instead of NaN.

    Args:
        temperature: divides the cosine similarities; must be > 0 (the paper and ImagiNet use 0.07).
        anchors: "all" takes every view of every image as anchor, "first_view" only view 0.

    Raises:
        ValueError: for another ``anchors`` or a temperature that is not positive.
    """

    def __init__(self, temperature: float = 0.07, anchors: str = "all"):
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"temperature must be positive, got {temperature}.")
        if anchors not in ("all", "first_view"):
            raise ValueError(f"anchors must be 'all' or 'first_view', got {anchors!r}.")
        self.temperature = temperature
        self.anchors = anchors

    def forward(self, embeddings: Tensor, labels: Tensor | None = None) -> Tensor:
        """Computes the loss of one (global) batch.

        Args:
            embeddings: float (N images, V views, D), each L2-normalised along D.
            labels: int (N,), or None for the unsupervised loss (each image is its own class).

        Returns:
            float scalar, at least 0.

        Raises:
            ValueError: if the shapes do not fit.
        """
        if embeddings.ndim != 3:
            raise ValueError(f"embeddings must be (images, views, dimensions), got {tuple(embeddings.shape)}.")
        n, views, _ = embeddings.shape
        if labels is None:
            labels = torch.arange(n, device=embeddings.device)
        elif labels.shape != (n,):
            raise ValueError(f"labels must have shape ({n},), got {tuple(labels.shape)}.")

        contrast = torch.cat(embeddings.unbind(1))  # (V * N, D), view by view
        contrast_labels = labels.repeat(views)
        n_anchors = n if self.anchors == "first_view" else n * views

        similarity = contrast[:n_anchors] @ contrast.T / self.temperature  # (anchors, V * N)
        itself = torch.eye(n_anchors, n * views, dtype=torch.bool, device=embeddings.device)
        positive = (contrast_labels[:n_anchors, None] == contrast_labels[None]) & ~itself
        log_probability = similarity - similarity.masked_fill(itself, -torch.inf).logsumexp(1, keepdim=True)

        # where, not a product: a batch of one image and one view has log-probabilities of +inf on its diagonal
        per_anchor = torch.where(positive, -log_probability, 0).sum(1) / positive.sum(1).clamp(min=1)
        has_positive = positive.any(1)
        return torch.where(has_positive, per_anchor, 0).sum() / has_positive.sum().clamp(min=1)
