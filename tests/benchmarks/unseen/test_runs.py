"""The runs of a row: their command lines, equal numbers of views, stored scores that are never computed twice."""

import argparse
import json

import numpy as np
import pytest
import torch

from benchmarks.unseen import __main__ as program
from benchmarks.unseen import runs
from benchmarks.unseen.curves import curves_of
from benchmarks.unseen.parts import Lab, Plan, folder_name, plan_of
from benchmarks.unseen.rows import CURVES, LONG, ROWS, SHORT, Row
from benchmarks.unseen.scores import CONDITIONS, condition_of, scores_of
from benchmarks.unseen.table import all_figures
from imaginet_core.pictures.degradation_grid.conditions import degrade
from imaginet_tools.inference.detector import Answers, Detector
from modeling import SelfConImageProcessor
from tests.benchmarks.unseen.tiny_lab import GENERATORS, write_lab
from tests.modeling.helpers import small_model
from training.command_line import parse_options
from training.simulation.held_out import HeldOut

PLAN = Plan("tiny", "0", 2, 960, 7, SHORT)


class Brightness(Detector):
    """Calls bright pictures synthetic."""

    name, threshold, is_baseline = "brightness", 0.4, False

    def scores(self, pictures):
        return Answers(np.array([picture.mean() / 255 for picture in pictures]))


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Lab(str(write_lab(tmp_path_factory.mktemp("lab") / "tiny")))


@pytest.fixture
def many_images(monkeypatch):
    images = argparse.Namespace(label=np.array([0] * 60 + [1] * 60))
    monkeypatch.setattr(runs, "load_splits", lambda data, seed, real_only: argparse.Namespace(train=images))


def options_of(row: Row, lab: Lab, out) -> dict:
    return parse_options(runs.command_of(row, lab.part("plain", 2), lab, PLAN, out)[2:]).by_name()


def test_rows_differ_in_their_own_options_alone_and_see_as_many_views(lab, many_images, tmp_path):
    plain = options_of(ROWS["laptop"], lab, tmp_path)
    assert plain["epochs"] == round(960 / (120 // 32 * 32)) and plain["warmup_epochs"] == 1 and plain["seed"] == 7
    own = {"ce": {"objective"}, "consistency": {"consistency", "epochs"}, "twins": {"reconstructions", "epochs"}}
    for name, changed in {**own, "simulate": {"simulate", "epochs"}}.items():
        found = options_of(ROWS[name], lab, tmp_path)
        assert {option for option in found if found[option] != plain[option]} - {"warmup_epochs"} == changed
    assert options_of(ROWS["consistency"], lab, tmp_path)["epochs"] == plain["epochs"] // 2
    assert options_of(ROWS["twins"], lab, tmp_path)["epochs"] == round(960 / (180 // 32 * 32))


def test_with_epochs_the_preset_trains_as_it_does_for_a_user(lab, tmp_path):
    asked = program.parse(["--rows", "preset", "--epochs", "800", "--folds", "2", "--seed", "7"])
    plan = plan_of(asked, lab)
    assert plan.common[: len(LONG)] == LONG and folder_name(asked) == "epochs_800"
    found = parse_options(runs.command_of(ROWS["preset"], lab.part("plain", 2), lab, plan, tmp_path)[2:]).by_name()
    asked = parse_options(["--preset", "laptop", "--data_dir", str(lab.folder)]).by_name()
    changed = {option for option in found if found[option] != asked[option]}
    assert changed == {"annotations", "seed", "audit_images", "num_workers", "cpu_threads"}


def test_scores_are_those_of_the_detector_under_each_condition(lab):
    part = lab.part("plain", 2)
    found = scores_of(Brightness(), part)
    assert found["threshold"] == 0.4 and set(found["probability"]) == {"clean", "JPEG 70", "half and back", "web"}
    expected = [part.scored.pixels(index).mean() / 255 for index in range(len(part.scored))]
    assert np.allclose(found["probability"]["clean"], expected, atol=1e-6)
    for index, path in enumerate(part.scored.path.tolist()):
        seen = degrade(part.scored.pixels(index), path, condition_of(path, CONDITIONS["web"])).mean() / 255
        assert found["probability"]["web"][index] == pytest.approx(seen, abs=1e-6)
    assert found["label"] == part.scored.label.tolist() and found["path"] == part.scored.path.tolist()


@pytest.fixture
def asked(lab, tmp_path, monkeypatch):
    """The options of the program; each row is one that the detector above gives, and ``made`` notes them."""
    made = []

    def make_row(name, row, lab, plan, out):
        made.append(name)
        told = [
            {"generator": each, "fold": 1, "processor_seconds": 1.0} | scores_of(Brightness(), lab.part(each, 2)) for each in GENERATORS
        ]
        return {"row": name, "options": [], "known": row.known, "plan": plan._asdict(), "created": f"{len(made)}", "runs": told}

    monkeypatch.setattr(program, "make_row", make_row)
    monkeypatch.setattr(program, "all_figures", lambda rows: all_figures(rows, resamples=20))
    folders = ["--out", str(tmp_path / "out"), "--rows_folder", str(tmp_path / "rows")]
    return ["--data_dir", str(lab.folder), *folders, "--folds", "2"], made


def test_pictures_go_through_all_of_the_web_tier():
    assert {condition_of(f"{number}.png", CONDITIONS["web"]) for number in range(40)} == {
        "web_post", "web_messenger", "web_preview", "web_perturbed"
    }


def test_a_row_that_is_there_is_read_and_not_computed_again(asked, tmp_path, capsys):
    arguments, made = asked
    program.main([*arguments, "--rows", "laptop"])
    program.main([*arguments, "--rows", "laptop", "ce"])
    assert made == ["laptop", "ce"]
    text = (tmp_path / "out" / "unseen.md").read_text()
    assert text.strip() in capsys.readouterr().out and text.count("\n| ce |") == 3
    assert (tmp_path / "out" / "unseen.png").stat().st_size > 5000
    assert json.loads((tmp_path / "rows" / "views_3840" / "ce.json").read_text())["plan"]["folds"] == 2
    assert not (tmp_path / "out" / "curves.png").exists()


def test_rows_that_differ_in_how_many_generators_are_known_make_a_curve(asked, tmp_path):
    arguments, made = asked
    program.main([*arguments, "--rows", "laptop", "laptop 1 known", "pixel statistics 1 known"])
    assert made == ["laptop", "laptop 1 known", "pixel statistics 1 known"]
    assert (tmp_path / "out" / "curves.png").stat().st_size > 5000
    rows = {name: {"clean": name} for name in ("laptop", "laptop 1 known", "pixel statistics 1 known")}
    assert list(curves_of(rows).values()) == [{"laptop": {1: rows["laptop 1 known"], 3: rows["laptop"]}}]


def test_every_point_of_a_curve_is_a_row_with_that_number():
    for curves in CURVES.values():
        for curve in curves.values():
            for count, name in curve.items():
                words = ROWS[name].options
                simulated = int(words[-1]) if "--simulated_networks" in words else parse_options(["--data_dir", ".", *words]).views.simulated_networks
                assert count == (simulated if "--simulate" in words else ROWS[name].known or 3)


def test_runs_that_train_on_other_images_have_other_folders(lab, tmp_path):
    part = lab.part("plain", 2)
    folders = {runs.folder_of(Row(known=known), part, PLAN, tmp_path) for known in (None, 0, 1, 2)}
    assert len(folders) == 4


@pytest.mark.parametrize("part", ["network", "statistics", "corner"])
def test_a_part_of_a_detector_says_what_that_part_says(part, tmp_path, monkeypatch):
    model = small_model(shifts=[1], statistics_centres=3).eval()
    with torch.no_grad():
        model.statistics_classifier.bias.fill_(0.7)
    model.save_pretrained(tmp_path)
    SelfConImageProcessor().save_pretrained(tmp_path)
    held_out, calibrated_on = HeldOut("held out", None), []
    monkeypatch.setattr(runs, "splits_of", lambda options: None)
    monkeypatch.setattr(runs, "held_out_images", lambda *_, **__: held_out)
    monkeypatch.setattr(runs, "calibrate", lambda detector, images: calibrated_on.append(images))
    alone = runs.part_of_detector(str(tmp_path), part, None, tmp_path).model
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        whole = model(pixels).origin_logit
        moved = whole - model.statistics_classifier(pixels)
        model.config.shifts = [0]
        corner = model(pixels).origin_logit - model.statistics_classifier(pixels)
        expected = {"network": moved, "corner": corner, "statistics": torch.full((2,), 0.7)}[part]
        torch.testing.assert_close(alone(pixels).origin_logit, expected)
    assert calibrated_on == [held_out.images] and not torch.allclose(moved, corner)


@pytest.mark.parametrize("change, words", [
    (["--seed", "1"], r"another plan \(seed differ\)"), (["--folds", "4"], "folds"),
])
def test_rows_of_another_plan_are_refused(asked, change, words):
    arguments, made = asked
    program.main([*arguments, "--rows", "laptop"])
    with pytest.raises(SystemExit, match=words):
        program.main([*arguments, *change, "--rows", "ce"])
    assert made == ["laptop"]


def test_what_is_no_row_is_named(asked, tmp_path):
    arguments, _ = asked
    (tmp_path / "rows" / "views_3840").mkdir(parents=True)
    (tmp_path / "rows" / "views_3840" / "notes.json").write_text("{}")
    with pytest.raises(SystemExit, match="notes.json is no row of this table"):
        program.main([*arguments, "--table"])
