"""Simulated counterparts: what they depend on, what they share with their real pictures, training from real pictures alone."""

import io
from pathlib import Path
from types import SimpleNamespace

import datasets
import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from scipy.ndimage import gaussian_filter

from imaginet_core.pictures.window import Window
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.images.splits import load_splits
from tests.training.small_runs import SMALLEST, small_run
from tests.training.views.test_random_views import Undamaged, image_set, views_of
from train_selfcon import counterparts_for_statistics, make_counterparts, make_views
from training.command_line import parse_options
from training.simulation import held_out as held_out_module
from training.simulation import pool
from training.simulation.fitting import fit
from training.simulation.held_out import held_out_images
from training.simulation.networks import SimulatedGenerator, draw_shape
from training.simulation.simulated import NAME, SimulatedPictures, make_simulated, with_simulated
from training.views.batches import ShuffledBatches


def networks(count: int = 2) -> list[SimulatedGenerator]:
    made = []
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(0)
        for seed in range(count):
            made.append(SimulatedGenerator(draw_shape(np.random.default_rng(seed))).eval().requires_grad_(False))
    return made


@pytest.fixture(scope="module")
def images():
    return image_set()


@pytest.mark.parametrize("kind", ["all", "filters", "networks"])
def test_counterparts_depend_on_path_epoch_and_seed_alone(images, kind):
    made = SimulatedPictures(images, kind, networks(), seed=1)
    pixels = images.pixels(0)
    one = made.make(pixels, 0, 3)
    assert one.shape == pixels.shape and one.dtype == np.uint8
    assert np.array_equal(one, SimulatedPictures(images, kind, networks(), seed=1).make(pixels, 0, 3))
    other_seed = SimulatedPictures(images, kind, networks(), seed=2)
    of = lambda pictures, index: [pictures.make(pixels, index, epoch).tobytes() for epoch in range(6)]
    assert len(set(of(made, 0))) > 2 and of(made, 0) != of(made, 2) and of(made, 0) != of(other_seed, 0)
    chosen = made.select(np.array([4, 2]))
    assert np.array_equal(chosen.make(pixels, 1, 3), made.make(pixels, 2, 3))


def smooth_picture(side: int = 64) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 1, (side, side, 3))
    return np.clip(128 + 400 * gaussian_filter(noise, (4, 4, 0)), 0, 255).astype(np.uint8)


def of_file(save_as: str, **options) -> ImageSet:
    file = io.BytesIO()
    Image.fromarray(smooth_picture()).save(file, save_as, **options)
    features = datasets.Features({"image": datasets.Image(decode=False), "label": datasets.Value("string")})
    rows = [{"image": {"bytes": file.getvalue(), "path": None}, "label": "real"}]
    return ImageSet.from_rows(datasets.Dataset.from_list(rows, features=features), "one")


def blockiness(pixels: np.ndarray) -> float:
    """Steps across the borders of 8 × 8 blocks over other steps."""
    steps = np.abs(np.diff(pixels.astype(float), axis=1)).mean(axis=(0, 2))
    return steps[7::8].mean() / np.delete(steps, np.s_[7::8]).mean()


def test_a_counterpart_has_colours_and_compression_of_its_picture():
    plain, lossy = of_file("PNG"), of_file("JPEG", quality=10)
    for images, compressed in ((plain, False), (lossy, True)):
        made, pixels = SimulatedPictures(images, "filters", [], seed=0), images.pixels(0)
        results = [made.make(pixels, 0, epoch) for epoch in range(6)]
        assert all(abs(result.mean((0, 1)) - pixels.mean((0, 1))).max() < 3 for result in results)
        assert (np.median([blockiness(result) for result in results]) > 1.25) == compressed


def test_a_view_shows_the_place_of_its_real_picture(images):
    """Where nothing is formed, item N + i is item i, whatever its window."""

    class Unformed(SimulatedPictures):
        def make(self, pixels, index, epoch):
            return pixels

    views = views_of(images, Undamaged(16), simulated=Unformed(images, "filters", [], 0))
    reals = np.flatnonzero(images.label == 0).tolist()
    for epoch in range(3):
        views.set_epoch(epoch)
        for index in reals:
            counterpart = views[len(views) + index]
            assert np.array_equal(counterpart["pixels"], views[index]["pixels"])
            assert (counterpart["label"], counterpart["family"], counterpart["generator"]) == (1, -1, -1)


def test_what_is_read_around_a_window_begins_at_a_corner_of_blocks(images):
    around = SimulatedPictures(images, "filters", [], 0).around
    for top, left in ((0, 5), (33, 100), (190, 200)):
        read = around(Window.at(top, left, 60, 50), 256, 256)
        assert read.top % 16 == read.left % 16 == 0 and read.top <= max(0, top - 16) and read.left <= max(0, left - 16)
        assert read.top + read.height == min(256, top + 76) and read.left + read.width == min(256, left + 66)


def test_batches_keep_counterparts_beside_their_pictures(images):
    views = views_of(images, Undamaged(16), simulated=SimulatedPictures(images, "filters", [], 0))
    for batch in ShuffledBatches(Accelerator(cpu=True), views, 6, seed=0, num_workers=0).epoch(0):
        reals = {index for index in batch["index"].tolist() if index < len(images) and images.label[index] == 0}
        assert {index - len(images) for index in batch["index"].tolist() if index >= len(images)} == reals


def test_whole_counterparts_follow_the_images(images):
    made = SimulatedPictures(images, "filters", [], 0)
    both, real = with_simulated(images, made), np.flatnonzero(images.label == 0)
    assert len(both) == len(images) + len(real) and (both.label[len(images):] == 1).all()
    assert set(both.generator[len(images):]) == {NAME}
    assert both.source_image[len(images):].tolist() == images.source_image[real].tolist()
    assert np.array_equal(both.pixels(len(images) + 1), made.make(images.pixels(int(real[1])), int(real[1]), 0))
    assert np.array_equal(both.pixels(3), images.pixels(3)) and len(set(both.path)) == len(both)


@pytest.mark.parametrize("given, words", [
    (["--simulate", "--twins"], "--simulate and --reconstructions cannot go together"),
    (["--simulate", "--crop_cache", "x"], "--simulate and --crop_cache cannot go together"),
    (["--simulate", "--streaming"], "--simulate cannot go with it"),
])
def test_what_does_not_go_together_is_said(given, words, capsys):
    with pytest.raises(SystemExit):
        parse_options(given)
    assert words in capsys.readouterr().err


def test_training_with_simulated_generators_resumes_with_the_same_pool(tiny_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "fit", lambda shape, crops, seed: fit(shape, crops, seed, steps=2))
    changes = {"simulate": "all", "simulated_networks": 2, "epochs": 2, "classifier_epochs": 1}
    weights, state, _ = small_run(tiny_dataset, tmp_path / "run", **changes)
    assert all(value.isfinite().all() for value in weights.values() if value.is_floating_point())
    files = sorted((tmp_path / "run" / "simulated").rglob("*.safetensors"))
    assert len(files) == 2
    splits = load_splits(SMALLEST.replace(dataset=str(tiny_dataset)).data, SMALLEST.run.seed)
    pairs = len(splits.train) + int((splits.train.label == 0).sum())
    assert state.history[0]["images"] == pairs // 8 * 8  # each real image brought a second row


def test_without_a_real_image_nothing_can_be_simulated(images, tmp_path):
    synthetic = images.select(images.label == 1)
    with pytest.raises(ValueError, match="no real training image"):
        make_simulated(synthetic, synthetic, "filters", 1, Path(tmp_path), 0, Accelerator(cpu=True))


def test_only_the_classifiers_of_statistics_learn_from_their_own_networks(tiny_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "fit", lambda shape, crops, seed: fit(shape, crops, seed, steps=2))
    options = SMALLEST.replace(dataset=str(tiny_dataset), statistics_networks=2, output_dir=str(tmp_path))
    run, splits = SimpleNamespace(options=options, accelerator=Accelerator(cpu=True)), load_splits(options.data, options.run.seed)
    assert make_counterparts(run, splits) is None
    made = counterparts_for_statistics(run, splits, None)
    assert made.kind == "networks" and len(made.networks) == 2
    assert counterparts_for_statistics(run, splits, made) is made  # what the stages saw will do
    views = make_views(run, splits.train, 2, splits, made)
    assert views.has_counterparts and views[len(views)]["label"] == 1
    run.options = options.replace(statistics_networks=0)
    assert counterparts_for_statistics(run, splits, None) is None


def test_held_out_images_go_through_generators_that_training_did_not_see(tiny_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "fit", lambda shape, crops, seed: fit(shape, crops, seed, steps=2))
    options = SMALLEST.replace(dataset=str(tiny_dataset), simulate="networks", simulated_networks=2, output_dir=str(tmp_path))
    run, splits = SimpleNamespace(options=options, accelerator=Accelerator(cpu=True)), load_splits(options.data, options.run.seed)
    train, again = (make_counterparts(run, splits).networks for _ in range(2))
    assert [same_weights(one, other) for one, other in zip(train, again, strict=True)] == [True, True]
    made = []
    monkeypatch.setattr(held_out_module, "make_simulated", lambda *given: made.append(make_simulated(*given)) or made[-1])
    held_out_images(splits, options, tmp_path / "simulated", run.accelerator, least=0)
    assert len(made[0].networks) == 2 and not any(same_weights(one, other) for one in train for other in made[0].networks)


def same_weights(one, other) -> bool:
    first, second = one.decoder[-1].weight, other.decoder[-1].weight
    return first.shape == second.shape and torch.equal(first, second)


@pytest.mark.parametrize("changes", [
    {"simulate": "filters"}, {"statistics_networks": 2, "statistics_centres": 3}, {"simulate": "filters", "statistics_networks": 2},
])
def test_counterparts_of_the_held_out_real_images_stand_beside_them_or_in_place_of_synthetic_ones(changes, tiny_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "fit", lambda shape, crops, seed: fit(shape, crops, seed, steps=2))
    options = SMALLEST.replace(dataset=str(tiny_dataset), **changes)
    splits = load_splits(options.data, options.run.seed)
    held_out = held_out_images(splits, options, tmp_path, Accelerator(cpu=True), least=6)
    real = splits.held_out.label == 0
    assert held_out.images is splits.held_out and (held_out.simulated.label == 1).all()
    assert held_out.simulated.source_image.tolist() == splits.held_out.source_image[real].tolist()
    only_real = held_out_images(splits._replace(held_out=splits.held_out.select(real)), options, tmp_path, Accelerator(cpu=True))
    assert only_real.images.label.tolist() == [0] * real.sum() + [1] * real.sum() and only_real.simulated is None


@pytest.mark.parametrize("changes", [{"statistics_networks": 0}, {"statistics_networks": 2, "statistics_centres": 0}])
def test_without_statistics_and_simulation_nothing_is_made(changes, tiny_dataset, tmp_path):
    options = SMALLEST.replace(dataset=str(tiny_dataset), **changes)
    splits = load_splits(options.data, options.run.seed)
    assert held_out_images(splits, options, tmp_path, Accelerator(cpu=True)) == (splits.held_out, None)


def test_of_fewer_images_than_tell_a_guess_nothing_is_made(tiny_dataset, tmp_path):
    options = SMALLEST.replace(dataset=str(tiny_dataset), simulate="filters")
    splits = load_splits(options.data, options.run.seed)
    assert np.bincount(splits.held_out.label).tolist() == [6, 6]
    for least, made in ((6, True), (7, False)):
        assert (held_out_images(splits, options, tmp_path, Accelerator(cpu=True), least=least).simulated is not None) == made
    assert held_out_images(splits, options, tmp_path, Accelerator(cpu=True)) == (splits.held_out, None)  # a band takes 30


def test_of_many_and_large_pictures_no_more_than_asked_is_made_of_their_middle(images):
    made, real = SimulatedPictures(images, "filters", [], 0), np.flatnonzero(images.label == 0)
    both = with_simulated(images, made, most=2, side=16)
    assert len(both) == len(images) + 2
    index, pixels = int(real[0]), images.pixels(int(real[0]))
    assert both.path[len(images)].startswith(str(images.path[index])) and pixels.shape == (48, 48, 3)
    assert np.array_equal(both.pixels(len(images)), made.make(pixels[16:32, 16:32], index, 0))
