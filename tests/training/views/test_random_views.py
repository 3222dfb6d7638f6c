"""Random views as a data set: what is read, pairs of clean and degraded views, reconstructions, what loading processes get."""

import io
import pickle
from multiprocessing.reduction import ForkingPickler

import datasets
import numpy as np
import pytest

from imaginet_core.pictures import degradations
from imaginet_tools.images.image_set import ImageSet
from tests.training.tiny_data import records
from training.views import random_views
from training.views.crop_cache import CropCache
from training.views.random_views import DEGRADED_MARGIN, RandomViews, margin_for
from training.views.recipes import PaperClassifierView, PaperContrastiveView, RobustView

GENERATORS = ["smooth", "chequered"]


def image_set(sources: int = 6) -> ImageSet:
    """Two images of each source, 48 × 48 pixels."""
    features = {column: datasets.Value("string") for column in records("train", 1)[0]} | {"image": datasets.Image()}
    rows = datasets.Dataset.from_list(records("train", sources), features=datasets.Features(features))
    return ImageSet.from_rows(rows, "these images")


def views_of(images: ImageSet, view=None, **settings) -> RandomViews:
    return RandomViews(images, view or RobustView(32), ["GAN", "SD"], GENERATORS, seed=5, **settings)


class Undamaged(PaperContrastiveView):
    """Only crops."""

    def finish(self, pixels, window, rng):
        return self.clean_crop(pixels, window).copy()


class Negatives:
    """Stands for reconstructions: the real images with their colours inverted."""

    def __init__(self, images: ImageSet):
        self.images, self.read = images, []

    def pixels(self, index: int) -> np.ndarray:
        self.read.append(index)
        assert self.images.label[index] == 0
        return 255 - self.images.pixels(index)


@pytest.mark.parametrize("view", [RobustView(32), PaperClassifierView(32)], ids=["robust", "classifier"])
def test_views_are_the_same_whether_pictures_are_kept_or_only_windows_are_read(view, monkeypatch):
    images = image_set()
    kept = views_of(images, view)
    expected = [kept[index]["pixels"] for index in range(len(images))]
    again = [kept[index]["pixels"] for index in range(len(images))]
    assert len(kept.kept) == len(images)
    monkeypatch.setattr(random_views, "KEPT_BYTES", 3 * 48 * 48 * 3)
    some = views_of(images, view)
    for index in range(len(images)):
        pixels = some[index]["pixels"]
        assert (pixels == expected[index]).all() and (again[index] == expected[index]).all()
    assert len(some.kept) == 3 and some.kept_bytes == 3 * 48 * 48 * 3


@pytest.mark.parametrize("view", [PaperContrastiveView(16), RobustView(16), PaperClassifierView(16)])
def test_a_pair_shows_the_same_crop_clean_and_degraded_with_its_surroundings(view, monkeypatch):
    """Against the whole picture degraded at once: nothing at the border of a crop tells that it was cut before."""
    blur = degradations.Chain((("gaussian_blur", {"kernel_size": 7}),))
    monkeypatch.setattr(degradations, "draw_chain", lambda rng: blur)
    images = image_set()
    views = views_of(images, view, degraded=True)
    for index in range(len(images)):
        item, rng = views[index]["pixels"].permute(0, 2, 3, 1).numpy(), degradations.rng_for(images.path[index], "5/0")
        image = images.pixels(index)
        window = view.place(48, 48, rng)
        turn = random_views.draw_turn(rng)
        assert item.shape == (2, 16, 16, 3)
        for got, whole in zip(item, (image, blur(image)), strict=True):
            np.testing.assert_array_equal(got, turn(view.clean_crop(window.of(whole), window)))


def test_degraded_views_vary_and_repeat_with_the_epoch():
    views = views_of(image_set(), degraded=True)
    first = [views[index]["pixels"] for index in range(len(views))]
    assert sum((clean != degraded).any() for clean, degraded in first) == len(views)
    views.set_epoch(1)
    assert all((views[index]["pixels"] != first[index]).any() for index in range(len(views)))
    views.set_epoch(0)
    assert all((views[index]["pixels"] == first[index]).all() for index in range(len(views)))


@pytest.mark.parametrize("settings", [{}, {"degraded": True}, {"crops": True}], ids=["plain", "pairs", "crop cache"])
def test_a_reconstruction_has_the_crop_and_turn_of_its_image_and_its_own_labels(settings, tmp_path):
    images, undamaged = image_set(), Undamaged(32)
    if settings.get("crops"):
        settings = {"crops": CropCache(tmp_path, images, undamaged, 5, windows=2, epochs=4, limit_bytes=10**9)}
        settings["crops"].prepare(0)
    reconstructions = Negatives(images)
    views = views_of(images, undamaged, reconstructions=reconstructions, **settings)
    for index in np.flatnonzero(images.label == 0):
        own, made = views[index], views[len(images) + index]
        assert (made["pixels"][0] == 255 - own["pixels"][0]).all() and made["pixels"].shape == own["pixels"].shape
        assert (made["label"], made["family"], made["generator"], made["index"]) == (1, -1, -1, len(images) + index)
        assert (own["label"], own["index"]) == (0, index)
    assert len(views) == len(images)
    views[len(images)]
    assert len(reconstructions.read) == len(set(reconstructions.read)), "a reconstruction that was kept is decoded again"


def test_with_reconstructions_the_images_have_the_views_that_they_have_without():
    images = image_set()
    with_reconstructions, without = views_of(images, reconstructions=Negatives(images)), views_of(images)
    assert all((with_reconstructions[index]["pixels"] == without[index]["pixels"]).all() for index in range(len(images)))


def test_the_margin_counts_what_the_view_has_itself_and_a_cache_of_another_is_refused(tmp_path):
    assert margin_for(PaperContrastiveView(32), False) == 0 and margin_for(PaperContrastiveView(32), True) == DEGRADED_MARGIN
    assert margin_for(RobustView(32, margin=20), True) == DEGRADED_MARGIN - 20
    assert margin_for(RobustView(32, margin=99), True) == 0
    images = image_set()
    cache = CropCache(tmp_path, images, RobustView(32), 5, windows=2, epochs=4, limit_bytes=10**9)
    with pytest.raises(ValueError, match=f"need windows with a margin of {DEGRADED_MARGIN - 16}; the crop cache has 0"):
        views_of(images, degraded=True, crops=cache)


def sent(views: RandomViews) -> bytes:
    """What a loading process is sent that is not forked."""
    file = io.BytesIO()
    ForkingPickler(file).dump(views)
    return file.getvalue()


def test_what_a_loading_process_is_sent_does_not_grow_with_the_data_set(tmp_path):
    """Rows on disk are mapped there; only the numbers of the selected rows go along, 8 bytes each."""
    images = image_set(40)
    images.rows.save_to_disk(tmp_path / "rows")
    mapped = datasets.load_from_disk(tmp_path / "rows").cast_column("image", datasets.Image(decode=False))
    images = images.with_rows(mapped)
    views = views_of(images)
    few, many = (len(sent(views_of(images.select(np.arange(count))))) for count in (8, 80))
    assert many - few <= 8 * 72
    views[0]  # kept pictures stay here
    received = pickle.loads(sent(views))
    assert received.images is None and not received.kept
    for index in (0, 7):
        assert (received[index]["pixels"] == views[index]["pixels"]).all() and received[index]["label"] == views[index]["label"]
    views.set_epoch(3)
    assert int(received.epoch) == 3  # one counter for all processes
