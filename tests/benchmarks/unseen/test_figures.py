"""Figures of rows against scikit-learn and a slow bootstrap."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from benchmarks.unseen.figures import difference, figures_of
from benchmarks.unseen.scores import CONDITIONS
from benchmarks.unseen.table import all_figures, draw, markdown
from imaginet_tools.metrics.resampling import draws_of_sources


def row_of(seed: int, gain: float) -> dict:
    """Two runs of 30 pictures each that share their real source pictures."""
    rng, told = np.random.default_rng(seed), []
    for place, generator in enumerate(("a", "b")):
        label = np.arange(30) % 2
        probability = {
            condition: np.clip(rng.normal(0.4 + gain * label / (1 + place), 0.2), 0, 1).round(2).tolist() for condition in CONDITIONS
        }
        told.append({
            "generator": generator, "label": label.tolist(), "source_image": [f"s{number // 3}" for number in range(30)], "threshold": 0.5,
            "probability": probability, "processor_seconds": 90.0 + 20 * place,
        })
    return {"row": f"row {seed}", "created": str(seed), "runs": told}


@pytest.fixture(scope="module")
def row():
    return row_of(0, 0.3)


@pytest.mark.parametrize("column", CONDITIONS)
def test_means_and_worst_are_scikit_learns(row, column):
    found = figures_of(row, column, resamples=20)
    each = [roc_auc_score(run["label"], run["probability"][column]) for run in row["runs"]]
    assert found.by_generator == pytest.approx(dict(zip("ab", each, strict=True)))
    assert (found.mean.value, found.worst.value) == pytest.approx((np.mean(each), min(each)))


def test_intervals_are_those_of_repeated_pictures(row):
    found = figures_of(row, "clean", resamples=200, seed=3)
    runs, means, worst = row["runs"], [], []
    source = np.array([int(name[1:]) for run in runs for name in run["source_image"]])
    label = np.array([value for run in runs for value in run["label"]])
    for times in draws_of_sources(source, label, 200, 3):
        areas = []
        for run in runs:
            drawn = np.repeat(np.arange(30), times[[int(name[1:]) for name in run["source_image"]]])
            areas.append(roc_auc_score(np.array(run["label"])[drawn], np.array(run["probability"]["clean"])[drawn]))
        means.append(np.mean(areas))
        worst.append(min(areas))
    assert (found.mean.low, found.mean.high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])))
    assert (found.worst.low, found.worst.high) == pytest.approx(tuple(np.percentile(worst, [2.5, 97.5])))


def test_the_best_threshold_is_the_best_of_all(row):
    found = figures_of(row, "JPEG 70", resamples=5)
    stored, best = [], []
    for run in row["runs"]:
        label, probability = np.array(run["label"]), np.array(run["probability"]["JPEG 70"])
        stored.append(balanced_accuracy_score(label, probability >= 0.5))
        best.append(max(balanced_accuracy_score(label, probability >= threshold) for threshold in np.linspace(0, 1.01, 203)))
    assert (found.at_threshold, found.at_best) == pytest.approx((np.mean(stored), np.mean(best)))
    assert found.at_best >= found.at_threshold


def test_a_difference_is_paired(row):
    better, same = figures_of(row_of(0, 0.6), "clean", 200), figures_of(row, "clean", 200)
    found = difference(better, same)
    assert found.value == pytest.approx(better.mean.value - same.mean.value) and found.low > 0
    assert difference(same, same).value == 0 and difference(same, same).low is None


def test_the_table_names_every_row_with_its_seconds(row):
    rows = {"laptop": row, "other": row_of(1, 0.5)}
    figures = all_figures(rows, resamples=50)
    lines = markdown(rows, figures).splitlines()
    assert sum(line.startswith("| other |") for line in lines) == 3
    first = next(line for line in lines if line.startswith("| other |"))
    assert str(figures["other"]["web"].mean) in first and first.endswith("| 100 |")
    assert str(difference(figures["other"]["clean"], figures["laptop"]["clean"])) in first
    assert len(draw(figures).axes[0].get_yticklabels()) == 2
