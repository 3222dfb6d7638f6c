"""The audit of a run's training images."""

import json

import numpy as np
import pytest

from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.splits import load_splits
from training.run.shortcuts import find_shortcuts


@pytest.fixture(scope="module")
def train(tiny_dataset):
    return load_splits(DataOptions(dataset=str(tiny_dataset), held_out=0.25), seed=42).train


def test_the_trace_of_the_generators_is_found_and_the_equal_containers_are_not(train, monkeypatch):
    monkeypatch.setattr("imaginet_tools.audit.classifier.TREES", 10)
    found = find_shortcuts(train, 400, "tiny")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["title"], found["images"], found["view"]) == ("tiny", {"real": 18, "synthetic": 18}, "raw")
    auc = {name: examination["groups"][0]["auc"]["value"] for name, examination in found["sets"].items()}
    assert auc["statistics"] > 0.9 and "pixel statistics" in found["sentence"].lower()
    assert auc["container"] < 0.7  # all are PNG of one size


def test_too_few_source_images_are_said_and_none_are_looked_at_if_so_asked(train):
    few = train.select(np.arange(8))
    assert "at least 10 real source images" in find_shortcuts(few, 400, "tiny")["reason"]
    assert find_shortcuts(train, 0, "tiny") is None
