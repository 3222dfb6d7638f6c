"""The two stages: what learns in each, that a step helps, and that two processes do what one does."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.splits import load_splits
from tests.training.in_two_processes import in_two_processes
from tests.training.stages.two_processes import batch_of, loss_and_gradients, small_model, write_loss_and_gradients
from training.options import TrainingOptions
from training.presets import PRESETS
from training.run.checkpoints import Checkpoints, RunState
from training.run.context import Run
from training.stages.classifiers import ClassifierNetwork, classifier_losses, train_classifiers
from training.stages.contrastive import ContrastiveNetwork, make_optimizer, train_contrastive
from training.stages.contrastive_loss import Outputs, Stage1Loss, trained_parts
from training.stages.held_out_loss import HeldOutViews
from training.views.batches import ShuffledBatches
from training.views.random_views import RandomViews
from training.views.recipes import RobustView

OPTIONS = TrainingOptions.of(**{
    **PRESETS["laptop"], "batch_size": 8, "crop_size": 32, "classifier_crop_size": 32, "epochs": 1, "warmup_epochs": 0,
    "classifier_epochs": 1, "num_workers": 0, "held_out": 0.25, "aligned": False,
})


@pytest.fixture(scope="module")
def accelerator():
    return Accelerator(cpu=True)


@pytest.fixture(scope="module")
def views(tiny_dataset):
    splits = load_splits(DataOptions(dataset=str(tiny_dataset), held_out=OPTIONS.data.held_out), OPTIONS.run.seed)
    return RandomViews(splits.train, RobustView(32), splits.families, splits.generators, seed=1)


def weights(model):
    return {name: value.clone() for name, value in model.named_parameters()}


def changed(model, before):
    return {name.split(".")[0] for name, value in model.named_parameters() if not torch.equal(value, before[name])}


def trained(train, accelerator, model, views, folder, options) -> list[dict]:
    """Runs a stage; returns its history."""
    batch_size = options.stage_1.batch_size
    batches = ShuffledBatches(accelerator, views, batch_size, options.run.seed, options.views.num_workers)
    run = Run(accelerator, options, Checkpoints(accelerator, folder, options, ""), RunState())
    train(run, model, batches, HeldOutViews(accelerator, views, batch_size))
    return run.state.history


TRUNK = {"encoder", "head", "sub_heads"}


@pytest.mark.parametrize("changes, learning, terms", [
    ({"cross_entropy_weight": 0.0}, TRUNK, {"origin", "family"}),
    ({"cross_entropy_weight": 1.0}, TRUNK | {"classifier", "sub_classifier"}, {"origin", "family", "cross_entropy"}),
    ({"objective": "ce"}, {"encoder", "classifier", "sub_classifier", "family_classifier"}, {"cross_entropy", "family_cross_entropy"}),
])
def test_stage_1_trains_trunk_and_heads_and_the_classifiers_only_if_asked(accelerator, views, tmp_path, changes, learning, terms):
    model = small_model()
    before = weights(model)
    history = trained(
        train_contrastive, accelerator, model, views, tmp_path, OPTIONS.replace(learning_rate=0.01, weight_decay=0.0, **changes)
    )
    assert changed(model, before) == learning
    assert terms == set(history[0]) - {"stage", "epoch", "learning_rate", "loss", "seconds", "images"}
    assert history[0]["loss"] == pytest.approx(sum(history[0][name] for name in terms))


def test_the_moving_average_is_that_of_the_weights_after_each_step(accelerator, views, tmp_path):
    """Against the average of two steps' weights by hand; the first of AveragedModel's updates copies."""
    options = OPTIONS.replace(ema_decay=0.75, optimizer="sgd", epochs=1, batch_size=len(views) // 2)
    model, steps = small_model(), []
    real = torch.optim.SGD.step

    def noted(self, *arguments):
        real(self, *arguments)
        steps.append(model.encoder.conv1.weight.detach().clone())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.SGD, "step", noted)
        trained(train_contrastive, accelerator, model, views, tmp_path, options)
    assert len(steps) == 2
    torch.testing.assert_close(model.encoder.conv1.weight.detach(), 0.75 * steps[0] + 0.25 * steps[1])


def test_nothing_is_compiled_on_a_cpu(accelerator, views, tmp_path, monkeypatch):
    """There the first step would take minutes."""
    monkeypatch.setattr(torch.nn.Module, "compile", lambda *_, **__: pytest.fail("compiled"))
    trained(train_contrastive, accelerator, small_model(), views, tmp_path, OPTIONS.replace(compile=True))


def test_a_compiled_network_has_the_same_gradients_and_names():
    """With a backend that only traces; what --compile does on a GPU."""
    one = ContrastiveNetwork(small_model(), trained_parts(OPTIONS.stage_1)).eval()
    other = ContrastiveNetwork(small_model(), trained_parts(OPTIONS.stage_1)).eval()
    other.compile(backend="eager")
    batch = batch_of(8)
    for network in (one, other):
        network(batch["pixels"]).embeddings.square().sum().backward()
    assert list(one.state_dict()) == list(other.state_dict())
    torch.testing.assert_close(one.model.encoder.conv1.weight.grad, other.model.encoder.conv1.weight.grad)


def test_gradients_are_clipped_to_the_norm_that_is_asked_for(accelerator, views, tmp_path):
    """One step of plain SGD without momentum's history moves the weights by at most rate times the norm."""
    model = small_model()
    before = weights(model)
    trained(
        train_contrastive, accelerator, model, views, tmp_path,
        OPTIONS.replace(optimizer="sgd", weight_decay=0.0, learning_rate=1.0, max_grad_norm=0.01, batch_size=len(views)),
    )
    moved = torch.cat([(value - before[name]).flatten() for name, value in model.named_parameters()]).norm().item()
    assert moved == pytest.approx(0.01, rel=1e-3)


def test_stage_2_trains_the_classifiers_and_moves_only_running_statistics_of_the_trunk(accelerator, views, tmp_path):
    model = small_model()
    before, statistics = weights(model), model.encoder.bn1.running_mean.clone()
    trained(train_classifiers, accelerator, model, views, tmp_path, OPTIONS)
    assert changed(model, before) == {"classifier", "sub_classifier", "family_classifier", "generator_classifier"}
    assert not torch.equal(model.encoder.bn1.running_mean, statistics)


def test_a_step_of_stage_1_lowers_the_loss_of_its_batch(accelerator):
    network = ContrastiveNetwork(small_model(), trained_parts(OPTIONS.stage_1)).train()
    loss_of, batch = Stage1Loss(accelerator, OPTIONS.stage_1), batch_of(16)
    optimizer = make_optimizer(network, OPTIONS.stage_1)
    losses = []
    for _ in range(2):
        torch.manual_seed(0)  # the same dropout
        loss, _ = loss_of(Outputs(*network(batch["pixels"])), batch)
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
    logits = {"family_classifier": torch.zeros(2, 1), "classifier": torch.zeros(2, 1)}
    losses = classifier_losses(logits, {"label": torch.tensor([0, 1]), "family": torch.tensor([-1, 0])})
    assert losses["family_classifier"].item() == 0 and losses["classifier"].item() == pytest.approx(np.log(2))


def test_two_processes_give_the_loss_and_gradients_of_one(tmp_path):
    """Of every objective, with and without gradient caching, on a batch whose synthetic images are nearly all on one process.

    Batch norm in eval mode: in training mode each process normalises its own part of the batch.
    """
    plan = {None: ["selfcon", "supcon", "ce", "stage 2"], 4: ["selfcon", "ce"]}
    in_two_processes(write_loss_and_gradients, tmp_path, plan)
    for chunk, objectives in plan.items():
        for objective in objectives:
            two, one = np.load(tmp_path / f"{objective}, {chunk}.npz"), loss_and_gradients(Accelerator(cpu=True), objective=objective)
            assert two["processes"] == 2 and one["processes"] == 1
            assert set(two.files) == set(one)
            for name in set(one) - {"processes"}:
                scale = max(np.abs(one[name]).max(), 1e-3)
                np.testing.assert_allclose(two[name] / scale, one[name] / scale, atol=1e-5, err_msg=f"{objective}, {name}")
            assert sum(np.abs(value).max() > 0 for name, value in one.items() if name.startswith(("encoder", "classifier"))) > 4
