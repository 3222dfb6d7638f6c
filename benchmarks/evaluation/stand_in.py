"""A rival that has learned nothing, to show how a detector of others is named: a small network of timm with random weights.

    imaginet evaluate --model stand-in=benchmarks.evaluation.stand_in:make ...

Whatever it scores above chance is luck, or what the mean colours of such images give away.
"""

import timm
import torch


def make() -> torch.nn.Module:
    """A ResNet of ten layers with one output, the same random weights each time; timm says how its pictures are prepared."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return timm.create_model("resnet10t", pretrained=False, num_classes=1).eval()
