"""The folder of a run: made, or gone on with, and locked while the run lasts; nothing of the user's in it is overwritten."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imaginet_core.storage.safe_writes import lock_or_refuse

FINISHED = "finished.txt"
"""In the output folder: what a run writes last, when the model is saved and, if asked for, uploaded."""
LOCK = ".lock"
RECONSTRUCTIONS, SIMULATED, STREAMED, CHECKPOINTS, TRACKING, FEATURES = (
    "twins", "simulated", "streamed", "checkpoints", "tracking", "features"
)
"""Subfolders of a run; each of them shows that a folder is one."""


@contextmanager
def output_folder(folder: str, resume: bool = False) -> Iterator[Path]:
    """Makes the run's folder and keeps other runs out of it meanwhile. To resume, it may hold what an unfinished run left.

    A folder in which nothing was written is not left behind.

    Raises:
        FileExistsError: if it holds something else, or another run writes it.
        OSError: if it cannot be made or written.
    """
    path = Path(folder)
    check_output_folder(path, resume)
    new = not path.exists()
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = lock_or_refuse(
            str(path / LOCK), f"Another run is writing {folder} right now; wait for its end or choose another --output."
        )
    except FileExistsError:
        raise
    except OSError as error:
        raise OSError(f"The output folder {folder} cannot be written ({error.strerror}); choose another --output.") from error
    try:
        yield path
    finally:
        lock.release()
        if not holds_anything(path):
            (path / LOCK).unlink(missing_ok=True)
            if new:
                path.rmdir()


def check_output_folder(path: Path, resume: bool) -> None:
    """Raises FileExistsError unless the folder is new or empty or, with ``resume``, holds what an unfinished run left."""
    if is_finished(path):
        raise FileExistsError(f"The run in {path} is complete; choose another --output or move it away.")
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"The output folder {path} is a file; choose another --output.")
    if not holds_anything(path):
        return
    if not resume:
        raise FileExistsError(
            f"The output folder {path} is not empty; choose another --output or move it away, or go on from its last "
            "checkpoint with --resume."
        )
    if not any((path / own).is_dir() for own in (RECONSTRUCTIONS, SIMULATED, STREAMED, CHECKPOINTS, TRACKING, FEATURES)):
        raise FileExistsError(f"The output folder {path} is not empty and holds no run to resume; choose another.")


def is_finished(folder: str | Path) -> bool:
    """Whether a run ended here."""
    return (Path(folder) / FINISHED).exists()


def holds_anything(path: Path) -> bool:
    """Whether a folder is there with anything but a lock in it."""
    return path.is_dir() and any(file.name != LOCK for file in path.iterdir())
