"""What all stages of a run share."""

from dataclasses import dataclass

from accelerate import Accelerator

from training.options import TrainingOptions
from training.run.checkpoints import Checkpoints, RunState
from training.run.trackers import log_row


@dataclass(frozen=True)
class Run:
    """One run of training; every process of the launch has one.

    Attributes:
        accelerator: the processes, their device and arithmetic.
        options: of the run.
        checkpoints: where the run's are written and read.
        state: where the run stands; moves along with it.
    """

    accelerator: Accelerator
    options: TrainingOptions
    checkpoints: Checkpoints
    state: RunState

    def say(self, words: str) -> None:
        """Tells the user, once for all processes."""
        self.accelerator.print(words)

    def log(self, row: dict) -> None:
        """Hands an epoch's row of the history to the trackers: stage, epoch, learning_rate, loss, its terms, seconds, images."""
        log_row(self.accelerator, row, self.state.steps)
