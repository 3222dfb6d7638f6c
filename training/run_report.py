"""From a trained model to its report: every figure of the test images, beside the pixel statistics', as tables and pictures."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from accelerate import Accelerator

import imaginet
from degradations import CONDITIONS
from evaluation.calibration import balanced_threshold
from evaluation.figures import draw_history, draw_roc, draw_score_histogram
from evaluation.metrics import Scores
from evaluation.pixel_statistics import PixelStatistics
from evaluation.report import Report, Row, rows_of
from training.calibrate import calibrated
from training.data import ImageSet, Splits
from training.options import TrainingOptions
from training.pictures import draw_mistakes, draw_views
from training.random_views import RandomViews
from training.predict import pixel_features, predict_logits

MODEL, BASELINE = "model", "pixel statistics"
AllScores = dict[tuple[str, str], Scores]
"""(detector, condition) -> scores of the test images."""


def evaluate(
    accelerator: Accelerator, model, processor, splits: Splits, options: TrainingOptions, history: list[dict],
    training_seconds: float,
) -> tuple[Report, AllScores]:
    """Scores the test images once, under every condition, with the model and the baseline; every process calls it.

    Both detectors call an image synthetic at a threshold fitted on the held-out training images.
    """
    thresholds = {MODEL: model.config.operating_points[0]["threshold"]}
    scores: AllScores = {}
    if splits.test is not None:
        for condition in CONDITIONS:
            logits = predict_logits(accelerator, model, processor, splits.test, condition, options.num_workers)
            scores[MODEL, condition] = scores_of(splits.test, calibrated(logits, model.config))
        baseline, thresholds[BASELINE] = fit_baseline(accelerator, splits, options.num_workers)
        for condition in CONDITIONS:
            features = pixel_features(accelerator, splits.test, condition, options.num_workers)
            scores[BASELINE, condition] = scores_of(splits.test, baseline.probabilities(features))
    rows: list[Row] = []
    if accelerator.is_main_process:
        for (detector, condition), each in scores.items():
            rows += rows_of(detector, condition, each, thresholds[detector], options.bootstrap, options.seed)
    training = {
        "seconds": training_seconds, "processes": accelerator.num_processes, "device": str(accelerator.device),
        "images_seen": sum(row["images"] for row in history), "history": history,
    }
    return make_report(model.config, splits, options, training, rows), scores


def fit_baseline(accelerator: Accelerator, splits: Splits, workers: int) -> tuple[PixelStatistics, float]:
    """The pixel statistics' classifier, trained on the model's training images, and its threshold on the held-out ones."""
    features = pixel_features(accelerator, splits.train, "clean", workers)
    baseline = PixelStatistics().fit(features, splits.train.label)
    held_out = baseline.probabilities(pixel_features(accelerator, splits.held_out, "clean", workers))
    return baseline, balanced_threshold(held_out, splits.held_out.label)


def scores_of(images: ImageSet, probability: np.ndarray) -> Scores:
    """Probabilities float (N,) with what is known of the N images."""
    return Scores(images.label, probability, images.content, images.generator, images.source_image)


def make_report(config, splits: Splits, options: TrainingOptions, training: dict, rows: list[Row]) -> Report:
    """Puts the report together; see ``evaluation.report.Report`` for its parts."""
    parts = {"train": splits.train, "held_out": splits.held_out, "test": splits.test}
    libraries = ("accelerate", "datasets", "numpy", "pillow", "scikit-learn", "torch", "torchvision", "transformers")
    return Report(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={"python": platform.python_version(), **{name: version(name) for name in libraries}},
        options=options.as_dict(),
        data={
            "name": data_name(options, splits), "config": splits.train.rows.info.config_name, "description": splits.description,
            "contents": splits.contents, "families": splits.families, "generators": splits.generators,
            "splits": {
                name: {**images.counts(), "fingerprint": images.fingerprint()}
                for name, images in parts.items() if images is not None
            },
        },
        training=training,
        calibration={"temperature": config.temperature, "bias": config.bias, "images": len(splits.held_out)},
        operating_points=config.operating_points,
        figures=rows,
        limits=limits_of(splits, options),
    )


def data_name(options: TrainingOptions, splits: Splits) -> str:
    """Name of the data for report and card. What the builder made of other images than ImagiNet's is never called ImagiNet."""
    if options.dataset != "imaginet":
        return options.dataset
    if options.config_name == "sample":
        return "imaginet-sample"
    official = splits.description.startswith(imaginet.DESCRIPTIONS["official"])
    return "imaginet" if official else Path(options.data_dir).resolve().name


def limits_of(splits: Splits, options: TrainingOptions) -> list[str]:
    """Sentences that must stand beside the figures."""
    limits = [f"The detector knows these generators: {', '.join(splits.generators)}. It may miss images of any other."]
    if splits.description:
        limits.append(splits.description)
    if splits.test is None:
        limits.append("The data set has no test images, so nothing was scored.")
    if options.fold is not None:
        limits.append(f"Fold {options.fold} of the training list was scored, not the test list.")
    limits.append("One training run with one seed; the intervals cover the choice of test images, not that of the seed.")
    return limits


def write_report(report: Report, scores: AllScores, splits: Splits, views: RandomViews, output: Path) -> list[Path]:
    """Writes report.json, report.md and the PNG pictures into ``output``; returns the pictures."""
    report.write(output)
    draw_views(views, output / "training_views.png")
    draw_history(report.training["history"], output / "training.png")
    pictures = [output / "training_views.png", output / "training.png"]
    if scores:
        threshold = report.operating_points[0]["threshold"]
        draw_roc(scores, output / "roc.png")
        own = {condition: each for (detector, condition), each in scores.items() if detector == MODEL}
        draw_score_histogram(own, threshold, output / "scores.png")
        draw_mistakes(splits.test, own["clean"].probability, threshold, output / "mistakes.png")
        pictures += [output / name for name in ("roc.png", "scores.png", "mistakes.png")]
    return pictures
