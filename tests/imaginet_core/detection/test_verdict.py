"""The rule from logits to an answer, which every backend shares, against PyTorch's softmax."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from modeling import verdict

POINTS = [{"name": "balanced", "threshold": 0.7}, {"name": "strict", "threshold": None, "reason": "7 images"}]


def config(**changes) -> SimpleNamespace:
    """What the rule reads of a configuration."""
    kinds = {"families": ["GAN", "SD"], "generators": ["a", "b", "c"]}
    return SimpleNamespace(**{"id2label": {0: "human", 1: "ai"}, "operating_points": POINTS, **kinds, **changes})


@pytest.mark.parametrize("logits", [[0.0, 0.5], [0.0, 2.0], [0.0, -900.0], [0.0, 900.0]])
def test_the_probability_is_the_softmax_and_the_label_follows_the_threshold(logits):
    kinds = np.float32([0.3, -1.0, 2.0])
    answer = verdict(np.float32(logits), config(), family_logits=kinds[:2], generator_logits=kinds)
    probability = torch.tensor(logits, dtype=torch.float64).softmax(0)[1].item()
    assert answer["probability"] == pytest.approx(probability, abs=1e-12)
    assert answer["label"] == ("ai" if probability >= 0.7 else "human")
    assert (answer["operating_point"], answer["threshold"]) == ("balanced", 0.7)
    assert list(answer["generator"]) == ["a", "b", "c"] and list(answer["family"]) == ["GAN", "SD"]
    np.testing.assert_allclose(list(answer["generator"].values()), torch.from_numpy(kinds).softmax(0), rtol=1e-6)


def test_without_operating_points_one_half_decides():
    answers = [verdict([0.0, logit], config(operating_points=[])) for logit in (-1e-6, 0.0)]
    assert [answer["label"] for answer in answers] == ["human", "ai"]
    assert answers[0] | {"label": "", "probability": 0} == {
        "label": "", "probability": 0, "log_odds": -1e-6, "threshold": 0.5, "operating_point": None, "outcome": "human", "family": None,
        "generator": None,
    }


def test_top_k_names_the_likeliest_kinds_first():
    answer = verdict([0.0, 1.0], config(), generator_logits=[0.0, 3.0, 1.0], top_k=2)
    assert list(answer["generator"]) == ["b", "c"] and sum(answer["generator"].values()) < 1


@pytest.mark.parametrize("wrong, said", [
    ({"operating_point": "strict"}, "never set: 7 images"),
    ({"operating_point": "x"}, "no operating point 'x'; it has: balanced, strict"),
    ({"top_k": 0}, "top_k must be a positive whole number"),
])
def test_what_cannot_be_answered_is_refused_in_one_sentence(wrong, said):
    with pytest.raises(ValueError, match=said):
        verdict([0.0, 1.0], config(), **wrong)
