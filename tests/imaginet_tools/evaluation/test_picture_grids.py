"""Grids of pictures: the right tiles at the right places."""

import numpy as np
import pytest

import imaginet_tools.evaluation.picture_grids
from imaginet_tools.evaluation.picture_grids import draw_mistakes, draw_views
from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.splits import load_splits
from training.views.random_views import RandomViews
from training.views.recipes import RobustView


@pytest.fixture
def splits(tiny_dataset):
    return load_splits(DataOptions(dataset=str(tiny_dataset), held_out=0.25), seed=42)


@pytest.fixture
def grid(monkeypatch):
    """What is drawn: tiles in rows, captions in rows."""
    seen = {}

    def record(tiles, captions, columns, title, file):
        assert len(tiles) == len(captions) and len(tiles) % columns == 0
        for name, values in (("tiles", tiles), ("captions", captions)):
            seen[name] = [values[at : at + columns] for at in range(0, len(tiles), columns)]
        seen["title"] = title

    monkeypatch.setattr(imaginet_tools.evaluation.picture_grids, "draw_grid", record)
    return seen


class Negatives:
    """Reconstructions that can be told: every picture's negative."""

    def __init__(self, images):
        self.images = images

    def pixels(self, index):
        return 255 - self.images.pixels(index)


def views(splits, **options):
    return RandomViews(splits.train, RobustView(32), splits.families, splits.generators, seed=1, **options)


def test_rows_are_real_and_synthetic_in_turn_and_columns_are_epochs(splits, grid, tmp_path):
    shown = views(splits)
    draw_views(shown, tmp_path / "views.png", pictures=4, epochs=3)
    assert [len(row) for row in grid["tiles"]] == [3] * 4
    assert [row[0] == "real" for row in grid["captions"]] == [True, False, True, False]
    real = int(np.flatnonzero(splits.train.label == 0)[0])
    for epoch in range(3):
        shown.set_epoch(epoch)
        np.testing.assert_array_equal(grid["tiles"][0][epoch], shown[real]["pixels"][0].permute(1, 2, 0))
    assert not np.array_equal(grid["tiles"][0][0], grid["tiles"][0][1])


def test_pairs_stand_side_by_side(splits, grid, tmp_path):
    draw_views(views(splits, degraded=True), tmp_path / "views.png", pictures=2, epochs=3)
    assert [len(row) for row in grid["tiles"]] == [6, 6]
    assert grid["captions"][0] == ["real", "degraded", "", "degraded", "", "degraded"]
    assert "two columns" in grid["title"]
    clean, damaged, other = (tile.astype(float).ravel() for tile in grid["tiles"][0][:3])
    closeness = np.corrcoef([clean, damaged, other])
    assert not np.array_equal(clean, damaged) and closeness[0, 1] > closeness[0, 2] + 0.1  # the same crop


def test_a_reconstruction_stands_below_its_real_image(splits, grid, tmp_path):
    draw_views(views(splits, reconstructions=Negatives(splits.train)), tmp_path / "views.png", pictures=2, epochs=2)
    assert [row[0] for row in grid["captions"]] == ["real", "reconstruction", splits.train.generator[splits.train.label == 1][0]]
    pairs = [np.corrcoef(own.ravel(), made.ravel())[0, 1] for own, made in zip(*grid["tiles"][:2], strict=True)]
    assert max(pairs) < -0.9  # the negative of the same crop with the same damage and turn


def test_mistakes_are_the_most_confident_ones_of_each_kind(splits, grid, tmp_path):
    images = splits.test
    probability = np.where(images.label == 1, 0.9, 0.1)
    missed, alarms = np.flatnonzero(images.label == 1)[:3], np.flatnonzero(images.label == 0)[:2]
    probability[missed], probability[alarms] = [0.3, 0.1, 0.2], [0.6, 0.8]
    draw_mistakes(images, probability, 0.5, tmp_path / "mistakes.png", pictures=4)
    assert grid["title"].startswith(f"Most confident mistakes of {len(images)} images (5 wrong")
    top, bottom = grid["captions"]
    assert [caption.split()[-1] for caption in top[:3]] == ["0.10", "0.20", "0.30"] and top[3] == ""
    assert [caption.split()[-1] for caption in bottom[:2]] == ["0.80", "0.60"]
    np.testing.assert_array_equal(grid["tiles"][0][0], images.pixels(missed[1]))
    assert grid["tiles"][0][3] is None and grid["tiles"][1][2] is None
