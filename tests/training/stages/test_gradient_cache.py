"""Gradient caching against the direct step: gradients, running statistics, dropout, autocast. Two processes: test_stages.py."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from tests.training.stages.two_processes import OPTIONS, batch_of, small_model
from training.stages.contrastive import ContrastiveNetwork
from training.stages.contrastive_loss import Outputs, Stage1Loss, trained_parts
from training.stages.gradient_cache import backward_in_chunks, split_rows


@pytest.fixture(scope="module")
def accelerator():
    return Accelerator(cpu=True)


def gradients_of(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.grad.clone() for name, value in network.named_parameters() if value.grad is not None}


def chunked(accelerator, network, batch, chunk):
    loss_of = Stage1Loss(accelerator, OPTIONS)
    terms = backward_in_chunks(accelerator, network, batch["pixels"], lambda *outputs: loss_of(Outputs(*outputs), batch), chunk)
    return gradients_of(network), terms


def compare(one: dict, other: dict, tolerance: float) -> None:
    assert set(one) == set(other)
    for name in one:
        scale = max(float(one[name].abs().max()), 1e-3)
        np.testing.assert_allclose(other[name] / scale, one[name] / scale, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("chunk", [2, 5, 12, 100])
def test_gradients_are_those_of_the_direct_step(accelerator, chunk):
    """Batch norm in eval mode, so that images do not mix; dropout off."""
    batch, loss_of = batch_of(12), Stage1Loss(accelerator, OPTIONS)
    direct = ContrastiveNetwork(small_model(), trained_parts(OPTIONS)).eval()
    loss, terms = loss_of(Outputs(*direct(batch["pixels"])), batch)
    loss.backward()
    cached = ContrastiveNetwork(small_model(), trained_parts(OPTIONS)).eval()
    gradients, cached_terms = chunked(accelerator, cached, batch, chunk)
    compare(gradients_of(direct), gradients, 1e-5)
    assert cached_terms == pytest.approx(terms, rel=1e-5)


def test_in_training_mode_it_is_the_step_with_statistics_of_chunks_each_noted_once(accelerator):
    """Against a slow clear version that keeps every chunk's graph; dropout draws the same masks in both embeddings."""
    batch, loss_of = batch_of(12), Stage1Loss(accelerator, OPTIONS)
    slow = ContrastiveNetwork(small_model(), trained_parts(OPTIONS)).train()
    torch.manual_seed(0)
    outputs = [slow(part) for part in batch["pixels"].split(4)]
    loss, _ = loss_of(Outputs(*map(torch.cat, zip(*outputs, strict=True))), batch)
    loss.backward()

    cached = ContrastiveNetwork(small_model(), trained_parts(OPTIONS)).train()
    torch.manual_seed(0)
    gradients, _ = chunked(accelerator, cached, batch, 4)
    compare(gradients_of(slow), gradients, 1e-5)
    for (name, one), other in zip(slow.state_dict().items(), cached.state_dict().values(), strict=True):
        torch.testing.assert_close(other, one, msg=name, rtol=1e-5, atol=1e-6)
    assert slow.model.encoder.bn1.num_batches_tracked == 3
    assert all(layer.track_running_stats for layer in cached.modules() if isinstance(layer, nn.BatchNorm2d))


def test_under_autocast_it_stays_near_the_direct_step():
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state()
    accelerator = Accelerator(cpu=True, mixed_precision="bf16")
    try:
        batch, loss_of = batch_of(12), Stage1Loss(accelerator, OPTIONS)
        direct = accelerator.prepare(ContrastiveNetwork(small_model(), trained_parts(OPTIONS)).eval())
        loss, _ = loss_of(Outputs(*direct(batch["pixels"])), batch)
        accelerator.backward(loss)
        cached = accelerator.prepare(ContrastiveNetwork(small_model(), trained_parts(OPTIONS)).eval())
        gradients, _ = chunked(accelerator, cached, batch, 4)
        compare(gradients_of(direct), gradients, 0.03)  # bfloat16 has 8 bits, its products are summed in another order
    finally:
        AcceleratorState._reset_state()
        Accelerator(cpu=True)


@pytest.mark.parametrize("rows, chunk, most", [(12, 5, 5), (200, 90, 90), (13, 12, 12), (25, 2, 3), (3, 2, 3), (4, 100, 4)])
def test_no_chunk_is_left_with_a_single_row(rows, chunk, most):
    sizes = [len(part) for part in split_rows(torch.zeros(rows, 1), chunk)]
    assert sum(sizes) == rows and max(sizes) <= most and min(sizes) >= 2


def test_the_transformation_is_applied_to_each_chunk(accelerator):
    batch, loss_of = batch_of(12), Stage1Loss(accelerator, OPTIONS)
    doubled = {**batch, "pixels": 2 * batch["pixels"]}
    one = ContrastiveNetwork(small_model(), trained_parts(OPTIONS)).eval()
    expected, _ = chunked(accelerator, one, doubled, 4)
    other = ContrastiveNetwork(small_model(), trained_parts(OPTIONS)).eval()
    backward_in_chunks(
        accelerator, other, batch["pixels"], lambda *outputs: loss_of(Outputs(*outputs), batch), 4, transform=lambda rows: 2 * rows
    )
    compare(expected, gradients_of(other), 1e-6)
