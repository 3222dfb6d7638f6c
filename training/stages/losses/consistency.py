"""Consistency of a picture and its degraded copy: cosine of the features and symmetric divergence of the answers, as in "paired
degradation consistency" (2026, https://arxiv.org/abs/2604.10102)."""

from torch import Tensor, nn


class ConsistencyLoss(nn.Module):
    """1 - cosine of the embeddings, plus the symmetric Kullback-Leibler divergence of the origin probabilities.

    Both sides learn: neither is a fixed teacher of the other.
    """

    def forward(self, embeddings: Tensor, logits: Tensor | None) -> Tensor:
        """Computes the mean over pairs.

        Args:
            embeddings: of B pictures (index 0) and their degraded copies (index 1), L2-normalised, float (B, 2, D).
            logits: of "synthetic", float (B, 2); None leaves the divergence out.

        Returns:
            float scalar, at least 0.
        """
        apart = 1 - (embeddings[:, 0] * embeddings[:, 1]).sum(1)
        if logits is not None:
            # of two Bernoulli distributions KL(p, q) + KL(q, p) = (p - q) (logit p - logit q); half of it is the symmetric mean
            difference = logits.sigmoid().diff(dim=1) * logits.diff(dim=1)
            apart = apart + difference[:, 0] / 2
        return apart.mean()
