"""Early exit of a small trained network: what is really skipped, whose numbers are whose, and the AUC on pictures it never saw."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.metrics import roc_auc_score

from imaginet_tools.commands.main import main
from imaginet_tools.inference.saved_detector import open_detector
from imaginet_tools.inference.scoring.records import PreparedInput
from imaginet_tools.inference.scoring.scorer import Scorer
from modeling import SelfConImageProcessor
from tests.modeling.helpers import small_model

SIDE = 32
OLD = Path(__file__).resolve().parents[2] / "data" / "version_0_1" / "model"


def pictures(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (N, SIDE, SIDE, 3): noise, on every other picture a chequered pattern, mostly a plain one; and labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    chequered = (np.indices((SIDE, SIDE)).sum(0) % 2 - 0.5)[..., None]
    strength = labels * rng.gamma(1.5, 10, count)
    noise = rng.normal(0, 25, (count, SIDE, SIDE, 3))
    return (128 + noise + strength[:, None, None, None] * chequered).clip(0, 255).astype(np.uint8), labels


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """Trained for a few seconds and calibrated by the command, with 150 pictures of each class."""
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("early")
    network = small_model(stem_stride=1, widths=[8, 8], depths=[1, 1], sub_network_after=1, families=["a", "b"], temperature=1.0, bias=0.0)
    processor = SelfConImageProcessor(crop_size={"height": SIDE, "width": SIDE})
    content, labels = pictures(256, 0)
    inputs, targets = processor(list(content), return_tensors="pt")["pixel_values"], torch.tensor(labels, dtype=torch.float32)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    network.train()
    for step in range(40):
        some = slice(step % 4 * 64, step % 4 * 64 + 64)
        found = network(inputs[some])
        loss = sum(F.binary_cross_entropy_with_logits(logit, targets[some]) for logit in (found.origin_logit, found.sub_logit))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval().save_pretrained(root / "plain")
    processor.save_pretrained(root / "plain")
    for picture, label, number in zip(*pictures(300, 1), range(300), strict=True):
        (root / str(label)).mkdir(exist_ok=True)
        Image.fromarray(picture).save(root / str(label) / f"{number}.png")
    arguments = ["--real", str(root / "0"), "--synthetic", str(root / "1"), "--output", str(root / "model"), "--device", "cpu"]
    assert main(["calibrate", str(root / "plain"), *arguments]) == 0
    return root / "model"


@pytest.fixture(scope="module")
def fresh() -> tuple[np.ndarray, np.ndarray]:
    return pictures(400, 2)


def test_the_auc_on_fresh_pictures_stays_within_five_thousandths(model, fresh):
    content, labels = fresh
    whole = open_detector(model, device="cpu").scores(content)
    early = open_detector(model, device="cpu", early_exit=True).scores(content)
    assert 0.8 < roc_auc_score(labels, whole.probability) < 1
    assert roc_auc_score(labels, early.probability) > roc_auc_score(labels, whole.probability) - 0.005
    left = np.isnan(early.feature[:, 0])
    told = json.loads((model / "config.json").read_text())["early_exit"]
    assert told["images"] == 300 and left.mean() == pytest.approx(told["share"], abs=0.1) and left.mean() > 0.1
    np.testing.assert_allclose(early.logit[~left], whole.logit[~left], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(early.family[~left], whole.family[~left], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(early.logit[left], whole.sub_logit[left] * told["scale"] + told["shift"], rtol=1e-4, atol=1e-4)


def test_the_later_layers_see_only_pictures_that_go_on(model, fresh):
    detector = open_detector(model, device="cpu", early_exit=True)
    seen = []
    detector.network.model.encoder.layer2.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    answers = detector.scores(fresh[0])
    left = np.isnan(answers.feature[:, 0])
    assert sum(seen) == (~left).sum() < len(left)
    leaving = fresh[0][left]
    seen.clear()
    assert np.isfinite(detector.scores(leaving).probability).all() and sum(seen) == 0  # not one goes on
    alone = [detector.scores([picture]).probability[0] for picture in fresh[0][:8]]
    np.testing.assert_allclose(alone, answers.probability[:8], atol=1e-6)


def test_thresholds_are_those_that_were_fitted_with_early_exit_and_rows_of_such_pictures_name_no_generator(model, fresh):
    detector = open_detector(model, device="cpu", early_exit=True, operating_point="false alarms 5%")
    told = json.loads((model / "config.json").read_text())["early_exit"]
    assert detector.threshold == told["operating_points"][1]["threshold"]
    prepared = [PreparedInput(number, str(number), None, 1, "", detector.prepare(picture)) for number, picture in enumerate(fresh[0])]
    rows, left = Scorer(detector)(prepared), np.isnan(detector.scores(fresh[0]).feature[:, 0])
    assert [row.get("family") is None for row in rows] == list(left) and all(np.isfinite(row["probability"]) for row in rows)


def test_with_real_pictures_alone_its_rates_are_set_anew_and_the_pair_stays(model, tmp_path):
    arguments = ["--real", str(model.parent / "0"), "--output", str(tmp_path / "new"), "--device", "cpu"]
    assert main(["calibrate", str(model), *arguments]) == 0
    before, after = (json.loads((place / "config.json").read_text())["early_exit"] for place in (model, tmp_path / "new"))
    assert {name for name in before if before[name] != after[name]} == {"operating_points"}
    assert [point["n_synthetic"] for point in after["operating_points"]] == [150, 0, 0]
    for name in ("threshold", "false_alarm_rate"):
        assert after["operating_points"][1][name] == pytest.approx(before["operating_points"][1][name], abs=1e-9)


def test_a_model_without_it_says_how_to_fit_it():
    with pytest.raises(ValueError, match="has no early exit: .*imaginet calibrate .* fits it on pictures of your own"):
        open_detector(OLD, device="cpu", early_exit=True)


def test_code_of_an_older_version_is_named(tmp_path, model):
    early_exit = json.loads((model / "config.json").read_text())["early_exit"]
    for file in OLD.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((OLD / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "early_exit": early_exit}))
    with pytest.raises(ValueError, match="older version, which has no early exit"):
        open_detector(tmp_path, device="cpu", early_exit=True)
