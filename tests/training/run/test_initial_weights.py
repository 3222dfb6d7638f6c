"""What a model starts from: states of torchvision and timm, earlier models, and what is refused."""

import json
import shutil
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torchvision.models import resnet50

from modeling import SelfConConfig, SelfConForImageClassification, SelfConImageProcessor, save
from tests.modeling.helpers import SMALL
from training.run.initial_weights import load_initial_weights


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(1)
    return resnet50(weights=None).state_dict()


@pytest.fixture(scope="module")
def file(state, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "resnet50.pth"
    torch.save(state, path)
    return path


def small_model(seed: int = 0, **config) -> SelfConForImageClassification:
    torch.manual_seed(seed)
    return SelfConForImageClassification(SelfConConfig(**{**SMALL, **config}))


def changed(model, before: dict[str, torch.Tensor]) -> set[str]:
    """First parts of the names of weights that are not as before."""
    return {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


def copied(model) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_a_torchvision_state_fills_every_layer_of_the_trunk_but_the_sub_network(state, file):
    model = SelfConForImageClassification(SelfConConfig())
    sub_network = model.encoder.selfcon_layer[1].weight.clone()
    said = load_initial_weights(model, str(file))
    own = model.encoder.state_dict()
    for name, value in state.items():
        if not name.startswith("fc."):
            torch.testing.assert_close(own[name.replace("downsample", "shortcut")], value, rtol=0, atol=0)
    loaded = {name.replace("downsample", "shortcut") for name in state if not name.startswith("fc.")}
    assert set(own) - loaded == {"selfcon_layer.1.weight", "selfcon_layer.1.bias"}
    torch.testing.assert_close(model.encoder.selfcon_layer[1].weight, sub_network, rtol=0, atol=0)
    assert f"{len(loaded)} tensors" in said and "not taken from it: fc" in said and "random: sub-network layer" in said


def test_none_keeps_the_random_weights_and_says_so():
    model = small_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert load_initial_weights(model, "none") == "Initial weights: random."
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_state_of_another_network_is_refused_with_the_first_difference_and_changes_nothing(state, file, tmp_path):
    model = small_model()
    before = model.encoder.conv1.weight.clone()
    with pytest.raises(ValueError, match=r"\(conv1.weight is \(64, 3, 7, 7\) there and \(8, 3, 3, 3\) here\)"):
        load_initial_weights(model, str(file))
    assert torch.equal(model.encoder.conv1.weight, before)

    short = tmp_path / "short.pth"
    torch.save({name: value for name, value in state.items() if name != "layer1.0.bn2.weight"}, short)
    with pytest.raises(ValueError, match="layer1.0.bn2.weight is missing"):
        load_initial_weights(SelfConForImageClassification(SelfConConfig()), str(short))


def test_a_pickle_with_code_in_it_is_refused_unread(tmp_path):
    trap, harm = tmp_path / "trap.pth", tmp_path / "harm"

    class Trap:
        def __reduce__(self):
            return Path.touch, (harm,)

    torch.save({"conv1.weight": Trap()}, trap)
    with pytest.raises(ValueError, match="trap.pth is not a file of weights that can be read safely"):
        load_initial_weights(small_model(), str(trap))
    assert not harm.exists()


def test_other_things_in_place_of_weights_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone.pth: no such file"):
        load_initial_weights(small_model(), str(tmp_path / "gone.pth"))
    listing = tmp_path / "list.pth"
    torch.save([torch.zeros(1)], listing)
    with pytest.raises(ValueError, match="plain state dict"):
        load_initial_weights(small_model(), str(listing))
    text = tmp_path / "text.pth"
    text.write_text("not weights")
    with pytest.raises(ValueError, match="text.pth is not a file of weights"):
        load_initial_weights(small_model(), str(text))


def test_imagenet_weights_that_cannot_be_fetched_say_what_to_do(monkeypatch):
    def offline(*_, **__):
        raise OSError("no route to host")
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", offline)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(ConnectionError, match=r"no route to host.*--initial_weights FILE.*--initial_weights none"):
        load_initial_weights(small_model(), "imagenet")


def test_a_frozen_trunk_of_an_earlier_run_sees_pixels_as_that_run_did(tmp_path):
    def of(**config):
        return small_model(backbone="test_resnet", sub_network_after=2, **config).eval()

    earlier, noise = of(seed=1), torch.randn(2, 3, 96, 96)
    save(earlier, SelfConImageProcessor(), tmp_path / "earlier")
    frozen = of(frozen=True, adapter_size=8)
    assert "random: sub-network layer (of another shape there), adapter (there is none)" in load_initial_weights(frozen, str(tmp_path / "earlier"))
    with torch.no_grad():
        torch.testing.assert_close(frozen.encoder.averages(noise), earlier.encoder.averages(noise))
        save(frozen, SelfConImageProcessor(), tmp_path / "frozen")
        again = of(frozen=True, adapter_size=8)
        load_initial_weights(again, str(tmp_path / "frozen"))
        torch.testing.assert_close(again.encode(noise), frozen.encode(noise))


# a state of timm

@pytest.mark.parametrize("name, file_name", [("resnet18", "weights.pth"), ("vit_tiny_patch16_224", "weights.safetensors")])
def test_a_file_of_timm_fills_the_backbone_of_its_name(name, file_name, tmp_path):
    torch.manual_seed(3)
    whole = timm.create_model(name).eval()
    file = tmp_path / file_name
    torch.save(whole.state_dict(), file) if file.suffix == ".pth" else save_file(whole.state_dict(), file)
    model = small_model(backbone=name).eval()
    before = copied(model)
    said = load_initial_weights(model, str(file))
    assert changed(model, before) == {"encoder"} and f"{len(model.encoder.trunk.state_dict())} tensors of the trunk" in said
    noise = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        want = whole.forward_intermediates(noise, intermediates_only=True)[-1].mean((2, 3))
        torch.testing.assert_close(model.encode(noise)[1], want, rtol=1e-4, atol=1e-4)


def test_imagenet_weights_of_a_backbone_are_those_that_timm_fetches(monkeypatch):
    torch.manual_seed(3)
    state = timm.create_model("resnet18").state_dict()
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", lambda *_, **__: dict(state))
    model = small_model(backbone="resnet18")
    assert "timm's resnet18" in load_initial_weights(model, "imagenet")
    torch.testing.assert_close(model.encoder.trunk.layer3[1].conv2.weight, state["layer3.1.conv2.weight"], rtol=0, atol=0)


def test_weights_of_a_backbone_that_cannot_be_fetched_or_do_not_exist_say_what_to_do(monkeypatch):
    def offline(*_, **__):
        raise FileNotFoundError("no route to host")
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", offline)
    with pytest.raises(ConnectionError, match=r"resnet18 .*no route to host.*--initial_weights FILE.*--initial_weights none"):
        load_initial_weights(small_model(backbone="resnet18"), "imagenet")
    with pytest.raises(ValueError, match=r"cspresnet50d \(No pretrained weights exist .*\); use --initial_weights none"):
        load_initial_weights(small_model(backbone="cspresnet50d"), "imagenet")


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_050"])  # timm is lenient about the second's missing names
def test_a_state_of_another_backbone_is_refused_and_changes_nothing(name, file):
    model = small_model(backbone=name)
    before = copied(model)
    with pytest.raises(ValueError, match=f"do not fit the backbone {name}") as refused:
        load_initial_weights(model, str(file))
    assert not changed(model, before) and "\n" not in str(refused.value)


# an earlier model

KINDS = {"families": ["GAN", "SD"], "generators": ["x", "y", "z"]}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The output folder of a run."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    save(small_model(1, **KINDS), SelfConImageProcessor(), folder / "model")
    return folder


@pytest.mark.parametrize("place", [".", "model"])
def test_every_part_of_a_run_of_the_same_network_is_taken(run, place):
    model = small_model(2, **KINDS)
    said = load_initial_weights(model, str(run / place))
    assert not changed(model, small_model(1, **KINDS).state_dict())
    assert said.endswith("not taken from it: nothing; random: nothing.") and "trunk, sub-network layer, projection heads" in said


def test_classifiers_of_other_classes_and_heads_of_other_sizes_stay_random_and_are_named(run):
    config = {"families": ["GAN", "DALL·E"], "generators": [], "projection_size": 8, "sub_network_after": 1}
    model = small_model(2, **config)
    before = copied(model)
    said = load_initial_weights(model, str(run))
    assert changed(model, before) == {"encoder", "classifier", "sub_classifier"}
    assert torch.equal(model.encoder.selfcon_layer[0].weight, before["encoder.selfcon_layer.0.weight"])
    assert "random: sub-network layer (of another shape there), projection heads (of another shape there), " in said
    assert "family classifier (that of GAN, SD is there)" in said and "not taken from it: generator classifier" in said


def test_what_weights_do_not_show_is_said(run):
    said = load_initial_weights(small_model(2, **KINDS, stem_stride=1, high_pass="mean2x2"), str(run))
    assert "they were trained with stem_stride 2 instead of 1, high_pass None instead of mean2x2" in said


def test_a_converted_checkpoint_gives_all_that_was_published(tmp_path):
    """What scripts.convert_published_weights writes: no classifier of kinds and none on the sub-network."""
    save(small_model(1, sub_classifier=False), SelfConImageProcessor(), tmp_path / "converted")
    model = small_model(2, **KINDS)
    before = copied(model)
    said = load_initial_weights(model, str(tmp_path / "converted"))
    assert changed(model, before) == {"encoder", "head", "sub_heads", "classifier"}
    assert "random: sub-network's origin classifier (there is none), family classifier (there is none)" in said


def test_an_earlier_model_of_a_backbone_is_taken(tmp_path):
    save(small_model(1, backbone="resnet18"), SelfConImageProcessor(), tmp_path / "model")
    model = small_model(2, backbone="resnet18")
    load_initial_weights(model, str(tmp_path))
    assert not changed(model, small_model(1, backbone="resnet18").state_dict())
    with pytest.raises(ValueError, match="backbone resnet18 there and ResNet of our own here"):
        load_initial_weights(small_model(), str(tmp_path))


def damaged(run: Path, folder: Path, what: str) -> Path:
    shutil.copytree(run, folder)
    config, weights = folder / "model" / "config.json", folder / "model" / "model.safetensors"
    if what == "cut weights":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif what == "cut configuration":
        config.write_text(config.read_text()[:50])
    elif what == "another kind":
        config.write_text(json.dumps({"model_type": "vit"}))
    elif what == "wider":
        values = json.loads(config.read_text())
        config.write_text(json.dumps({**values, "widths": 3}))
    else:
        weights.unlink()
    return folder


@pytest.mark.parametrize("what, said", [
    ("cut weights", "not a whole one"), ("cut configuration", "config.json cannot be read"),
    ("wider", "config.json cannot be read"), ("another kind", "kind 'vit', not a SelfCon detector"),
    ("no weights", "holds no saved model"),
])
def test_a_damaged_or_foreign_folder_is_named_in_one_sentence_and_changes_nothing(what, said, run, tmp_path):
    folder, model = damaged(run, tmp_path / "damaged", what), small_model(2, **KINDS)
    before = copied(model)
    with pytest.raises(ValueError, match=said) as refused:
        load_initial_weights(model, str(folder))
    assert str(folder) in str(refused.value) and "\n" not in str(refused.value) and not changed(model, before)


def test_a_model_of_another_shape_is_refused_with_the_first_difference(run):
    with pytest.raises(ValueError, match=r"encoder.layer4.0.conv1.weight is \(16, 16, 3, 3\) there and \(24, 16, 3, 3\) here"):
        load_initial_weights(small_model(widths=[8, 8, 16, 24]), str(run))


def test_the_published_checkpoint_is_sent_to_its_converter(tmp_path):
    file = tmp_path / "imaginet_weights.pt"
    torch.save({"model": {"encoder.conv1.weight": torch.zeros(1)}, "classifier": {}}, file)
    with pytest.raises(ValueError, match="convert it first with python -m scripts.convert_published_weights .*imaginet_weights.pt FOLDER"):
        load_initial_weights(small_model(), str(file))
    with pytest.raises(FileNotFoundError, match="scripts.convert_published_weights"):
        load_initial_weights(small_model(), "imaginet_weights.pt")


def test_weights_that_are_no_numbers_are_refused(run, tmp_path):
    state = small_model(1, **KINDS).state_dict()
    state["head.0.bias"] = torch.full_like(state["head.0.bias"], torch.nan)
    shutil.copytree(run, tmp_path / "run")
    save_file(state, tmp_path / "run" / "model" / "model.safetensors")
    with pytest.raises(ValueError, match="not finite numbers, first head.0.bias"):
        load_initial_weights(small_model(2, **KINDS), str(tmp_path / "run"))
