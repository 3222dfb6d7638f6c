"""Whatever is imported is declared, where it is needed, and with the same floors everywhere."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from tests.read_imports import imports_of

DISTRIBUTIONS = {
    "PIL": "pillow", "pytorch_grad_cam": "grad-cam", "c2pa": "c2pa-python", "cv2": "opencv-python-headless", "linkify_it": "linkify-it-py", "pillow_heif": "pillow-heif",
    "sklearn": "scikit-learn", "yaml": "pyyaml",
}
"""Module -> distribution, where they are called differently."""
EXTRAS = {
    "imaginet_core/provenance/c2pa_process.py": "provenance",
    "imaginet_core/pictures/decode.py": "heif", "imaginet_core/storage/seven_zip_archives.py": "archives",
    "imaginet_tools/audit": "audit",
    "imaginet_tools/doctor/verify.py": "verify", "imaginet_tools/evaluation": "evaluate",
    "imaginet_tools/evaluation/rivals/torch_module.py": "timm",
    "imaginet_tools/inference/networks/torch_network.py": "score", "imaginet_tools/inference/networks/early_exit.py": "score", "imaginet_tools/inference/networks/folding.py": "score",
    "imaginet_tools/inference/networks/onnx_network.py": "onnx", "imaginet_tools/inference/networks/openvino_network.py": "openvino",
    "imaginet_tools/inference/export_model.py": "openvino", "imaginet_tools/inference/export_model_int8.py": "onnx",
    "imaginet_tools/inference/export_model_parity.py": "onnx", "imaginet_tools/inference/export_model_graph.py": "openvino score",
    "imaginet_tools/inference/scoring/ray_engine.py": "ray", "imaginet_tools/evaluation/stored/ray_scoring.py": "ray",
    "imaginet_tools/inference/score_report": "report", "imaginet_tools/inference/service": "serve", "imaginet_tools/commands/serving/serve.py": "serve",
    "imaginet_tools/inference/app": "app", "imaginet_tools/metrics": "audit",
}
"""Of what is installed, what may import more than ``pip install imaginet`` brings: path or folder -> extras that bring it."""
FROM_CLONE = ("train_selfcon.py", "modeling", "training", "scripts", "benchmarks", "examples", "jobs", "metrics")
OPTIONAL = {
    "captum": ("benchmarks",), "grad-cam": ("benchmarks",),
    "onnx": ("benchmarks",), "onnxruntime": ("benchmarks",), "openvino": ("benchmarks",), "ray": ("benchmarks",),
    "timm": ("benchmarks", "modeling", "training"), "diffusers": ("training",), "peft": ("training",), "evaluate": ("metrics",),
}
"""Distributions of options that say what to install; requirements-test.txt has them."""


def python_files(root: Path, *places: str) -> list[Path]:
    """The files among ``places`` and those in the folders among them, but for test data."""
    found = [file for place in places for file in sorted((root / place).rglob("*.py")) or [root / place]]
    return [file for file in found if root / "tests" / "data" not in file.parents]


def others(file: Path, root: Path) -> dict[str, int]:
    """Distribution -> first line that imports it, of those that are neither Python's own nor ours."""
    ours = {path.stem for path in (*root.iterdir(), *file.parent.glob("*.py")) if path.suffix == ".py" or path.is_dir()}
    found: dict[str, int] = {}
    for each in imports_of(file, root):
        top = each.module.partition(".")[0]
        if not each.level and top not in ours and top not in sys.stdlib_module_names:
            found.setdefault(DISTRIBUTIONS.get(top, top), each.line)
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def parsed(requirements: list[str]) -> dict[str, str]:
    """Distribution -> versions, of lines as pip takes them."""
    found = {}
    for line in requirements:
        name, _, versions = re.fullmatch(r"([\w.-]+)(\[[\w,]+\])?\s*(.*)", line.partition("#")[0].strip()).groups()
        found[normal(name)] = versions
    return found


def read(file: Path) -> dict[str, str]:
    return parsed([line for line in file.read_text(encoding="utf-8").splitlines() if line.partition("#")[0].strip()])


@pytest.fixture(scope="module")
def project(repository) -> dict:
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def undeclared(root: Path, files: list[Path], declared) -> list[str]:
    """file:line of every import that ``declared(path)``, the distributions that a file may import, does not hold."""
    found = []
    for file in files:
        path = file.relative_to(root).as_posix()
        missing = {name: line for name, line in others(file, root).items() if normal(name) not in declared(path)}
        found += [f"{path}:{line}: {name} is not declared" for name, line in missing.items()]
    return found


def test_what_is_installed_declares_what_it_imports(repository, project):
    base = parsed(project["dependencies"]).keys()

    def declared(path: str) -> set:
        extras = [extra for place, named in EXTRAS.items() for extra in named.split() if path == place or path.startswith(f"{place}/")]
        return base | {name for extra in extras for name in parsed(project["optional-dependencies"][extra])}

    files = python_files(repository, "imaginet.py", "imaginet_core", "imaginet_tools")
    assert len(files) > 50 and undeclared(repository, files, declared) == []


def test_what_runs_from_the_clone_declares_what_it_imports(repository):
    needed, for_tests = (read(repository / name).keys() for name in ("requirements.txt", "requirements-test.txt"))

    def declared(path: str) -> set:
        return needed | {name for name, places in OPTIONAL.items() if name in for_tests and path.startswith(places)}

    assert undeclared(repository, python_files(repository, *FROM_CLONE), declared) == []
    for_page = read(repository / "requirements-app.txt").keys()
    of_page = "tests/imaginet_tools/inference/app/"
    assert undeclared(repository, python_files(repository, "tests"), lambda path: needed | for_tests | (for_page if path.startswith(of_page) else set())) == []


def test_versions_agree_wherever_they_stand(repository, project):
    everywhere = [parsed(project["dependencies"]), *(parsed(each) for each in project["optional-dependencies"].values())]
    of_clone = read(repository / "requirements.txt")
    known = {**read(repository / "requirements-app.txt"), **read(repository / "requirements-test.txt"), **of_clone}
    for each in everywhere:
        assert each == {name: known.get(name, versions) for name, versions in each.items()}
    missing = {name for each in everywhere for name in each} - known.keys() - {"imaginet"}
    assert not missing  # `make test` runs every command
    older = read(repository / "requirements-datasets3.txt")
    assert older.pop("datasets") == "==3.6.*" and older == {name: of_clone[name] for name in older}


def test_all_is_all(project):
    extras = project["optional-dependencies"]
    (line,) = extras["all"]
    assert set(line.removeprefix("imaginet[").removesuffix("]").split(",")) == extras.keys() - {"all"}


def test_an_import_that_nobody_declares_is_found(tmp_path):
    (tmp_path / "imaginet_core").mkdir()
    file = tmp_path / "imaginet_core" / "files.py"
    file.write_text("import os\nimport imaginet_core\n\n\ndef read():\n    from PIL import Image\n    import numpy\n")
    assert undeclared(tmp_path, [file], lambda path: {"numpy"}) == ["imaginet_core/files.py:6: pillow is not declared"]
