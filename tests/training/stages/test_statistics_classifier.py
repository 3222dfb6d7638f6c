"""The classifier of pixel statistics: fitted as scikit-learn fits it, on damaged views, and weighed by images that trained nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.splits import load_splits
from modeling.front_ends import FLOOR, StatisticsClassifier, held_above
from tests.training.stages.two_processes import small_model
from training.options import TrainingOptions
from training.run.checkpoints import Checkpoints, RunState
from training.run.context import Run
from training.stages import statistics_classifier
from training.stages.statistics_classifier import GAMMA, MOST_WEIGHT, Joint, add_statistics, fit, join
from training.views.random_views import RandomViews
from training.views.recipes import RobustView


def made_statistics(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Two classes that no line parts: one around the other."""
    rng = np.random.default_rng(count)
    label = np.arange(count) % 2
    return rng.normal(0, np.where(label, 2.5, 0.8)[:, None], (count, 23)) * np.arange(1, 24) + 5, label


def answers(classifier: StatisticsClassifier, statistics: np.ndarray) -> np.ndarray:
    """The classifier's, of statistics in place of pixels."""
    placed = (torch.as_tensor(statistics) - classifier.mean) * classifier.scale
    distance = (placed[:, None] - classifier.centres).square().sum(2)
    return (torch.exp(-distance) @ classifier.weight.double() + classifier.bias).numpy()


@pytest.mark.parametrize("count", [400, 30])
def test_it_ranks_as_a_kernel_machine_does_where_a_line_cannot(count):
    statistics, label = made_statistics(count)
    classifier = StatisticsClassifier(100)
    fit(classifier, statistics, label, np.ones(count), seed=0)
    others, truth = made_statistics(500)
    found = answers(classifier, others)
    machine = make_pipeline(StandardScaler(), SVC(gamma=GAMMA / 23)).fit(statistics, label)
    line = make_pipeline(StandardScaler(), LogisticRegression()).fit(statistics, label)
    auc = roc_auc_score(truth, found)
    assert auc > 0.95 > 0.7 > roc_auc_score(truth, line.decision_function(others))
    assert abs(auc - roc_auc_score(truth, machine.decision_function(others))) < 0.02
    assert int((classifier.weight != 0).sum()) == min(count, 100)


def test_pictures_that_are_all_alike_give_no_answer_in_place_of_a_broken_one():
    classifier = StatisticsClassifier(10)
    fit(classifier, np.full((20, 23), 3.0), np.arange(20) % 2, np.ones(20), seed=0)
    assert np.abs(answers(classifier, np.full((4, 23), 3.0))).max() < 1e-2


def test_what_weighs_little_is_outvoted_where_classes_overlap_and_only_shares_matter():
    statistics, label = made_statistics(400)
    statistics, label, doubtful = np.concatenate([statistics, statistics[::2]]), np.append(label, np.ones(200, int)), np.arange(600) >= 400

    def said_of_inner(weight: float, scale: float = 1.0) -> float:
        """Mean log-odds, in standard deviations, of pictures of class 0, of which each stands in the list as class 1 too, with a weight."""
        classifier = StatisticsClassifier(100)
        fit(classifier, statistics, label, scale * np.where(doubtful, weight, 1.0), seed=0)
        return float(answers(classifier, statistics[doubtful]).mean())

    assert said_of_inner(0.1) < said_of_inner(1.0) - 0.25
    assert said_of_inner(0.1) == pytest.approx(said_of_inner(0.1, scale=7), abs=1e-5)


def slope(log_odds: np.ndarray, label: np.ndarray) -> float:
    """Of scikit-learn's logistic regression."""
    return float(LogisticRegression(C=1e6, class_weight="balanced").fit(log_odds[:, None], label).coef_[0, 0])


def test_the_weight_makes_good_witnesses_heard_and_has_bounds():
    rng = np.random.default_rng(1)
    label, source = rng.integers(0, 2, 4000), np.arange(4000) // 4
    good, also, chance = (rng.normal(shift * (2 * label - 1), 1) for shift in (1, 1, 0))
    # log-odds of two equally good witnesses, one of whom speaks five times as loudly: the other one is heard about as much
    # (4.97 where the first is not held above a floor, 4.07 where it is)
    heard = join(10 * good, 2 * also, label, source)
    assert 4 < heard.weight < 9 and heard.floor == pytest.approx(FLOOR / slope(10 * good, label), rel=1e-3)
    assert join(10 * good, chance, label, source).weight < 0.6
    assert join(10 * good, -also, label, source) == Joint(0, 0)
    assert join(-good, 2 * also, label, source) == Joint(MOST_WEIGHT, 0)
    assert join(np.zeros(4000), 2 * also, label, source) == Joint(MOST_WEIGHT, 0)


@pytest.mark.parametrize("seed", range(4))
def test_of_few_source_pictures_that_cannot_tell_who_is_better_both_count_the_same(seed):
    """Where either may be right, the share within the error can be anything from 0 to 1."""
    rng = np.random.default_rng(seed)
    label, source = np.tile([0, 1], 88), np.arange(176) // 8
    of_picture = rng.normal(0, 1, (2, 22))[:, source]
    network, statistics = (rng.normal(1.5 * (2 * label - 1) + each, 1) for each in of_picture)
    weight = join(network, statistics, label, source).weight
    assert weight == pytest.approx(slope(statistics, label) / slope(network, label), rel=0.01)


def test_pictures_without_a_trace_that_the_network_knows_are_left_to_the_statistics():
    """Of fakes by another generator the network says "real", as loudly as of real ones; their statistics are half as good as can be."""
    rng = np.random.default_rng(4)
    label = rng.integers(0, 2, 4000)
    network, statistics = np.where(label, 6.0, -6.0) + rng.normal(0, 3, 4000), 1.5 * rng.normal(2 * label - 1, 1)
    weight, floor = join(network, statistics, label, np.arange(4000))
    unseen = rng.integers(0, 2, 4000)
    deaf, says = -6 + rng.normal(0, 3, 4000), 1.5 * rng.normal(2 * unseen - 1, 1)

    def auc(floor: float) -> tuple[float, float]:
        held = [held_above(torch.from_numpy(each), floor).numpy() for each in (network, deaf)]
        return roc_auc_score(label, held[0] + weight * statistics), roc_auc_score(unseen, held[1] + weight * says)

    (known, found), (known_before, found_before) = auc(floor), auc(0.0)
    assert found > found_before + 0.1 and known > known_before - 0.01


def test_statistics_that_add_nothing_lose_their_voice_where_enough_source_pictures_tell_so():
    rng = np.random.default_rng(2)
    label = rng.integers(0, 2, 4000)
    network = rng.normal(2 * label - 1, 1)
    statistics = network + rng.normal(0, 2, 4000)  # the same with noise: the best sum has none of it
    assert join(network, statistics, label, np.arange(4000)).weight < 0.05
    of_six = rng.integers(0, 6, 4000)
    network[of_six == 0] *= -0.5  # of one picture in six the network is wrong: who can tell that of the others it is better?
    assert join(network, statistics, label, of_six).weight > 0.9 * slope(statistics, label) / slope(network, label)


def test_simulated_held_out_images_do_not_tell_who_is_better(tiny_dataset, tmp_path, monkeypatch):
    """A network that was trained on such pictures knows them, and nothing of generators follows from that: both count the same."""
    monkeypatch.setattr(statistics_classifier, "VIEWS", 24)
    accelerator, options = Accelerator(cpu=True), TrainingOptions.of(num_workers=0)
    run = Run(accelerator, options, Checkpoints(accelerator, tmp_path, options, ""), RunState())
    splits = load_splits(DataOptions(dataset=str(tiny_dataset), held_out=0.25), 42)
    synthetic = splits.held_out.label == 1
    simulated, one_simulated = splits.held_out.generator.astype("U16"), splits.held_out.generator.astype("U16")
    simulated[synthetic], one_simulated[np.flatnonzero(synthetic)[0]] = "simulated", "simulated"
    same = []

    def where_statistics_add_nothing(_, __, label, source, **others):
        rng = np.random.default_rng(0)
        network = rng.normal(2 * label - 1, 1)
        statistics = network + rng.normal(0, 2, len(label))  # the same with noise: the best sum has none of it
        same.append(slope(statistics, label) / slope(network, label))
        return join(network, statistics, label, source, **others)

    monkeypatch.setattr(statistics_classifier, "join", where_statistics_add_nothing)

    def weight(generators: np.ndarray) -> float:
        held_out = replace(splits.held_out, generator=generators)
        train, views = (RandomViews(each, RobustView(64), splits.families, splits.generators, seed=1) for each in (splits.train, held_out))
        model = small_model()
        model.statistics_classifier = StatisticsClassifier(16)
        return add_statistics(run, model, train, views).weight

    assert weight(one_simulated) < 0.5 * same[0]
    assert weight(simulated) == pytest.approx(same[0], rel=0.05)


def test_a_model_with_it_is_the_same_every_time_and_adds_what_was_weighed(tiny_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(statistics_classifier, "VIEWS", 2)
    options = TrainingOptions.of(num_workers=0, held_out=0.25)
    accelerator = Accelerator(cpu=True)
    run = Run(accelerator, options, Checkpoints(accelerator, tmp_path, options, ""), RunState())
    splits = load_splits(DataOptions(dataset=str(tiny_dataset), held_out=0.25), 42)
    train, held_out = (RandomViews(each, RobustView(64), splits.families, splits.generators, seed=1) for each in splits[:2])
    model = small_model()
    model.statistics_classifier = StatisticsClassifier(16, relations=True)
    told = []
    monkeypatch.setattr(statistics_classifier, "join", lambda *columns, **others: told.append(columns) or join(*columns, **others))
    joint = add_statistics(run, model, train, held_out)
    network, statistics, label, source = told[0]
    assert set(source) == set(splits.held_out.source_image)
    assert len(label) == 2 * len(splits.held_out) and set(label) == {0, 1}
    assert joint == pytest.approx(join(network, statistics, label, source)) and model.config.network_floor == joint.floor
    first = {name: value.clone() for name, value in model.statistics_classifier.state_dict().items()}
    assert first["weight"].abs().max() > 0 and first["relations.weight"].abs().max() > 0

    pixels = torch.randn(2, 3, 256, 256)
    model.eval()
    with torch.no_grad():
        of_network = held_above(model.classifier(model.encode(pixels)[1])[:, 0], joint.floor)
        torch.testing.assert_close(model(pixels).origin_logit, of_network + model.statistics_classifier(pixels))
    assert add_statistics(run, model, train, held_out) == pytest.approx(joint)  # whatever it held before
    for name, value in model.statistics_classifier.state_dict().items():
        torch.testing.assert_close(value, first[name])
