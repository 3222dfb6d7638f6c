"""Networks of random shape: the vocabulary, fits that give pictures back, a pool that is fitted once."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from tests.training.views.test_random_views import image_set
from training.simulation import pool
from training.simulation.fitting import fit, loss_of
from training.simulation.networks import ACTIVATIONS, Shape, SimulatedGenerator, draw_shape


def test_shapes_cover_the_vocabulary_and_all_keep_a_pictures_size():
    drawn = [draw_shape(np.random.default_rng(seed)) for seed in range(60)]
    assert {each.up for each in drawn} == {"nearest", "transposed", "shuffle"}
    assert {each.activation for each in drawn} == set(ACTIVATIONS)
    assert {each.stride for each in drawn if each.encodes} == {2, 4, 8}
    assert {each.stride for each in drawn if not each.encodes} == {2, 4}
    for shape in drawn[:20]:
        made = SimulatedGenerator(shape)(torch.zeros(1, 3, 16, 24))
        assert made.shape == (1, 3, 16, 24)


def test_a_fit_brings_the_output_near_the_picture_and_is_repeatable():
    shape = Shape(False, 2, 12, 1, "shuffle", "relu", True, 8, 0.5, 0.02)
    places = np.add.outer(np.arange(64), np.arange(64))
    crops = np.stack([(127 + 100 * np.sin(places / (3 + number)))[..., None].repeat(3, 2) for number in range(6)]).astype(np.uint8)
    pixels = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 127.5 - 1
    untrained, one, same = (fit(shape, crops, 3, steps) for steps in (1, 60, 60))
    losses = [float(loss_of(network(pixels), pixels, shape)) for network in (untrained, one)]
    assert losses[1] < 0.5 * losses[0]
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), same.state_dict().values(), strict=True))


def test_a_pool_is_fitted_once_gone_on_with_and_grown(tmp_path, monkeypatch):
    images, made = image_set(4), []
    real = images.select(images.label == 0)
    monkeypatch.setattr(pool, "fit", lambda shape, crops, seed: made.append(seed) or fit(shape, crops, seed, 1))
    accelerator = Accelerator(cpu=True)
    two = pool.make_pool(real, 2, tmp_path, 5, accelerator)
    three = pool.make_pool(real, 3, tmp_path, 5, accelerator)
    assert made == [5, 6, 7]
    for one, other in zip(two, three[:2], strict=True):
        assert one.shape == other.shape
        assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))
    pool.make_pool(real, 1, tmp_path, 6, accelerator)
    pool.make_pool(real.select(np.arange(2)), 1, tmp_path, 5, accelerator)
    assert made == [5, 6, 7, 6, 5]  # another seed, other pictures
    damaged = next(file for file in sorted(tmp_path.rglob("*.safetensors")))
    damaged.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=f"{damaged.name} does not hold"):
        for count, seed, of in ((3, 5, real), (1, 6, real), (1, 5, real.select(np.arange(2)))):
            pool.make_pool(of, count, tmp_path, seed, accelerator)
