"""What a model stores of its held-out images, and of simulated counterparts of the real ones."""

from types import SimpleNamespace

import numpy as np
import pytest

from imaginet_tools.evaluation import calibrate as module
from imaginet_tools.metrics.calibration import balanced_threshold, fit_temperature_and_bias, uncertain_band
from tests.imaginet_tools.metrics.test_early_exit import scores


def sigmoid(logit) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(logit, dtype=np.float64)))


@pytest.fixture
def calibrated(monkeypatch):
    """A function: whether there are counterparts -> what is stored, and both kinds' answers. Counterparts score a good deal lower than
    held-out synthetic images."""
    def run(with_counterparts: bool, lower: float = 6.0):
        sub, logit, label = scores(800, 0, 2.0)
        other_sub, other = (each[label == 1] - shift for each, shift in ((sub, lower / 5), (logit, lower)))
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


def test_the_band_of_guesses_reaches_to_the_threshold_of_counterparts_and_nothing_else_moves(calibrated):
    (without, *_), (found, known, simulated, label) = calibrated(False), calibrated(True)
    temperature, bias = fit_temperature_and_bias(known.logit, label)
    assert (found["temperature"], found["bias"]) == (temperature, bias)
    assert all(found[name] == without[name] for name in ("temperature", "bias", "points", "early_exit"))
    assert found["early_exit"] is not None and found["points"][0]["n_synthetic"] == (label == 1).sum()
    probability, real = sigmoid(known.logit / temperature + bias), known.logit[label == 0]
    assert without["uncertain"] == uncertain_band(probability, label)
    of_both = sigmoid(np.r_[real, simulated.logit] / temperature + bias)
    threshold = balanced_threshold(of_both, np.repeat([0, 1], [len(real), len(simulated.logit)]))
    assert found["uncertain"]["low"] == threshold < without["uncertain"]["low"] - 0.05
    assert found["uncertain"]["high"] == without["uncertain"]["high"]
    assert found["uncertain"]["share"] > without["uncertain"]["share"]


def test_the_band_holds_the_stored_threshold_however_easy_the_counterparts(calibrated):
    found, *_ = calibrated(True, 0.0)
    low, high = (found["uncertain"][name] for name in ("low", "high"))
    assert low <= found["points"][0]["threshold"] <= high
