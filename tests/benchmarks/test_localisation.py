"""The benchmark of heat maps pastes what it says, chooses a threshold that stays quiet, and compares maps picture by picture."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.explanations.localisation import PAIRS, QUIET, SPARSE, Composite, composites, measure, quiet_threshold
from imaginet_tools.images.image_set import REAL, SYNTHETIC


class Flat:
    """Stands for an image set: each picture of one colour, which tells its number; two pictures of each source picture."""

    label = np.array([REAL, SYNTHETIC] * 4)
    source_image = np.array([f"source {number // 2}" for number in range(8)])

    def __len__(self):
        return 8

    def pixels(self, index):
        return np.full((160, 160, 3), 30 * index, np.uint8)


@pytest.mark.parametrize("chooses", [True, False])
def test_a_region_comes_from_another_source_picture_and_is_where_the_mask_says(chooses):
    found = composites(Flat(), 1, chooses)
    assert len(found) == 12 and {each.pair for each in found} == set(PAIRS) and {each.chooses for each in found} == {chooses}
    for each in found:
        numbers = np.rint(each.pixels[..., 0] / 30).astype(int)
        host = min(numbers[0, 0], numbers[-1, -1], numbers[0, -1], numbers[-1, 0], key=lambda number: Flat.source_image[number] != each.source)
        (guest,) = set(np.unique(numbers)) - {host}
        assert Flat.source_image[host] == each.source != Flat.source_image[guest]
        assert (Flat.label[host], Flat.label[guest]) == PAIRS[each.pair]
        np.testing.assert_array_equal(each.synthetic, Flat.label[numbers] == SYNTHETIC)
        rows, columns = np.nonzero(numbers == guest)
        assert all(64 <= len(set(places.tolist())) <= 128 for places in (rows, columns))


def composite(pair: str, chooses: bool, source: str, rng: np.random.Generator) -> tuple[Composite, np.ndarray]:
    """One of 64×64 pixels, with a map that is higher in the synthetic part but for noise."""
    synthetic = np.full((64, 64), pair == "real into synthetic")
    synthetic[16:40, 16:40] = pair == "synthetic into real"
    return Composite(pair, np.zeros((64, 64, 3), np.uint8), synthetic, source, chooses), synthetic + rng.normal(0, 0.6, synthetic.shape)


@pytest.fixture(scope="module")
def drawn() -> tuple[list[Composite], list[np.ndarray]]:
    rng = np.random.default_rng(0)
    return tuple(zip(*(composite(pair, chooses, str(n), rng) for pair in PAIRS for chooses in (True, False) for n in range(4)), strict=True))


def test_the_threshold_stays_quiet_where_nothing_synthetic_is(drawn):
    pictures, values = drawn
    truth = [each.synthetic for each in pictures]
    louder = [value + 0.8 * (each.pair == "real into real") for each, value in zip(pictures, values, strict=True)]
    for given in (values, louder):
        threshold = quiet_threshold(pictures, given, truth)
        quiet = [given[i] for i, each in enumerate(pictures) if each.pair == "real into real" and each.chooses]
        assert np.mean([(value >= threshold).mean() for value in quiet]) <= QUIET
    assert quiet_threshold(pictures, louder, truth) > quiet_threshold(pictures, values, truth)


def test_maps_are_compared_picture_by_picture(drawn):
    pictures, values = drawn
    area = lambda value, each: roc_auc_score(each.synthetic[::SPARSE, ::SPARSE].ravel(), value[::SPARSE, ::SPARSE].ravel())
    reported = [i for i, each in enumerate(pictures) if each.pair == "synthetic into real" and not each.chooses]
    found = measure("local variance", pictures, [-value for value in values], np.full(len(pictures), 0.99))["synthetic into real"]
    expected = np.mean([area(values[i], pictures[i]) for i in reported])  # the sign was turned by those that choose
    assert found["pixel AUC"].startswith(f"{expected:.2f} [") and found["heat map above it by"].startswith(f"{0.99 - expected:.2f} [")
    assert measure("heat map", pictures, values)["synthetic into real"]["heat map above it by"] == ""
