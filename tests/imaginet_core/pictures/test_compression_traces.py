"""Each trace of compression and resampling shows what it is named for."""

import numpy as np
from PIL import Image

from imaginet_core.pictures import degradations
from imaginet_core.pictures.compression_traces import traces


def picture(number: int, side: int = 96) -> Image.Image:
    """Smooth colours with grain, its own for each number."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), float)
    return Image.fromarray(np.clip(smooth + rng.normal(0, 5, smooth.shape), 0, 255).astype(np.uint8))


def trace_means(change) -> dict:
    images = [change(np.asarray(picture(number, 192))) for number in range(6)]
    found = [traces(image) for image in images]
    return {name: np.mean([each[name] for each in found]) for name in found[0]}


def test_each_trace_shows_what_it_is_named_for():
    shown = {name: trace_means(change) for name, change in {
        "raw": lambda image: image,
        "jpeg": lambda image: degradations.jpeg(image, 75),
        "webp": lambda image: degradations.webp(image, 80),
        "shifted": lambda image: degradations.jpeg(image, 75)[3:, 5:],
        "double": lambda image: degradations.jpeg(degradations.jpeg(image, 75), 90),
        "single": lambda image: degradations.jpeg(image, 90),
        "larger": lambda image: degradations.resize(image, (250, 250), "bilinear"),
    }.items()}
    assert shown["jpeg"]["comb"] > 0.5 > 0.15 > shown["raw"]["comb"]
    assert shown["shifted"]["shifted_comb"] > 0.5
    assert shown["shifted"]["shifted_comb_agreement"] > 0.9 > shown["jpeg"]["shifted_comb_agreement"]
    assert shown["jpeg"]["full_range"] > 0.35 > 0.05 > abs(shown["webp"]["full_range"])
    assert shown["webp"]["studio_range"] > 0.45 > 0.05 > abs(shown["jpeg"]["studio_range"])
    assert shown["double"]["second_comb"] > 1.2 * shown["single"]["second_comb"]
    assert shown["jpeg"]["grid_8"] > shown["raw"]["grid_8"] + 0.1
    assert shown["shifted"]["shifted_grid_8"] > shown["raw"]["shifted_grid_8"] + 0.05
    assert shown["webp"]["chroma_half"] < shown["raw"]["chroma_half"] - 0.05
    assert shown["larger"]["resampling"] > shown["raw"]["resampling"] + 0.5


def test_traces_of_any_picture_are_finite_numbers():
    for image in (np.zeros((1, 1, 3), np.uint8), np.full((9, 300, 3), 255, np.uint8), np.asarray(picture(0, 700))):
        assert all(np.isfinite(value) for value in traces(image).values())
