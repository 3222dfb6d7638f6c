"""Thresholds on one's own pictures: rates that are kept, a new folder that both pipelines read, and nothing of the old one changed."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imaginet_tools.commands.main import main
from imaginet_tools.inference.saved_detector import open_detector
from imaginet_tools.metrics.calibration import threshold_at_false_alarm_rate

MODEL = Path(__file__).resolve().parents[2] / "data" / "version_0_1" / "model"


def contents(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """60 "real" pictures in a tree and 15 "synthetic" ones, which the detector tells apart now and then."""
    root, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for kind, count, strength in (("real", 60, 40), ("synthetic", 15, 90)):
        for number in range(count):
            folder = root / kind / f"part {number % 3}"
            folder.mkdir(parents=True, exist_ok=True)
            noise = rng.integers(-strength, strength + 1, (64, 64, 3)) * rng.random()
            Image.fromarray((128 + noise).clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
    (root / "real" / "notes.txt").write_text("no picture")
    (root / "real" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    return root


def run(*arguments) -> int:
    return main(["calibrate", *map(str, arguments)])


def test_with_both_kinds_all_is_fitted_and_the_old_folder_stays(pictures, tmp_path, capsys):
    before = contents(MODEL)
    assert run(MODEL, "--real", pictures / "real", "--synthetic", pictures / "synthetic", "--output", tmp_path / "new") == 0
    said = capsys.readouterr().out
    assert contents(MODEL) == before
    changed = {name for name, digest in contents(tmp_path / "new").items() if before.get(name) != digest}
    assert changed <= {"config.json", "README.md"}
    config = json.loads((tmp_path / "new" / "config.json").read_text())
    points = {point["name"]: point for point in config["operating_points"]}
    assert list(points) == ["balanced", "false alarms 5%", "false alarms 1%"]
    assert points["balanced"]["fitted_on"] == "60 real and 15 synthetic pictures of one's own"
    detector = open_detector(tmp_path / "new", operating_point="false alarms 5%")
    real = detector.scores(sorted((pictures / "real").rglob("[0-9]*.png"))).probability
    assert detector.threshold == pytest.approx(threshold_at_false_alarm_rate(real, 0.05)[0], abs=1e-9)
    assert points["false alarms 5%"]["confidence"] == 0.95 and (real >= detector.threshold).sum() == 0
    assert points["false alarms 1%"]["threshold"] is None
    assert "false alarms 1%: none (60 held-out real images; a rate of 1% needs 299)" in said
    assert "1 pictures could not be read" in said and "broken.png" in said


def test_with_real_pictures_alone_the_rates_are_set_and_the_rest_stays(pictures, tmp_path):
    assert run(MODEL, "--real", pictures / "real", "--output", tmp_path / "new") == 0
    old, new = (json.loads((folder / "config.json").read_text()) for folder in (MODEL, tmp_path / "new"))
    assert {name for name in new if new[name] != old.get(name)} == {"operating_points"}
    assert new["operating_points"][0] == old["operating_points"][0]  # balanced
    assert [point["n_real"] for point in new["operating_points"][1:]] == [60, 60]


@pytest.mark.parametrize("real, output, sentence", [
    ("absent", "new", "no folder .*absent"),
    ("empty", "new", "holds no picture"),
    ("real", "there", "exists"),
    ("real", "model", "lies in the model's own folder"),
])
def test_what_cannot_be_done_ends_with_a_sentence_and_leaves_nothing(pictures, tmp_path, real, output, sentence, monkeypatch):
    if real == "real":
        monkeypatch.setattr("imaginet_tools.inference.saved_detector.SavedDetector.scores", lambda *_: pytest.fail("pictures were scored"))
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").write_text("mine")
    (pictures / "empty").mkdir(exist_ok=True)
    place = MODEL / "inside" if output == "model" else tmp_path / output
    with pytest.raises(SystemExit, match=sentence):
        run(MODEL, "--real", pictures / real, "--output", place)
    assert not (tmp_path / "new").exists() and not (MODEL / "inside").exists()
    assert (tmp_path / "there" / "mine.txt").read_text() == "mine"
