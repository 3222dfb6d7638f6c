"""Training runs in folders of their own, gone on with where they stand; and how many steps an epoch of one has."""

import io
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from imaginet_tools.images.image_set import REAL, ImageSet
from training.options import TrainingOptions
from training.run.output_folder import is_finished
from training.views.batches import BatchOrder

ROOT = Path(__file__).resolve().parents[2]


def finish_run(folder: Path, command: list[str], program: str, title: str) -> float | None:
    """Trains a run from where it stands to its end; nothing if it is finished.

    Args:
        folder: of the run.
        command: of train_selfcon.py, without its folder.
        program: that says so if the run fails.
        title: printed before it starts.

    Returns:
        the seconds of processor time that were spent now, of all processes of the run; None if there was nothing to do.

    Raises:
        SystemExit: if it fails.
    """
    with alone(folder) as lock:
        if is_finished(folder):
            return None
        print(f"== {title}", flush=True)
        before = _processor_seconds()
        done = subprocess.run([*command, "--output_dir", str(folder), "--resume"], cwd=ROOT, pass_fds=(lock.fileno(),))
        if done.returncode:
            sys.exit(f"{program}: the run in {folder} failed (see above); the same command goes on when that is mended.")
        return _processor_seconds() - before


@contextmanager
def alone(folder: Path) -> Iterator[io.TextIOWrapper]:
    """Waits until no run writes the folder; yields the lock's file. The run inherits it, as it goes on when this script is killed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with io.open(folder.with_suffix(".lock"), "w") as lock:
        if not filelock.lock_descriptor(lock.fileno(), blocking=False):
            print(f"A run that was started earlier is still writing {folder}; waiting for its end.", flush=True)
            filelock.lock_descriptor(lock.fileno())
        yield lock


def steps_per_epoch(options: TrainingOptions, images: ImageSet) -> int:
    """Batches in an epoch of stage 1 over the training images; a synthetic counterpart of a real image is one more row."""
    has_counterpart = (images.label == REAL) & options.views.has_counterparts
    return BatchOrder(has_counterpart, options.stage_1.batch_size, options.run.seed).steps


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
