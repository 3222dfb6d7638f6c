"""The adversarial floor: attacks stay within their strength and find what they can."""

import numpy as np
import pytest
import torch

from imaginet_tools.evaluation.detectors import TorchDetector
from imaginet_tools.evaluation.predict import predict
from imaginet_tools.evaluation.robustness import adversarial
from imaginet_tools.evaluation.robustness.adversarial import adversarial_floor, attackable, pgd
from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.splits import load_splits
from imaginet_tools.inference.detector import Detector
from imaginet_tools.inference.saved_detector import open_detector
from modeling import SelfConImageProcessor
from tests.modeling.helpers import small_model


@pytest.fixture(scope="module")
def images(tiny_dataset):
    chosen = load_splits(DataOptions(dataset=str(tiny_dataset), held_out=0.25), seed=42).train
    return chosen.select(np.arange(12))


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    return TorchDetector(small_model(), SelfConImageProcessor(crop_size={"height": 32, "width": 32}))


def test_the_attack_on_a_linear_detector_is_the_best_one_there_is():
    weights = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(1))
    logit_of = lambda pixels: (pixels * weights).sum((1, 2, 3))
    pixels = torch.full((2, 3, 8, 8), 0.5)
    attacked = pgd(logit_of, pixels, torch.tensor([0, 1]), 8 / 255, steps=10)
    best = 8 / 255 * weights.sign()
    torch.testing.assert_close(attacked[0], pixels[0] + best)  # a real image is pushed up, a synthetic one down
    torch.testing.assert_close(attacked[1], pixels[1] - best)


def test_attacks_stay_within_their_strength_and_within_a_picture(detector, images):
    logit_of, pixels_of, _ = attackable(detector)
    pixels = torch.cat([torch.from_numpy(pixels_of(b"", images.pixels(index), "clean")) for index in range(4)])
    pixels[0] = 0
    label = torch.from_numpy(images.label[:4])
    attacked = pgd(logit_of, pixels, label, 8 / 255, steps=3)
    assert (attacked - pixels).abs().max() <= 8 / 255 + 1e-6 and attacked.min() >= 0 and attacked.max() <= 1
    loss = lambda values: torch.nn.functional.binary_cross_entropy_with_logits(logit_of(values), label.float()).item()
    assert loss(attacked) > loss(pixels)
    assert all(parameter.grad is None for parameter in detector.model.parameters())


def test_the_clean_row_is_the_detector_itself_and_stronger_attacks_find_more(detector, images):
    rows = adversarial_floor(detector, images, 0.5, steps=5)
    assert [row["epsilon"] for row in rows] == [0, 4, 8, 16]
    probability = predict(detector, images).probability
    logit_of, pixels_of, probability_of = attackable(detector)
    with torch.no_grad():
        crops = [torch.from_numpy(pixels_of(b"", images.pixels(index), "clean")) for index in range(12)]
        own = probability_of(logit_of(torch.cat(crops)).double().numpy())
    np.testing.assert_allclose(own, probability, atol=1e-5)
    aucs = [row["auc"]["value"] for row in rows]
    assert aucs[0] >= aucs[1] >= aucs[3] and aucs[3] < aucs[0]


def test_a_saved_model_can_be_attacked_and_others_are_refused(repository, images):
    saved = open_detector(str(repository / "tests/data/version_0_1/model"), "torch", "cpu")
    rows = adversarial_floor(saved, images.select(np.arange(4)), saved.threshold, (16,), steps=2)
    assert rows[0]["auc"]["value"] >= rows[1]["auc"]["value"]

    class Other(Detector):
        name = "a rival"

    with pytest.raises(ValueError, match="model in PyTorch; a rival is none"):
        adversarial_floor(Other(), images, 0.5)
    with pytest.raises(ValueError, match="one class only"):
        adversarial_floor(saved, images.select(images.label == 0), 0.5)


def test_all_crops_of_a_picture_are_attacked_and_a_second_floor_computes_none(repository, images, tmp_path, monkeypatch):
    saved = TorchDetector(small_model(), SelfConImageProcessor(crop_size={"height": 32, "width": 32}, crops=3))
    kept, key = images.select(np.arange(4)), {"model": "three crops"}
    rows = adversarial_floor(saved, kept, 0.5, (16,), steps=2, store=tmp_path, key=key)
    scorer = adversarial.AttackScorer(saved, int(kept.label[0]), (16,), 2)
    prepared = [scorer.preparation(b"", kept.pixels(index), "clean") for index in range(4)]
    assert {each.shape[0] for each in prepared} == {3}
    apart, together = [scorer.rows([each])[0] for each in prepared], scorer.rows(prepared)
    clean = saved.scores([kept.pixels(index) for index in range(4)]).probability
    for one, other, expected in zip(apart, together, clean, strict=True):
        assert one == pytest.approx(other, abs=1e-5) and one["0"] == pytest.approx(expected, abs=1e-5)
    assert all(abs(row["16"] - row["0"]) > 1e-4 for row in apart)  # all three crops moved, or the mean would not

    def computed(*_, **__):
        raise AssertionError("a stored score was computed again")

    monkeypatch.setattr(adversarial, "pgd", computed)
    assert adversarial_floor(saved, kept, 0.5, (16,), steps=2, store=tmp_path, key=key) == rows
    with pytest.raises(ValueError, match="computed again"):
        adversarial_floor(saved, kept, 0.5, (16,), steps=3, store=tmp_path, key=key)
    with pytest.raises(ValueError, match="An attack is on the mean over crops"):
        attackable(open_detector(str(repository / "tests/data/version_0_1/model"), "torch", "cpu", windows=3, window_rule="max"))
