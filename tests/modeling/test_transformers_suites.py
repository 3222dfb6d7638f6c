"""Transformers' own test suites, of the release that is installed, taken from its source package and run on a small detector."""

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import transformers

SUITES = Path(__file__).with_name("suites_of_transformers.py")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "imaginet-tests"
NOT_FOR_US = {
    "ModelSuite::test_correct_missing_keys": "base_model is the trunk, which is no PreTrainedModel of its own in a detector",
    "ModelSuite::test_hidden_states_output": "asks for hidden states that are sequences; ours are maps, see test_outputs.py",
    "ModelSuite::test_model_get_set_embeddings": "asks for an embedding of tokens",
    "ConfigSuite::test_create_and_test_config_with_num_labels": "asks for five classes; a detector has two and refuses others",
    "ImageProcessorSuite::test_call_numpy_4_channels": "asks for four channels out; ours drops the fourth, which is transparency",
    "ImageProcessorSuite::test_new_models_require_torchvision_backend": "asks for torchvision, which the project does without",
}
"""Tests that fail, and why each is none that a detector should pass."""
STUBS = {
    "tests/__init__.py": "",
    "tests/exporters/__init__.py": "", "tests/exporters/test_export.py": "class ExportTesterMixin: pass\n",
    "tests/generation/__init__.py": "", "tests/generation/test_utils.py": "class GenerationTesterMixin: pass\n",
    "tests/utils/__init__.py": "", "tests/utils/test_configuration_utils.py": (
        "config_common_kwargs = {'return_dict': False, 'output_hidden_states': True, 'output_attentions': True,\n"
        "    'dtype': 'float16', 'chunk_size_feed_forward': 5, 'architectures': ['SelfConModel']}\n"
    ),
    "fetch_hub_objects_for_ci.py": "def url_to_local_path(url, *_, **__): return url\n",
}
"""What the suites import and the source package does not hold: exporters, text generation, a list of options."""


def pip(*arguments) -> None:
    """Runs pip, or skips the test where it cannot reach its index."""
    done = subprocess.run([sys.executable, "-m", "pip", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"pip cannot fetch {arguments[-1]}: {done.stderr.strip().splitlines()[-1]}")


@pytest.fixture
def suites(tmp_path) -> Path:
    """A folder with Transformers' package ``tests`` and what it needs beside it."""
    name = f"transformers-{transformers.__version__}"
    if not (CACHE / f"{name}.tar.gz").is_file():
        pip(
            "download", "--quiet", "--no-binary", ":all:", "--no-deps", "--no-build-isolation", "--dest", CACHE,
            f"transformers=={transformers.__version__}",
        )
    if not (CACHE / "parameterized").is_dir():
        pip("install", "--quiet", "--no-deps", "--target", CACHE, "parameterized==0.9.0")
    with tarfile.open(CACHE / f"{name}.tar.gz") as package:
        package.extractall(tmp_path, [each for each in package if each.name.startswith(f"{name}/tests/")], filter="data")
    folder = tmp_path / name
    for file, content in STUBS.items():
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(content)
    return folder


@pytest.mark.slow
def test_transformers_own_suites_pass_but_for_what_does_not_apply(suites, repository, tmp_path):
    path = os.pathsep.join(map(str, (suites, CACHE, repository)))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-W", "ignore"]
    command += ["-c", os.devnull, "--rootdir", tmp_path, "-rfEs", "--tb=line", SUITES]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, cwd=tmp_path, capture_output=True, text=True)
    failed = set(re.findall(r"^(?:FAILED|SUBFAILED\S*|ERROR)\s.*?::(\w+::\w+)", done.stdout, re.MULTILINE))
    print(done.stdout)
    assert failed == set(NOT_FOR_US), done.stdout[-3000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None and int(passed[1]) >= 90, done.stdout[-3000:]
