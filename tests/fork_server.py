"""A server of Python processes that begin with large libraries imported, and with nothing of this project or of Hugging Face.

``python tests/fork_server.py DESCRIPTOR`` listens on that inherited Unix socket until its standard input ends. Whoever connects (see
``tests/fresh_process.py``) sends a byte with three descriptors, then a line of JSON, and is told the process's number and, when it has
ended, its exit status, eight bytes each. PyTorch alone takes seconds to import, and a new process for a test needs it nearly always.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import types

# None of them reads an environment variable that a test changes. Hugging Face's libraries do (HF_HOME, HF_ENDPOINT ...), when imported.
LIBRARIES = (
    "torch", "torchvision", "torch.distributed.checkpoint", "torch.nn.attention.flex_attention", "scipy.optimize", "scipy.stats",
    "sklearn.metrics", "sklearn.ensemble", "pandas", "pyarrow.parquet", "pyarrow.dataset", "PIL.Image", "cv2", "aiohttp",
    "requests", "yaml",
)
OURS_OR_HUGGING_FACE = {"imaginet", "imaginet_core", "imaginet_tools", "modeling", "training", "huggingface_hub", "transformers", "datasets"}


def serve(listener: socket.socket) -> dict:
    """Returns in each of the new processes, with what was asked for; the server itself ends here."""
    handlers: set[int] = set()
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if listener not in ready:  # nobody is left to ask
            for handler in handlers:
                os.waitpid(handler, 0)
            os._exit(0)
        connection, _ = listener.accept()
        handler = os.fork()
        if handler == 0:
            listener.close()
            return handle(connection)
        connection.close()
        handlers = {pid for pid in {*handlers, handler} if os.waitpid(pid, os.WNOHANG) == (0, 0)}


def handle(connection: socket.socket) -> dict:
    """Forks the process, in which this returns, tells of it, and ends it if who asked for it is gone."""
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile(encoding="utf-8") as stream:
        request = json.loads(stream.readline())
    pid = os.fork()
    if pid == 0:
        connection.close()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        return request
    for descriptor in descriptors:
        os.close(descriptor)
    connection.sendall(pid.to_bytes(8, "big", signed=True))
    ended = threading.Event()
    threading.Thread(target=end_with_asker, args=(connection, pid, ended), daemon=True).start()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    ended.set()
    try:
        connection.sendall(status.to_bytes(8, "big", signed=True))
    except OSError:
        pass  # who asked is gone
    os._exit(0)


def end_with_asker(connection: socket.socket, pid: int, ended: threading.Event) -> None:
    """Waits until the other end is closed; a process that has not ended by then is told to."""
    connection.recv(1)
    if not ended.is_set():
        os.kill(pid, signal.SIGTERM)


def become(program: list[str], folder: str, environment: dict[str, str]) -> None:
    """Runs ``-c CODE``, ``-m MODULE`` or ``FILE`` with its arguments, as a new interpreter would in that folder and environment."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path[:0] = [place for place in environment.get("PYTHONPATH", "").split(os.pathsep) if place]
    if program[0] == "-c":
        sys.path.insert(0, "")
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        sys.argv = ["-c", *program[2:]]
        exec(compile(program[1], "<string>", "exec"), main.__dict__)
    elif program[0] == "-m":
        sys.path.insert(0, folder)
        sys.argv = program[1:]
        runpy.run_module(program[1], run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, os.path.dirname(os.path.abspath(program[0])))
        sys.argv = program
        runpy.run_path(program[0], run_name="__main__")


if __name__ == "__main__":
    del sys.path[0]  # the folder of the tests
    listener = socket.socket(fileno=int(sys.argv[1]))
    for library in LIBRARIES:
        importlib.import_module(library)
    assert not OURS_OR_HUGGING_FACE & set(sys.modules), OURS_OR_HUGGING_FACE & set(sys.modules)
    gc.collect()
    gc.freeze()
    become(**serve(listener))
