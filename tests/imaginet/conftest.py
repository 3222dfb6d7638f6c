"""What the builder's tests share."""

import functools

import datasets
import pytest

import imaginet  # noqa: F401  registers the builder
from tests.imaginet.trees import write_tree


@pytest.fixture
def load(tmp_path):
    """load_dataset("imaginet", ...) with a cache of the test's own."""
    return functools.partial(datasets.load_dataset, "imaginet", cache_dir=str(tmp_path / "cache"))


@pytest.fixture
def raw(tmp_path):
    return write_tree(tmp_path / "raw")
