"""Checkpoints: a run can be killed at any moment and goes on bit for bit as if it had not been.

A checkpoint is a folder ``checkpoints/step-000001500`` with what Accelerate saves (weights, optimizer, gradient scaler, random
states of every process, moving average of the weights) and ``state.json``: the place in the run, its history, options, data.
It is written aside and renamed when it is whole.
"""

import json
import math
import os
import pickle
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import SAFE_WEIGHTS_NAME, load
from safetensors import SafetensorError
from safetensors.torch import load_file

from imaginet_core.errors import first_line
from training.options import TrainingOptions

STATE = "state.json"
ENCODER, FROZEN = "encoder.", ("trunk.", "pixel_")
"""In the names of a checkpoint's weights: before those of the trunk's module, and the beginnings of those that a frozen one keeps."""
UNREADABLE = (OSError, RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError, SafetensorError)


@dataclass
class RunState:
    """Where a run stands; plain values.

    Attributes:
        stage: "contrastive" or "classifiers"; "" before the first.
        epoch: of the stage, the one under way.
        step: batches of this epoch that are done.
        steps: batches of the run that are done.
        stage_steps: batches of the stage that are done.
        totals: sums over the epoch under way.
        history: a row for each epoch of the run.
    """

    stage: str = ""
    epoch: int = 0
    step: int = 0
    steps: int = 0
    stage_steps: int = 0
    totals: dict = field(default_factory=dict)
    history: list[dict] = field(default_factory=list)

    def next_step(self) -> None:
        """One more batch is done."""
        self.step, self.stage_steps, self.steps = self.step + 1, self.stage_steps + 1, self.steps + 1

    def enter(self, stage: str) -> None:
        """The beginning of a stage."""
        self.stage, self.epoch, self.step, self.stage_steps, self.totals = stage, 0, 0, 0, {}

    def next_epoch(self, row: dict) -> None:
        """The epoch is done, ``row`` is its line of the history."""
        self.epoch, self.step, self.totals = self.epoch + 1, 0, {}
        self.history.append(row)


class Checkpoints:
    """Writes and reads the checkpoints of one run; every process of the run has one and makes the same calls.

    Args:
        accelerator: with the network and optimizer of the running stage prepared.
        folder: for the checkpoints; made when needed.
        options: of the run.
        fingerprint: of the training images.
    """

    def __init__(self, accelerator: Accelerator, folder: Path, options: TrainingOptions, fingerprint: str):
        self.accelerator, self.folder, self.options, self.fingerprint = accelerator, folder, options, fingerprint
        self.resumed_from: Path | None = None

    def resume(self) -> RunState:
        """The state of the last checkpoint, or that of a new run if there is none or ``options.run.resume`` is off.

        The weights follow when the stage's network is there, see :meth:`restore`.

        Raises:
            ValueError: if the checkpoint cannot be read, or options or images are not those that it was made with.
        """
        complete = self._all() if self.options.run.resume else []
        if not complete:
            return RunState()
        self.resumed_from = complete[-1]
        stored = _read_state(self.resumed_from)
        if not self.options.run.accept_changed_options:
            self._refuse_changes(stored)
        return stored["run"]

    def restore(self, average: torch.nn.Module | None) -> None:
        """Loads the tensors of the checkpoint that :meth:`resume` found into what the accelerator prepared.

        Raises ValueError if they cannot be read or do not fit.
        """
        random_states = self.resumed_from / f"random_states_{self.accelerator.process_index}.pkl"
        try:
            # with accepted changes there may be more processes than before
            if random_states.exists() or not self.options.run.accept_changed_options:
                load(random_states)  # Accelerate passes over those that it cannot read
            self.accelerator.load_state(str(self.resumed_from))
            if average is not None:
                average.load_state_dict(torch.load(self.resumed_from / "average.pt", map_location="cpu", weights_only=True))
        except torch.OutOfMemoryError:
            raise
        except UNREADABLE as error:
            raise self._not_readable(error) from error

    def _not_readable(self, error: Exception) -> ValueError:
        return ValueError(
            f"The checkpoint {self.resumed_from} cannot be read ({first_line(error)}); move it away and run the same command "
            "again to go on from the one before."
        )

    def restore_frozen(self, encoder: torch.nn.Module) -> None:
        """Loads what is frozen of a trunk from the checkpoint that :meth:`resume` found, before a stage's network is there.

        Raises ValueError if they cannot be read or do not fit.
        """
        try:
            stored = load_file(self.resumed_from / SAFE_WEIGHTS_NAME)
            found = {name.partition(ENCODER)[2]: value for name, value in stored.items() if ENCODER in name}
            frozen = {name: found[name] for name in encoder.state_dict() if name.startswith(FROZEN)}
            encoder.load_state_dict(frozen, strict=False)
        except UNREADABLE as error:
            raise self._not_readable(error) from error

    def save(self, state: RunState, held_out_loss: float, average: torch.nn.Module | None = None) -> None:
        """Writes a checkpoint and removes older ones of this run, but for the last ``checkpoints_kept`` and each stage's best.

        Raises:
            OSError: if it cannot be written; what was written of it is removed, the one before is intact.
        """
        place = self.folder / f"step-{state.steps:09d}"
        if place.exists():  # the end of a stage falls on a checkpoint
            return
        aside = self.folder / "being-written"
        try:
            self._write(aside, state, held_out_loss, average)
        except OSError as error:
            shutil.rmtree(aside, ignore_errors=True)
            last = (self._all() or [None])[-1]
            raise OSError(
                f"The checkpoint {place.name}: {error}; "
                + (f"the one before, {last.name}, is intact. " if last else "there is none before it. ")
                + "Make room on the disk and run the same command with --resume."
            ) from error
        if self.accelerator.is_main_process:
            aside.rename(place)
            self._remove_old()
        self.accelerator.wait_for_everyone()

    def save_for_inspection(self, state: RunState, paths: list[str]) -> Path:
        """Saves the state as it is and the files of each process's batch, for somebody to look at; returns the folder."""
        place = self.folder / f"not-finite-at-step-{state.steps:09d}"
        self._write(place, state, math.nan, None)
        listed = place / f"batch_of_process_{self.accelerator.process_index}.txt"
        listed.write_text("\n".join(paths) + "\n", encoding="utf-8", errors="surrogateescape")
        self.accelerator.wait_for_everyone()
        return place

    def _write(self, place: Path, state: RunState, held_out_loss: float, average: torch.nn.Module | None) -> None:
        if self.accelerator.is_main_process:
            shutil.rmtree(place, ignore_errors=True)  # what an interrupted run left of its own
            place.mkdir(parents=True)
        self.accelerator.wait_for_everyone()
        try:
            self.accelerator.save_state(str(place))
            if average is not None and self.accelerator.is_main_process:
                torch.save(average.state_dict(), place / "average.pt")
        except (OSError, RuntimeError, SafetensorError) as error:  # each library has its own for a full disk
            raise OSError(f"{place} could not be written ({first_line(error)})") from error
        if self.accelerator.is_main_process:
            stored = {
                "run": asdict(state), "held_out_loss": held_out_loss, "options": self.options.as_dict(),
                "fingerprint": self.fingerprint, "processes": self.accelerator.num_processes,
            }
            (place / STATE).write_text(json.dumps(stored, indent=1), encoding="utf-8")
            for file in place.iterdir():
                with open(file, "rb") as opened:
                    os.fsync(opened.fileno())
        self.accelerator.wait_for_everyone()

    def _all(self) -> list[Path]:
        """The complete checkpoints, oldest first."""
        return sorted(self.folder.glob("step-*"))

    def _remove_old(self) -> None:
        """All but the last few and each stage's best; the folder is the run's own."""
        complete = self._all()
        best = {}
        for place in complete:
            stored = _read_state(place)
            loss = stored["held_out_loss"] if math.isfinite(stored["held_out_loss"]) else math.inf
            best.setdefault(stored["run"].stage, []).append((loss, place))
        kept = {*complete[-self.options.run.checkpoints_kept :], *(min(candidates)[1] for candidates in best.values())}
        gone = self.folder / "being-removed"
        for place in set(complete) - kept:
            if gone.exists():  # by a run that was killed
                shutil.rmtree(gone)
            place.rename(gone)  # at once, so that a folder of a checkpoint's name is always whole
            shutil.rmtree(gone)

    def _refuse_changes(self, stored: dict) -> None:
        # what an earlier version did not know as an option it did as the recipe does, which the defaults are
        before, now = {**TrainingOptions().as_dict(), **stored["options"]}, self.options.as_dict()
        changed = [
            f"--{name} was {before[name]} and is {now[name]}" for name in sorted(self.options.names_that_change_the_result())
            if before[name] != now[name]
        ]
        if stored["fingerprint"] != self.fingerprint:
            changed.append("the training images are others (their paths or labels differ)")
        if stored["processes"] != self.accelerator.num_processes:
            changed.append(f"the run had {stored['processes']} process(es) and now has {self.accelerator.num_processes}")
        if changed:
            raise ValueError(
                f"{self.resumed_from} was made otherwise: {'; '.join(changed)}. Give the same options, another --output, or "
                "--accept_changed_options to go on all the same."
            )


def _read_state(place: Path) -> dict:
    """What ``_write`` stored, with the ``RunState`` under "run"."""
    try:
        stored = json.loads((place / STATE).read_text(encoding="utf-8"))
        stored["run"] = RunState(**stored["run"])
        for name in ("held_out_loss", "options", "fingerprint", "processes"):
            stored[name]
        return stored
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"The checkpoint {place} cannot be read ({first_line(error)}); move it away and run the same command again to go on "
            "from the one before."
        ) from error
