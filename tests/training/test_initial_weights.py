"""What the trunk starts from: torchvision's names and shapes, and what is refused."""

from pathlib import Path

import pytest
import torch
from torchvision.models import resnet50

from modeling import SelfConConfig, SelfConForImageClassification
from training.initial_weights import load_initial_weights


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(1)
    return resnet50(weights=None).state_dict()


@pytest.fixture(scope="module")
def file(state, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "resnet50.pth"
    torch.save(state, path)
    return path


def small_model():
    return SelfConForImageClassification(SelfConConfig(stem_width=8, widths=[8, 8, 8, 8], depths=[1, 1, 1, 1], block="basic"))


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
    with pytest.raises(ValueError, match=r"conv1.weight is \(64, 3, 7, 7\) there and \(8, 3, 7, 7\) here"):
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
