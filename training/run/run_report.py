"""The report of a training run: an evaluation of its model beside the baseline, with what is known of its training."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from accelerate import Accelerator
from matplotlib.figure import Figure

import imaginet
from imaginet_core.pictures.degradations import CONDITIONS
from imaginet_tools.evaluation import charts, evaluate, figures
from imaginet_tools.evaluation.detectors import PixelStatisticsDetector, TorchDetector
from imaginet_tools.evaluation.figures import Scored
from imaginet_tools.evaluation.picture_grids import TITLES, draw_mistakes
from imaginet_tools.evaluation.report import Report
from imaginet_tools.evaluation.robustness.out_of_scope import out_of_scope_sentence, probe_out_of_scope
from imaginet_tools.images.image_set import SYNTHETIC
from imaginet_tools.images.splits import Splits
from training.options import TrainingOptions
from training.run.limits import limits_of
from training.run.shortcuts import find_shortcuts
from training.run.training_views_picture import draw_training_views
from training.views.random_views import RandomViews

OUT_OF_SCOPE = 10
"""Pictures of each kind that detectors are not made for, drawn by the probe."""


def evaluate_run(
    accelerator: Accelerator, detector: TorchDetector, splits: Splits, options: TrainingOptions, history: list[dict],
    training_seconds: float,
) -> tuple[Report, list[Scored]]:
    """Scores the test images once, under every condition, with the model and the baseline; every process calls it.

    Both detectors call an image synthetic at a threshold fitted on the held-out training images. Without test images the map
    shows the held-out ones, and nothing is scored.

    Args:
        accelerator: of the run; figures and findings are computed in its main process alone.
        detector: the trained and calibrated model.
        splits: of the run.
        options: of the run.
        history: a row for each epoch.
        training_seconds: spent in epochs.
    """
    workers = options.views.num_workers
    if splits.test is None:
        scored, shown = [], evaluate.score(
            detector, splits.held_out, ["clean"], detector.threshold, accelerator, workers, "held-out images, for the map"
        )
    else:
        scored = evaluate.score(detector, splits.test, tuple(CONDITIONS), detector.threshold, accelerator, workers)
        if (splits.train.label == SYNTHETIC).any():  # else the baseline has nothing to learn from
            baseline = PixelStatisticsDetector(splits.train, splits.held_out, accelerator, workers)
            scored += evaluate.score(baseline, splits.test, tuple(CONDITIONS), baseline.threshold, accelerator, workers)
        shown = scored
    training = {
        "seconds": training_seconds, "processes": accelerator.num_processes, "device": str(accelerator.device),
        "images_seen": sum(row["images"] for row in history), "history": history,
    }
    report = report_without_figures(detector.model.config, splits, options, training)
    scope = probe_out_of_scope(detector, detector.threshold, OUT_OF_SCOPE)  # in every process, as what is scored above
    report = replace(report, limits=[*report.limits, out_of_scope_sentence(scope)])
    if accelerator.is_main_process:
        resamples, seed = options.scoring.bootstrap, options.run.seed
        audit = find_shortcuts(splits.train, options.scoring.audit_images, report.data["name"])
        report = replace(
            report, figures=figures.rows_of_all(scored, resamples, seed), tracks=figures.tracks_of_all(scored, resamples, seed),
            data={**report.data, "audit": audit}, embedding_map=figures.map_of(shown, seed), curves=figures.curves_of(scored),
        )
    return report, scored


def report_without_figures(config, splits: Splits, options: TrainingOptions, training: dict) -> Report:
    """The report but for its figures and findings; see ``imaginet_tools.evaluation.report.Report`` for its parts."""
    parts = {"train": splits.train, "held_out": splits.held_out, "test": splits.test}
    used = {"timm": options.network.backbone, "peft": options.network.lora_rank, "diffusers": options.views.reconstructions not in (None, "small")}
    return Report(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=figures.versions_of([*figures.LIBRARIES, *(name for name, is_used in used.items() if is_used)]),
        options=options.as_dict(),
        data={
            "name": data_name(options, splits), "config": splits.train.rows.info.config_name, "description": splits.description,
            "contents": splits.contents, "families": splits.families, "generators": splits.generators,
            "splits": {name: figures.describe_split(images) for name, images in parts.items() if images is not None},
        },
        training=training,
        calibration={"temperature": config.temperature, "bias": config.bias, "images": len(splits.held_out)},
        operating_points=config.operating_points,
        figures=[],
        limits=limits_of(splits, options.views.views, options.stage_1.consistency, options.data.fold),
    )


def data_name(options: TrainingOptions, splits: Splits) -> str:
    """Name of the data for report and card. What the builder made of other images than ImagiNet's is never called ImagiNet."""
    if options.data.dataset != "imaginet":
        return options.data.dataset
    if options.data.config_name == "sample":
        return "imaginet-sample"
    official = splits.description.startswith(imaginet.DESCRIPTIONS["official"])
    return "imaginet" if official else Path(options.data.data_dir).resolve().name


def write_report(report: Report, scored: list[Scored], views: RandomViews, output: Path) -> list[Path]:
    """Writes report.json, report.md and the PNG pictures into ``output``; returns the pictures."""
    drawn = draw_all(report, scored, views)
    for name, figure in drawn.items():
        charts.save_figure(figure, output / name)
    replace(report, pictures=[{"file": name, "title": TITLES[name]} for name in drawn]).write(output)
    return [output / name for name in drawn]


def draw_all(report: Report, scored: list[Scored], views: RandomViews) -> dict[str, Figure]:
    """The pictures of a report by their files' names."""
    drawn = {"training_views.png": draw_training_views(views), "training.png": charts.draw_history(report.training["history"])}
    if report.embedding_map is not None:
        drawn["map.png"] = charts.draw_map(report.embedding_map)
    if scored:
        own = {each.condition: each for each in scored if not each.detector.is_baseline}
        clean = own["clean"]
        drawn["roc.png"] = charts.draw_roc(report.curves)
        drawn["scores.png"] = charts.draw_score_histogram(
            {condition: each.scores for condition, each in own.items()}, clean.threshold
        )
        drawn["confusion.png"] = charts.draw_confusion([track for track in report.tracks if track.condition == "clean"])
        drawn["mistakes.png"] = draw_mistakes(clean.images, clean.answers.probability, clean.threshold)
    return drawn
