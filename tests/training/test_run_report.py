"""What the report says of the data."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

import imaginet
from training.options import TrainingOptions
from training.run_report import data_name


@pytest.mark.parametrize("dataset, config_name, kind, name", [
    ("imaginet", "faces", "official", "imaginet"),
    ("imaginet", "all", "lists", "my pictures"),
    ("imaginet", "all", "folders", "my pictures"),
    ("imaginet", "sample", "sample", "imaginet-sample"),
    ("me/other", "all", "official", "me/other"),
])
def test_only_imaginet_itself_is_called_imaginet(tmp_path, dataset, config_name, kind, name):
    options = replace(TrainingOptions(), dataset=dataset, config_name=config_name, data_dir=str(tmp_path / "my pictures"))
    splits = SimpleNamespace(description=imaginet.DESCRIPTIONS[kind])
    assert data_name(options, splits) == name
