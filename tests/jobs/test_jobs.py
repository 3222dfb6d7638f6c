"""The scripts for `hf jobs uv run`: their headers are PEP 723 and name packages that this project declares, and they run."""

import json
import os
import re
import runpy
import subprocess
import sys
import tomllib

import pytest

JOBS = ("evaluate", "train")


def header_of(repository, name: str) -> dict:
    """The PEP 723 header of a job, as its specification says it is found."""
    text = (repository / "jobs" / f"{name}.py").read_text(encoding="utf-8")
    [block] = re.findall(r"(?m)^# /// script$\n((?:^#(?:| .*)$\n)+?)^# ///$", text)
    return tomllib.loads("".join(line[2:] + "\n" for line in block.splitlines()))


@pytest.mark.parametrize("name", JOBS)
def test_headers_name_what_the_project_declares_with_its_floors(repository, name):
    header = header_of(repository, name)
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert header["requires-python"] == project["requires-python"]
    known = (repository / "requirements.txt").read_text(encoding="utf-8").splitlines()
    for requirement in header["dependencies"]:
        if requirement.startswith("imaginet["):
            assert set(requirement[len("imaginet["):-1].split(",")) <= project["optional-dependencies"].keys()
        else:
            assert requirement in known


def test_the_job_of_evaluation_is_the_command(repository, tmp_path, monkeypatch):
    (tmp_path / "scores.csv").write_text(
        "path,label,probability\n" + "".join(f"{n},{'real' if n % 2 else 'fake'},0.{n:02}\n" for n in range(20)), encoding="utf-8",
    )
    options = ["--scores", str(tmp_path / "scores.csv"), "--resamples", "5", "--output", str(tmp_path / "report")]
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *options])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(repository / "jobs" / "evaluate.py"), run_name="__main__")
    assert ended.value.code == 0 and (tmp_path / "report" / "report.html").exists()


def test_the_job_of_training_hands_its_options_on(repository, tmp_path):
    run = lambda *arguments: subprocess.run([sys.executable, str(repository / "jobs" / "train.py"), *arguments], capture_output=True, text=True)
    assert run().returncode == 2
    refused = run(str(tmp_path), "--lr", "1")
    assert refused.returncode == 1 and "has no train_selfcon.py" in refused.stderr
    (tmp_path / "train_selfcon.py").write_text("import sys\nprint(sys.argv[1:])\nsys.exit(7)\n", encoding="utf-8")
    handed = run(str(tmp_path), "--lr", "1")
    assert handed.returncode == 7 and handed.stdout.strip() == "['--lr', '1']"


@pytest.mark.slow
@pytest.mark.parametrize("name", JOBS)
def test_headers_resolve_offline(repository, name):
    """By pip's resolver, of this clone and what is installed: every requirement is met at once, without an index."""
    wanted = [
        f"imaginet{each.removeprefix('imaginet')} @ {repository.as_uri()}" if each.startswith("imaginet[") else each
        for each in header_of(repository, name)["dependencies"]
    ]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--no-build-isolation", "--quiet", "--report", "-", *wanted]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {each["metadata"]["name"].lower() for each in json.loads(done.stdout)["install"]} <= {"imaginet"}  # all else is there


@pytest.mark.slow
def test_the_job_of_evaluation_runs_on_the_sample(repository, tmp_path):
    options = [
        "--model", f"ours={repository}/tests/data/version_0_1/model", "--sample", "--limit", "32", "--resamples", "5",
        "--out_of_scope", "1", "--workers", "1", "--store", str(tmp_path / "store"), "--output", str(tmp_path / "report"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(repository)}  # as if the package were installed
    done = subprocess.run([sys.executable, str(repository / "jobs" / "evaluate.py"), *options], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "On 16 real and 16 synthetic images" in done.stdout and (tmp_path / "report" / "report.html").exists()
