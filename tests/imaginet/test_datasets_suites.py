"""datasets' own tests of builders, of the release that is installed, taken from its source package and run on our class."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import datasets
import pytest

SUITES = Path(__file__).with_name("suites_of_datasets.py")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "imaginet-tests"
NOT_FOR_US = {
    "BuilderTest::test_cache_dir_for_config_kwargs": "its configuration is not ours, which every builder of ours is given",
    "BuilderTest::test_cache_dir_for_configured_builder": "gives the data set another name; ours is called imaginet however it is made",
    "test_builder_with_filesystem_download_and_prepare": "needs a file system that is not in the package; see test_newcomers.py",
    "test_builder_with_filesystem_download_and_prepare_reload": "the same",
}
"""Tests that fail, and why each is none that our builder should pass."""
UTILITIES = '''
import contextlib, os, tempfile

import pyarrow as pa


@contextlib.contextmanager
def assert_arrow_memory_increases():
    before = pa.total_allocated_bytes()
    yield
    assert pa.total_allocated_bytes() > before


@contextlib.contextmanager
def assert_arrow_memory_doesnt_increase():
    before = pa.total_allocated_bytes()
    yield
    assert pa.total_allocated_bytes() <= before


@contextlib.contextmanager
def set_current_working_directory_to_temp_dir():
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(here)
'''
"""What the tests import and the source package does not hold."""


@pytest.fixture
def suites(tmp_path) -> Path:
    """A folder with the module ``tests.test_builder`` of datasets and what it needs beside it."""
    name = f"datasets-{datasets.__version__}"
    if not (CACHE / f"{name}.tar.gz").is_file():
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--no-binary", ":all:", "--no-deps", "--no-build-isolation",
            "--dest", str(CACHE), f"datasets=={datasets.__version__}",
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"pip cannot fetch {command[-1]}: {done.stderr.strip().splitlines()[-1]}")
    with tarfile.open(CACHE / f"{name}.tar.gz") as package:
        package.extract(f"{name}/tests/test_builder.py", tmp_path, filter="data")
    tests = tmp_path / name / "tests"
    (tests / "__init__.py").write_text("")
    (tests / "utils.py").write_text(UTILITIES)
    return tests.parent


@pytest.mark.slow
def test_datasets_own_tests_of_builders_pass_but_for_what_does_not_apply(suites, repository, tmp_path):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-W", "ignore"]
    command += ["-c", os.devnull, "--rootdir", str(tmp_path), "-rfEs", "--tb=line"]
    command.append(shutil.copy(SUITES, tmp_path))  # away from our own tests' set-up
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (suites, repository)))}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    print(done.stdout)
    failed = set(re.findall(r"^(?:FAILED|ERROR)\s[^:]*::(\S+)", done.stdout, re.MULTILINE))
    assert failed == set(NOT_FOR_US), done.stdout[-3000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None and int(passed[1]) >= 53, done.stdout[-3000:]
