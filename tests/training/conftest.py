"""What the tests of training share."""

from pathlib import Path

import datasets
import pytest

from tests.training.tiny_data import records, write_split


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory) -> Path:
    """24 source pictures to train on (48 images), 9 to score (17 images: one is without its synthetic twin)."""
    folder = tmp_path_factory.mktemp("data") / "tiny"
    write_split(folder, "train", records("train", 24))
    write_split(folder, "test", records("test", 9)[:-1])
    return folder


@pytest.fixture(autouse=True, scope="session")
def own_dataset_cache(tmp_path_factory):
    """The tests' data sets leave nothing in the user's cache."""
    before, datasets.config.HF_DATASETS_CACHE = datasets.config.HF_DATASETS_CACHE, tmp_path_factory.mktemp("cache")
    yield
    datasets.config.HF_DATASETS_CACHE = before
