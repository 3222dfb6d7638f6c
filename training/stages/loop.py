"""The training loop that both stages run: epochs of batches, checkpoints, the log. One place reads top to bottom what a step is."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from training.run.context import Run
from training.run.progress import Progress
from training.views.batches import Batches


class Step(Protocol):
    """Fills the gradients of one step."""

    def __call__(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """This process's part of a batch -> the loss's terms over the whole batch; their sum is the loss."""


@dataclass
class Stage:
    """One stage of training.

    Attributes:
        name: "contrastive" or "classifiers".
        epochs: how many.
        first_epoch: number of its first epoch for order and views, so that no two epochs of a run see the same views.
        network, optimizer: prepared by the accelerator.
        batches: its data.
        step: fills the gradients.
        rate: learning rate of an epoch, counted from 0.
        held_out_loss: of images that train nothing; tells the best checkpoint.
        average: moving average of the network's weights, kept up to date and stored with checkpoints; or None.
    """

    name: str
    epochs: int
    first_epoch: int
    network: nn.Module
    optimizer: torch.optim.Optimizer
    batches: Batches
    step: Step
    rate: Callable[[int], float]
    held_out_loss: Callable[[], float]
    average: torch.optim.swa_utils.AveragedModel | None = None


@dataclass
class Totals:
    """Sums over an epoch that is under way; plain values, stored with checkpoints."""

    seconds: float = 0.0
    images: int = 0
    steps: int = 0
    terms: dict[str, float] = field(default_factory=dict)

    def add(self, terms: dict[str, float], images: int) -> None:
        self.steps, self.images = self.steps + 1, self.images + images
        for name, term in terms.items():
            self.terms[name] = self.terms.get(name, 0.0) + term

    def row(self, stage: str, epoch: int, rate: float) -> dict:
        """The epoch's row of the history."""
        means = {name: total / max(1, self.steps) for name, total in self.terms.items()}
        return {
            "stage": stage, "epoch": epoch, "learning_rate": rate, "loss": sum(means.values()), **means,
            "seconds": self.seconds, "images": self.images,
        }


def run_stage(run: Run, stage: Stage) -> None:
    """Trains from where the run stands to the end of the stage; its state and history move along.

    Raises:
        FloatingPointError: at the first loss that is not a finite number, with step and files; the state is saved for a look at it.
        OSError: if a checkpoint cannot be written.
    """
    accelerator, state = run.accelerator, run.state
    if state.stage != stage.name:
        state.enter(stage.name)
    elif state.step or state.epoch:
        run.checkpoints.restore(stage.average)
    totals = Totals(**state.totals)
    steps = None if stage.batches.steps is None else stage.epochs * stage.batches.steps
    done = state.stage_steps
    stage.network.train()
    with Progress(accelerator, stage.name, steps, done) as progress:
        while state.epoch < stage.epochs:
            started, earlier = time.monotonic(), totals.seconds
            rate = stage.rate(state.epoch)
            for group in stage.optimizer.param_groups:
                group["lr"] = rate
            for batch in progress.timed(stage.batches.epoch(stage.first_epoch + state.epoch, skip=state.step)):
                stage.optimizer.zero_grad()
                terms = stage.step(batch)
                check_finite(run, stage, terms, batch)
                update(run, stage)
                images = len(batch["label"]) * accelerator.num_processes
                totals.add(terms, images)
                progress.step(images, sum(terms.values()))
                state.next_step()
                if state.stage_steps % run.options.run.checkpoint_every == 0:
                    totals.seconds = earlier + time.monotonic() - started
                    state.totals = vars(totals)
                    run.checkpoints.save(state, stage.held_out_loss(), stage.average)
            if not state.step:
                raise ValueError(f"An epoch of the stage {stage.name} has no batch; lower --batch_size.")
            totals.seconds = earlier + time.monotonic() - started
            row = totals.row(stage.name, state.epoch, rate)
            totals = Totals()
            state.next_epoch(row)
            run.log(row)
    if state.stage_steps > done:
        run.checkpoints.save(state, stage.held_out_loss(), stage.average)


def update(run: Run, stage: Stage) -> None:
    """Moves the weights along their gradients, and the moving average after them."""
    max_grad_norm = run.options.stage_1.max_grad_norm
    if max_grad_norm is not None:
        # of what learns: in stage 2 the trunk still holds stage 1's last gradients, but not after a resumption
        learning = [parameter for parameter in stage.network.parameters() if parameter.requires_grad]
        run.accelerator.clip_grad_norm_(learning, max_grad_norm)
    stage.optimizer.step()
    if stage.average is not None:
        stage.average.update_parameters(run.accelerator.unwrap_model(stage.network))


def check_finite(run: Run, stage: Stage, terms: dict[str, float], batch: dict[str, Tensor]) -> None:
    """Raises FloatingPointError if the loss is not a finite number, after saving the state before this step beside the checkpoints."""
    if all(map(math.isfinite, terms.values())):
        return
    paths = stage.batches.paths(batch)
    folder = run.checkpoints.save_for_inspection(run.state, paths)
    shown = ", ".join(paths[:8]) + (f" and {len(paths) - 8} more of this process" if len(paths) > 8 else "")
    raise FloatingPointError(
        f"The loss of stage {stage.name} is not a finite number in epoch {run.state.epoch}, step {run.state.step} "
        f"({', '.join(f'{name} {term}' for name, term in terms.items())}). Images of the batch: {shown}. All of them, and the "
        f"weights before the step, are in {folder}; look at the images, or lower --learning_rate."
    )
