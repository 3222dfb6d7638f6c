"""What a model stores of its held-out images, and of simulated counterparts of the real ones."""

from types import SimpleNamespace

import numpy as np
import pytest

from imaginet_tools.evaluation import calibrate as module
from imaginet_tools.metrics.calibration import balanced_threshold, fit_temperature_and_bias, uncertain_band
from tests.imaginet_tools.metrics.test_early_exit import combined, scores


def sigmoid(logit) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(logit, dtype=np.float64)))


@pytest.fixture
def calibrated(monkeypatch):
    """A function: whether there are counterparts -> what is stored, and both kinds' answers. Counterparts score a good deal lower than
    held-out synthetic images."""
    def run(with_counterparts: bool):
        sub, logit, label = scores(800, 0, 2.0)
        other_sub, other = (each[label == 1] - shift for each, shift in ((sub, 1.2), (logit, 6.0)))
        answers = {
            "known": SimpleNamespace(logit=logit, sub_logit=sub), "simulated": SimpleNamespace(logit=other, sub_logit=other_sub),
        }
        monkeypatch.setattr(module, "predict", lambda detector, images, *_: answers[images.name])
        stored = {}
        model = SimpleNamespace(config=SimpleNamespace(), calibrate=lambda *given: stored.update(
            zip(("temperature", "bias", "points", "uncertain", "early_exit"), given, strict=True)
        ))
        held_out = FakeImages("known", label)
        module.calibrate(
            SimpleNamespace(model=model), held_out, simulated=FakeImages("simulated", np.ones(len(other))) if with_counterparts else None
        )
        return stored, answers["known"], answers["simulated"], label
    return run


class FakeImages(SimpleNamespace):
    def __init__(self, name: str, label: np.ndarray):
        super().__init__(name=name, label=label)

    def __len__(self) -> int:
        return len(self.label)


def test_the_balanced_threshold_lies_between_real_images_and_counterparts_and_nothing_else_moves(calibrated):
    (without, *_), (found, known, simulated, label) = calibrated(False), calibrated(True)
    temperature, bias = fit_temperature_and_bias(known.logit, label)
    assert (found["temperature"], found["bias"]) == (without["temperature"], without["bias"]) == (temperature, bias)
    real = known.logit[label == 0]
    of_both = sigmoid(np.r_[real, simulated.logit] / temperature + bias)
    expected = balanced_threshold(of_both, np.repeat([0, 1], [len(real), len(simulated.logit)]))
    point = found["points"][0]
    assert point["threshold"] == expected < without["points"][0]["threshold"] - 0.05
    assert (point["n_real"], point["n_synthetic"]) == (len(real), len(simulated.logit)) and "simulated counterparts" in point["fitted_on"]
    assert found["points"][1:] == without["points"][1:]


def test_the_band_of_guesses_holds_both_thresholds(calibrated):
    (without, *_), (found, known, _, label) = calibrated(False), calibrated(True)
    probability = sigmoid(known.logit / found["temperature"] + found["bias"])
    assert without["uncertain"] == uncertain_band(probability, label)
    thresholds = [each["points"][0]["threshold"] for each in (found, without)]
    assert found["uncertain"]["low"] == min(without["uncertain"]["low"], *thresholds) < without["uncertain"]["low"]
    assert found["uncertain"]["high"] == without["uncertain"]["high"]
    assert found["uncertain"]["share"] > without["uncertain"]["share"]


def test_early_exit_has_a_threshold_between_all_answers_of_both(calibrated):
    (without, *_), (found, known, simulated, label) = calibrated(False), calibrated(True)
    early, before = found["early_exit"], without["early_exit"]
    assert [early[name] for name in ("low", "high", "share", "auc")] == [before[name] for name in ("low", "high", "share", "auc")]
    logits = [combined(each.sub_logit, each.logit, early) for each in (known, simulated)]
    both = np.r_[logits[0][label == 0], logits[1]]
    probability = sigmoid(both / found["temperature"] + found["bias"])
    expected = balanced_threshold(probability, np.repeat([0, 1], [(label == 0).sum(), len(logits[1])]))
    assert early["operating_points"][0]["threshold"] == expected != found["points"][0]["threshold"]
    assert early["operating_points"][1:] == before["operating_points"][1:]
