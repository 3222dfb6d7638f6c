"""A wheel, installed anywhere: every configuration and every command but training work outside the clone, without it."""

import json
import os
import shutil
import subprocess
import sys
import zipfile

import datasets
import pytest

from tests import fresh_process
from tests.imaginet.trees import write_tree

CONFIGURATIONS = """
import json, sys
import imaginet
from datasets import load_dataset
raw, found = sys.argv[1], {"file": imaginet.__file__}
found["sample"] = load_dataset("imaginet", "sample").num_rows
for name in ("all", *imaginet.CONTENTS, *imaginet.PERTURBED):
    found[name] = load_dataset("imaginet", name, data_dir=raw).num_rows
found["aligned"] = load_dataset("imaginet", "faces", data_dir=raw, aligned=True).num_rows
found["streamed"] = sum(1 for _ in load_dataset("imaginet", "perturbed", data_dir=raw, split="test", streaming=True))
print(json.dumps(found))
"""


def run(*command, environment=None, cwd=None) -> subprocess.CompletedProcess:
    """A module of Python's, or in an environment and a folder what is installed there."""
    if environment is None:
        done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, timeout=180)
    else:
        done = fresh_process.run(command, cwd, environment)
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(repository, tmp_path_factory):
    """The wheel of what is in the clone, built without a connection."""
    source = tmp_path_factory.mktemp("wheel") / "source"
    source.mkdir()
    for name in ("imaginet.py", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, source)
    for name in ("imaginet_core", "imaginet_tools", "sample", "dataset_card"):
        shutil.copytree(repository / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    run("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", source.parent, source)
    return next(source.parent.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """(folder that it is installed into, environment that finds it there and has caches of its own)."""
    target = tmp_path_factory.mktemp("installed") / "site"
    run("-m", "pip", "install", "--quiet", "--no-deps", "--target", target, wheel)
    return target, {**os.environ, "PYTHONPATH": str(target), "HF_HOME": str(target.parent / "home"), "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp("raw") / "raw")


@pytest.fixture
def imaginet_command(installed, tmp_path):
    """Runs the console command in an empty folder; returns what it printed."""
    target, environment = installed
    return lambda *arguments: run(target / "bin" / "imaginet", *arguments, environment=environment, cwd=tmp_path).stdout


def test_the_wheel_holds_every_file_of_ours_and_nothing_with_a_general_name(wheel, repository):
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        licences = archive.read("imaginet_sample/LICENSES.md")
    assert {name.partition("/")[0] for name in names} == {
        "imaginet.py", "imaginet_core", "imaginet_tools", "imaginet_sample", "imaginet_dataset_card",
    }
    ours = [
        file.relative_to(repository).as_posix() for package in ("imaginet_core", "imaginet_tools")
        for file in (repository / package).rglob("*.*") if file.is_file() and file.suffix != ".pyc"
    ]
    assert sorted(name for name in names if name.startswith(("imaginet_core/", "imaginet_tools/"))) == sorted(ours)
    assert licences == (repository / "sample" / "LICENSES.md").read_bytes()
    assert sum(name.endswith(".jpg") for name in names) == 192


def test_every_configuration_is_built(installed, raw, tmp_path):
    target, environment = installed
    found = json.loads(run("-c", CONFIGURATIONS, raw, environment=environment, cwd=tmp_path).stdout.splitlines()[-1])
    assert found.pop("file") == str(target / "imaginet.py")
    assert found == {
        "sample": {"train": 128, "test": 64}, "all": {"train": 6, "test": 9}, "photos": {"train": 2, "test": 2},
        "paintings": {"train": 2, "test": 2}, "faces": {"train": 2, "test": 2}, "uncategorized": {"test": 3},
        "perturbed": {"test": 9}, "perturbed_photos": {"test": 2}, "perturbed_paintings": {"test": 2},
        "perturbed_faces": {"test": 2}, "perturbed_uncategorized": {"test": 3}, "aligned": {"train": 2, "test": 2}, "streamed": 9,
    }


def test_doctor_and_its_verification(imaginet_command, raw):
    shown = imaginet_command("doctor", "--data_dir", raw)
    assert "ffhq" in shown and "missing" in shown.splitlines()[0]
    assert json.loads(imaginet_command("doctor", "--data_dir", raw, "--config_name", "faces", "--json"))["findings"] is None


def test_audit(installed, tmp_path):
    """With few trees, which the command has no option for."""
    options = ["--sample", "--split", "test", "--limit", "24", "--num_proc", "1", "--output", "report"]
    code = "import sys\nfrom imaginet_tools.audit import classifier\nclassifier.TREES = 5\nfrom imaginet_tools.commands.main import main\n"
    shown = run("-c", f"{code}sys.exit(main(sys.argv[1:]))", "audit", *options, environment=installed[1], cwd=tmp_path).stdout
    assert sorted(os.listdir(tmp_path / "report")) == ["audit.json", "audit.md", "audit.png"]
    assert json.loads((tmp_path / "report" / "audit.json").read_text(encoding="utf-8"))["sentence"] in shown


def test_perturb(imaginet_command, tmp_path):
    shown = imaginet_command("perturb", "--sample", "--split", "test", "--num_proc", "1", "--output", "perturbed")
    assert shown == "64 images in perturbed, with metadata.csv.\n"
    assert len(list((tmp_path / "perturbed").rglob("*.webp"))) == 64


def test_export(imaginet_command, installed, tmp_path):
    shown = imaginet_command("export", "--config_name", "sample", "--output", "my_sample")
    assert shown == "192 of 192 images written to my_sample, with a card (README.md)\n"
    assert "not ImagiNet" in (tmp_path / "my_sample" / "README.md").read_text(encoding="utf-8")
    loaded = datasets.load_dataset(str(tmp_path / "my_sample"), "sample", cache_dir=str(tmp_path / "cache"))
    assert loaded.num_rows == {"train": 128, "test": 64}


@pytest.mark.parametrize("start", [("bin/imaginet",), ("-m", "imaginet_tools.commands.main"), ("imaginet.py",)])
def test_the_command_is_there_under_each_of_its_names(installed, start, tmp_path):
    target, environment = installed
    command = [target / part if "imaginet" in part and "_" not in part else part for part in start]
    shown = run(*command, "--help", environment=environment, cwd=tmp_path).stdout
    assert shown.startswith("usage: imaginet COMMAND") and "doctor" in shown and "export" in shown
