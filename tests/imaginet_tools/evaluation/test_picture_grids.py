"""Grids of pictures: the right tiles at the right places."""

import numpy as np
import pytest

import imaginet_tools.evaluation.picture_grids
from imaginet_tools.evaluation.picture_grids import draw_mistakes
from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.splits import load_splits


@pytest.fixture
def splits(tiny_dataset):
    return load_splits(DataOptions(dataset=str(tiny_dataset), held_out=0.25), seed=42)


@pytest.fixture
def grid(monkeypatch):
    """What is drawn: tiles in rows, captions in rows."""
    seen = {}

    def record(tiles, captions, columns, title):
        assert len(tiles) == len(captions) and len(tiles) % columns == 0
        for name, values in (("tiles", tiles), ("captions", captions)):
            seen[name] = [values[at : at + columns] for at in range(0, len(tiles), columns)]
        seen["title"] = title

    monkeypatch.setattr(imaginet_tools.evaluation.picture_grids, "draw_grid", record)
    return seen


def test_mistakes_are_the_most_confident_ones_of_each_kind(splits, grid):
    images = splits.test
    probability = np.where(images.label == 1, 0.9, 0.1)
    missed, alarms = np.flatnonzero(images.label == 1)[:3], np.flatnonzero(images.label == 0)[:2]
    probability[missed], probability[alarms] = [0.3, 0.1, 0.2], [0.6, 0.8]
    draw_mistakes(images, probability, 0.5, pictures=4)
    assert grid["title"].startswith(f"Most confident mistakes of {len(images)} images (5 wrong")
    top, bottom = grid["captions"]
    assert [caption.split()[-1] for caption in top[:3]] == ["0.10", "0.20", "0.30"] and top[3] == ""
    assert [caption.split()[-1] for caption in bottom[:2]] == ["0.80", "0.60"]
    np.testing.assert_array_equal(grid["tiles"][0][0], images.pixels(missed[1]))
    assert grid["tiles"][0][3] is None and grid["tiles"][1][2] is None
