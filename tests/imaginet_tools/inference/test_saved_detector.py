"""The face of saved detectors: the pipelines' numbers, in batches or alone, whatever is given, and refusals in a sentence."""

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageClassification, pipeline

from imaginet_core.detection.crops import cut_crops
from imaginet_core.detection.windows import RULES
from imaginet_tools.inference.detector import PreparingDetector, rank
from imaginet_tools.inference.saved_detector import SavedDetector, open_detector

ROOT = Path(__file__).resolve().parents[3]
MODEL = ROOT / "tests" / "data" / "version_0_1" / "model"
PICTURES = sorted((ROOT / "sample" / "images").rglob("*.jpg"))[:5]


@pytest.fixture(scope="module")
def detector() -> SavedDetector:
    return open_detector(MODEL, device="cpu")


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """A picture of several crops."""
    file = tmp_path_factory.mktemp("large") / "large.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (600, 530, 3), dtype=np.uint8)).save(file)
    return file


@pytest.mark.parametrize("crops", [1, 5, 6])
def test_its_numbers_are_those_of_both_pipelines(large, crops):
    pictures = [*map(str, PICTURES), str(large)]
    answers = open_detector(MODEL, device="cpu", crops=crops).scores(pictures)
    told = pipeline("synthetic-image-detection", model=str(MODEL), trust_remote_code=True, device="cpu")(pictures, crops=crops)
    scores = pipeline("image-classification", model=str(MODEL), trust_remote_code=True, device="cpu")(pictures, crops=crops)
    named = [{each["label"]: each["score"] for each in answer} for answer in scores]
    np.testing.assert_allclose(answers.probability, [each["probability"] for each in told], rtol=0, atol=1e-6)
    np.testing.assert_allclose(answers.probability, [each["synthetic"] for each in named], rtol=0, atol=1e-6)
    assert list(answers.outcome) == [each["label"] for each in told]
    for row, answer in zip(answers.generator, told, strict=True):
        assert dict(rank(list(answer["generator"]), row)) == pytest.approx(answer["generator"], abs=1e-5)


def test_a_picture_gets_one_score_alone_in_a_batch_and_in_every_form(detector):
    with Image.open(PICTURES[0]) as image:
        image.load()
    forms = [PICTURES[0], str(PICTURES[0]), PICTURES[0].read_bytes(), image, np.asarray(image)]
    alone = np.concatenate([detector.scores([form]).probability for form in forms])
    together = detector.scores([*forms, *PICTURES[1:]])
    np.testing.assert_allclose(together.probability[: len(forms)], alone, rtol=0, atol=1e-6)
    assert np.ptp(alone) < 1e-7
    np.testing.assert_allclose(together.log_odds, np.log(together.probability / (1 - together.probability)), atol=1e-9)


def test_a_bad_picture_costs_only_its_own_answer(detector, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    answers = detector.scores([PICTURES[0], tmp_path / "bad.jpg", tmp_path / "absent.jpg", PICTURES[1]])
    np.testing.assert_allclose(answers.probability[[0, 3]], detector.scores(PICTURES[:2]).probability, atol=1e-6)
    assert np.isnan(answers.probability[1:3]).all() and np.isnan(answers.generator[1:3]).all()
    assert list(answers.outcome[1:3]) == ["", ""] and answers.error[0] is None
    assert "bad.jpg" in answers.error[1] and "absent.jpg" in answers.error[2]
    nothing = detector.scores([tmp_path / "bad.jpg"])
    assert np.isnan(nothing.probability).all() and nothing.generator.shape == (1, len(detector.generators))


def test_where_there_is_nothing_to_judge_the_outcome_is_uncertain(detector):
    flat, narrow = np.full((300, 300, 3), 90, np.uint8), np.random.default_rng(1).integers(0, 256, (40, 300, 3), dtype=np.uint8)
    answers = detector.scores([flat, narrow])
    assert list(answers.outcome) == ["uncertain", "uncertain"]
    assert [[note.name for note in notes] for notes in answers.notes] == [["flat"], ["padded"]]


def test_all_windows_cover_a_picture_once_each():
    image = np.arange(600 * 530).reshape(1, 600, 530)
    crops = cut_crops(image, (256, 256), "all")
    assert len(crops) == 3 * 3
    assert len(np.unique(np.stack(crops))) == image.size


def test_windows_are_crops_combined_by_a_rule(large):
    windows = cut_crops(np.asarray(Image.open(large)).transpose(2, 0, 1), (256, 256), "all")
    single = open_detector(MODEL, device="cpu").scores([window.transpose(1, 2, 0) for window in windows])
    answers = {rule: open_detector(MODEL, device="cpu", windows="all", window_rule=rule).scores([large]) for rule in RULES}
    assert answers["mean logit"].logit[0] == pytest.approx(single.logit.mean(), abs=1e-5)
    assert answers["mean logit"].logit[0] == open_detector(MODEL, device="cpu", crops="all").scores([large]).logit[0]
    assert answers["max"].logit[0] == pytest.approx(single.logit.max(), abs=1e-5)
    assert answers["mean probability"].probability[0] == pytest.approx(single.probability.mean(), abs=1e-6)
    for answer in answers.values():
        np.testing.assert_allclose(answer.generator[0], single.generator.mean(0), atol=1e-5)


MEMORY = """
import re, sys
import numpy as np
from PIL import Image
from imaginet_tools.inference.saved_detector import open_detector

def most():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

detector = open_detector(sys.argv[1], device="cpu", windows="all", batch_size=8)
small = np.random.default_rng(0).integers(0, 256, (1024, 512, 3), dtype=np.uint8)
detector.scores([small])
before = most()
answers = detector.scores([sys.argv[2]])
assert np.isfinite(answers.probability).all()
print(most() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_photograph_of_12_megapixels_costs_its_own_pixels_and_crops_alone(tmp_path):
    file = tmp_path / "large.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)).resize((4000, 3000)).save(file)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(MODEL), str(file)], cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    # pixels and crops are 36 MB each; the activations of all 192 windows at once would be 400 MB and more
    assert float(done.stdout) < 300


def test_it_travels_to_another_process_as_its_place_and_arguments(detector):
    copied = pickle.loads(pickle.dumps(open_detector(MODEL, device="cpu", crops=5)))
    assert copied.crops == 5 and isinstance(copied, PreparingDetector)
    assert len(pickle.dumps(detector)) < 1000
    np.testing.assert_array_equal(copied.scores(PICTURES[:2]).probability, detector.scores(PICTURES[:2]).probability)


def test_two_folders_of_one_name_keep_their_own_code_and_answers(tmp_path, detector):
    folders = [tmp_path / name / "model" for name in ("one", "other")]
    for folder in folders:
        shutil.copytree(MODEL, folder)
    code = folders[1] / "modeling_selfcon.py"
    model = AutoModelForImageClassification.from_pretrained(folders[1], trust_remote_code=True)
    with torch.no_grad():
        model.classifier[-1].bias += 1
    model.save_pretrained(folders[1])
    code.write_text(code.read_text(encoding="utf-8") + "\nMARK = 'other'\n", encoding="utf-8")
    one, other = (open_detector(folder, device="cpu") for folder in folders)
    first = one.scores(PICTURES[:2]).logit
    np.testing.assert_allclose(other.scores(PICTURES[:2]).logit, first + 1, atol=1e-5)
    np.testing.assert_array_equal(first, detector.scores(PICTURES[:2]).logit)
    assert sys.modules[type(other.network.model).__module__].MARK == "other"
    assert not hasattr(sys.modules[type(one.network.model).__module__], "MARK")
    assert one.network.settings.fingerprint == detector.network.settings.fingerprint != other.network.settings.fingerprint


@pytest.mark.parametrize("options, said", [
    ({"backend": "tpu"}, "no backend 'tpu'; there is: auto, torch"),
    ({"device": "cuda:9"}, "no device 'cuda:9' here; there is: cpu"),
    ({"operating_point": "x"}, "no operating point 'x'; it has: "),
    ({"crops": 5, "windows": "all"}, "crops and windows are two names of the same number"),
    ({"window_rule": "median"}, "no rule 'median' for windows"),
    ({"crops": 0}, "crops must be a positive whole number"),
])
def test_what_cannot_be_had_is_refused_in_one_sentence(options, said):
    with pytest.raises(ValueError, match=said):
        open_detector(MODEL, **options)


def test_a_folder_without_a_model_and_unread_code_of_the_hub_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="has no config.json"):
        open_detector(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        open_detector(tmp_path / "a" / "b")
    with pytest.raises(ValueError, match="brings its own code.*trust_remote_code=True"):
        open_detector("somebody/detector")
