"""Gradient caching (Gao et al., 2021, https://arxiv.org/abs/2101.06983): a contrastive loss over a batch that memory does not hold."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def backward_in_chunks(
    accelerator: Accelerator, network: nn.Module, inputs: Tensor, loss_of: Callable[..., tuple[Tensor, dict]], chunk: int,
    transform: Callable[[Tensor], Tensor] = lambda rows: rows,
) -> dict:
    """Adds to the parameters' gradients what one backward pass through the whole batch would, ``chunk`` rows at a time.

    First all chunks are embedded without a graph; the loss of all outputs gives the gradient of each; then each chunk is embedded
    again, and the cached gradient of its outputs flows on into the parameters. Dropout repeats its masks. Batch normalisation
    uses the statistics of each chunk, not of the batch, and its running statistics move once per chunk (in the second
    embedding). With layers that do not mix images (or batch norm in eval mode) the gradients are those of the direct step.

    Args:
        accelerator: gradients are averaged over its processes once, at the last chunk.
        network: prepared by the accelerator; gives a tensor or tuple of tensors, the first axis of each being that of the input.
        inputs: (R, ...), this process's rows.
        loss_of: outputs of all R rows -> (scalar to send backward, anything to return).
        chunk: rows at a time, at least 2.
        transform: what each chunk goes through before the network, so that its result is never there for the whole batch.

    Returns:
        what ``loss_of`` gave beside the loss.
    """
    parts = split_rows(inputs, chunk)
    random_states, outputs = [], []
    with torch.no_grad(), frozen_running_statistics(network):
        for part in parts:
            random_states.append(_random_state(inputs.device))
            outputs.append(network(transform(part)))
    whole = [torch.cat(pieces).requires_grad_() for pieces in zip(*outputs, strict=True)]
    loss, terms = loss_of(*whole)
    loss.backward()
    gradients = zip(*(_gradient(output).split([len(part) for part in parts]) for output in whole), strict=True)
    for number, (part, random_state, of_part) in enumerate(zip(parts, random_states, gradients, strict=True), start=1):
        _set_random_state(random_state, inputs.device)
        with accelerator.no_sync(network) if number < len(parts) else nullcontext():
            outputs = network(transform(part))
            accelerator.backward(sum((output * gradient).sum() for output, gradient in zip(outputs, of_part, strict=True)))
    return terms


def split_rows(inputs: Tensor, chunk: int) -> list[Tensor]:
    """Parts of at most ``chunk`` rows, of sizes as equal as possible; of one row more where else one part had a single row."""
    return list(inputs.tensor_split(max(1, min(-(-len(inputs) // chunk), len(inputs) // 2))))


@contextmanager
def frozen_running_statistics(network: nn.Module) -> Iterator[None]:
    """Batch normalisation goes on using the statistics of its input, but does not note them."""
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats and layer.training]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True


def _gradient(output: Tensor) -> Tensor:
    """Of an output that the loss did not use: zeros."""
    return output.grad if output.grad is not None else torch.zeros_like(output)


def _random_state(device: torch.device) -> tuple[Tensor, Tensor | None]:
    return torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None


def _set_random_state(state: tuple[Tensor, Tensor | None], device: torch.device) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1], device)
