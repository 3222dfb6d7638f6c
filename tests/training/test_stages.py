"""The two stages: what learns in each, that a step helps, and that two processes do what one does."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from tests.training.two_processes import batch_of, loss_and_gradients, small_model
from training.classifiers import ClassifierNetwork, classifier_losses, train_classifiers
from training.contrastive import ContrastiveNetwork, Stage1Loss, make_loader, make_optimizer, train_contrastive
from training.data import load_splits
from training.options import PRESETS, TrainingOptions
from training.predict import predict_logits
from training.random_views import RandomViews
from training.views import RobustView

OPTIONS = TrainingOptions(**{
    **PRESETS["laptop"], "batch_size": 8, "crop_size": 32, "classifier_crop_size": 32, "epochs": 1, "warmup_epochs": 0,
    "classifier_epochs": 1, "num_workers": 0, "held_out": 0.25,
})


@pytest.fixture(scope="module")
def accelerator():
    return Accelerator(cpu=True)


@pytest.fixture(scope="module")
def views(tiny_dataset):
    splits = load_splits(replace(OPTIONS, dataset=str(tiny_dataset)))
    return RandomViews(splits.train, RobustView(32), splits.families, splits.generators, seed=1)


def weights(model):
    return {name: value.clone() for name, value in model.named_parameters()}


def changed(model, before):
    return {name.split(".")[0] for name, value in model.named_parameters() if not torch.equal(value, before[name])}


@pytest.mark.parametrize("weight, learning", [
    (0.0, {"encoder", "head", "sub_heads"}),
    (1.0, {"encoder", "head", "sub_heads", "classifier", "sub_classifier"}),
])
def test_stage_1_trains_trunk_and_heads_and_the_origin_classifiers_only_if_asked(accelerator, views, weight, learning):
    model = small_model()
    before = weights(model)
    options = replace(OPTIONS, cross_entropy_weight=weight, learning_rate=0.01, weight_decay=0.0)
    history = train_contrastive(accelerator, model, views, options)
    assert changed(model, before) == learning
    assert ("cross_entropy" in history[0]) == (weight > 0)
    terms = [history[0][name] for name in ("origin", "family", "cross_entropy") if name in history[0]]
    assert history[0]["loss"] == pytest.approx(sum(terms))


def test_stage_2_trains_the_classifiers_and_moves_only_running_statistics_of_the_trunk(accelerator, views):
    model = small_model()
    before, statistics = weights(model), model.encoder.bn1.running_mean.clone()
    train_classifiers(accelerator, model, views, OPTIONS)
    assert changed(model, before) == {"classifier", "sub_classifier", "family_classifier", "generator_classifier"}
    assert not torch.equal(model.encoder.bn1.running_mean, statistics)


def test_a_step_of_stage_1_lowers_the_loss_of_its_batch(accelerator):
    network = ContrastiveNetwork(small_model(), with_classifiers=True).train()
    loss_of, batch = Stage1Loss(accelerator, temperature=0.07, cross_entropy_weight=1.0), batch_of(16)
    optimizer = make_optimizer(network, OPTIONS)
    losses = []
    for _ in range(2):
        torch.manual_seed(0)  # the same dropout
        loss, _ = loss_of(*network(batch["pixels"]), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]


def test_a_step_of_stage_2_lowers_the_loss_of_its_batch():
    network, batch, losses = ClassifierNetwork(small_model()).train(), batch_of(16), []
    optimizer = torch.optim.Adam(network.model.parameters(), lr=1e-3)
    for _ in range(2):
        torch.manual_seed(0)
        loss = sum(classifier_losses(network(batch["pixels"]), batch).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]


def test_classifiers_of_families_and_generators_learn_from_synthetic_images_only():
    logits = {"family_classifier": torch.tensor([[2.0, 0.0], [0.0, 3.0], [5.0, 1.0]])}
    batch = {"label": torch.tensor([1, 0, 1]), "family": torch.tensor([0, -1, 1])}
    expected = (np.log(1 + np.exp(-2.0)) + np.log(1 + np.exp(4.0))) / 2  # rows 0 and 2
    assert classifier_losses(logits, batch)["family_classifier"].item() == pytest.approx(expected, rel=1e-6)
    none = {"label": torch.zeros(3), "family": torch.full((3,), -1)}
    assert classifier_losses(logits, none)["family_classifier"].item() == 0


def test_a_family_classifier_with_one_output_is_no_origin_classifier():
    names = {name for name in classifier_losses({"classifier": torch.zeros(2, 1)}, {"label": torch.tensor([0, 1])})}
    assert names == {"classifier"}


@pytest.mark.parametrize("size, said", [(1000, "fewer than --batch_size 1000"), (1, "at least 2 images")])
def test_a_batch_that_cannot_be_is_refused(accelerator, views, size, said):
    with pytest.raises(ValueError, match=said):
        make_loader(accelerator, views, replace(OPTIONS, batch_size=size), drop_last=True)


def test_scores_are_the_model_s_own_in_the_images_order(accelerator, views):
    from modeling import SelfConImageProcessor

    model, processor, images = small_model(), SelfConImageProcessor(), views.images
    got = predict_logits(accelerator, model, processor, images, "jpeg70", workers=0)
    model.eval()
    for index in (0, 17, len(images) - 1):
        from degradations import jpeg
        inputs = processor(jpeg(images.pixels(index), 70), return_tensors="pt")
        with torch.no_grad():
            assert got[index] == pytest.approx(model(**inputs).origin_logit.item(), rel=1e-4, abs=1e-5)


def test_two_processes_give_the_loss_and_gradients_of_one(tmp_path):
    """Batch norm in eval mode: in training mode each process normalises its own part of the batch."""
    file = tmp_path / "two.npz"
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
        "-m", "tests.training.two_processes", str(file),
    ]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    two, one = np.load(file), loss_and_gradients(Accelerator(cpu=True))
    assert two["processes"] == 2 and one["processes"] == 1
    assert set(two.files) == set(one)
    for name in set(one) - {"processes"}:
        scale = max(np.abs(one[name]).max(), 1e-3)
        np.testing.assert_allclose(two[name] / scale, one[name] / scale, atol=1e-5, err_msg=name)
    assert sum(np.abs(value).max() > 0 for name, value in one.items() if name.startswith("encoder")) > 10
