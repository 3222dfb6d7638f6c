"""The folder of a run: made, or gone on with; nothing of the user's in it is overwritten."""

from pathlib import Path

FINISHED = "finished.txt"
"""In the output folder: what a run writes last, when the model is saved and, if asked for, uploaded."""
RECONSTRUCTIONS, STREAMED, CHECKPOINTS, TRACKING = "twins", "streamed", "checkpoints", "tracking"
"""Subfolders of a run; each of them shows that a folder is one."""


def prepare_output_folder(folder: str, resume: bool = False) -> Path:
    """Makes the run's folder. To resume, it may hold what an unfinished run left.

    Raises FileExistsError if it already holds something else: nothing of the user's is overwritten.
    """
    path = Path(folder)
    if (path / FINISHED).exists():
        raise FileExistsError(f"The run in {folder} is complete; choose another --output_dir or move it away.")
    if path.is_dir() and any(path.iterdir()):
        if not resume:
            raise FileExistsError(
                f"The output folder {folder} is not empty; choose another --output_dir or move it away, or go on from its last "
                "checkpoint with --resume."
            )
        if not any((path / own).is_dir() for own in (RECONSTRUCTIONS, STREAMED, CHECKPOINTS, TRACKING)):
            raise FileExistsError(f"The output folder {folder} is not empty and holds no run to resume; choose another.")
    path.mkdir(parents=True, exist_ok=True)
    return path
