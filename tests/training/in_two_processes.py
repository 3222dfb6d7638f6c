"""A function in two processes that know of each other, as torchrun would start them, but forked: none imports anything anew."""

import os
import socket
from collections.abc import Callable

import threadpoolctl
import torch
from accelerate.state import AcceleratorState, GradientState
from torch.multiprocessing import start_processes

from tests.forked import part_from_parent


def in_two_processes(function: Callable, *arguments) -> None:
    """Calls the function in both, each on one thread; what they write is where this process writes.

    Raises torch.multiprocessing's ProcessException, and ends the other process, if one raises or exits with another status than 0.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
    }
    # where there is a GPU, PyTorch's backward passes start threads, and a process that has them cannot be forked
    method = "spawn" if torch.cuda.is_available() else "fork"
    start_processes(_one_of_them, (function, arguments, environment), nprocs=2, start_method=method)


def _one_of_them(number: int, function: Callable, arguments: tuple, environment: dict[str, str]) -> None:
    os.environ.update(environment, RANK=str(number), LOCAL_RANK=str(number))
    AcceleratorState._reset_state(reset_partial_state=True)  # what the process knew that this one was forked from
    GradientState._reset_state()
    threadpoolctl.threadpool_limits(1)
    part_from_parent()
    function(*arguments)
