"""Thresholds belong to the weights that they were set for: a fine-tuned copy does not take them along."""

import logging

import pytest
import torch

from modeling import SelfConForImageClassification
from tests.modeling.helpers import small_model

POINTS = [{"name": "balanced", "threshold": 0.31}]


@pytest.fixture
def warnings(caplog):
    """What Transformers' logger says; it hands nothing on by itself."""
    logger = logging.getLogger("transformers")
    before, logger.propagate = logger.propagate, True
    yield lambda: [record.getMessage() for record in caplog.records if "thresholds" in record.getMessage()]
    logger.propagate = before


def calibrated() -> SelfConForImageClassification:
    model = small_model()
    model.calibrate(0.5, 0.1, POINTS)
    return model


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_thresholds_travel_with_the_weights_that_they_were_set_for(dtype, tmp_path, warnings):
    calibrated().save_pretrained(tmp_path / "first")
    again = SelfConForImageClassification.from_pretrained(tmp_path / "first", dtype=dtype)
    again.save_pretrained(tmp_path / "second")
    config = SelfConForImageClassification.from_pretrained(tmp_path / "second").config
    assert (config.temperature, config.bias, config.operating_points) == (0.5, 0.1, POINTS) and not warnings()


def test_a_fine_tuned_copy_loses_its_thresholds_with_a_warning_and_keeps_its_scale(tmp_path, warnings):
    model = calibrated()
    optimiser = torch.optim.SGD(model.train().parameters(), 0.01)
    model(torch.randn(4, 3, 32, 32), labels=torch.tensor([0, 1, 0, 1])).loss.backward()
    optimiser.step()
    model.save_pretrained(tmp_path)
    config = SelfConForImageClassification.from_pretrained(tmp_path).config
    assert (config.temperature, config.bias, config.operating_points) == (0.5, 0.1, [])
    assert len(warnings()) == 1 and "weights have changed" in warnings()[0]


def test_weights_replaced_in_a_folder_are_noticed_on_loading(tmp_path, warnings):
    calibrated().save_pretrained(tmp_path / "model")
    small_model(stem_width=8).save_pretrained(tmp_path / "other")
    other = SelfConForImageClassification.from_pretrained(tmp_path / "other")
    torch.nn.init.normal_(other.classifier[4].weight)
    other.save_pretrained(tmp_path / "other")
    (tmp_path / "other" / "model.safetensors").replace(tmp_path / "model" / "model.safetensors")
    assert SelfConForImageClassification.from_pretrained(tmp_path / "model").config.operating_points == [] and warnings()


@pytest.mark.parametrize("changed", [{"shifts": [1, 2]}, {"shifts": [0]}, {"network_floor": 3.0}, {"network_floor": 0.0}])
def test_pictures_seen_from_other_places_or_another_floor_lose_the_thresholds(changed, tmp_path, warnings):
    model = small_model(shifts=[1], network_floor=2.0)
    model.calibrate(0.5, 0.1, POINTS)
    model.save_pretrained(tmp_path)
    assert SelfConForImageClassification.from_pretrained(tmp_path).config.operating_points == POINTS and not warnings()
    config = SelfConForImageClassification.from_pretrained(tmp_path, **changed).config
    assert (config.temperature, config.operating_points) == (0.5, []) and "shifts or network_floor" in warnings()[0]


def test_new_thresholds_are_kept_after_fine_tuning_and_those_of_older_folders_too(tmp_path, warnings):
    model = calibrated()
    torch.nn.init.normal_(model.classifier[4].weight)
    model.calibrate(0.7, 0.2, POINTS)
    model.save_pretrained(tmp_path / "new")
    small_model(operating_points=POINTS).save_pretrained(tmp_path / "old")  # no fingerprint: saved before there was one
    for name in ("new", "old"):
        assert SelfConForImageClassification.from_pretrained(tmp_path / name).config.operating_points == POINTS
    assert not warnings()
