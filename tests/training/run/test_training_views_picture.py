"""The picture of training views: the right tiles at the right places."""

import numpy as np
import pytest

from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.splits import load_splits
from training.run import training_views_picture
from training.run.training_views_picture import draw_training_views
from training.views.random_views import RandomViews
from training.views.recipes import RobustView


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

    monkeypatch.setattr(training_views_picture, "draw_grid", record)
    return seen


class Negatives:
    """Reconstructions that can be told: every picture's negative."""

    def __init__(self, images):
        self.images = images

    def pixels(self, index):
        return 255 - self.images.pixels(index)


def views(splits, **options):
    return RandomViews(splits.train, RobustView(32), splits.families, splits.generators, seed=1, **options)


def test_rows_are_real_and_synthetic_in_turn_and_columns_are_epochs(splits, grid):
    shown = views(splits)
    draw_training_views(shown, pictures=4, epochs=3)
    assert [len(row) for row in grid["tiles"]] == [3] * 4
    assert [row[0] == "real" for row in grid["captions"]] == [True, False, True, False]
    real = int(np.flatnonzero(splits.train.label == 0)[0])
    for epoch in range(3):
        shown.set_epoch(epoch)
        np.testing.assert_array_equal(grid["tiles"][0][epoch], shown[real]["pixels"][0].permute(1, 2, 0))
    assert not np.array_equal(grid["tiles"][0][0], grid["tiles"][0][1])


def test_pairs_stand_side_by_side(splits, grid):
    draw_training_views(views(splits, degraded=True), pictures=2, epochs=3)
    assert [len(row) for row in grid["tiles"]] == [6, 6]
    assert grid["captions"][0] == ["real", "degraded", "", "degraded", "", "degraded"]
    assert "two columns" in grid["title"]
    clean, damaged, other = (tile.astype(float).ravel() for tile in grid["tiles"][0][:3])
    closeness = np.corrcoef([clean, damaged, other])
    assert not np.array_equal(clean, damaged) and closeness[0, 1] > closeness[0, 2] + 0.1  # the same crop


def test_a_reconstruction_stands_below_its_real_image(splits, grid):
    draw_training_views(views(splits, reconstructions=Negatives(splits.train)), pictures=2, epochs=2)
    assert [row[0] for row in grid["captions"]] == ["real", "reconstruction", splits.train.generator[splits.train.label == 1][0]]
    pairs = [np.corrcoef(own.ravel(), made.ravel())[0, 1] for own, made in zip(*grid["tiles"][:2], strict=True)]
    assert max(pairs) < -0.9  # the negative of the same crop with the same damage and turn
