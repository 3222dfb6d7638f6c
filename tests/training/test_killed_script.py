"""The whole script, killed with all its processes at random moments and started again by the same command. Takes minutes."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.training.test_train_selfcon import SMALLEST

LAUNCHERS = {
    1: ("accelerate.commands.launch", "--cpu", "--num_processes", "1"),
    2: ("torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
}


def start(repository, launcher, dataset, output) -> subprocess.Popen:
    options = [*SMALLEST, "--epochs", "60", "--num_workers", "1", "--checkpoint_every", "7", "--ema_decay", "0.9", "--resume"]
    return subprocess.Popen(
        [sys.executable, "-m", *launcher, "train_selfcon.py", *options, "--dataset", str(dataset), "--output_dir", str(output)],
        cwd=repository, env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )


def learned(output) -> tuple[bytes, list]:
    history = json.loads((output / "report.json").read_text())["training"]["history"]
    return (output / "model" / "model.safetensors").read_bytes(), [{**row, "seconds": None} for row in history]


@pytest.mark.slow
@pytest.mark.parametrize("processes", LAUNCHERS)
def test_the_script_killed_at_random_moments_gives_the_weights_of_an_uninterrupted_run(repository, tiny_dataset, tmp_path, processes):
    begun = time.monotonic()
    whole = start(repository, LAUNCHERS[processes], tiny_dataset, tmp_path / "whole")
    assert whole.wait(600) == 0, whole.stderr.read()
    seconds, killed_at = time.monotonic() - begun, []
    for _ in range(4):
        run = start(repository, LAUNCHERS[processes], tiny_dataset, tmp_path / "killed")
        try:
            run.wait(moment := random.uniform(0.3, 0.9) * seconds)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            steps = sorted(place.name for place in (tmp_path / "killed" / "checkpoints").glob("step-*"))
            killed_at.append((round(moment, 1), steps[-1:]))
        else:
            break
    last = start(repository, LAUNCHERS[processes], tiny_dataset, tmp_path / "killed")
    assert last.wait(600) == 0 or "is complete" in last.stderr.read()
    print(f"{processes} process(es), {seconds:.0f} s uninterrupted; killed after (s, last checkpoint): {killed_at}")
    assert killed_at and learned(tmp_path / "killed") == learned(tmp_path / "whole")
