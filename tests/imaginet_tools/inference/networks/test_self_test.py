"""The self-test of exports: all pictures once on a computer, then one, whose error is found all the same."""

import numpy as np
import pytest

from imaginet_tools.inference.networks import self_test
from imaginet_tools.inference.networks.network import Logits
from imaginet_tools.inference.networks.self_test import SelfTest, logits_of_self_test, self_test_crops

SIZE = (32, 32)


class Counting:
    """A graph whose logit is the mean of the crop, and which counts."""

    def __init__(self, off: float = 0.0):
        self.off, self.crops = off, 0

    def __call__(self, crops: np.ndarray) -> Logits:
        self.crops += len(crops)
        return Logits(crops.mean((1, 2, 3)).astype(np.float32) + self.off)


@pytest.fixture
def expected(monkeypatch, tmp_path) -> dict:
    monkeypatch.setenv("IMAGINET_CACHE", str(tmp_path / "cache"))
    return logits_of_self_test(Counting(), SIZE)


def crops_computed(test: SelfTest, expected: dict, off: float = 0.0) -> int:
    graph = Counting(off)
    test.check(graph, SIZE, expected, 1e-3)
    return graph.crops


def test_all_pictures_are_computed_once_and_then_one(expected, monkeypatch):
    assert [crops_computed(SelfTest("engine 1", "sums"), expected) for _ in range(3)] == [8, 1, 1]
    assert crops_computed(SelfTest("engine 2", "sums"), expected) == 8  # another version
    monkeypatch.setattr(self_test, "processor_flags", lambda: ["another processor"])
    assert crops_computed(SelfTest("engine 1", "sums"), expected) == 8


def test_what_is_off_later_is_found_and_what_never_passed_is_not_kept(expected):
    for _ in range(2):
        with pytest.raises(ValueError, match="origin logits are"):
            crops_computed(SelfTest("engine", "sums"), expected, off=1.0)
    assert crops_computed(SelfTest("engine", "sums"), expected) == 8
    with pytest.raises(ValueError, match="origin logits are"):
        crops_computed(SelfTest("engine", "sums"), expected, off=1.0)


def test_where_nothing_can_be_kept_all_are_computed_every_time(expected, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("IMAGINET_CACHE", str(tmp_path / "file"))
    assert [crops_computed(SelfTest("engine", "sums"), expected) for _ in range(2)] == [8, 8]


def test_some_pictures_are_those_of_all():
    np.testing.assert_array_equal(self_test_crops(SIZE, (2, 7)), self_test_crops(SIZE)[[2, 7]])
