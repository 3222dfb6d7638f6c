"""What the report says of the model and of the data, from a small model to the files."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from accelerate import Accelerator
from PIL import Image
from sklearn.metrics import confusion_matrix

import imaginet
from imaginet_tools.evaluation.calibrate import calibrate
from imaginet_tools.evaluation.detectors import TorchDetector
from imaginet_tools.evaluation.predict import predict
from imaginet_tools.evaluation.report import Report
from imaginet_tools.evaluation.robustness.out_of_scope import out_of_scope_sentence, probe_out_of_scope
from imaginet_tools.images.splits import load_splits
from imaginet_tools.publish.model_card import card_of
from modeling import SelfConImageProcessor
from tests.training.stages.two_processes import small_model
from tests.training.tiny_data import GENERATORS
from training.options import TrainingOptions
from training.presets import PRESETS
from training.run.run_report import data_name, evaluate_run, write_report
from training.views.random_views import RandomViews
from training.views.recipes import RobustView

OPTIONS = TrainingOptions.of(**{
    **PRESETS["laptop"], "num_workers": 0, "held_out": 0.25, "bootstrap": 30, "audit_images": 0, "seed": 5,
})
SIZE = {"seconds": 1.0, "images": 36}
HISTORY = [
    {"stage": "contrastive", "epoch": 0, "learning_rate": 0.1, "loss": 2.0, "origin": 1.5, "family": 0.5, **SIZE},
    {"stage": "classifiers", "epoch": 0, "learning_rate": 0.01, "loss": 1.0, **SIZE},
]


@pytest.fixture(scope="module")
def run(tiny_dataset):
    """A calibrated random model, its data, and the report on it."""
    options = OPTIONS.replace(dataset=str(tiny_dataset))
    splits, accelerator = load_splits(options.data, options.run.seed), Accelerator(cpu=True)
    detector = TorchDetector(small_model(), SelfConImageProcessor())
    calibrate(detector, splits.held_out)
    report, scored = evaluate_run(accelerator, detector, splits, options, HISTORY, 2.0)
    return SimpleNamespace(
        options=options, splits=splits, accelerator=accelerator, detector=detector, model=detector.model, report=report,
        scored=scored,
        views=RandomViews(splits.train, RobustView(32), splits.families, splits.generators, seed=1),
    )


@pytest.fixture(scope="module")
def scope(run):
    """How the run's detector answers to what it was not made for."""
    return probe_out_of_scope(run.detector, run.detector.threshold, 10)


@pytest.fixture
def probed_before(monkeypatch, scope):
    """No other report probes it again."""
    monkeypatch.setattr("training.run.run_report.probe_out_of_scope", lambda *_: scope)


@pytest.mark.parametrize("condition", ["clean", "half_and_back"])
def test_the_second_track_names_the_kind_of_what_is_called_synthetic(run, condition):
    answers = predict(run.detector, run.splits.test, condition)
    synthetic = answers.probability >= run.model.config.operating_points[0]["threshold"]
    track = next(each for each in run.report.tracks if each.name == "generator" and each.condition == condition)
    named = np.array(run.model.config.generators)[answers.generator.argmax(1)]
    answer = np.where(synthetic, named, "real")
    assert track.answers == ["real", *GENERATORS]
    assert track.counts == confusion_matrix(run.splits.test.generator, answer, labels=track.answers).tolist()
    chequered = next(each for each in track.classes if each.name == "chequered")
    own = run.splits.test.generator == "chequered"
    assert chequered.accuracy.value == pytest.approx((answer == "chequered")[own].mean())
    assert chequered.accuracy_if_synthetic.value == pytest.approx((named == "chequered")[own].mean())


def test_both_tracks_are_given_under_every_condition_and_the_first_agrees_with_the_figures(run):
    conditions = ("clean", "jpeg70", "half_and_back")
    assert [(each.name, each.condition) for each in run.report.tracks] == [
        (name, condition) for condition in conditions for name in ("origin", "family", "generator")
    ]
    assert {row.detector: row.baseline for row in run.report.figures} == {"model": False, "pixel statistics": True}
    overall = {row.condition: row.metrics for row in run.report.figures if not row.baseline and row.kind == "overall"}
    for track in run.report.tracks:
        if track.name == "origin":
            assert track.accuracy.value == pytest.approx(overall[track.condition].balanced_accuracy.value)


def test_a_model_without_classifiers_of_kinds_has_the_first_track_only(run, probed_before):
    alone = small_model()
    alone.family_classifier, alone.generator_classifier = None, None
    alone.config.operating_points = run.model.config.operating_points
    report, _ = evaluate_run(run.accelerator, TorchDetector(alone, run.detector.processor), run.splits, run.options, HISTORY, 2.0)
    assert {each.name for each in report.tracks} == {"origin"}


def test_every_picture_is_drawn_and_shown_and_the_report_is_whole(run, tmp_path):
    pictures = write_report(run.report, run.scored, run.views, tmp_path)
    names = {"training_views.png", "training.png", "map.png", "roc.png", "scores.png", "confusion.png", "mistakes.png"}
    assert {file.name for file in pictures} == names
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    for name in names:
        with Image.open(tmp_path / name) as drawn:
            assert min(drawn.size) > 200
        assert f"]({name})" in page
    read = Report.read(tmp_path / "report.json")
    assert {picture["file"] for picture in read.pictures} == names
    assert replace(read, pictures=[]) == run.report
    assert read.embedding_map["images"] == len(run.splits.test)
    assert {point["generator"] for point in read.embedding_map["points"]} == {"real", *GENERATORS}


def test_what_the_detector_was_not_made_for_is_told_in_report_and_card(run, scope):
    said = out_of_scope_sentence(scope)
    assert said in run.report.limits and "of 10 screenshots" in said
    assert said in run.report.to_markdown() and said in str(card_of(run.report, "model", "Use", []))


def test_without_test_images_the_map_shows_the_held_out_ones_and_nothing_is_scored(run, tmp_path, probed_before):
    splits = run.splits._replace(test=None)
    report, scored = evaluate_run(run.accelerator, run.detector, splits, run.options, HISTORY, 2.0)
    assert (report.figures, report.tracks, scored) == ([], [], [])
    assert report.embedding_map["images"] == len(splits.held_out)
    drawn = {file.name for file in write_report(report, scored, run.views, tmp_path)}
    assert drawn == {"training_views.png", "training.png", "map.png"}
    assert "nothing was scored" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_the_report_tells_how_the_run_was_made(run):
    report = run.report
    assert report.versions["imaginet data set"] == "1.0.0" and {"torch", "accelerate", "python"} <= set(report.versions)
    assert report.options == run.options.as_dict() and report.options["seed"] == 5
    assert {name: part["fingerprint"] for name, part in report.data["splits"].items()} == {
        name: getattr(run.splits, name).fingerprint() for name in ("train", "held_out", "test")
    }
    assert report.calibration["images"] == len(run.splits.held_out) == 12
    assert [point["n_real"] for point in report.operating_points] == [6, 6, 6]
    assert "needs 59" in report.operating_points[1]["reason"] and "needs 299" in report.operating_points[2]["reason"]


@pytest.mark.parametrize("dataset, config_name, kind, name", [
    ("imaginet", "faces", "official", "imaginet"),
    ("imaginet", "all", "lists", "my pictures"),
    ("imaginet", "all", "folders", "my pictures"),
    ("imaginet", "sample", "sample", "imaginet-sample"),
    ("me/other", "all", "official", "me/other"),
])
def test_only_imaginet_itself_is_called_imaginet(tmp_path, dataset, config_name, kind, name):
    options = TrainingOptions.of(dataset=dataset, config_name=config_name, data_dir=str(tmp_path / "my pictures"))
    splits = SimpleNamespace(description=imaginet.DESCRIPTIONS[kind])
    assert data_name(options, splits) == name
