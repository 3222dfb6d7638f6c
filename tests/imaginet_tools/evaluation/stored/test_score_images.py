"""Scores are computed once, of what they depend on; a killed run goes on; a half-written store is mended."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imaginet_core.pictures import decode
from imaginet_core.pictures.degradation_grid.conditions import degrade
from imaginet_core.pictures.degradations import jpeg70
from imaginet_tools.evaluation.stored.detector_scorer import DetectorScorer
from imaginet_tools.evaluation.stored.score_images import score_images
from imaginet_tools.evaluation.stored.score_store import SCORES, StoredScores
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.inference.detector import Answers, Detector
from imaginet_tools.inference.saved_detector import open_detector
from tests.imaginet_tools.evaluation.simulate import picture


MODEL = Path(__file__).parents[3] / "data" / "version_0_1" / "model"


class Brightness(Detector):
    """Counts what it is asked; raises on the picture number ``fails`` that it sees."""

    batch_size, threshold = 4, 0.5

    def __init__(self, name="brightness", fails=None):
        self.name, self.fails, self.seen = name, fails, 0

    def scores(self, pictures):
        bright = []
        for each in pictures:
            if self.fails is not None and abs(each.mean() - self.fails) < 1e-9:
                raise RuntimeError("the network\nwas not amused")
            bright.append(each.mean() / 255)
        self.seen += len(pictures)
        return Answers(np.array(bright))


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Ten PNG files, the last of which has the content of the first."""
    folder = tmp_path_factory.mktemp("images")
    for number in range(10):
        label = "real" if number % 2 else "synthetic"
        (folder / label).mkdir(exist_ok=True)
        Image.fromarray(picture(number % 9, 64, 48)).save(folder / label / f"{number}.png")
    return ImageSet.from_folder(str(folder))


def run(images, store, model="weights 1", detector=None, conditions=("clean", "jpeg70")):
    detector = detector or Brightness()
    return detector, score_images(DetectorScorer(detector, {"model": model}), images, conditions, store)


def test_rows_are_the_detector_s_answers_under_each_condition_and_need_no_second_scoring(images, tmp_path):
    first, found = run(images, tmp_path)
    expected = np.array([images.pixels(index).mean() / 255 for index in range(10)])
    assert [row["probability"] for row in found.rows["clean"]] == pytest.approx(expected)
    degraded = [jpeg70(images.pixels(index)).mean() / 255 for index in range(10)]
    assert [row["probability"] for row in found.rows["jpeg70"]] == pytest.approx(degraded)
    assert first.seen == found.computed == 18  # one picture is there twice
    again, stored = run(images, tmp_path)
    assert again.seen == stored.computed == 0 and stored.rows == found.rows
    half, _ = run(images.select(np.arange(4)), tmp_path, conditions=("clean",))
    assert half.seen == 0


def test_a_changed_model_never_meets_an_old_score(images, tmp_path):
    run(images, tmp_path)
    changed, found = run(images, tmp_path, "weights 2")
    assert changed.seen == found.computed == 18


def test_a_detector_that_fails_is_named_with_its_picture_and_what_it_scored_is_kept(images, tmp_path):
    path = images.path[6]
    with pytest.raises(ValueError) as caught:
        run(images, tmp_path, detector=Brightness("rival", fails=images.pixels(6).mean()), conditions=("clean",))
    assert str(caught.value).startswith(f"rival failed on {path} (clean): the network") and "\n" not in str(caught.value)
    rest, found = run(images, tmp_path, conditions=("clean",))
    assert "The 5 scores" in str(caught.value) and rest.seen == 9 - 5 and None not in found.rows["clean"]


def test_answers_that_are_no_probabilities_are_refused(images, tmp_path):
    class Logits(Brightness):
        def scores(self, pictures):
            return Answers(np.full(len(pictures), 3.0))

    with pytest.raises(ValueError, match="logits failed on .*it gave the probability 3.0 to 3.0, not from 0 to 1"):
        run(images, tmp_path, detector=Logits("logits"))


@pytest.mark.parametrize("damage", [
    lambda content: content[:-20],  # a kill in the middle of a line
    lambda content: content.replace(b'"probability": 0.', b'"probability" 0.', 1),
    lambda content: content + b"\0" * 100 + b"\n",
])
def test_a_half_written_store_is_mended(images, tmp_path, damage, caplog):
    _, before = run(images, tmp_path, conditions=("clean",))
    [file] = tmp_path.rglob(SCORES)
    file.write_bytes(damage(file.read_bytes()))
    again, found = run(images, tmp_path, conditions=("clean",))
    assert again.seen == (0 if file.read_bytes().count(b"\n") == 9 and found.computed == 0 else 1) and found.rows == before.rows
    assert "half written" in caplog.text and all(json.loads(line) for line in file.read_bytes().splitlines())


def test_two_processes_do_not_write_one_store_at_a_time(tmp_path):
    with StoredScores(tmp_path, {"model": "x"}) as stored:
        stored.add({"a": {"probability": 0.5}})
        with pytest.raises(FileExistsError, match="Another process is writing the scores"):
            StoredScores(tmp_path, {"model": "x"})
        with StoredScores(tmp_path, {"model": "y"}) as other:
            assert other.rows == {}
    with StoredScores(tmp_path, {"model": "x"}) as stored:
        assert stored.rows == {"a": {"probability": 0.5}}


def test_images_that_cannot_be_read_are_told_and_cost_no_others(images, tmp_path):
    folder = tmp_path / "images"
    for label in ("real", "synthetic"):
        (folder / label).mkdir(parents=True)
        Image.fromarray(picture(3, 64, 48)).save(folder / label / "good.png")
    (folder / "real" / "broken.png").write_bytes((folder / "real" / "good.png").read_bytes()[:200])
    broken = ImageSet.from_folder(str(folder))
    _, found = run(broken, tmp_path / "store", conditions=("clean",))
    [(index, reason)] = found.broken.items()
    assert broken.path[index] == "real/broken.png" and reason.startswith("real/broken.png: ")
    assert [row is None for row in found.rows["clean"]] == [path == "real/broken.png" for path in broken.path]


GRID = ["clean", "jpeg_30", "noise_100", "resize_bicubic_0.5", "hard_screenshot", "half_and_back"]


def test_the_grid_gives_what_each_condition_gives_and_decodes_each_image_once(images, tmp_path, monkeypatch):
    kept, detector = images.select(np.arange(4)), open_detector(str(MODEL))
    expected = {
        name: detector.scores([degrade(kept.pixels(index), str(kept.path[index]), name) for index in range(4)]).probability for name in GRID
    }
    decoded, to_rgb = [], decode.to_rgb
    monkeypatch.setattr(decode, "to_rgb", lambda image, box=None: decoded.append(image) or to_rgb(image, box))
    found = score_images(DetectorScorer(detector), kept, GRID, tmp_path)
    assert len(decoded) == 4 and found.computed == 4 * len(GRID)
    for name in GRID:
        assert [row["probability"] for row in found.rows[name]] == pytest.approx(expected[name], abs=1e-6), name
    assert len({tuple(expected[name]) for name in GRID}) == len(GRID)


def test_a_detector_sees_every_copy_turned_as_it_wants_pictures(tmp_path):
    folder, exif = tmp_path / "images", Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter
    for label in ("real", "synthetic"):
        (folder / label).mkdir(parents=True)
        Image.fromarray(picture(len(label), 64, 300)).save(folder / label / "a.png", exif=exif)
    images, detector = ImageSet.from_folder(str(folder)), open_detector(str(MODEL))
    upright = score_images(DetectorScorer(detector), images, ["clean", "jpeg_30"], tmp_path / "upright").rows
    detector.preparation = detector.preparation._replace(turn_upright=False)
    stored = score_images(DetectorScorer(detector), images, ["clean", "jpeg_30"], tmp_path / "stored").rows
    files = [str(folder / path) for path in images.path]
    assert [row["probability"] for row in stored["clean"]] == pytest.approx(detector.scores(files).probability, abs=1e-6)
    assert all(stored[name] != upright[name] for name in ("clean", "jpeg_30"))


def test_an_unknown_condition_and_scores_without_a_key_are_refused(images, tmp_path):
    with pytest.raises(ValueError, match="no condition 'fog'"):
        run(images, tmp_path, conditions=("clean", "fog"))
    with pytest.raises(ValueError, match="brightness is no saved detector, so its stored scores need a key"):
        DetectorScorer(Brightness())
