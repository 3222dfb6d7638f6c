"""Views: shapes, ranges and the recipe's probabilities, measured over many draws."""

import numpy as np
import pytest

from imaginet_core.pictures import degradations
from training.views import recipes
from training.views.random_views import margin_for
from training.views.recipes import VIEWS, PaperClassifierView, PaperContrastiveView, RobustView, pad_to


def rng(seed=0):
    return np.random.default_rng(seed)


def picture(height, width, seed=1):
    return rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("size", [(300, 220), (40, 500), (1, 1), (97, 96)])
def test_every_view_of_every_size_is_uint8_of_the_asked_side(name, size):
    for view, side in zip(VIEWS[name], (96, 256), strict=True):
        for seed in range(6):
            out = view(side)(picture(*size), rng(seed))
            assert out.shape == (side, side, 3) and out.dtype == np.uint8 and out.flags.c_contiguous


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_a_function_of_image_and_generator_alone(name):
    for view in VIEWS[name]:
        image = picture(280, 280)
        kept = image.copy()
        np.testing.assert_array_equal(view(96)(image, rng(5)), view(96)(image, rng(5)))
        np.testing.assert_array_equal(image, kept)


def test_padding_reflects_without_repeating_the_edge():
    row = np.arange(4, dtype=np.uint8)[None, :, None].repeat(3, 2)
    assert pad_to(row, 6)[0, :, 0].tolist() == [1, 0, 1, 2, 3, 2]
    assert pad_to(picture(100, 100), 96).shape == (100, 100, 3)


def count_calls(monkeypatch):
    """Counts what a view does, by replacing each operation with a recorder that changes nothing."""
    calls = {"jpeg": [], "webp": [], "gaussian_blur": [], "gaussian_noise": [], "resize": []}

    def recorder(name):
        def record(image, *arguments):
            calls[name].append(arguments)
            return np.zeros((*arguments[0], 3), np.uint8) if name == "resize" else image
        return record

    for name in calls:
        monkeypatch.setattr(degradations, name, recorder(name))
    return calls


def close(count, draws, probability):
    """Within four standard deviations of a binomial."""
    return abs(count - draws * probability) < 4 * np.sqrt(draws * probability * (1 - probability))


def test_contrastive_view_degrades_half_of_the_crops_in_three_equal_kinds(monkeypatch):
    calls, draws, generator, image = count_calls(monkeypatch), 6000, rng(), picture(96, 96)
    for _ in range(draws):
        PaperContrastiveView(96)(image, generator)
    assert close(len(calls["jpeg"]), draws, 1 / 12) and close(len(calls["webp"]), draws, 1 / 12)
    assert close(len(calls["gaussian_blur"]), draws, 1 / 6) and close(len(calls["gaussian_noise"]), draws, 1 / 6)
    qualities = [quality for (quality,) in calls["jpeg"] + calls["webp"]]
    assert (min(qualities), max(qualities)) == (50, 95)
    assert {kernel for (kernel,) in calls["gaussian_blur"]} == {3, 5, 7}
    variances = [arguments[0] for arguments in calls["gaussian_noise"]]
    assert 3 <= min(variances) < 3.1 and 9.9 < max(variances) <= 10
    assert not calls["resize"]


def test_classifier_view_has_the_recipe_s_probabilities(monkeypatch):
    calls, draws, generator, image = count_calls(monkeypatch), 6000, rng(), picture(256, 256)
    for _ in range(draws):
        PaperClassifierView(256)(image, generator)
    resized, plain = 0.5 * 0.3 / 1.3, 0.5 / 1.3
    assert close(len(calls["resize"]), draws, resized)
    assert close(len(calls["jpeg"]) + len(calls["webp"]), draws, resized * 0.5 + plain * 0.7 / 3)
    assert close(len(calls["gaussian_blur"]), draws, plain * 0.7 / 3)
    assert close(len(calls["gaussian_noise"]), draws, plain * 0.7 / 3)


def test_rotations_and_flips_reach_all_eight_orientations_at_the_stated_rate():
    image, generator, draws = np.arange(12, dtype=np.uint8).reshape(2, 2, 3), rng(), 6000
    seen = [recipes.rotate_and_flip(image, generator).tobytes() for _ in range(draws)]
    assert len(set(seen)) == 8
    # unchanged: neither applied; a rotation by 0 alone; or a rotation by 180 degrees undone by both flips
    unchanged = (0.67 + 0.33 / 4) * 0.67 + 0.33 / 4 * 0.33 / 3
    assert close(seen.count(image.tobytes()), draws, unchanged)


def test_crops_fall_evenly_over_the_image():
    ramp = np.zeros((100, 96, 3), np.uint8)
    ramp[:, :, 0] = np.arange(100)[:, None]
    for name in VIEWS:
        view, generator = VIEWS[name][0](96), rng()
        places = [view.place(100, 96, generator) for _ in range(5000)]
        tops = [view.clean_crop(place.of(ramp), place)[0, 0, 0] for place in places]
        assert all(close(np.sum(np.array(tops) == top), 5000, 1 / 5) for top in range(5))


def whole_picture_view(view, image, generator):
    """The views once more, written the plain way: on the whole picture, padded first."""
    size = view.size
    shape = [max(length, size) for length in image.shape[:2]]

    def crop(margin=0, damage=lambda image: image, grid=1):
        padded = pad_to(image, size)
        corner = [int(generator.integers(length - size + 1)) for length in shape]
        fewer = [int(generator.integers(min(grid, min(place, margin) + 1))) if grid > 1 else 0 for place in corner]
        starts = [max(0, place - margin) + cut for place, cut in zip(corner, fewer, strict=True)]
        ends = [min(length, place + size + margin) for place, length in zip(corner, shape, strict=True)]
        if grid > 1:
            ends = [max(place + size, end - (end - start) % 2) for start, end, place in zip(starts, ends, corner, strict=True)]
        region = damage(padded[starts[0] : ends[0], starts[1] : ends[1]])
        above, before = (place - start for place, start in zip(corner, starts, strict=True))
        return region[above : above + size, before : before + size]

    def damaged(image):
        return recipes.one_of([recipes.compress, recipes.blur, recipes.noise], image, generator)

    if isinstance(view, PaperContrastiveView):
        out = crop()
        out = damaged(out) if generator.random() < 0.5 else out
    elif isinstance(view, RobustView):
        out = crop(view.margin, lambda image: view.degrade(image, generator), grid=8)
    elif generator.random() >= 0.5:
        out = crop()
    elif generator.random() < 0.3 / 1.3:
        out = degradations.resize(recipes.place_resized_crop(*image.shape[:2], generator).of(image), (size, size), "bilinear")
        out = recipes.compress(out, generator) if generator.random() < 0.5 else out
    else:
        out = crop()
        out = damaged(out) if generator.random() < 0.7 else out
    return recipes.rotate_and_flip(out, generator)


@pytest.mark.parametrize("view", [PaperContrastiveView(96), PaperClassifierView(64), RobustView(96)])
def test_a_window_is_enough_for_the_view_of_the_whole_picture(view):
    for size in ((300, 220), (40, 500), (3, 5), (97, 96)):
        image = picture(*size)
        for seed in range(12):
            parts, whole = rng(seed), rng(seed)
            window = view.place(*size, parts)
            pixels = window.of(image)
            assert pixels.shape == (window.height, window.width, 3)
            assert view.longest_window is None or max(pixels.shape) <= view.longest_window
            np.testing.assert_array_equal(view.finish(pixels.copy(), window, parts), whole_picture_view(view, image, whole))
            assert parts.random() == whole.random()  # nothing more was drawn


def test_a_grown_window_shows_the_same_crop_with_more_around_it():
    image = picture(200, 130)
    for seed in range(20):
        window = PaperContrastiveView(96).place(200, 130, rng(seed))
        more = window.grow(20, 200, 130)
        np.testing.assert_array_equal(more.crop(more.of(image)), window.of(image))
        assert more.top == max(0, window.top - 20) and more.top + more.height == min(200, window.top + 116)
        assert more.left == max(0, window.left - 20) and more.left + more.width == min(130, window.left + 116)


@pytest.mark.parametrize("degraded", [False, True], ids=["one view", "pair"])
def test_the_grid_of_a_compression_falls_at_any_of_its_64_offsets(degraded):
    view, generator, draws = RobustView(96), rng(), 6400
    seen, odd = np.zeros((8, 8), int), []
    for _ in range(draws):
        window = view.place(300, 300, generator)
        window = window.grow(margin_for(view, degraded), 300, 300)
        seen[window.above % 8, window.before % 8] += 1
        if not degraded and max(window.top + window.above, window.left + window.before) < 300 - 96:  # a row and a column to spare
            odd.append(window.height % 2 or window.width % 2)
    assert seen.sum() == draws and all(close(count, draws, 1 / 64) for count in seen[1:, 1:].flat)
    assert seen.max() < 2 * draws / 64  # near the picture's own corner there is less to choose from
    assert not any(odd)  # so that half the size and back is exactly that


def test_robust_view_leaves_a_third_alone_and_shows_no_border_of_its_own(monkeypatch):
    image, generator, untouched = picture(256, 256), rng(), 0
    for _ in range(400):
        out = RobustView(96).degrade(image, generator)
        untouched += out is image
        assert out.shape == image.shape
    assert close(untouched, 400, 0.35 + 0.65 * 0.55 * 0.24)

    # degraded with its surroundings: a blurred crop equals the crop of the blurred image
    view = RobustView(96)
    monkeypatch.setattr(view, "degrade", lambda window, _: degradations.gaussian_blur(window, 3))
    monkeypatch.setattr(recipes, "rotate_and_flip", lambda window, _: window)
    smooth = degradations.gaussian_blur(image, 3)
    for seed in range(5):
        places = rng(seed)
        top, left = places.integers(161), places.integers(161)
        np.testing.assert_array_equal(view(image, rng(seed)), smooth[top : top + 96, left : left + 96])
