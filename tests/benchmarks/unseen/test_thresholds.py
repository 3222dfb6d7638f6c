"""What a threshold loses, against every threshold tried one by one."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.unseen import thresholds
from benchmarks.unseen.parts import Lab
from benchmarks.unseen.scores import CONDITIONS
from benchmarks.unseen.thresholds import HALVES, LUCK, SIMULATED, STORED, WAYS, against_simulated, guesses, known_of, losses, luck, table
from imaginet_tools.metrics.calibration import balanced_threshold
from tests.benchmarks.unseen.tiny_lab import write_lab


def pictures(shift: float, count: int = 60, seed: int = 0) -> dict:
    """Two pictures of each source, one of them synthetic; ``shift`` moves the scores of all conditions but the first."""
    rng, label = np.random.default_rng(seed), np.tile([0, 1], count)
    scores = {column: label + rng.normal(0, 0.7, 2 * count) + (shift if column != "clean" else 0) for column in CONDITIONS}
    return {
        "label": label.tolist(), "source_image": [f"{number // 2}" for number in range(2 * count)],
        "probability": {column: (1 / (1 + np.exp(-values))).tolist() for column, values in scores.items()},
        "simulated": {"label": label.tolist(), "probability": {"clean": np.where(label == 1, 0.31, 0.29).tolist()}},
    }


def accuracy(scored: dict, column: str, threshold: float) -> float:
    label, called = np.array(scored["label"]), np.array(scored["probability"][column]) >= threshold
    return (called[label == 1].mean() + (~called)[label == 0].mean()) / 2


def test_a_way_loses_what_it_lies_below_the_best_threshold_of_all():
    held_out, scored = pictures(1.5), pictures(1.5, seed=1)
    found = losses(held_out, scored)
    assert list(found) == [*WAYS, LUCK] and all(len(each) == len(CONDITIONS) and min(each) >= -1e-12 for each in found.values())
    for number, column in enumerate(CONDITIONS):
        probability, label = np.array(held_out["probability"]["clean"]), np.array(held_out["label"])
        best = max(accuracy(scored, column, each) for each in [*scored["probability"][column], 2])
        assert found["20 % false alarms, clean"][number] == pytest.approx(best - accuracy(scored, column, np.quantile(probability[label == 0], 0.8)))


def test_a_threshold_of_simulated_counterparts_is_that_of_clean_ones_in_every_condition():
    scored = pictures(1.5, seed=1)
    of_simulated = losses(pictures(1.5), scored)[SIMULATED]
    for column, found in zip(CONDITIONS, of_simulated, strict=True):
        best = max(accuracy(scored, column, each) for each in [*scored["probability"][column], 2])
        assert found == pytest.approx(best - accuracy(scored, column, 0.3))
    without = {name: value for name, value in pictures(1.5).items() if name != "simulated"}
    assert set(WAYS) - set(losses(without, scored)) == {SIMULATED}


def test_simulated_counterparts_are_set_against_the_held_out_real_pictures_alone(monkeypatch):
    monkeypatch.setattr(thresholds, "predict", lambda *_: SimpleNamespace(probability=np.array([0.4, 0.4])))
    held_out = {"label": [0, 1, 0], "probability": {"clean": [0.1, 0.9, 0.2], "web": [0.5, 0.5, 0.5]}}
    found = against_simulated(None, held_out, None)
    assert found == {"label": [0, 0, 1, 1], "probability": {"clean": [0.1, 0.2, 0.4, 0.4]}}


def test_guesses_are_what_lies_between_the_stored_threshold_and_that_of_simulated_counterparts():
    held_out, scored = pictures(1.5), pictures(1.5, seed=1)
    stored = balanced_threshold(np.array(held_out["probability"]["clean"]), np.array(held_out["label"]))
    assert stored > 0.4
    share, there, elsewhere = (np.array(values) for values in guesses(held_out, scored).values())
    for number, column in enumerate(CONDITIONS):
        score, label = np.array(scored["probability"][column]), np.array(scored["label"])
        between = (score >= 0.3) & (score <= stored)  # 60 pictures of each class
        assert share[number] == pytest.approx(between.mean()) and there[number] == pytest.approx((label[between] == 1).mean())
        assert elsewhere[number] == pytest.approx(((score >= stored) != label)[~between].mean())
    assert table(guesses, [(held_out, scored, scored)] * 2).count(f" {share[0]:.3f} |") >= 2


def test_known_pictures_are_those_of_the_fold_but_for_the_generator_left_out(tmp_path):
    lab = Lab(str(write_lab(tmp_path / "tiny")))
    for generator in lab.generators:
        part = lab.part(generator, 2)
        known = known_of(part, lab, 2)
        assert set(known.generator) == {*lab.generators, "real"} - {generator}
        assert not set(known.source_image) & set(part.train.source_image)


def test_a_condition_that_moves_all_scores_costs_the_threshold_of_clean_pictures_and_not_its_own():
    found = losses(pictures(3), pictures(3, seed=1))
    moved = list(CONDITIONS).index("JPEG 70")
    assert found[STORED][moved] > 0.2 > 0.1 > found["balanced, each condition by itself"][moved]
    assert found[STORED][0] == found["balanced, each condition by itself"][0]


def test_luck_is_nothing_where_every_half_has_the_same_best_threshold():
    even = pictures(0)
    even["probability"]["clean"] = [0.2 + 0.6 * label for label in even["label"]]
    assert luck(even, "clean") == 0 and HALVES > 1
    assert 0 < luck(pictures(0, count=20), "clean") < 0.2
