"""One run of a command: started with a mark of its own, stopped at a chosen moment, its processes found in /proc."""

import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from tests.kills.commands import ROOT, Command, files_of

MARK = "IMAGINET_KILLED_RUN"
"""In the environment of a run and, by inheritance, of all that it starts."""
LINGER = 10
"""Seconds after which no process of a stopped run may be left."""
ENDS_WITHIN = 60
"""Seconds in which a command must end that was interrupted, or one of whose workers was killed."""
PATIENCE = 600
MANNERS = ("kill", "interrupt", "worker")
"""SIGKILL to the run's first process, Ctrl-C (SIGINT to its group), SIGKILL to the busiest process that it has started."""
HELPERS = ("resource_tracker", "forkserver", "semaphore_tracker")


class Times(NamedTuple):
    """Of a run that nobody disturbed: seconds until its first output, and until its end."""

    begun: float
    ended: float


class Stopped(NamedTuple):
    """How a run ended: seconds at which it was stopped (None if it was done before), status, standard error, processes left."""

    at: float | None
    status: int | None
    errors: str
    left: list[str]


def processes_with(mark: str) -> list[int]:
    """Ids of the living processes of a run."""
    found, wanted = [], f"{MARK}={mark}".encode()
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                environment = Path(f"/proc/{entry}/environ").read_bytes().split(b"\0")
                if wanted in environment and Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                    found.append(int(entry))
            except OSError:
                continue
    return sorted(found)


def workers_of(root: int, mark: str) -> list[int]:
    """The run's processes but its first one and those that only keep the books of others."""
    return [pid for pid in processes_with(mark) if pid != root and not any(name in _command_line(pid) for name in HELPERS)]


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _work_done(pid: int) -> int:
    """Ticks of the processor that a process has used: the system ends who works, not who waits or passes messages on."""
    try:
        return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
    except OSError:
        return -1


def _hear_interrupts() -> None:
    """What a shell starts in the background ignores SIGINT, and so does all that it starts in turn."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Place(NamedTuple):
    """The folders of one trial: what the command reads, where it writes, and a home and a current folder of its own."""

    inputs: Path
    top: Path

    @property
    def output(self) -> Path:
        return self.top / "places" / "out"

    def start(self, command: Command, mark: str) -> subprocess.Popen:
        """Starts the command. Its folder of temporary files is apart: what a killed program leaves there, the system clears."""
        for name in ("places", "home", "tmp"):
            (self.top / name).mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            MARK: mark,
            "HOME": str(self.top / "home"),
            "HF_HOME": str(self.top / "home" / "hf"),
            "TMPDIR": str(self.top / "tmp"),
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "PYTHONWARNINGS": "ignore",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        environment.pop("HF_DATASETS_CACHE", None)
        with open(self.top / "stdout", "wb") as output, open(self.top / "stderr", "wb") as errors:
            return subprocess.Popen(
                command.arguments(self.inputs, self.output),
                cwd=ROOT,
                env=environment,
                start_new_session=True,
                preexec_fn=_hear_interrupts,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
            )

    def last_words(self) -> str:
        """The end of the standard error, without progress bars."""
        lines = (self.top / "stderr").read_text(errors="replace").splitlines()
        return "\n".join(line for line in lines if not re.search(r"\d+%\||[a-z]+/s[\],]", line))[-1500:]

    def neighbours(self) -> dict[str, str]:
        """What lies beside the output in the user's folders, which a run must not leave anything in."""
        return {
            name: kind for name, kind in files_of(self.top / "places").items() if not name.startswith("out/") and name != "out"
        }

    def result(self, command: Command) -> dict[str, str]:
        """What the command made, and what lies beside it."""
        return {
            **command.result(self.output, self.top / "stdout"),
            **{f"beside: {name}": kind for name, kind in self.neighbours().items()},
        }


def undisturbed(command: Command, place: Place, mark: str) -> Times:
    """Runs the command to its end. Raises RuntimeError where it fails."""
    begun, first = time.monotonic(), None
    run = place.start(command, mark)
    while run.poll() is None and time.monotonic() - begun < PATIENCE:
        first = time.monotonic() if first is None and has_begun(command, place, mark) else first
        time.sleep(0.02)
    ended = time.monotonic()
    if run.poll() not in command.fine:
        run.kill()
        raise RuntimeError(f"{command.name} failed undisturbed, with {run.poll()}: {place.last_words()}")
    return Times((first or ended) - begun, ended - begun)


def has_begun(command: Command, place: Place, mark: str) -> bool:
    """Whether the work itself has begun: something is written, or workers are there."""
    if place.output.is_dir() and any(place.output.iterdir()) or any((place.top / "places").iterdir()):
        return True
    return command.worker and len(processes_with(mark)) > 1


def stop(command: Command, place: Place, mark: str, manner: str, times: Times, rng: random.Random) -> Stopped:
    """Starts the command and stops it at a random moment, four times in five one at which it is at work."""
    run, begun = place.start(command, mark), time.monotonic()
    if manner == "worker" or rng.random() < 0.8:
        while run.poll() is None and not has_begun(command, place, mark):
            time.sleep(0.01)
        delay = rng.uniform(0, 0.95) * (times.ended - times.begun)
    else:
        delay = rng.uniform(0.02, 1) * times.begun
    try:
        run.wait(delay)
        return Stopped(None, run.returncode, place.last_words(), _left(mark))
    except subprocess.TimeoutExpired:
        pass
    if manner == "kill":
        run.send_signal(signal.SIGKILL)
    elif manner == "interrupt":
        os.killpg(run.pid, signal.SIGINT)
    else:
        while run.poll() is None and not (workers := workers_of(run.pid, mark)):
            time.sleep(0.01)
        if run.poll() is not None:
            return Stopped(None, run.returncode, place.last_words(), _left(mark))
        before = {pid: _work_done(pid) for pid in workers}
        time.sleep(0.1)
        try:
            os.kill(max(workers, key=lambda pid: _work_done(pid) - before[pid]), signal.SIGKILL)
        except ProcessLookupError:  # it had ended meanwhile, so nothing was stopped
            return Stopped(None, run.wait(), place.last_words(), _left(mark))
    at = time.monotonic() - begun
    try:
        status = run.wait(ENDS_WITHIN + (times.ended if manner == "worker" else 0))
    except subprocess.TimeoutExpired:
        status = None
    left = _left(mark)
    return Stopped(at, status, place.last_words(), left)


def _left(mark: str) -> list[str]:
    """Command lines of the processes that are there after LINGER seconds; they are ended."""
    limit = time.monotonic() + LINGER
    while (pids := processes_with(mark)) and time.monotonic() < limit:
        time.sleep(0.1)
    found = [f"{pid}: {_command_line(pid)[:150]}" for pid in pids]
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return found
