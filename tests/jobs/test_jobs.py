"""The scripts for `hf jobs uv run`: their headers are PEP 723 and name packages that this project declares, and they run."""

import re
import runpy
import subprocess
import sys
import tomllib

import pytest

JOBS = ("evaluate", "train")


@pytest.mark.parametrize("name", JOBS)
def test_headers_name_what_the_project_declares_with_its_floors(repository, name):
    text = (repository / "jobs" / f"{name}.py").read_text(encoding="utf-8")
    [block] = re.findall(r"(?m)^# /// script$\n((?:^#(?:| .*)$\n)+?)^# ///$", text)
    header = tomllib.loads("".join(line[2:] + "\n" for line in block.splitlines()))
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
