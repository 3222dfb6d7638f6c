"""The Accelerate configurations: each is one that Accelerate reads, says how it is used, and starts what it says."""

import re
import sys

import pytest
from accelerate.commands.config.config_args import load_config_from_file

from tests import fresh_process
from tests.accelerate_launcher import single_process_of
from tests.conftest import ROOT

FILES = sorted((ROOT / "configs").glob("*.yaml"))
PROCESSES = {"cpu": 1, "cpu_two_processes": 2, "one_gpu": 1, "one_node_of_eight": 8}


def test_there_is_one_for_each_kind_of_machine():
    assert {file.stem for file in FILES} == set(PROCESSES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_accelerate_reads_it_and_its_heading_says_the_command_and_whether_it_was_run(file):
    config = load_config_from_file(str(file))
    assert (config.num_processes, config.num_machines) == (PROCESSES[file.stem], 1)
    heading = file.read_text(encoding="utf-8").partition("compute_environment")[0]
    assert f"accelerate launch --config_file configs/{file.name} train_selfcon.py --preset" in heading
    assert re.search("# Not run: no GPU was at hand." if "gpu" in file.stem or "eight" in file.stem else "# Run on", heading)


def test_one_process_is_started_on_the_cpu(monkeypatch):
    command, environment = single_process_of(monkeypatch, ROOT / "configs" / "cpu.yaml", "script.py")
    assert command[-1] == "script.py" and environment["ACCELERATE_USE_CPU"] == "True" and "WORLD_SIZE" not in environment


def test_two_processes_are_started_on_the_cpu_and_know_of_each_other(tmp_path, monkeypatch):
    script = tmp_path / "say.py"
    script.write_text(
        "import pathlib, sys\nfrom accelerate import Accelerator\naccelerator = Accelerator(cpu=True)\n"
        "said = f'{accelerator.num_processes} {accelerator.device.type}'\n"
        "pathlib.Path(f'{sys.argv[1]}/{accelerator.process_index}.txt').write_text(said)\n"
        "accelerator.wait_for_everyone()\naccelerator.end_training()\n"
    )
    python = tmp_path / "python"  # as the launcher calls it: python -u SCRIPT
    python.write_text(f'#!/bin/sh\nshift\nexec "{sys.executable}" "{fresh_process.__file__}" run "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("PYTHON_EXEC", str(python))
    command = ["-m", "accelerate.commands.launch", "--config_file", ROOT / "configs" / "cpu_two_processes.yaml", script, tmp_path]
    done = fresh_process.run(command, ROOT)
    assert done.returncode == 0, done.stderr
    said = [file.read_text() for file in sorted(tmp_path.glob("*.txt"))]
    assert said == ["2 cpu"] * 2
