"""A frozen backbone: what learns on it, the same numbers with and without kept features, low-rank additions, and a whole run."""

import sys
from copy import deepcopy
from types import SimpleNamespace

import pytest
import timm
import torch
from accelerate import Accelerator
from PIL import Image
from safetensors.torch import save_file

from imaginet_tools.inference.saved_detector import open_detector
from modeling import SelfConConfig, SelfConForImageClassification
from tests.training.small_runs import small_run
from tests.training.test_train_selfcon import as_it_was, train  # noqa: F401
from train_selfcon import classifiers
from training.stages.contrastive import freeze_all_but
from training.stages.frozen_trunk import FrozenTrunk, add_low_rank, is_low_rank, merge_low_rank

FROZEN = {
    "backbone": "test_vit", "frozen": True, "adapter_size": 8, "initial_weights": "imagenet", "high_pass": None, "sub_network_after": 2,
    "view_epochs": 2, "epochs": 3, "classifier_hidden": 8, "num_workers": 0,
}


def frozen_model(name: str = "test_vit", seed: int = 0, **config) -> SelfConForImageClassification:
    torch.manual_seed(seed)
    return SelfConForImageClassification(SelfConConfig(backbone=name, frozen=True, adapter_size=8, **config))


@pytest.fixture(scope="module")
def runs(tiny_dataset, tmp_path_factory) -> dict:
    """Weights after both stages, by where features are kept."""
    folder = tmp_path_factory.mktemp("runs")
    return {where: small_run(tiny_dataset, folder / where, feature_cache=where, **FROZEN) for where in ("run", "none")}


def test_kept_features_lead_to_the_weights_that_pixels_lead_to(runs):
    kept, seen = runs["run"][0], runs["none"][0]
    assert list(kept) == list(seen)
    for name, value in kept.items():
        torch.testing.assert_close(value, seen[name], rtol=1e-3, atol=1e-4, msg=name)
    losses = [[row["loss"] for row in runs[where][1].history] for where in ("run", "none")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3) and len(losses[0]) == 5


def test_the_backbone_keeps_its_weights_and_what_is_on_it_learns(runs, tiny_dataset, tmp_path):
    start, _, _ = small_run(tiny_dataset, tmp_path, **{**FROZEN, "epochs": 0, "warmup_epochs": 0, "classifier_epochs": 0})
    moved = {name for name, value in runs["run"][0].items() if not torch.equal(value, start[name])}
    assert not [name for name in moved if name.startswith("encoder.trunk")]
    for part in ("encoder.selfcon_layer.linear", "encoder.adapter.linear", "head.0", "sub_heads.0.0", "classifier.1", "family_classifier.1"):
        assert f"{part}.weight" in moved


def test_a_trunk_that_differs_in_anything_has_another_fingerprint():
    accelerator = Accelerator(cpu=True)
    model = frozen_model()
    same, shifted, moved = deepcopy(model), deepcopy(model), deepcopy(model)
    with torch.no_grad():
        same.encoder.adapter.linear.weight += 1.0
        shifted.encoder.pixel_shift += 0.1
        next(moved.encoder.trunk.parameters()).view(-1)[0] += 1e-3
    others = [frozen_model("test_vit2"), frozen_model(sub_network_after=1), frozen_model(high_pass="mean2x2")]
    first, again, *rest = [FrozenTrunk(accelerator, each.encoder).fingerprint for each in (model, same, shifted, moved, *others)]
    assert first == again and len({first, *rest}) == 1 + len(rest)
    assert FrozenTrunk(SimpleNamespace(device="cpu", mixed_precision="bf16"), model.encoder).fingerprint not in (first, *rest)


@pytest.mark.parametrize("name", ["test_vit", "vit_tiny_patch16_dinov3_qkvb"])
def test_low_rank_additions_learn_alone_and_are_merged_without_a_trace(name):
    model = frozen_model(name)
    for each, value in model.encoder.trunk.named_parameters():
        if "gamma" in each:  # of layers that start at next to nothing
            value.data.fill_(1.0)
    names, noise = list(model.state_dict()), torch.randn(2, 3, 64, 64)
    before = model.eval().encoder.averages(noise)
    assert "weights that learn" in add_low_rank(model, 2)
    torch.testing.assert_close(model.encoder.averages(noise), before)  # they say nothing at first
    freeze_all_but(model.train(), ["encoder"])
    learns = {name: value for name, value in model.encoder.trunk.named_parameters() if value.requires_grad}
    assert learns and all(is_low_rank(name) for name in learns)
    with torch.no_grad():
        for value in learns.values():
            value += 0.02 * torch.randn_like(value)
    sum(each.square().sum() for each in model.encode(noise)).backward()
    assert not [name for name, value in learns.items() if value.grad is None or not value.grad.any()]
    learned = model.eval().encoder.averages(noise)
    assert not torch.allclose(learned, before, atol=1e-3)
    merge_low_rank(model)
    torch.testing.assert_close(model.encoder.averages(noise), learned, rtol=1e-4, atol=1e-4)
    assert list(model.state_dict()) == names


def test_low_rank_additions_train_in_a_run_and_leave_a_plain_backbone(runs, tiny_dataset, tmp_path, monkeypatch):
    from tests.training import small_runs

    whole = small_runs.make_model

    def with_additions(options, splits):
        model = whole(options, splits)
        add_low_rank(model, options.network.lora_rank)
        return model

    monkeypatch.setattr(small_runs, "make_model", with_additions)
    weights, _, _ = small_run(tiny_dataset, tmp_path, lora_rank=2, **FROZEN)
    frozen = runs["run"][0]
    assert list(weights) == list(frozen)
    moved = {name for name, value in weights.items() if name.startswith("encoder.trunk") and not torch.equal(value, frozen[name])}
    assert moved and all(name.endswith("weight") and ("attn" in name or "mlp" in name) for name in moved)
    assert not (tmp_path / "features").exists()


def test_a_frozen_backbone_comes_from_the_checkpoint_that_a_run_goes_on_from(runs, tiny_dataset):
    """Before a stage's network is there, as features depend on it."""
    weights, _, checkpoints = runs["run"]
    model = frozen_model(seed=7, sub_network_after=2)
    model.encoder.pixel_shift.zero_()
    heads = model.head[0].weight.clone()
    checkpoints.resume()
    checkpoints.restore_frozen(model.encoder)
    trunk = [name for name in weights if name.startswith(("encoder.trunk.", "encoder.pixel_"))]
    assert len(trunk) > 50 and all(torch.equal(model.state_dict()[name], weights[name]) for name in trunk)
    assert torch.equal(model.head[0].weight, heads)
    with pytest.raises(ValueError, match="step-.* cannot be read"):
        checkpoints.restore_frozen(frozen_model("test_resnet").encoder)


@pytest.mark.slow
def test_a_run_on_a_frozen_backbone_goes_on_without_its_file_and_opens_as_any_other(
    tiny_dataset, tmp_path, capsys, monkeypatch, as_it_was,  # noqa: F811
):
    torch.manual_seed(9)
    published, file, output = timm.create_model("test_vit"), tmp_path / "published.safetensors", tmp_path / "run"
    save_file(published.state_dict(), file)
    command = [
        "--preset", "foundation", "--backbone", "test_vit", "--initial_weights", str(file), "--dataset", str(tiny_dataset), "--output_dir",
        str(output), "--adapter_size", "8", "--view_epochs", "2", "--crop_size", "48", "--statistics_centres", "0", "--audit_images", "0",
        "--sub_network_after", "2",
    ]
    with monkeypatch.context() as patch:
        patch.setattr(classifiers, "train_classifiers", lambda *_: (_ for _ in ()).throw(ValueError("stopped")))
        with pytest.raises(SystemExit):
            train(*command)
    said = capsys.readouterr().out
    assert "The frozen trunk sees 72 views of 36 images once: 0.04 MB" in said and f"from '{file}'" in said
    file.unlink()
    train(*command, "--resume")
    assert "frozen trunk sees" not in capsys.readouterr().out  # both stages show views of the same kind, and they were kept
    detector = open_detector(str(output / "model"))
    trunk = detector.network.model.encoder.trunk.state_dict()
    for name in ("model.blocks.3.mlp.fc1.weight", "model.norm.weight", "model.pos_embed"):
        assert torch.equal(trunk[name], published.state_dict()[name.removeprefix("model.")])
    answers = detector.scores([Image.effect_noise((70, 50), 60)], heatmap=True)
    assert 0 <= answers.probability[0] <= 1 and answers.heat_map[0] is not None


def test_low_rank_additions_that_cannot_be_made_say_why(monkeypatch):
    with pytest.raises(ValueError, match="backbone test_resnet has no linear layers; choose a transformer"):
        add_low_rank(frozen_model("test_resnet"), 2)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ModuleNotFoundError, match="--lora_rank needs peft, which is not installed: pip install peft"):
        add_low_rank(frozen_model(), 2)
