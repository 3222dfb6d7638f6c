"""One row of the table: a run for each generator that is left out, and the scores of what it was kept from."""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import torch
from accelerate import Accelerator

from benchmarks.trainings.resumed import finish_run, steps_per_epoch
from benchmarks.unseen.parts import Lab, Part, Plan
from benchmarks.unseen.rows import ROWS, WARMUP, Row
from benchmarks.unseen.scores import scores_of
from imaginet_core.storage.safe_writes import write_aside
from imaginet_tools.evaluation.calibrate import calibrate
from imaginet_tools.evaluation.detectors import PixelStatisticsDetector, TorchDetector
from imaginet_tools.evaluation.report import Report
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.images.splits import Splits, load_splits
from imaginet_tools.inference.saved_detector import open_detector
from modeling import SelfConForImageClassification, SelfConImageProcessor
from training.command_line import parse_options
from training.options import TrainingOptions
from training.run.output_folder import is_finished
from training.simulation.held_out import held_out_images
from training.simulation.simulated import make_simulated, with_simulated
from training.views.recipes import TURNED_UPRIGHT

SPENT = "processor_seconds.txt"
"""In a run's folder: its seconds of processor time."""


def make_row(name: str, row: Row, lab: Lab, plan: Plan, out: Path) -> dict:
    """Trains (or goes on with, or finds finished) the row's runs and scores them; see :func:`_run` for what is told of each.

    Args:
        name, row: of ``rows.ROWS``.
        lab: the images.
        plan: of the table.
        out: folder for the runs.
    """
    runs = []
    for generator in lab.generators:
        part = lab.part(generator, plan.folds, row.known)
        runs.append(_run(name, row, part, lab, plan, out))
    return {
        "row": name, "options": list(row.options), "known": row.known, "plan": plan._asdict(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"), "runs": runs,
    }


def command_of(row: Row, part: Part, lab: Lab, plan: Plan, out: Path) -> list[str]:
    """The command line of one run, but for its folder; its list of images is written into ``out``."""
    lists = out / "lists" / _name_of(row, part, plan)
    lab.write_list(part.train, lists)
    command = [sys.executable, "train_selfcon.py", *plan.common, "--data_dir", str(lab.folder), "--annotations", str(lists)]
    command += ["--seed", str(plan.seed), *row.options]
    if plan.views is None:
        return command
    epochs = epochs_for(plan.views, parse_options(command[2:]))
    return [*command, "--epochs", str(epochs), "--warmup_epochs", str(round(WARMUP * epochs))]


def epochs_for(views: int, options: TrainingOptions) -> int:
    """How many epochs of stage 1 show about so many views: a degraded copy beside each image is a view of its own."""
    images = load_splits(options.data, options.run.seed, real_only=bool(options.views.simulate)).train
    shown = options.stage_1.batch_size * (2 if options.stage_1.consistency else 1)
    return max(1, round(views / (shown * steps_per_epoch(options, images))))


def statistics_detector(options: TrainingOptions, folder: Path) -> PixelStatisticsDetector:
    """The logistic regression on pixel statistics of a run's images, with ``--simulate`` also on their simulated counterparts.

    ``folder`` keeps the networks that simulate.
    """
    splits = splits_of(options)
    train, held_out = (_with_simulated(images, splits, options, folder) for images in (splits.train, splits.held_out))
    return PixelStatisticsDetector(train, held_out)


def part_of_detector(place: str, part: str, options: TrainingOptions, folder: Path) -> TorchDetector:
    """One part of a saved detector alone, calibrated anew on the held-out images of its run.

    Args:
        place: folder of the model.
        part: see :class:`Row`.
        options: of the run.
        folder: see :func:`statistics_detector`.
    """
    model = SelfConForImageClassification.from_pretrained(place, **({"shifts": [0]} if part == "corner" else {}))
    silent = model.classifier[-1].parameters() if part == "statistics" else model.statistics_classifier.buffers()
    with torch.no_grad():
        for tensor in silent:
            tensor.zero_()
    detector = TorchDetector(model, SelfConImageProcessor.from_pretrained(place))
    # no counterparts beside images of both classes: they tell what is a guess, which no row has
    calibrate(detector, held_out_images(splits_of(options), options, folder, Accelerator(cpu=True), least=sys.maxsize).images)
    return detector


def splits_of(options: TrainingOptions) -> Splits:
    """The images that a run trains on and those held out, as it sees them."""
    return load_splits(options.data, options.run.seed, real_only=bool(options.views.simulate)).as_seen(TURNED_UPRIGHT[options.views.views])


def _with_simulated(images: ImageSet, splits: Splits, options: TrainingOptions, folder: Path) -> ImageSet:
    """The images, with ``--simulate`` also their simulated counterparts."""
    views = options.views
    if not views.simulate:
        return images
    return with_simulated(images, make_simulated(
        splits.train, images, views.simulate, views.simulated_networks, folder, options.run.seed, Accelerator(cpu=True)
    ))


def options_of(row: Row, part: Part, lab: Lab, plan: Plan, out: Path) -> TrainingOptions:
    """The options of one run, but for its folder; see :func:`command_of`."""
    return parse_options(command_of(row, part, lab, plan, out)[2:])


def folder_of(row: Row, part: Part, plan: Plan, out: Path) -> Path:
    """Of one run, named by what it trains with. A run on real pictures alone is the same for all generators of a fold."""
    slug = "_".join(each.removeprefix("--") for each in row.options) or "preset"
    return out / slug / _name_of(row, part, plan)


def finished_folder(name: str, part: Part, plan: Plan, out: Path) -> Path:
    """The folder of a finished run of a row. Raises SystemExit where there is none."""
    folder = folder_of(ROWS[name], part, plan, out)
    if not is_finished(folder):
        raise SystemExit(f'{folder} has no finished run; first: python -m benchmarks.unseen --rows "{name}", with these options.')
    return folder


def _name_of(row: Row, part: Part, plan: Plan) -> str:
    """What differs between runs of the same options: which images they train on."""
    known = {None: part.generator, 0: "real"}.get(row.known, f"{part.generator}_{row.known}_known")
    return f"{known}_fold{part.fold}of{plan.folds}"


def _run(name: str, row: Row, part: Part, lab: Lab, plan: Plan, out: Path) -> dict:
    """Plain values: the generator left out, seconds, threshold, and of each scored picture path, source, label, probabilities."""
    command = command_of(row, part, lab, plan, out)
    options = parse_options(command[2:])
    told = {"generator": part.generator, "fold": part.fold, "trained_on": part.train.counts()["generator"]}
    if row.statistics:
        started = time.process_time()
        detector = statistics_detector(options, out / "simulated")
        told |= {"processor_seconds": time.process_time() - started}
    else:
        folder = folder_of(row, part, plan, out)
        spent = finish_run(folder, command, "benchmarks.unseen", f"{name}, without {part.generator}")
        if spent is not None:
            (folder / SPENT).write_text(f"{spent:.1f}\n")
        training = Report.read(folder / "report.json").training
        told |= {
            "epochs": options.stage_1.epochs, "images_seen": training["images_seen"],
            "training_seconds": round(training["seconds"], 1),
            "processor_seconds": float((folder / SPENT).read_text()) if (folder / SPENT).exists() else None,
        }
        place = str(folder / "model")
        detector = open_detector(place, device="cpu", name=name) if row.part is None else part_of_detector(place, row.part, options, out)
    return {**told, **scores_of(detector, part)}


def row_file(folder: Path, name: str) -> Path:
    return folder / f"{name.replace(' ', '_')}.json"


def write_row(row: dict, folder: Path) -> None:
    """Writes a row, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with write_aside(row_file(folder, row["row"])) as aside:
        aside.write_text(json.dumps(row), encoding="utf-8")


def read_rows(folder: Path, plan: Plan | None = None) -> dict[str, dict]:
    """The rows in a folder by name, the oldest first.

    Raises ValueError for a file that is no row, or one of another plan than ``plan`` or than the others.
    """
    found = {}
    for file in folder.glob("*.json"):
        try:
            row = json.loads(file.read_text(encoding="utf-8"))
            row["plan"] = Plan(**{**row["plan"], "common": tuple(row["plan"]["common"])})
            found[row["row"]] = row
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file} is no row of this table ({error}); move it away.") from error
        plan = plan or row["plan"]
        if row["plan"] != plan:
            changed = ", ".join(name for name, one, other in zip(Plan._fields, row["plan"], plan, strict=True) if one != other)
            raise ValueError(f"{file} was made with another plan ({changed} differ); give another --rows_folder.")
    return dict(sorted(found.items(), key=lambda item: item[1]["created"]))
