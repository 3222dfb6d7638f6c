"""The same file as a loading script of datasets 3, in an environment of its own (`make test` sets it up)."""

import json
import os
import subprocess

import pytest

from tests.imaginet.trees import write_tree

SCRIPT = """
import json, sys
import datasets
script, raw, cache = sys.argv[1:]
load = lambda *name, **more: datasets.load_dataset(script, *name, trust_remote_code=True, cache_dir=cache, **more)
found = {"version": datasets.__version__}
found["sample"] = {split: len(rows) for split, rows in load("sample").items()}
found["faces"] = load("faces", data_dir=raw, num_proc=2)["test"]["path"]
found["slice"] = len(load(data_dir=raw, split="test[:34%]"))
found["streamed"] = [row["image"].size for row in load("faces", data_dir=raw, split="test", streaming=True)]
try:
    load()
except FileNotFoundError as error:
    found["without data_dir"] = str(error)
print(json.dumps(found))
"""


@pytest.fixture
def python_with_datasets3(repository):
    python = repository / ".venv-datasets3" / "bin" / "python"
    if not python.exists():
        pytest.skip("needs an environment with datasets 3.6: run `make setup-test`")
    return python


@pytest.mark.parametrize("by_folder", [False, True])
def test_as_a_loading_script_of_datasets_3(python_with_datasets3, repository, tmp_path, by_folder):
    raw = write_tree(tmp_path / "raw")
    script = repository / "imaginet.py"
    if by_folder:  # <folder>/<folder>.py, with the sample beside it
        folder = tmp_path / "imaginet"
        folder.mkdir()
        (folder / "imaginet.py").write_bytes(script.read_bytes())
        (folder / "sample").symlink_to(repository / "sample")
        script = folder
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [python_with_datasets3, "-c", SCRIPT, script, raw, tmp_path / "cache"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["version"].startswith("3.6.")
    assert found["sample"] == {"train": 128, "test": 64}
    assert found["faces"] == ["ffhq/d.png", "ffhq_stylegan/e.png"] and found["streamed"] == [[2, 3], [2, 3]]
    assert found["slice"] == 3
    assert 'load_dataset("imaginet", "sample")' in found["without data_dir"]
