"""What a process that a test forks, and perhaps kills, must not share with the process of the test."""

import threading

import torch
from tqdm import tqdm


def part_from_parent() -> None:
    """To be called first in a forked process: the lock of tqdm's bars is one of all processes, and who is killed while it holds it
    never gives it back; of PyTorch's threads there is but the one that forked."""
    waiting, lock = [tqdm], threading.RLock()
    while waiting:
        kind = waiting.pop()
        kind.set_lock(lock)
        waiting += kind.__subclasses__()
    torch.set_num_threads(1)
