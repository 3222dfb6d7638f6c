"""The network against the reference's numbers, and the small networks that presets use."""

import numpy as np
import pytest
import torch

from modeling import SelfConConfig, SelfConForImageClassification
from modeling.front_ends import HighPass
from tests.modeling.helpers import SMALL
from tests.reference_weights import DATA, reference_state


@pytest.fixture(scope="module")
def reference_model():
    torch.manual_seed(0)
    model = SelfConForImageClassification(SelfConConfig(sub_classifier=False)).double().eval()
    model.load_state_dict(reference_state())  # strict: every name and shape is the reference's
    return model


def largest_relative_error(got: torch.Tensor, want: np.ndarray) -> float:
    return float(np.abs(got.double().numpy() - want).max() / np.abs(want).max())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-4)])
def test_features_projections_and_logits_are_the_references(reference_model, dtype, tolerance):
    reference_model.to(dtype)
    want = np.load(DATA / "reference_forward.npz")
    square = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 96, 96))).to(dtype)
    oblong = torch.from_numpy(np.random.default_rng(1).standard_normal((1, 3, 160, 128))).to(dtype)
    with torch.no_grad():
        got = {}
        got["sub"], got["feat"] = reference_model.encode(square)
        got["proj_sub"], got["proj"] = reference_model.project(got["sub"], got["feat"]).unbind(1)
        got["sub_160x128"], got["feat_160x128"] = reference_model.encode(oblong)
        got["logit"] = reference_model(square).origin_logit[:, None]
        got["logit_160x128"] = reference_model(oblong).origin_logit[:, None]
    assert set(got) == set(want.files)
    errors = {name: largest_relative_error(value, want[name]) for name, value in got.items()}
    assert max(errors.values()) < tolerance, errors


def test_logits_hold_temperature_and_bias():
    model = SelfConForImageClassification(SelfConConfig(**SMALL, temperature=4.0, bias=-0.5)).eval()
    output = model(torch.randn(3, 3, 32, 32), labels=torch.tensor([0, 1, 1]))
    torch.testing.assert_close(output.logits[:, 1], output.origin_logit / 4 - 0.5)
    assert (output.logits[:, 0] == 0).all()
    torch.testing.assert_close(output.loss, torch.nn.functional.cross_entropy(output.logits, torch.tensor([0, 1, 1])))


def test_family_and_generator_classifiers_exist_where_there_is_a_choice():
    model = SelfConForImageClassification(SelfConConfig(**SMALL, families=["GAN"], generators=["a", "b", "c"])).eval()
    output = model(torch.randn(2, 3, 32, 32))
    assert output.family_logits is None and output.generator_logits.shape == (2, 3)
    assert output.sub_logit.shape == (2,)


def test_a_detector_without_classifier_on_the_sub_network_gives_no_answer_of_it():
    torch.manual_seed(0)
    model = SelfConForImageClassification(SelfConConfig(**SMALL, sub_classifier=False)).eval()
    assert model(torch.randn(2, 3, 32, 32)).sub_logit is None
    assert not any(name.startswith("sub_classifier") for name in model.state_dict())


@pytest.mark.parametrize("size", [(6, 8), (7, 5)])
def test_high_pass_takes_off_the_mean_of_each_2x2_block(size):
    pixels = torch.randn(2, 3, *size)
    want = pixels.clone()
    for top in range(0, size[0], 2):
        for left in range(0, size[1], 2):
            rows = [top, min(top + 1, size[0] - 1)]  # an odd edge repeats itself
            columns = [left, min(left + 1, size[1] - 1)]
            block = pixels[:, :, rows][..., columns]
            want[:, :, top : top + 2, left : left + 2] -= block.mean((2, 3), keepdim=True)
    torch.testing.assert_close(HighPass()(pixels), want)


def test_high_pass_makes_the_detector_blind_to_brightness():
    model = SelfConForImageClassification(SelfConConfig(**SMALL, high_pass="mean2x2")).eval()
    pixels = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(model(pixels).logits, model(pixels + 3.0).logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("wrong", [
    {"block": "dense"}, {"high_pass": "laplace"}, {"depths": [1, 1]}, {"sub_network_after": 4}, {"stem_kernel": 4},
    {"temperature": 0.0}, {"generators": ["ProGAN", "real"]}, {"families": ["GAN", "GAN"]},
])
def test_impossible_configurations_are_refused_by_name(wrong):
    with pytest.raises(Exception, match=next(iter(wrong)).split("_")[0]):
        SelfConConfig(**wrong)


def test_saved_weights_come_back_exactly(tmp_path):
    torch.manual_seed(0)
    points = [{"name": "balanced", "threshold": 0.4}]
    config = SelfConConfig(**SMALL, families=["a", "b"], generators=["x", "y"], operating_points=points)
    model = SelfConForImageClassification(config)
    model.save_pretrained(tmp_path)
    again = SelfConForImageClassification.from_pretrained(tmp_path)
    assert again.config.operating_points == config.operating_points and again.config.id2label == {0: "real", 1: "synthetic"}
    for name, value in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=0, atol=0)
