"""What all tests share."""

import gc
import os
import shutil
import tempfile
from pathlib import Path

import pytest

# before anything of Hugging Face is imported: no test reads or fills the user's caches
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="imaginet-tests-")
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_finish() -> None:
    """What the tests' modules have imported, millions of objects, is not looked through again at each collection of garbage."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["HF_HOME"], ignore_errors=True)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the clone."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with reference material and the lab; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("IMAGINET_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs the reference material: no folder {folder.name} beside the clone and IMAGINET_SHARED is not set")
    return folder


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory) -> Path:
    """24 source pictures to train on (48 images), 9 to score (17 images: one is without its synthetic twin)."""
    from tests.training.tiny_data import records, write_split

    folder = tmp_path_factory.mktemp("data") / "tiny"
    write_split(folder, "train", records("train", 24))
    write_split(folder, "test", records("test", 9)[:-1])
    return folder


@pytest.fixture(autouse=True, scope="session")
def own_dataset_cache(tmp_path_factory):
    """The tests' data sets leave nothing in the user's cache."""
    import datasets

    before, datasets.config.HF_DATASETS_CACHE = datasets.config.HF_DATASETS_CACHE, tmp_path_factory.mktemp("cache")
    yield
    datasets.config.HF_DATASETS_CACHE = before
