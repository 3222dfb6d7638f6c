"""The declared grid: complete, the same for a picture's name everywhere, and equal to what it says it is."""

import io
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from imaginet_core.pictures import degradations
from imaginet_core.pictures.degradation_grid import steps
from imaginet_core.pictures.degradation_grid.conditions import AXES, GRID, TIERS, condition_title, degrade, degrade_all, names_of
from imaginet_core.pictures.perturbed_test_set import perturb
from imaginet_core.pictures.decode import decode


def picture(height=90, width=120, seed=0):
    rng = np.random.default_rng(seed)
    smooth = np.asarray(Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize((width, height)), dtype=float)
    return np.clip(smooth + rng.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)


def test_the_grid_holds_what_is_declared():
    strengths = lambda kind: sorted(each.strength for each in GRID.values() if each.kind == kind)
    assert strengths("jpeg") == strengths("webp") == list(range(30, 101, 10)) and len(strengths("avif")) >= 4
    assert strengths("paper_jpeg") == list(range(40, 101, 5))  # the paper's points
    assert strengths("paper_resize") == sorted(int(256 * 12 / k) for k in range(2, 13))
    kernels = [kind for kind in AXES if kind.startswith("resize_")]
    assert len(kernels) == 4 and all((min(strengths(kind)), max(strengths(kind))) == (0.25, 2) for kind in kernels)
    assert all(len(strengths(kind)) >= 3 for kind in AXES)
    assert {each.tier for each in GRID.values()} == {*TIERS, ""} and next(iter(GRID)) == "clean"
    assert all(each.source for each in GRID.values() if each.tier in ("web", "hard"))
    assert len({each.title for each in GRID.values()}) == len(GRID)


@pytest.mark.parametrize("condition", GRID)
def test_every_condition_changes_a_picture_in_the_same_way_for_its_name_alone(condition):
    image = picture()
    image.flags.writeable = False
    once, again = degrade(image, "a.png", condition), degrade(picture(), "a.png", condition)
    np.testing.assert_array_equal(once, again)
    assert once.dtype == np.uint8 and once.ndim == 3 and once.shape[2] == 3
    assert condition == "clean" or once.shape != image.shape or (once != image).any()
    if GRID[condition].tier in ("web", "hard") or GRID[condition].kind in ("noise", "rescreenshot"):
        others = [degrade(image, f"{number}.png", condition) for number in range(4)]
        assert any(other.shape != once.shape or (other != once).any() for other in others)  # drawn by name


def test_all_conditions_of_a_picture_are_those_one_by_one_in_any_order_and_process():
    names = ["hard_noisy", "clean", "crop_0.5", "noise_10", "web_post"]
    together = dict(degrade_all(picture(), "faces/1.png", names))
    assert list(together) == names
    for name in reversed(names):
        np.testing.assert_array_equal(together[name], degrade(picture(), "faces/1.png", name))
    script = (
        "import sys, numpy as np\nfrom imaginet_core.pictures.degradation_grid.conditions import degrade\n"
        "image = np.frombuffer(sys.stdin.buffer.read(), np.uint8).reshape(90, 120, 3)\n"
        "sys.stdout.buffer.write(degrade(image, 'faces/1.png', 'hard_noisy').tobytes())\n"
    )
    out = subprocess.run([sys.executable, "-c", script], input=picture().tobytes(), capture_output=True, check=True, timeout=60).stdout
    assert out == together["hard_noisy"].tobytes()


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (7, 5), (40, 700)])
@pytest.mark.parametrize("kind", ["clean", "web", "hard", "paper_resize", "rescreenshot", "crop", "resize_nearest", "avif"])
def test_small_and_long_pictures_are_taken(shape, kind):
    for name, out in degrade_all(picture(*shape), "a", names_of([kind])):
        assert min(out.shape[:2]) >= 1, name


# against what they are made with

def test_the_paper_s_resizing_is_crop_and_opencv():
    image = picture(700, 900)
    side = 512  # 256 · 12 / 6
    square = image[(700 - side) // 2 : (700 + side) // 2, (900 - side) // 2 : (900 + side) // 2]
    np.testing.assert_array_equal(degrade(image, "a", "paper_resize_512"), cv2.resize(square, (256, 256), interpolation=cv2.INTER_LANCZOS4))
    padded = cv2.copyMakeBorder(picture(90, 120), 83, 83, 68, 68, cv2.BORDER_REFLECT_101)
    np.testing.assert_array_equal(degrade(picture(90, 120), "a", "paper_resize_256"), padded)


def test_the_paper_s_compression_is_that_of_the_crop():
    image, file = picture(300, 400), io.BytesIO()
    Image.fromarray(image[22:278, 72:328]).save(file, "JPEG", quality=45)
    np.testing.assert_array_equal(degrade(image, "a", "paper_jpeg_45"), np.array(Image.open(file)))


def test_the_perturbed_condition_is_the_perturbed_test_set():
    image, file = picture(300, 400), io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    content, _ = perturb(file.getvalue(), "faces/7.png")
    np.testing.assert_array_equal(degrade(image, "faces/7.png", "web_perturbed"), decode(content))


def test_avif_resizing_crops_and_fitting():
    image = picture(64, 96)
    errors = [np.abs(degrade(image, "a", f"avif_{quality}").astype(int) - image).mean() for quality in (90, 30)]
    assert 0 < errors[0] < errors[1]
    half = np.asarray(Image.fromarray(image).resize((48, 32), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(degrade(image, "a", "resize_lanczos_0.5"), half)
    part = degrade(image, "a", "crop_0.5")
    assert part.shape == (32, 48, 3)
    windows = np.lib.stride_tricks.sliding_window_view(image, part.shape)
    assert (windows == part).all((-3, -2, -1)).any()  # a part of the picture, unchanged
    assert steps.fit(image, 48).shape == (32, 48, 3) and steps.fit(image, 96) is image
    with pytest.raises(ValueError, match="AVIF quality must be a whole number between 0 and 100, got 101"):
        steps.avif(image, 101)


# names

def test_conditions_are_asked_for_by_tier_kind_or_name():
    assert names_of(["web"]) == [name for name in GRID if name.startswith("web_")]
    assert names_of(["blur", "clean", "jpeg70"])[0] == "clean" and "blur_13" in names_of(["blur"]) and "jpeg70" in names_of(["jpeg70"])
    assert names_of(["grid"]) == list(GRID) == names_of(["grid", "jpeg_70"])
    with pytest.raises(ValueError, match="no condition 'fog'; known are grid"):
        names_of(["fog"])
    with pytest.raises(ValueError, match="no condition 'fog'"):
        degrade(picture(), "a", "fog")
    assert condition_title("half_and_back") == "after half size and back" and condition_title("jpeg_70") == "JPEG 70"
    assert condition_title("clean") == "clean" and condition_title("mine") == "mine"
    np.testing.assert_array_equal(degrade(picture(), "a", "jpeg70"), degradations.jpeg(picture(), 70))
