"""From a trained model to its report: every figure of the test images, beside the pixel statistics', as tables and pictures."""

import platform
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from accelerate import Accelerator

import imaginet
from imaginet_core.pictures.degradations import CONDITIONS
from imaginet_tools.evaluation.calibrate import calibrated
from imaginet_tools.evaluation.charts import draw_confusion, draw_history, draw_map, draw_roc, draw_score_histogram
from imaginet_tools.evaluation.embedding_map import embedding_map
from imaginet_tools.evaluation.picture_grids import TITLES, draw_mistakes, draw_views
from imaginet_tools.evaluation.pixel_baseline import PixelStatistics
from imaginet_tools.evaluation.predict import Predictions, pixel_features, predict
from imaginet_tools.evaluation.report import Report, Row, rows_of
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.images.splits import Splits
from imaginet_tools.metrics.attribution import REAL, Track, make_track
from imaginet_tools.metrics.calibration import balanced_threshold
from imaginet_tools.metrics.detection import Scores
from training.options import TrainingOptions
from training.run.limits import limits_of
from training.run.shortcuts import find_shortcuts
from training.views.random_views import RandomViews

MODEL, BASELINE = "model", "pixel statistics"
AllScores = dict[tuple[str, str], Scores]
"""(detector, condition) -> scores of the test images."""
LIBRARIES = ("accelerate", "datasets", "numpy", "pillow", "scikit-learn", "torch", "torchvision", "transformers")


def evaluate(
    accelerator: Accelerator, model, processor, splits: Splits, options: TrainingOptions, history: list[dict],
    training_seconds: float,
) -> tuple[Report, AllScores]:
    """Scores the test images once, under every condition, with the model and the baseline; every process calls it.

    Both detectors call an image synthetic at a threshold fitted on the held-out training images. Without test images the map
    shows the held-out ones.
    """
    shown = splits.held_out if splits.test is None else splits.test
    conditions = ["clean"] if splits.test is None else list(CONDITIONS)
    said = {each: predict(accelerator, model, processor, shown, each, options.views.num_workers) for each in conditions}
    thresholds, scores = {MODEL: model.config.operating_points[0]["threshold"]}, {}
    if splits.test is not None:
        scores = {(MODEL, each): scores_of(shown, calibrated(said[each].origin, model.config)) for each in conditions}
        baseline, thresholds[BASELINE] = fit_baseline(accelerator, splits, options.views.num_workers)
        for condition in CONDITIONS:
            features = pixel_features(accelerator, splits.test, condition, options.views.num_workers)
            scores[BASELINE, condition] = scores_of(splits.test, baseline.probabilities(features))
    training = {
        "seconds": training_seconds, "processes": accelerator.num_processes, "device": str(accelerator.device),
        "images_seen": sum(row["images"] for row in history), "history": history,
    }
    report = make_report(model.config, splits, options, training)
    if accelerator.is_main_process:
        report = with_findings(report, model.config, splits, options, scores, thresholds, said)
    return report, scores


def with_findings(
    report: Report, config, splits: Splits, options: TrainingOptions, scores: AllScores, thresholds: dict[str, float],
    said: dict[str, Predictions],
) -> Report:
    """The report with what is computed from scores and predictions, and the audit of the training images.

    Args:
        thresholds: of each detector.
        said: condition -> what the model says of the test images, or of the held-out ones where there are none.
    """
    rows: list[Row] = []
    for (detector, condition), each in scores.items():
        rows += rows_of(detector, condition, each, thresholds[detector], options.scoring.bootstrap, options.run.seed)
    tracks: list[Track] = []
    if splits.test is not None:
        for condition, each in said.items():
            synthetic = scores[MODEL, condition].probability >= thresholds[MODEL]
            tracks += tracks_of(splits.test, each, synthetic, config, condition, options)
    shown = splits.held_out if splits.test is None else splits.test
    audit = find_shortcuts(splits.train, options.scoring.audit_images, report.data["name"])
    return replace(
        report, figures=rows, tracks=tracks, data={**report.data, "audit": audit},
        embedding_map=embedding_map(said["clean"].feature, shown.label, shown.generator, options.run.seed),
    )


def tracks_of(
    images: ImageSet, said: Predictions, synthetic: np.ndarray, config, condition: str, options: TrainingOptions
) -> list[Track]:
    """Both tracks under a condition; the second one by family and by generator, as far as the model has classifiers for them.

    Args:
        images: N images.
        said: what the model says of them.
        synthetic: bool (N,), whether it calls them synthetic.
        config: of the model.
    """
    common = {"source_image": images.source_image, "resamples": options.scoring.bootstrap, "seed": options.run.seed}
    origins = np.array(imaginet.LABELS)
    tracks = [make_track("origin", condition, origins[images.label], origins[synthetic.astype(int)], list(origins), **common)]
    for name, names, logits in (("family", config.families, said.family), ("generator", config.generators, said.generator)):
        if logits is not None:
            alone = np.array(names)[logits.argmax(1)]
            true, answer = getattr(images, name), np.where(synthetic, alone, REAL)
            tracks.append(make_track(name, condition, true, answer, [REAL, *names], if_synthetic=alone, **common))
    return tracks


def fit_baseline(accelerator: Accelerator, splits: Splits, workers: int) -> tuple[PixelStatistics, float]:
    """The pixel statistics' classifier, trained on the model's training images, and its threshold on the held-out ones."""
    features = pixel_features(accelerator, splits.train, "clean", workers)
    baseline = PixelStatistics().fit(features, splits.train.label)
    held_out = baseline.probabilities(pixel_features(accelerator, splits.held_out, "clean", workers))
    return baseline, balanced_threshold(held_out, splits.held_out.label)


def scores_of(images: ImageSet, probability: np.ndarray) -> Scores:
    """Probabilities float (N,) with what is known of the N images."""
    return Scores(images.label, probability, images.content, images.generator, images.source_image)


def make_report(config, splits: Splits, options: TrainingOptions, training: dict) -> Report:
    """The report but for its figures and findings; see ``imaginet_tools.evaluation.report.Report`` for its parts."""
    parts = {"train": splits.train, "held_out": splits.held_out, "test": splits.test}
    used = {"timm": options.network.backbone, "diffusers": options.views.reconstructions not in (None, "small")}
    libraries = [*LIBRARIES, *(name for name, is_used in used.items() if is_used)]
    versions = {"python": platform.python_version(), "imaginet": str(imaginet.VERSION)}
    return Report(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={**versions, **{name: version(name) for name in libraries}},
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
        figures=[],
        limits=limits_of(splits, options),
    )


def data_name(options: TrainingOptions, splits: Splits) -> str:
    """Name of the data for report and card. What the builder made of other images than ImagiNet's is never called ImagiNet."""
    if options.data.dataset != "imaginet":
        return options.data.dataset
    if options.data.config_name == "sample":
        return "imaginet-sample"
    official = splits.description.startswith(imaginet.DESCRIPTIONS["official"])
    return "imaginet" if official else Path(options.data.data_dir).resolve().name


def write_report(report: Report, scores: AllScores, splits: Splits, views: RandomViews, output: Path) -> list[Path]:
    """Writes report.json, report.md and the PNG pictures into ``output``; returns the pictures."""
    draw_views(views, output / "training_views.png")
    draw_history(report.training["history"], output / "training.png")
    drawn = ["training_views.png", "training.png"]
    if report.embedding_map is not None:
        draw_map(report.embedding_map, output / "map.png")
        drawn.append("map.png")
    if scores:
        threshold = report.operating_points[0]["threshold"]
        draw_roc(scores, output / "roc.png")
        own = {condition: each for (detector, condition), each in scores.items() if detector == MODEL}
        draw_score_histogram(own, threshold, output / "scores.png")
        draw_confusion([track for track in report.tracks if track.condition == "clean"], output / "confusion.png")
        draw_mistakes(splits.test, own["clean"].probability, threshold, output / "mistakes.png")
        drawn += ["roc.png", "scores.png", "confusion.png", "mistakes.png"]
    replace(report, pictures=[{"file": name, "title": TITLES[name]} for name in drawn]).write(output)
    return [output / name for name in drawn]
