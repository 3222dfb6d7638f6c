"""Degradations: against Pillow and OpenCV themselves, the same in any order and process, and clear about bad input."""

import io
import json
import subprocess
import sys
from dataclasses import asdict

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.stats import binomtest, chisquare, kstest, randint

from imaginet_core.pictures import degradations
from imaginet_core.pictures.degradations import (
    CONDITION_TITLES,
    CONDITIONS,
    OPENCV_KERNELS,
    PILLOW_KERNELS,
    STEPS,
    Chain,
    draw_chain,
    rng_for,
)

NAMES = [f"faces/{number:04}.png" for number in range(12)]


def picture(height=61, width=83, seed=0):
    """Smooth colours with some grain: neither flat nor pure noise."""
    rng = np.random.default_rng(seed)
    smooth = np.asarray(Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize((width, height)), dtype=float)
    return np.clip(smooth + rng.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)


def every_operation():
    """(name, function of an image) for all that this module offers."""
    found = dict(CONDITIONS)
    found |= {f"jpeg {chroma}": lambda image, chroma=chroma: degradations.jpeg(image, 60, chroma)
              for chroma in degradations.SUBSAMPLINGS}
    found["webp"] = lambda image: degradations.webp(image, 60)
    for kernel in (*PILLOW_KERNELS, *OPENCV_KERNELS):
        found[f"resize {kernel}"] = lambda image, kernel=kernel: degradations.resize_and_back(image, 0.7, kernel)
    found["blur"] = lambda image: degradations.gaussian_blur(image, 5)
    found["noise"] = lambda image: degradations.gaussian_noise(image, 9, np.random.default_rng(0))
    found["chain"] = Chain(tuple((name, parameters) for name, parameters in [
        ("jpeg", {"quality": 60}), ("gaussian_noise", {"variance": 4}), ("gaussian_blur", {"kernel_size": 3}),
        ("resize_and_back", {"scale": 1.3, "kernel": "box"}), ("webp", {"quality": 70})]), seed=3)
    found["thumbnail"] = lambda image: degradations.thumbnail(image, 0.4, 80, "WEBP", "lanczos", "bilinear")
    return found


@pytest.mark.parametrize("name, operation", every_operation().items())
def test_every_operation_keeps_size_and_input_and_accepts_any_view(name, operation):
    image = picture()
    image.flags.writeable = False  # writing into it would raise
    out = operation(image)
    assert out.shape == image.shape and out.dtype == np.uint8
    assert name == "clean" or (out != image).any()
    np.testing.assert_array_equal(image, picture())

    turned = np.rot90(image)[:, ::-1]  # neither contiguous nor in memory order
    np.testing.assert_array_equal(operation(turned), operation(turned.copy()))
    for size in ((1, 1), (1, 9), (2, 1)):
        assert operation(picture(*size)).shape == (*size, 3)


# the same whatever is done before, beside or elsewhere

def damaged(name: str) -> bytes:
    rng = rng_for(name, "test")
    return draw_chain(rng)(degradations.gaussian_noise(picture(), 5, rng)).tobytes()


def test_results_depend_on_the_name_alone_not_on_order_or_subset():
    forwards = {name: damaged(name) for name in NAMES}
    assert {name: damaged(name) for name in reversed(NAMES[::3])} == {name: forwards[name] for name in NAMES[::3]}
    assert len(set(forwards.values())) == len(NAMES)


def test_another_process_draws_the_same(repository):
    code = (
        "import zlib, numpy as np\n"
        "from imaginet_core.pictures import degradations as d\n"
        "for i in range(6):\n"
        "    rng = d.rng_for(f'faces/{i:04}.png', 'test')\n"
        "    image = np.arange(3072, dtype=np.uint8).reshape(32, 32, 3)\n"
        "    print(zlib.crc32(d.draw_chain(rng)(image)))\n"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], cwd=repository, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True)
        for seed in ("1", "2")
    ]
    assert runs[0].returncode == 0, runs[0].stderr
    assert len(set(runs[0].stdout.split())) > 1 and runs[0].stdout == runs[1].stdout


def test_the_generator_of_a_name_is_this_one_for_ever():
    """A changed seeding would silently change every perturbed test set."""
    assert rng_for("faces/0001.png", "x").bit_generator.random_raw(2).tolist() == [15941802154635291636, 7290402337243583810]
    draws = {rng_for(name, salt).bit_generator.random_raw() for name in ("a", "b", "") for salt in ("", "1", "2")}
    assert len(draws) == 9
    rng_for("caf\u00e9\udce9.png")  # a file name that is not UTF-8, as Python reads it


# against the libraries themselves

@pytest.mark.parametrize("quality", [1, 50, 95, 100])
def test_compression_is_what_pillow_writes_and_reads(quality):
    image = picture()

    def through_pillow(codec, **options):
        file = io.BytesIO()
        Image.fromarray(image).save(file, codec, quality=quality, **options)
        return np.asarray(Image.open(io.BytesIO(file.getvalue())))

    np.testing.assert_array_equal(degradations.jpeg(image, quality), through_pillow("JPEG", subsampling="4:2:0"))
    np.testing.assert_array_equal(degradations.jpeg(image, quality, "4:4:4"), through_pillow("JPEG", subsampling=0))
    np.testing.assert_array_equal(degradations.webp(image, quality), through_pillow("WEBP"))


def test_chroma_subsampling_damages_colour_more_where_it_is_coarser():
    image = picture()
    image[:, ::2] = (200, 60, 60)  # red lines, a pixel wide
    error = [np.abs(degradations.jpeg(image, 95, chroma).astype(int) - image).mean() for chroma in ("4:4:4", "4:2:2", "4:2:0")]
    assert error[0] * 2 < error[1] < error[2] * 1.2


def test_opencv_lanczos_aliases_where_pillow_s_filters_away():
    """A grating of 0.4 cycles per pixel cannot be shown at a quarter of the size: Pillow leaves grey, OpenCV another grating."""
    grating = np.rint(128 + 100 * np.sin(2 * np.pi * 0.4 * np.arange(400))).astype(np.uint8)
    image = np.broadcast_to(grating[None, :, None], (400, 400, 3))
    spread = {
        kernel: float(degradations.resize(image, (100, 100), kernel)[10:-10, 10:-10].std())
        for kernel in (*PILLOW_KERNELS, *OPENCV_KERNELS)
    }
    assert all(spread[kernel] < 2 for kernel in ("bilinear", "bicubic", "lanczos")), spread
    assert spread["opencv_lanczos"] > 50 and spread["opencv_bilinear"] > 20 and spread["nearest"] > 60, spread
    # enlarging, both are the same kind of filter and agree closely
    enlarged = [degradations.resize(picture(), (122, 166), kernel)[20:-20, 20:-20] for kernel in ("lanczos", "opencv_lanczos")]
    assert np.abs(enlarged[0].astype(int) - enlarged[1]).mean() < 1.5


def test_resize_takes_height_first():
    assert degradations.resize(picture(10, 20), (7, 31)).shape == (7, 31, 3)
    assert degradations.resize(picture(10, 20), (7, 31), "opencv_lanczos").shape == (7, 31, 3)


@pytest.mark.parametrize("kernel", PILLOW_KERNELS)
def test_there_and_back_go_by_the_same_kernel(kernel):
    smaller = Image.fromarray(picture()).resize((58, 43), PILLOW_KERNELS[kernel])  # 0.7 of 83 × 61
    back = np.asarray(smaller.resize((83, 61), PILLOW_KERNELS[kernel]))
    np.testing.assert_array_equal(degradations.resize_and_back(picture(), 0.7, kernel), back)


def test_a_thumbnail_is_compressed_at_its_own_size():
    smaller = Image.fromarray(picture()).resize((42, 30), PILLOW_KERNELS["box"])  # half of 83 × 61, to even numbers
    file = io.BytesIO()
    smaller.save(file, "JPEG", quality=65)
    expected = np.asarray(Image.open(file).resize((83, 61), PILLOW_KERNELS["lanczos"]))
    np.testing.assert_array_equal(degradations.thumbnail(picture(), 0.5, 65, "JPEG", "box", "lanczos"), expected)
    other_way = cv2.resize(picture(), (42, 30), interpolation=cv2.INTER_LANCZOS4)
    back = np.asarray(Image.fromarray(other_way).resize((83, 61), PILLOW_KERNELS["bicubic"]))
    np.testing.assert_array_equal(degradations.resize_and_back(picture(), 0.5, "opencv_lanczos", "bicubic"), back)


@pytest.mark.parametrize("size", [(64, 64), (63, 65), (1, 7), (3, 2), (255, 300)])
def test_half_and_back_keeps_the_size_and_loses_the_finest_detail(size):
    image = picture(*size)
    back = degradations.half_and_back(image)
    assert back.shape == image.shape
    if min(size) > 8:
        detail = [np.abs(np.diff(each.astype(int), 2, axis=1)).mean() for each in (back, image)]  # second differences
        assert detail[0] < 0.6 * detail[1]
        assert abs(back.mean() - image.mean()) < 0.5


@pytest.mark.parametrize("size, kernel", [(3, [1, 2, 1]), (5, [1, 4, 6, 4, 1]), (7, [2, 7, 14, 18, 14, 7, 2])])
def test_blur_spreads_a_dot_by_the_stated_kernel(size, kernel):
    dot = np.zeros((21, 21, 3), np.uint8)
    dot[10, 10] = 255
    weights = np.array(kernel) / np.sum(kernel)
    reach = size // 2
    blurred = degradations.gaussian_blur(dot, size)[10 - reach : 11 + reach, 10 - reach : 11 + reach, 0]
    np.testing.assert_allclose(blurred, 255 * np.outer(weights, weights), atol=1)


@pytest.mark.parametrize("variance", [0, 1, 3, 10, 100])
def test_noise_has_the_variance_asked_for_and_is_independent(variance):
    grey = np.full((300, 300, 3), 128, np.uint8)
    added = degradations.gaussian_noise(grey, variance, np.random.default_rng(0)).astype(float) - 128
    assert abs(added.mean()) < 0.03 + variance / 1000
    expected = variance + 1 / 12 if variance else 0  # rounding adds 1/12
    assert added.var() == pytest.approx(expected, rel=0.02)
    if variance:
        assert abs(np.corrcoef(added.reshape(-1, 3).T)[np.triu_indices(3, 1)]).max() < 0.02
        assert abs(np.corrcoef(added[:, :-1].ravel(), added[:, 1:].ravel())[0, 1]) < 0.02


def test_noise_is_clipped_not_wrapped_round():
    for value in (0, 255):
        flat = np.full((50, 50, 3), value, np.uint8)
        assert np.abs(degradations.gaussian_noise(flat, 100, np.random.default_rng(0)).astype(int) - value).max() < 60


# conditions and chains

def test_conditions_are_titled_and_do_what_they_say():
    assert set(CONDITIONS) == set(CONDITION_TITLES) == {"clean", "jpeg70", "half_and_back"}
    image = picture()
    np.testing.assert_array_equal(CONDITIONS["clean"](image), image)
    np.testing.assert_array_equal(CONDITIONS["jpeg70"](image), degradations.jpeg(image, 70, "4:2:0"))
    smaller = Image.fromarray(image).resize((42, 30), Image.Resampling.BICUBIC)  # half of 83 × 61
    np.testing.assert_array_equal(CONDITIONS["half_and_back"](image), smaller.resize((83, 61), Image.Resampling.BICUBIC))


def test_a_chain_applies_its_steps_in_order_and_can_be_repeated():
    image = picture()
    chain = Chain((("gaussian_blur", {"kernel_size": 7}), ("jpeg", {"quality": 40}), ("gaussian_noise", {"variance": 3})), seed=8)
    step_by_step = degradations.gaussian_noise(
        degradations.jpeg(degradations.gaussian_blur(image, 7), 40), 3, np.random.default_rng(8)
    )
    np.testing.assert_array_equal(chain(image), step_by_step)
    np.testing.assert_array_equal(chain(image), step_by_step)
    assert (Chain(chain.steps[::-1], seed=8)(image) != step_by_step).any()
    assert (Chain(chain.steps, seed=9)(image) != step_by_step).any()
    np.testing.assert_array_equal(Chain()(image), image)


def test_drawn_chains_survive_json_and_stay_in_their_ranges():
    seen, lengths = {name: [] for name in STEPS}, set()
    for number in range(300):
        chain = draw_chain(np.random.default_rng(number))
        read = Chain(**json.loads(json.dumps(asdict(chain))))
        assert read == chain
        if number < 15:
            np.testing.assert_array_equal(read(picture()), chain(picture()))
        lengths.add(len(chain.steps))
        for name, parameters in chain.steps:
            seen[name].append(parameters)
    assert lengths == {1, 2, 3}
    assert all(50 <= each["quality"] <= 95 for each in seen["jpeg"] + seen["webp"])
    assert {each["subsampling"] for each in seen["jpeg"]} == set(degradations.SUBSAMPLINGS)
    assert all(0.5 <= each["scale"] <= 1.5 for each in seen["resize_and_back"])
    assert all(0.35 <= each["scale"] <= 0.7 and 60 <= each["quality"] <= 95 for each in seen["thumbnail"])
    assert {each["codec"] for each in seen["thumbnail"]} == {"JPEG", "WEBP"}
    for name in ("resize_and_back", "thumbnail"):
        assert {each["kernel"] for each in seen[name]} == set(degradations.DOWN_KERNELS)
        assert {each["back"] for each in seen[name]} == set(degradations.UP_KERNELS)
    assert {each["kernel_size"] for each in seen["gaussian_blur"]} == {3, 5, 7}
    assert all(1 <= each["variance"] <= 10 for each in seen["gaussian_noise"])
    assert all(len(each) > 60 for each in seen.values())


# bad input

@pytest.mark.parametrize("call, message", [
    (lambda image: degradations.jpeg(image, 0), "JPEG quality must be a whole number between 1 and 100, got 0"),
    (lambda image: degradations.jpeg(image, 101), "got 101"),
    (lambda image: degradations.jpeg(image, 70.5), "got 70.5"),
    (lambda image: degradations.jpeg(image, float("nan")), "got nan"),
    (lambda image: degradations.jpeg(image, 70, "4:1:1"), "subsampling must be one of 4:4:4, 4:2:2, 4:2:0, got '4:1:1'"),
    (lambda image: degradations.webp(image, -1), "WEBP quality"),
    (lambda image: degradations.webp(np.zeros((1, 16384, 3), np.uint8), 90), "at most 16383 pixels a side; .* has 1 × 16384"),
    (lambda image: degradations.jpeg(np.zeros((65501, 1, 3), np.uint8), 90), "at most 65500 pixels a side"),
    (lambda image: degradations.resize(image, (0, 5)), "cannot be resized to 0 × 5"),
    (lambda image: degradations.resize(image, (5, 5), "sinc"), "one of nearest, box, .*opencv_bilinear, got 'sinc'"),
    (lambda image: degradations.resize_and_back(image, 0), "positive number, got 0"),
    (lambda image: degradations.resize_and_back(image, -0.5), "positive number, got -0.5"),
    (lambda image: degradations.resize_and_back(image, float("nan")), "got nan"),
    (lambda image: degradations.resize_and_back(image, 0.5, "box", "sinc"), "got 'sinc'"),
    (lambda image: degradations.thumbnail(image, -1, 80), "positive number, got -1"),
    (lambda image: degradations.thumbnail(image, 0.5, 0), "quality must be a whole number between 1 and 100, got 0"),
    (lambda image: degradations.thumbnail(image, 0.5, 80, "AVIF"), "must be JPEG or WEBP, got 'AVIF'"),
    (lambda image: degradations.gaussian_blur(image, 4), "odd, positive whole number, got 4"),
    (lambda image: degradations.gaussian_blur(image, -1), "got -1"),
    (lambda image: degradations.gaussian_blur(image, 3.5), "got 3.5"),
    (lambda image: degradations.gaussian_noise(image, -1, np.random.default_rng()), "not below 0, got -1"),
    (lambda image: degradations.gaussian_noise(image, float("nan"), np.random.default_rng()), "got nan"),
    (lambda image: draw_chain(np.random.default_rng(), longest=0), "at least 1 step"),
    (lambda image: Chain((("sharpen", {}),)), "one of jpeg, webp, .*, got 'sharpen'"),
    (lambda image: Chain((("jpeg", {"qualty": 5}),)), "step 'jpeg' .*qualty"),
    (lambda image: Chain((("webp", {}),)), "step 'webp' .*quality"),
    (lambda image: Chain((("gaussian_noise", {"variance": 1, "rng": 0}),)), "step 'gaussian_noise'"),
    (lambda image: Chain((("jpeg", {"quality": 500}),))(image), "got 500"),
])
def test_wrong_values_are_refused_with_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call(picture())


@pytest.mark.parametrize("image", [
    np.zeros((5, 5), np.uint8), np.zeros((5, 5, 4), np.uint8), np.zeros((5, 5, 3), np.float32), np.zeros((0, 5, 3), np.uint8),
], ids=["grey", "with alpha", "float", "empty"])
def test_what_is_no_rgb_picture_is_refused(image):
    operations = {name: operation for name, operation in every_operation().items() if name != "clean"}
    for name, operation in operations.items():
        with pytest.raises(ValueError, match="A picture must be a uint8 array"):
            operation(image)


# the perturbed test set

def test_a_perturbed_image_is_a_square_resized_by_opencv_then_compressed():
    image = picture(301, 420)
    codecs = set()
    for number in range(24):
        out, drawn = degradations.perturb(image, rng_for(f"{number}.png"))
        square = image[drawn.top : drawn.top + drawn.side, drawn.left : drawn.left + drawn.side]
        expected = cv2.resize(square, (256, 256), interpolation=cv2.INTER_LANCZOS4)
        if drawn.codec:
            content = io.BytesIO()
            Image.fromarray(expected).save(content, drawn.codec, quality=drawn.quality)
            expected = np.asarray(Image.open(content))
        np.testing.assert_array_equal(out, expected)
        assert square.shape == (drawn.side, drawn.side, 3) and (drawn.codec is None) == (drawn.quality is None)
        codecs.add(drawn.codec)
    assert codecs == {None, "JPEG", "WEBP"}


def test_the_perturbed_set_aliases_when_it_shrinks_as_the_reference_does():
    stripes = np.zeros((1000, 1000, 3), np.uint8)
    stripes[::3] = 255  # finer than 256 rows can show
    ours = degradations.resize(stripes, (256, 256), "opencv_lanczos").astype(float)
    low_passed = degradations.resize(stripes, (256, 256), "lanczos").astype(float)
    assert ours.std() > 90 and low_passed.std() < 40


def test_small_pictures_are_padded_by_reflection_before_they_are_perturbed():
    for height, width in ((100, 300), (300, 7), (255, 255), (1, 1)):
        image = picture(height, width)
        missing = [max(0, 256 - length) for length in (height, width)]
        padded = np.pad(image, [(m // 2, m - m // 2) for m in missing] + [(0, 0)], mode="reflect")
        drawn = None
        for number in range(40):
            out, drawn = degradations.perturb(image, rng_for(str(number)))
            if drawn.codec is None:
                break
        assert drawn.side == 256 and drawn.codec is None
        np.testing.assert_array_equal(out, padded[drawn.top : drawn.top + 256, drawn.left : drawn.left + 256])


def test_what_the_perturbed_set_draws_has_the_reference_distribution():
    """Side, place and quality uniform, three of four compressed, JPEG as often as WebP; p-values above 1 in 10,000."""
    image = np.zeros((700, 520, 3), np.uint8)
    drawn = [degradations.perturb(image, rng_for(f"{number}.jpg", "perturbed"))[1] for number in range(800)]
    sides = [each.side for each in drawn]
    assert min(sides) >= 256 and max(sides) <= 520
    assert kstest(sides, randint(256, 521).cdf).pvalue > 1e-4
    for length, corners in ((700, [each.top for each in drawn]), (520, [each.left for each in drawn])):
        share = [(corner + 0.5) / (length - side + 1) for corner, side in zip(corners, sides, strict=True)]
        assert min(share) > 0 and max(share) < 1 and kstest(share, "uniform").pvalue > 1e-4
    compressed = [each for each in drawn if each.codec]
    assert binomtest(len(compressed), len(drawn), 0.75).pvalue > 1e-4
    assert binomtest(sum(each.codec == "JPEG" for each in compressed), len(compressed), 0.5).pvalue > 1e-4
    qualities = [each.quality for each in compressed]
    assert (min(qualities), max(qualities)) == (60, 100) and chisquare(np.bincount(qualities)[60:]).pvalue > 1e-4
    large = [degradations.perturb(np.zeros((1300, 1200, 3), np.uint8), rng_for(str(number)))[1].side for number in range(60)]
    assert 900 < max(large) <= 1000


def test_compressions_are_drawn_from_their_ranges_and_named_when_they_are_wrong():
    drawn = [degradations.draw_compression(rng_for(str(number))) for number in range(400)]
    assert {each.codec for each in drawn} == {"JPEG", "WEBP"} and {each.quality for each in drawn} == set(range(60, 96))
    assert {each.subsampling for each in drawn if each.codec == "JPEG"} == set(degradations.SUBSAMPLINGS)
    image = picture()
    np.testing.assert_array_equal(degradations.Compression("JPEG", 70, "4:2:2")(image), degradations.jpeg(image, 70, "4:2:2"))
    np.testing.assert_array_equal(degradations.Compression("WEBP", 70)(image), degradations.webp(image, 70))
    with pytest.raises(ValueError, match="must be JPEG or WEBP, got 'AVIF'"):
        degradations.Compression("AVIF", 70)(image)
