"""The grid itself: every condition under which detectors are compared, by name, and a picture under each.

What is drawn at random is drawn from the picture's name and the condition's, so it is the same in any order, subset or process.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from imaginet_core.pictures import degradations
from imaginet_core.pictures.degradation_grid import sharing, steps
from imaginet_core.pictures.perturbed_test_set import SALT

TIERS = ("clean", "web", "hard")
RESIZING_KERNELS = ("nearest", "bilinear", "bicubic", "lanczos")
AXES = {
    "jpeg": "JPEG quality", "webp": "WebP quality", "avif": "AVIF quality", "resize_nearest": "scale, nearest pixel",
    "resize_bilinear": "scale, bilinear", "resize_bicubic": "scale, bicubic", "resize_lanczos": "scale, Lanczos",
    "paper_jpeg": "JPEG quality of a crop of 256 pixels (the paper's curve)", "paper_resize": "side of the square resized to 256, pixels "
    "(the paper's curve)", "blur": "blur, kernel in pixels", "noise": "noise, variance on the 0 to 255 scale",
    "crop": "crop, share of each side", "rescreenshot": "screenshot, scale on the screen",
}
"""Kind of degradation that has a strength -> what its axis shows."""


@dataclass(frozen=True)
class Condition:
    """One way in which pictures are degraded.

    Attributes:
        name: in options, reports and stored scores.
        kind: conditions of one kind make a curve, see AXES; chains are each their own.
        strength: on the kind's axis; NaN for chains.
        tier: a name in TIERS for clean pictures and chains; "" for single steps.
        title: for people.
        apply: uint8 (H, W, 3) and a random generator -> uint8 (H', W', 3).
        source: the publications that describe it.
        salt: of its random generator.
    """

    name: str
    kind: str
    strength: float
    tier: str
    title: str
    apply: Callable[[np.ndarray, np.random.Generator], np.ndarray]
    source: str = ""
    salt: str = ""


def _step(kind: str, strength: float, title: str, function: Callable, *arguments, random: bool = False) -> Condition:
    apply = (lambda image, rng: function(image, *arguments, rng)) if random else (lambda image, rng: function(image, *arguments))
    source = "ImagiNet (arXiv 2407.20020)" if kind.startswith("paper") else ""
    name = f"{kind}_{strength:g}"
    return Condition(name, kind, strength, "", title, apply, source, name)


def _all() -> Iterator[Condition]:
    yield Condition("clean", "clean", float("nan"), "clean", "clean", lambda image, rng: image)
    for kind, function in (("jpeg", degradations.jpeg), ("webp", degradations.webp)):
        for quality in range(100, 20, -10):
            yield _step(kind, quality, f"{'JPEG' if kind == 'jpeg' else 'WebP'} {quality}", function, quality)
    for quality in (90, 70, 50, 30):
        yield _step("avif", quality, f"AVIF {quality}", steps.avif, quality)
    for kernel in RESIZING_KERNELS:
        for scale in (2, 1.5, 0.75, 0.5, 0.35, 0.25):
            yield _step(f"resize_{kernel}", scale, f"resized × {scale:g}, {kernel}", steps.rescale, scale, kernel)
    for quality in range(40, 101, 5):
        yield _step("paper_jpeg", quality, f"the paper's JPEG {quality}", steps.paper_jpeg, quality)
    for twelfths in range(2, 13):
        side = degradations.PERTURBED_SIZE * 12 // twelfths
        yield _step("paper_resize", side, f"the paper's {side} → 256", steps.paper_resize, twelfths)
    for size in (3, 5, 7, 9, 13):
        yield _step("blur", size, f"blur {size}", degradations.gaussian_blur, size)
    for variance in (3, 10, 30, 100):
        yield _step("noise", variance, f"noise {variance}", degradations.gaussian_noise, variance, random=True)
    for share in (0.9, 0.75, 0.5, 0.25):
        yield _step("crop", share, f"crop to {share:.0%}", steps.crop, share, random=True)
    for scale in (1, 0.75, 0.5):
        yield _step("rescreenshot", scale, f"screenshot at {scale:.0%}", steps.rescreenshot, scale, random=True)
    for name, (tier, function, title, source) in sharing.CHAINS.items():
        salt = SALT if name == "web_perturbed" else name  # the very pixels of the perturbed test set
        yield Condition(name, name, float("nan"), tier, f"{tier}: {title}", function, source, salt)


GRID: dict[str, Condition] = {condition.name: condition for condition in _all()}
"""Name -> condition: the whole declared grid, ``clean`` first."""


def condition_title(name: str) -> str:
    """What a condition is called in tables; a name that is in no list stays as it is."""
    return GRID[name].title if name in GRID and name != "clean" else degradations.CONDITION_TITLES.get(name, name)


def names_of(asked: Iterable[str]) -> list[str]:
    """Names of conditions: as given, or those of a tier (clean, web, hard), of a kind (a key of AXES), or of the whole ``grid``.

    "clean" comes first where it is among them. Raises ValueError for a name of nothing.
    """
    found: dict[str, None] = {}
    for name in asked:
        of = [each.name for each in GRID.values() if name == "grid" or name in (each.name, each.kind, each.tier)]
        if not of and name not in degradations.CONDITIONS:
            kinds = ", ".join(AXES)
            raise ValueError(
                f"There is no condition {name!r}; known are grid (all), the tiers {', '.join(TIERS)}, the kinds {kinds}, and single ones "
                f"such as {', '.join(list(GRID)[1:4])}."
            )
        found.update(dict.fromkeys(of or [name]))
    return sorted(found, key=lambda name: name != "clean")


def degrade(picture: np.ndarray, name: str, condition: str) -> np.ndarray:
    """A picture under one condition.

    Args:
        picture: uint8 (H, W, 3).
        name: of the image, as listed; what is drawn at random depends on it.
        condition: a name in GRID or in ``degradations.CONDITIONS``.

    Returns:
        uint8 (H', W', 3); for "clean" the picture itself.

    Raises:
        ValueError: for another condition, and as the degradations do.
    """
    if condition in GRID:
        found = GRID[condition]
        return found.apply(picture, degradations.rng_for(name, found.salt))
    if condition in degradations.CONDITIONS:
        return degradations.CONDITIONS[condition](picture)
    raise ValueError(f"There is no condition {condition!r} among those of the grid.")


def degrade_all(picture: np.ndarray, name: str, conditions: Iterable[str]) -> Iterator[tuple[str, np.ndarray]]:
    """(condition, picture under it) of a picture that was decoded once, one at a time, so that the grid never lies in memory.

    Args: see :func:`degrade`; ``conditions`` in the order asked for.
    """
    for condition in conditions:
        yield condition, degrade(picture, name, condition)
