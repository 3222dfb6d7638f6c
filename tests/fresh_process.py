"""New Python processes without the seconds that the import of PyTorch takes: they are forked from ``tests/fork_server.py``.

``python -m tests.fresh_process serve COMMAND ...`` runs a command with such a server, which all processes below it share, and
``python -m tests.fresh_process run -m MODULE ...`` is ``python -m MODULE ...`` in a fork of it. A test that runs without asks for a
server of its own.
"""

import atexit
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

SERVER = "IMAGINET_TESTS_FORK_SERVER"
"""The environment variable with the path of the server's socket."""


class FreshProcess:
    """A process, as ``subprocess.Popen`` has it as far as tests need it.

    Args:
        program: what would follow ``python``: ``-c CODE``, ``-m MODULE`` or a file, and arguments.
        cwd: its folder.
        env: its environment.
        streams: open files or descriptors: standard input, output and error.
    """

    def __init__(self, program, cwd, env: Mapping[str, str], streams):
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.connect(address())
        socket.send_fds(self._connection, [b"\0"], [each if isinstance(each, int) else each.fileno() for each in streams])
        request = {"program": [str(word) for word in program], "folder": str(cwd), "environment": dict(env)}
        self._connection.sendall(json.dumps(request).encode() + b"\n")
        self.pid, self.returncode = self._number(), None

    def _number(self) -> int:
        told = self._connection.recv(8, socket.MSG_WAITALL)
        if len(told) < 8:
            raise ChildProcessError(f"The server of new processes has ended; what went wrong it said itself ({os.environ[SERVER]}).")
        return int.from_bytes(told, "big", signed=True)

    def send_signal(self, number: int) -> None:
        """To the process, which must not have ended."""
        os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, negative for a signal, when it has ended. Raises TimeoutExpired if it has not after so many seconds."""
        if self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            self.returncode = self._number()
            self._connection.close()
        return self.returncode

    def poll(self) -> int | None:
        """Its exit status if it has ended."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None


def run(program, cwd, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess:
    """As ``subprocess.run`` with captured output, as text, and an empty standard input."""
    with open(os.devnull) as nothing, tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        status = FreshProcess(program, cwd, os.environ if env is None else env, [nothing, output, errors]).wait()
        output.seek(0), errors.seek(0)
        return subprocess.CompletedProcess(program, status, output.read(), errors.read())


def address() -> str:
    """Path of the server's socket; one is started if there is none, and ends with this process."""
    if SERVER not in os.environ:
        folder = Path(tempfile.mkdtemp(prefix="imaginet-tests-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ[SERVER] = str(folder / "socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(os.environ[SERVER])
            listener.listen(64)
            command = [sys.executable, str(Path(__file__).with_name("fork_server.py")), str(listener.fileno())]
            environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
            server = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, pass_fds=[listener.fileno()], start_new_session=True, cwd=folder,
            )
        atexit.register(server.communicate)  # the end of its standard input ends it
    return os.environ[SERVER]


def main(verb: str, *command: str) -> int:
    """The command line."""
    if verb == "serve":
        address()
        running = subprocess.Popen(command)
        try:
            return running.wait()
        except KeyboardInterrupt:  # the command has it too
            return running.wait()
    process = FreshProcess(command, os.getcwd(), os.environ, [0, 1, 2])
    try:
        return process.wait()
    except KeyboardInterrupt:  # of a terminal, which the process is not a child of
        process.send_signal(signal.SIGINT)
        return process.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
