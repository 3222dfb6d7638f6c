"""A forked process of the tests is as a new one: its place, arguments, environment, exit status and the modules that it knows."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests import fresh_process

SAYS = """
import json, os, pathlib, sys
print(json.dumps([
    __name__, sys.argv, os.getcwd(), sys.path[0], sys.path[1:] == sorted(set(sys.path[1:]), key=sys.path.index), os.environ.get("A"),
    "HOME" in os.environ, sorted(name for name in sys.modules if name.split(".")[0] in ("imaginet", "modeling", "tests", "huggingface_hub")),
    sys.stdin.read(),
]))
print("said", file=sys.stderr)
sys.exit(len(sys.argv))
"""


@pytest.mark.parametrize("start", ["-c", "-m", "file"])
def test_it_is_as_a_new_interpreter(tmp_path, start):
    (tmp_path / "says.py").write_text(SAYS)
    program = {"-c": ["-c", SAYS], "-m": ["-m", "says"], "file": ["says.py"]}[start] + ["one", "2"]
    environment = {"A": "ä", "PATH": os.environ["PATH"], fresh_process.SERVER: fresh_process.address()}
    new = subprocess.run(
        [sys.executable, *program], cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )
    forked = fresh_process.run(program, tmp_path, environment)
    assert (forked.returncode, json.loads(forked.stdout), forked.stderr) == (3, json.loads(new.stdout), new.stderr)
    assert new.returncode == 3 and json.loads(new.stdout)[-2] == []


def test_an_error_and_a_signal_are_told_apart(tmp_path):
    done = fresh_process.run(["-c", "import nothing_of_this_name"], tmp_path)
    assert done.returncode == 1 and "No module named 'nothing_of_this_name'" in done.stderr
    with open(os.devnull, "r+") as nothing:
        process = fresh_process.FreshProcess(["-c", "import time; time.sleep(600)"], tmp_path, os.environ, [nothing] * 3)
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == process.poll() == -signal.SIGTERM
