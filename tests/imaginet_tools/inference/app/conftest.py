"""A small model with all that the page tells: operating points, generators, heat maps."""

import json
import shutil
from pathlib import Path

import pytest

SET = {"fitted_on": "8 images", "n_real": 4, "n_synthetic": 4, "false_alarm_rate": 0.0, "recall": 1.0, "reason": None}
UNSET = {"threshold": None, "false_alarm_rate": None, "recall": None, "reason": "4 held-out real images; a rate of 1% needs 300"}


@pytest.fixture(scope="session")
def model(saved_models, tmp_path_factory) -> Path:
    """Folder of the model."""
    folder = tmp_path_factory.mktemp("page") / "model"
    shutil.copytree(saved_models["resnet"], folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["temperature"] = 100.0  # so that its scores differ
    config["generators"] = ["smooth", "chequered", "striped"]
    config["operating_points"] = [{"name": "balanced", "threshold": 0.5, **SET}, {**SET, "name": "false alarms 1%", **UNSET}]
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder
