"""Ctrl-C in the first seconds of every program, while libraries are imported: one sentence, status 130, nobody left behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

from imaginet_core import interrupts

TRAIN = ["train_selfcon.py", "--preset", "demo"]
PROGRAMS = {
    "imaginet.py doctor": ["imaginet.py", "doctor", "--data_dir", "sample", "--verify"],
    "imaginet.py audit": ["imaginet.py", "audit", "--sample"],
    "imaginet perturb": ["-m", "imaginet_tools.commands.main", "perturb", "--sample"],
    "imaginet export": ["-m", "imaginet_tools.commands.main", "export", "--config_name", "sample"],
    "train_selfcon.py": TRAIN,
    "convert": ["-m", "scripts.convert_published_weights", "nothing.pt"],
    "update_sample_card": ["-m", "scripts.update_sample_card"],
}
OUTPUT = {"imaginet.py audit", "imaginet perturb", "imaginet export", "train_selfcon.py"}
LIBRARY = {"train_selfcon.py": "torch", "convert": "torch"}
"""What a program is imported to when it is interrupted; else datasets."""


def start(repository, program: str, tmp_path) -> subprocess.Popen:
    """The program in a group of its own, with SIGINT as a terminal's child has it."""
    command = [sys.executable, *PROGRAMS[program], *(["--output", str(tmp_path / "out")] if program in OUTPUT else [])]
    command += [str(tmp_path / "out")] if program == "convert" else []
    return subprocess.Popen(
        command, cwd=repository, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler), env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )


def imports(process: subprocess.Popen, library: str) -> bool:
    """Whether a process has files of a library's extension modules mapped."""
    try:
        with open(f"/proc/{process.pid}/maps", encoding="utf-8") as maps:
            return any(f"/{library}/" in line or "/pyarrow/" in line for line in maps)
    except OSError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks into /proc to find the moment")
@pytest.mark.parametrize("program", PROGRAMS)
def test_ctrl_c_while_libraries_are_imported_is_one_sentence(program, repository, tmp_path):
    running = start(repository, program, tmp_path)
    deadline = time.monotonic() + 60
    while not imports(running, LIBRARY.get(program, "datasets")) and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    os.killpg(running.pid, signal.SIGINT)
    printed, words = running.communicate(timeout=60)
    assert running.returncode == 130 and printed == ""
    assert words.count("\n") == 1 and words.endswith("interrupted while it was starting; nothing was done.\n")
    with pytest.raises(ProcessLookupError):  # nobody is left of the group
        os.killpg(running.pid, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("after", [0.3, 0.7, 1.5, 3.0, 5.0])
def test_ctrl_c_at_any_time_is_no_traceback(after, program, repository, tmp_path):
    running = start(repository, program, tmp_path)
    time.sleep(after)
    os.killpg(running.pid, signal.SIGINT)
    _, words = running.communicate(timeout=120)
    assert "Traceback" not in words and "Exception ignored" not in words
    assert running.returncode in (0, 1, 130, -signal.SIGINT)  # the last: Python was ending already
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)


@pytest.fixture
def default_handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_after_the_imports_ctrl_c_lets_work_be_put_away(default_handler, capsys):
    interrupts.end_at_once_on_interrupt("program")
    put_away = []
    with pytest.raises(SystemExit) as end, interrupts.one_sentence_on_interrupt("program", "all was put away"):
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            put_away.append(True)
    assert end.value.code == 130 and put_away and capsys.readouterr().err == "program: interrupted; all was put away.\n"


def test_an_ignored_ctrl_c_and_a_handler_of_somebody_else_stay(default_handler):
    for handler in (signal.SIG_IGN, lambda *_: None):
        signal.signal(signal.SIGINT, handler)
        interrupts.end_at_once_on_interrupt("program")
        interrupts.raise_on_interrupt()
        assert signal.getsignal(signal.SIGINT) is handler
