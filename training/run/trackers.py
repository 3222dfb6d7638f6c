"""The course of training in any tracker that Accelerate knows (TensorBoard, Weights & Biases, MLflow, ...), by its name.

    accelerator = Accelerator(**tracker_arguments(options.run.tracker, output))
    start_trackers(accelerator, options)          # once the output folder is there
    log_row(accelerator, row, step)               # after each epoch
    log_figures(accelerator, report, step)        # at the end; then accelerator.end_training()
"""

from pathlib import Path

from accelerate import Accelerator
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

from imaginet_tools.evaluation.report import Report
from imaginet_tools.evaluation.tables import FIGURES
from training.options import TrainingOptions

PROJECT = "imaginet"
ALL = "all"
FOLDER = "tracking"
"""In the output folder, for trackers that write files."""
NOT_LOGGED = ("stage", "epoch")
"""Of a row of the history; they are in the names and the steps."""


def installed_trackers() -> list[str]:
    """Names of the trackers whose library is installed, and of those registered with Accelerate by the user."""
    there = {str(each.value) for each in get_available_trackers()}
    own = {name for name, tracker in LOGGER_TYPE_TO_CLASS.items() if not tracker.__module__.startswith("accelerate.")}
    return [name for name in LOGGER_TYPE_TO_CLASS if name in there | own]


def tracker_arguments(name: str | None, output: str | Path) -> dict:
    """What ``Accelerator(...)`` needs for the tracker: nothing without one.

    Args:
        name: of the tracker, "all" for those that are installed, or None.
        output: the run's folder.

    Raises:
        ValueError: for a tracker that Accelerate does not know or whose library is not installed; names those that are.
    """
    if name is None:
        return {}
    installed = installed_trackers()
    if name not in installed and not (name == ALL and installed):
        problem = "is not installed" if name in LOGGER_TYPE_TO_CLASS else "is not known"
        none = f"none is installed; install one of {', '.join(LOGGER_TYPE_TO_CLASS)}"
        there = f"installed: {', '.join(installed)}" if installed else none
        raise ValueError(f"--tracker {name} {problem} ({there}).")
    # by name, as "all" would leave out those that the user has registered
    return {"log_with": installed if name == ALL else [name], "project_dir": str(Path(output) / FOLDER)}


def start_trackers(accelerator: Accelerator, options: TrainingOptions) -> None:
    """Starts the trackers and hands them the options. Every process calls it; does nothing without trackers.

    Raises:
        ValueError: with the tracker's own words if it cannot start (say, for want of a login).
    """
    if not accelerator.log_with:
        return
    try:
        accelerator.init_trackers(PROJECT, config=plain_options(options))
    except Exception as error:  # every tracker has errors of its own kind
        words = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"--tracker {options.run.tracker} could not start: {words}") from error


def plain_options(options: TrainingOptions) -> dict[str, bool | int | float | str]:
    """The options as the plain values that every tracker takes: lists as text, what is not set left out."""
    values = {name: value for name, value in options.as_dict().items() if value is not None}
    return {name: " ".join(map(str, value)) if isinstance(value, list) else value for name, value in values.items()}


def log_row(accelerator: Accelerator, row: dict, step: int) -> None:
    """An epoch's row of the history as "stage/name" values.

    Args:
        row: stage, epoch, learning_rate, loss and its terms, seconds, images.
        step: number of the epoch over both stages, or any other number that grows.
    """
    values = {f"{row['stage']}/{name}": value for name, value in row.items() if name not in NOT_LOGGED}
    accelerator.log(values, step=step)


def log_figures(accelerator: Accelerator, report: Report, step: int) -> None:
    """The report's overall figures as "test/detector/condition/figure" values, with the ends of their intervals."""
    values = {}
    for row in report.figures:
        if row.kind == "overall":
            for name in FIGURES:
                estimate, place = getattr(row.metrics, name), f"test/{row.detector}/{row.condition}/{name}"
                ends = {"": estimate.value, "_low": estimate.low, "_high": estimate.high}
                values |= {place + end: value for end, value in ends.items() if value is not None}
    if values:
        accelerator.log(values, step=step)
