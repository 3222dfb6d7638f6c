"""The table of statistics without a network: what each cell learns from, and that its answers are its classifiers' sum."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks.unseen import statistics_alone
from benchmarks.unseen.figures import figures_of
from benchmarks.unseen.statistics_alone import CENTRES, FOLDS, RELATIONS, SPECTRUM, WAYS, Columns, Way, answers, rows_of
from imaginet_tools.images.splits import in_fold
from modeling.front_ends import KernelClassifier
from training.stages.statistics_classifier import fit


@pytest.fixture
def images() -> SimpleNamespace:
    """Sixty pictures of twenty sources: real ones, and those of two generators."""
    number = np.arange(60)
    return SimpleNamespace(
        source_image=np.array([f"source {each // 3}" for each in number]), label=(number % 3 > 0).astype(int),
        generator=np.array(["real", "one", "other"])[number % 3],
    )


@pytest.mark.parametrize("way, of_generators, simulated", [
    (Way((SPECTRUM,)), 1, 0), (Way((SPECTRUM,), simulated=True), 1, 5), (Way((SPECTRUM,), known=False, simulated=True), 0, 5),
])
def test_a_cell_learns_neither_from_its_fold_nor_from_its_generator(images, monkeypatch, way, of_generators, simulated):
    numbers = np.tile(np.arange(60)[:, None], (2, 1, 56)).astype(float)
    counterparts = {fold: np.full((2, 5, 56), 1000.0 + fold) for fold in range(1, FOLDS + 1)}
    learnt = []
    monkeypatch.setattr(
        statistics_alone, "answers", lambda parts, fitted_on, label, weight, asked: learnt.append((fitted_on[:, 0], label)) or asked[:, 0],
    )
    unseen, known = rows_of(way, images, numbers, counterparts, {"clean": numbers[0], "JPEG 70": numbers[0]})
    assert len(unseen["runs"]) == len(known["runs"]) == len(learnt) == 2 * FOLDS
    for run, other, (fitted_on, label) in zip(unseen["runs"], known["runs"], learnt, strict=True):
        generator, fold = run["generator"].split(", fold ")
        outside = ~in_fold(images.source_image, int(fold), FOLDS)
        pictures = fitted_on[fitted_on < 1000].astype(int)
        assert outside[pictures].all() and generator not in images.generator[pictures]
        assert len(set(images.generator[pictures])) == 1 + of_generators
        assert (fitted_on == 1000 + int(fold)).sum() == 2 * simulated == len(fitted_on) - len(pictures)
        assert (label == np.append(images.label[pictures], np.ones(2 * simulated))).all()
        scored = np.array(run["probability"]["clean"], dtype=int)
        assert set(images.generator[scored]) == {"real", generator} and not outside[scored].any()
        assert generator not in images.generator[np.array(other["probability"]["clean"], dtype=int)]
    assert 0 <= figures_of(unseen, "clean", resamples=20).mean.value <= 1


def test_the_sum_is_that_of_two_classifiers():
    rng = np.random.default_rng(0)
    label = np.arange(80) % 2
    table, asked = rng.normal(label[:, None], 1, (80, 56)), rng.normal(0, 1, (9, 56))
    ones, total = np.ones(80), np.zeros(9)
    for columns in (SPECTRUM, RELATIONS):
        classifier = KernelClassifier(Columns(columns), CENTRES)
        fit(classifier, table[:, columns], label, ones, statistics_alone.SEED)
        total += classifier(torch.from_numpy(asked).float()).numpy()
    found = answers(WAYS["sum of two classifiers"].parts, table, label, ones, asked)
    np.testing.assert_allclose(found, total, rtol=1e-5)
    assert not np.allclose(found, answers(WAYS["both in one classifier"].parts, table, label, ones, asked), atol=0.1)
