"""Work in a child process that may crash, hang or eat memory: its parent says which case did, and goes on with the others.

The child answers on a pipe of its own. Its standard error goes to a file with the traceback of a crash (faulthandler); a child
that takes too long is made to write that traceback, too, before it is killed with all processes that it has started.
"""

import json
import linecache
import os
import re
import select
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SECONDS, MEMORY = 10, 2 << 30
"""Of the processor, and bytes of resident memory, that one case may take."""
ADDRESS_SPACE = 10 << 30
WAIT = 90
"""Seconds by the clock for one case; more than SECONDS, as other programs may have the processor."""
KINDS = ("crash", "foreign", "sentence", "hang", "memory", "undecodable", "lost", "refused", "differs", "touched", "program")
"""What can go wrong: the process dies; an exception that is not ours; a message that is no sentence or names no file; too long;
too large; accepted but cannot be decoded; neither taken nor named as left out; a whole picture refused; two ways to read give
different pixels; the user's files changed; another program was started."""
OUR_PACKAGES = ("imaginet", "imaginet_core", "imaginet_tools", "modeling", "training", "scripts")
PLAIN = (
    ValueError,
    OSError,
    FileNotFoundError,
    FileExistsError,
    PermissionError,
    NotADirectoryError,
    IsADirectoryError,
    ModuleNotFoundError,
)


class Fault(NamedTuple):
    """One thing that went wrong, of KINDS, with the case's number and where it was."""

    number: int
    route: str
    kind: str
    message: str
    where: str = ""


def is_ours(error: BaseException) -> bool:
    """Whether an exception was raised on purpose by this project: of a class of its own, or a plain one by a `raise` in its code.

    One that came from another process is judged by the traceback that it carries as text.
    """
    if type(error).__module__.partition(".")[0] in OUR_PACKAGES:
        return True
    if type(error) not in PLAIN:
        return False
    remote = type(error.__cause__).__name__ in ("RemoteTraceback", "_RemoteTraceback")
    last = traceback.extract_tb(error.__traceback__)[-1:] if not remote else None
    if remote:
        frames = re.findall(r'File "([^"]+)", line (\d+)', str(error.__cause__))
        last = [traceback.FrameSummary(frames[-1][0], int(frames[-1][1]), "")] if frames else []
    if (
        not last
        or not last[0].filename.startswith(f"{ROOT}/")
        or f"{ROOT}/tests/" in last[0].filename
        or ".venv" in last[0].filename
    ):
        return False
    return linecache.getline(last[0].filename, last[0].lineno).strip().startswith("raise")


def is_sentence(message: str, names: tuple[str, ...] = ()) -> bool:
    """Whether it is short, in one piece, without memory addresses, and holds one of the names."""
    plain = message.replace("\n", " ") if "\n- " in message else message  # a list of files, one a line, is in one piece, too
    for name in names:
        plain = plain.replace(name, "…")
    is_plain = not re.search(r"Traceback|object at 0x|<class |\bNone\b|\n", plain) and 3 < len(plain) < 2000
    return is_plain and (not names or any(name and name in message for name in names))


def judge(error: BaseException, names: tuple[str, ...] = ()) -> tuple[str, str, str] | None:
    """(kind, message, where) of an exception that users must not meet, or None for one of our own sentences."""
    message = str(error.code) if isinstance(error, SystemExit) else str(error)
    original = error.__context__ if isinstance(error, SystemExit) and error.__context__ else error
    if isinstance(original, SystemExit):
        return None if is_sentence(message, names) else ("sentence", message, "")
    if not is_ours(original):
        while type(original).__module__.startswith("datasets.") and original.__cause__ is not None:
            original = original.__cause__  # datasets wraps what it meets; the cause says where to mend
        frames = traceback.extract_tb(original.__traceback__)
        own = [
            frame
            for frame in frames
            if frame.filename.startswith(f"{ROOT}/") and "/tests/" not in frame.filename and ".venv" not in frame.filename
        ]
        chosen = [*own[-1:], *frames[-1:]]
        where = " <- ".join(
            f"{frame.filename.removeprefix(f'{ROOT}/')}:{frame.lineno} {frame.name}" for frame in reversed(chosen)
        )
        kind = "memory" if isinstance(original, MemoryError) else "foreign"
        return kind, f"{type(original).__module__}.{type(original).__name__}: {original}"[:600], where
    if not is_sentence(message, names):
        return "sentence", f"{type(original).__name__}: {message}"[:600], ""
    return None


def processes_of(session: int) -> list[int]:
    """Ids of the processes of a session, itself first."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry))
    return sorted(found)


def _usage(pid: int) -> tuple[float, int]:
    """Seconds of the processor, those of ended children included, and bytes of resident memory."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0, 0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf("SC_PAGE_SIZE")


class Child:
    """The process that does the work; started anew after it was killed.

    Args:
        module: run as ``python -m module``; it reads jobs with :func:`jobs` and answers with :func:`tell`.
        folder: for its standard error and its home, caches and temporary files.
    """

    def __init__(self, module: str, folder: Path):
        self.module, self.folder, self.process, self.pipe = module, folder, None, None

    def start(self) -> None:
        """Starts it, with places and a PATH of its own: a program `gs` in it notes that it was called."""
        home, decoys = self.folder / "home", self.folder / "decoys"
        for folder in (home, decoys, self.folder / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        decoy = decoys / "gs"
        decoy.write_text(f"#!/bin/sh\ntouch {self.folder}/program_was_called\nexit 1\n")
        decoy.chmod(0o755)
        ours, theirs = os.pipe()
        environment = {
            **os.environ,
            "HOME": str(home),
            "HF_HOME": str(home / "hf"),
            "TMPDIR": str(self.folder / "tmp"),
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_CACHE": str(home / "datasets"),
            "PATH": f"{decoys}:{os.environ.get('PATH', '')}",
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "IMAGINET_ANSWERS": str(theirs),
            "IMAGINET_PROGRAM": str(self.folder / "program_was_called"),
            "PYTHONWARNINGS": "ignore",
            "TQDM_DISABLE": "1",
        }
        with open(self.folder / "stderr", "wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-m", self.module],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=errors,
                stderr=errors,
                env=environment,
                pass_fds=(theirs,),
                start_new_session=True,
            )
        os.close(theirs)
        self.pipe = open(ours, encoding="utf-8")
        self.rest = ""

    def kill(self, ask: bool = False) -> str:
        """Ends it and all that it started; ``ask``: for its traceback first. Returns the end of its standard error."""
        if self.process is None:
            return ""
        if ask and self.process.poll() is None:
            self.process.send_signal(signal.SIGABRT)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
        for pid in processes_of(self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.pipe.close()
        self.process = None
        return (self.folder / "stderr").read_text(errors="replace")

    def do(self, job: dict, seconds: float) -> tuple[list[Fault], Fault | None]:
        """The faults that it tells of, and the one that ended the child (its number that of the case at work, or -1) or None."""
        if self.process is None:
            self.start()
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        self.process.stdin.flush()
        at, begun, used, told = None, time.monotonic(), None, []
        while True:
            message = self._message(0.1)
            pids = processes_of(self.process.pid) if message is None else []
            if message is None and not pids and self.process.poll() is not None:
                message = self._message(0) or ""  # what it said between the question above and its end
            if isinstance(message, dict):
                told += [Fault(*fault) for fault in message["faults"]]
                if message["done"]:
                    return told, None
                at, begun, used = message["at"], time.monotonic(), None
            elif message == "":
                code = self.process.wait()
                return told, Fault(-1 if at is None else at, job["route"], "crash", f"ended with {code}", _own_lines(self.kill()))
            else:
                usages = [_usage(pid) for pid in pids]
                total = sum(spent for spent, _ in usages)
                used = total if used is None else used
                limit = 60 if at is None else seconds  # what is imported for a route, before its first case
                passed, memory = time.monotonic() - begun, max((memory for _, memory in usages), default=0)
                if total - used > limit or passed > WAIT + limit:
                    kind, said = "hang", f"{total - used:.1f} s of the processor, {passed:.1f} s by the clock"
                elif memory > MEMORY:
                    kind, said = "memory", f"{memory / 2**30:.2f} GiB"
                else:
                    continue
                return told, Fault(-1 if at is None else at, job["route"], kind, said, _own_lines(self.kill(ask=True)))

    def _message(self, patience: float):
        """The next line's value, "" where the child has closed its pipe, None where there is none yet."""
        if "\n" not in self.rest:
            if not select.select([self.pipe], [], [], patience)[0]:
                return None
            piece = os.read(self.pipe.fileno(), 1 << 16).decode()
            if not piece:
                return ""
            self.rest += piece
            if "\n" not in self.rest:
                return None
        line, _, self.rest = self.rest.partition("\n")
        return json.loads(line)


def _own_lines(errors: str) -> str:
    """The newest frames of a traceback of faulthandler, shortest form."""
    newest = errors.rpartition("Current thread")[2] if "Current thread" in errors else errors[-3000:]
    frames = re.findall(r'File "([^"]+)", line (\d+) in (\S+)', newest)
    return " <- ".join(f"{Path(file).name}:{line} {name}" for file, line, name in frames[:6]) or errors[-300:]


# in the child


def jobs():
    """The jobs that the parent sends, one after the other."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        yield json.loads(line)


def tell(at: int, faults: list[Fault], done: bool = False) -> None:
    """Faults found since the last word, and that case ``at`` begins (-1: all of the job at once) or that the job is done."""
    message = {"at": at, "faults": faults, "done": done}
    os.write(int(os.environ["IMAGINET_ANSWERS"]), json.dumps(message).encode() + b"\n")


def peak_memory() -> int:
    """The most bytes of resident memory since the last call, where the system allows to ask so; else those of now."""
    try:
        lines = Path("/proc/self/status").read_text()
        peak = int(re.search(r"VmHWM:\s+(\d+)", lines)[1]) << 10
        Path("/proc/self/clear_refs").write_text("5")
        return peak
    except OSError:
        return _usage(os.getpid())[1]
