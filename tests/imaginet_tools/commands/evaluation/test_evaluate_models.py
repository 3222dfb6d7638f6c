"""`imaginet evaluate --model` on pictures: a detector of ours with baselines, scored once."""

import base64
import csv
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imaginet_core.detection.heat_map import COLOUR, MOST_OPACITY
from imaginet_tools.commands.evaluation.evaluate import main
from imaginet_tools.evaluation.embedding_map import embedding_map
from imaginet_tools.evaluation.report import Report
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.inference.saved_detector import open_detector
from modeling import SelfConImageProcessor
from tests.imaginet_tools.evaluation.simulate import picture
from tests.modeling.helpers import small_model

MODEL = Path(__file__).parents[3] / "data" / "version_0_1" / "model"


@pytest.fixture(scope="module", autouse=True)
def fewer_trees():
    """In the baselines of numbers, which nothing here is asked of but the clearest difference."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("imaginet_tools.audit.classifier.TREES", 10)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve real and twelve synthetic PNG pictures; the synthetic ones have less grain."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(24):
        label = ("real", "synthetic/A")[number % 2]
        (folder / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(number, 80, 80, grain=8.0 - 5.0 * (number % 2))).save(folder / label / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


def evaluate(folder, output, store, *options):
    others = [option for option in options if option.startswith("new=")]
    options = [option for option in options if option not in others]
    main([
        "--model", f"ours={MODEL}", *others, "--folder", str(folder), "--output", str(output), "--store", str(store), "--workers", "1", "--resamples", "50",
        "--out_of_scope", "1",
        *options,
    ])
    return Report.read(output / "report.json")


def lines_of(output):
    with open(output / "scores.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def output(folder, store, tmp_path_factory):
    output = tmp_path_factory.mktemp("out") / "report"
    evaluate(folder, output, store, "--conditions", "jpeg70")
    return output


def test_scores_are_the_detector_s_and_the_baselines_stand_beside_them(folder, output):
    report = Report.read(output / "report.json")
    detector = open_detector(str(MODEL))
    own = [line for line in lines_of(output) if (line["detector"], line["condition"]) == ("ours", "clean")]
    expected = detector.scores([str(folder / line["path"]) for line in own]).probability
    assert [float(line["probability"]) for line in own] == pytest.approx(expected, abs=1e-6)
    assert [(each.name, each.baseline) for each in report.detectors] == [("ours", False), ("pixel statistics", True), ("metadata", True)]
    assert report.detectors[0].threshold == detector.threshold and report.detectors[0].key["engine"] == "torch"
    auc = {(row.detector, row.condition): row.metrics.auc.value for row in report.figures if row.kind == "overall"}
    assert auc["pixel statistics", "clean"] > 0.95  # grain is all that tells them apart
    assert ("metadata", "jpeg70") not in auc and ("ours", "jpeg70") in auc
    assert "Cross-validated on the scored images" in report.detectors[1].notes[0]


def test_the_headline_is_the_gain_over_pixel_statistics(output):
    report = Report.read(output / "report.json")
    auc = {row.detector: row.metrics.auc.value for row in report.figures if (row.kind, row.condition) == ("overall", "clean")}
    [gain] = [each for each in report.gains if (each.figure, each.condition) == ("auc", "clean")]
    assert (gain.first, gain.second) == ("ours", "pixel statistics")
    assert gain.value.value == pytest.approx(auc["ours"] - auc["pixel statistics"])
    first = (output / "report.md").read_text(encoding="utf-8").split("\n\n")[1]
    assert first.startswith("The gain of ours in AUC over the pixel statistics is -")
    assert report.degradations["detectors"].keys() == {"ours", "pixel statistics"}
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "data:image/jpeg;base64," in page and str(output.parent) not in page


def test_a_second_report_computes_no_score(folder, output, store, tmp_path, monkeypatch):
    def asked(*_):
        raise AssertionError("a stored score was computed again")

    monkeypatch.setattr("imaginet_tools.inference.saved_detector.SavedDetector.scores_of_prepared", asked)
    monkeypatch.setattr("imaginet_tools.evaluation.baselines.feature_baselines.statistics", asked)
    evaluate(folder, tmp_path / "again", store, "--conditions", "jpeg70")
    assert lines_of(tmp_path / "again") == lines_of(output)


def test_a_broken_picture_is_refused_or_left_out_as_asked(folder, store, tmp_path):
    broken = tmp_path / "pictures"
    shutil.copytree(folder, broken)
    (broken / "real" / "0.png").write_bytes((folder / "real" / "0.png").read_bytes()[:300])
    with pytest.raises(SystemExit, match="1 of 24 images cannot be read .real/0.png: .*--on_corrupt skip"):
        evaluate(broken, tmp_path / "refused", store)
    report = evaluate(broken, tmp_path / "skipped", store, "--on_corrupt", "skip")
    assert report.data["splits"]["test"]["images"] == 23
    assert any(limit.startswith("1 images that cannot be read are left out of every figure: real/0.png") for limit in report.limits)
    assert "real/0.png" not in {line["path"] for line in lines_of(tmp_path / "skipped")}


def test_a_given_threshold_is_taken_and_said(folder, store, tmp_path):
    report = evaluate(folder, tmp_path / "given", store, "--threshold", "0.9", "--no_baselines")
    [overall] = [row for row in report.figures if row.kind == "overall"]
    assert overall.metrics.threshold == 0.9 and report.detectors[0].threshold_from == "given" and len(report.detectors) == 1
    flagged = np.array([float(line["probability"]) for line in lines_of(tmp_path / "given")]) >= 0.9
    label = np.array([line["label"] == "synthetic" for line in lines_of(tmp_path / "given")])
    assert overall.metrics.accuracy.value == pytest.approx((flagged == label).mean())


def test_heat_maps_lie_over_mistakes_where_they_are_asked_for(folder, output, store, tmp_path):
    assert {each.heat_map for each in Report.read(output / "report.json").mistakes} == {None}
    small_model(bias=14.0).save_pretrained(tmp_path / "model")
    SelfConImageProcessor(crop_size={"height": 64, "width": 64}).save_pretrained(tmp_path / "model")
    report = evaluate(folder, tmp_path / "maps", store, f"new={tmp_path / 'model'}", "--heatmaps", "--no_baselines")
    detector, opened = open_detector(str(tmp_path / "model")), lambda text: np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))).astype(int)
    new, old = ([each for each in report.mistakes if each.detector == name] for name in ("new", "ours"))
    moved = []
    for each in new:
        plain, shown = opened(each.thumbnail), opened(each.heat_map)
        opacity = detector.heat_map(str(folder / each.path)).scores[..., None] * (MOST_OPACITY / 255)
        expected = plain * (1 - opacity) + np.array(COLOUR) * opacity
        assert np.abs(shown - expected).mean() < 8  # both are JPEG
        moved.append(np.abs(shown - plain).mean())
    assert max(moved) > 16
    assert new and (tmp_path / "maps" / "report.html").read_text(encoding="utf-8").count("heat map of") == len(new)
    assert old and {each.heat_map for each in old} == {None}
    assert any(limit.startswith("ours shows no heat maps: Heat maps need a model whose code gives feature maps") for limit in report.limits)


def test_a_map_of_features_is_drawn_where_it_is_asked_for_and_its_features_are_stored(folder, output, store, tmp_path, monkeypatch):
    assert Report.read(output / "report.json").embedding_map is None
    first = evaluate(folder, tmp_path / "first", store, "--feature_map", "20", "--no_baselines").embedding_map
    assert first["images"] == 24 and [point["label"] for point in first["points"]].count("real") == 10 and len(first["points"]) == 20
    assert len({(point["x"], point["y"]) for point in first["points"]}) > 15 and (tmp_path / "first" / "map.png").exists()
    chosen = ImageSet.from_folder(str(folder))
    chosen = chosen.select(chosen.choose(20))
    feature = open_detector(str(MODEL)).scores([str(folder / path) for path in chosen.path]).feature
    expected = embedding_map(feature.astype(np.float16).astype(np.float32), chosen.label, chosen.generator)
    assert [[point[axis] for axis in "xy"] for point in first["points"]] == [
        pytest.approx([point[axis] for axis in "xy"], abs=5e-3) for point in expected["points"]
    ]
    monkeypatch.setattr("imaginet_tools.inference.saved_detector.SavedDetector.scores_of_prepared", None)
    assert evaluate(folder, tmp_path / "second", store, "--feature_map", "20", "--no_baselines").embedding_map == first
