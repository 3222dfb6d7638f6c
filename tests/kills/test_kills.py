"""A command stopped at any moment and given again makes what an undisturbed one makes, and leaves nothing and nobody behind."""

import sys

import pytest

from tests.kills import killed_runs
from tests.kills import run as kills
from tests.kills.commands import COMMANDS, Command, files_of

CARELESS = """
import pathlib, subprocess, sys, time
out = pathlib.Path(sys.argv[1])
pathlib.Path(out.parent, f"aside-{time.time_ns()}").touch()
if sys.argv[2] == "True":
    subprocess.Popen(["sleep", "60"])
out.mkdir(exist_ok=True)
with open(out / "lines", "a") as file:
    for number in range(20):
        print(number, file=file, flush=True)
        time.sleep(0.05)
"""


@pytest.mark.parametrize("child", [True, False])
def test_a_careless_command_is_found_out(tmp_path, monkeypatch, child):
    """One that appends to what is there, leaves files beside its output and, if it is killed, a process."""
    monkeypatch.setattr(killed_runs, "LINGER", 1)
    careless = Command(
        "careless", lambda inputs, out: [sys.executable, "-c", CARELESS, str(out), str(child)], lambda out, stdout: files_of(out)
    )
    monkeypatch.setitem(COMMANDS, "careless", careless)
    monkeypatch.setattr(kills, "manner_of", lambda command, rng: "kill")
    journal = kills.run(1, 0, tmp_path, ["careless"], pictures=8)
    kinds = {kind for entry in journal.done.values() for kind, _ in entry["faults"]}
    assert kinds == {"differs", "left"} | ({"processes"} if child else set())
    assert kills.run(1, 0, tmp_path, ["careless"]).done == journal.done  # nothing is done again


def test_export_survives_a_kill(tmp_path):
    """Of a build that is killed tests/imaginet/test_builder_options.py tells, of a training tests/training/run/test_checkpoints.py."""
    journal = kills.run(1, 11, tmp_path, ["export"], pictures=24)
    assert not any(entry["faults"] for entry in journal.done.values()), list(journal.done.values())


@pytest.mark.slow
def test_a_hundred_kills(tmp_path):
    journal = kills.run(100, 2026, tmp_path, list(COMMANDS))
    assert not any(entry["faults"] for entry in journal.done.values()), list(journal.done.values())
