"""Random views of a training image: the published recipe's two, and one that covers more of what pictures go through.

A view is a function of (image, random generator) alone. The data set draws one generator per image and epoch from the
image's name, so views do not depend on the number of workers or processes, and a resumed run sees the same ones.
The recipe is that of ImagiNet (https://arxiv.org/abs/2407.20020, training code); the damage is done in
``imaginet_core/pictures/degradations.py``.

Every view works in two parts, so that no more than a window of the picture needs to be read: ``place`` draws where the window
lies, from the picture's height and width alone; ``finish`` makes the view out of the window's pixels.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from imaginet_core.pictures import degradations
from imaginet_core.pictures.degradations import pad_to
from imaginet_core.pictures.window import Window

Operation = Callable[[np.ndarray, np.random.Generator], np.ndarray]


class Turn(NamedTuple):
    """Quarter turns against the clock, and the axes of a flip after them."""

    quarters: int = 0
    axes: tuple[int, ...] = ()

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """uint8 (H, W, 3) -> turned and flipped, in writable memory of its own and in C order."""
        return np.flip(np.rot90(image, self.quarters), self.axes).copy()


def draw_turn(rng: np.random.Generator) -> Turn:
    """With p 0.33 a rotation by 0, 90, 180 or 270 degrees; with p 0.33 a horizontal flip, a vertical one or both."""
    quarters = int(rng.integers(4)) if rng.random() < 0.33 else 0
    axes = [(1,), (0,), (0, 1)][rng.integers(3)] if rng.random() < 0.33 else ()
    return Turn(quarters, axes)


def rotate_and_flip(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One turn by :func:`draw_turn`."""
    return draw_turn(rng)(image)


def place_crop(height: int, width: int, size: int, rng: np.random.Generator, kind: str = "") -> Window:
    """A uniformly drawn window of ``size`` × ``size``; the whole length where the picture is shorter."""
    top, left = (rng.integers(max(0, length - size) + 1) for length in (height, width))
    return Window.at(top, left, min(size, height), min(size, width), kind)


def place_resized_crop(height: int, width: int, rng: np.random.Generator, kind: str = "") -> Window:
    """A window of 8 % to 100 % of the area and aspect 3:4 to 4:3 (Szegedy et al., 2015); all, if ten draws do not fit."""
    for _ in range(10):
        area = height * width * rng.uniform(0.08, 1.0)
        aspect = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
        w, h = round(np.sqrt(area * aspect)), round(np.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return Window.at(rng.integers(height - h + 1), rng.integers(width - w + 1), h, w, kind)
    return Window.at(0, 0, height, width, kind)


def compress(image: np.ndarray, rng: np.random.Generator, low: int = 50, high: int = 95) -> np.ndarray:
    """JPEG or WebP, equally likely, at a quality drawn evenly from ``low`` to ``high``."""
    codec = degradations.jpeg if rng.random() < 0.5 else degradations.webp
    return codec(image, int(rng.integers(low, high + 1)))


def blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gaussian blur with kernel 3, 5 or 7."""
    return degradations.gaussian_blur(image, int(rng.choice([3, 5, 7])))


def noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of variance 3 to 10 on the 0..255 scale."""
    return degradations.gaussian_noise(image, rng.uniform(3, 10), rng)


def one_of(operations: list[Operation], image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Applies one of the operations, all equally likely."""
    return operations[rng.integers(len(operations))](image, rng)


class View(ABC):
    """What every view can do; each places its own windows and damages them in its own way.

    Args:
        size: side of the view in pixels.

    Attributes:
        longest_window: no window is longer than this, in pixels; None where a window may be the whole picture.
        margin: pixels around the crop that are damaged with it, where the image has them.
    """

    longest_window: int | None = None
    margin: int = 0

    def __init__(self, size: int):
        self.size = size

    @abstractmethod
    def place(self, height: int, width: int, rng: np.random.Generator) -> Window:
        """Draws the window of a picture of ``height`` × ``width`` pixels that :meth:`finish` needs."""

    @abstractmethod
    def finish(self, pixels: np.ndarray, window: Window, rng: np.random.Generator) -> np.ndarray:
        """The view out of its window's pixels.

        Args:
            pixels: uint8 (window.height, window.width, 3).
            window: as placed.
            rng: the generator that drew the window, or one of its own where a window is used several times.

        Returns:
            uint8 (size, size, 3).
        """

    def clean_crop(self, pixels: np.ndarray, window: Window) -> np.ndarray:
        """The crop as it is, neither damaged nor turned: the window's pixels uint8 (h, w, 3) -> uint8 (size, size, 3)."""
        return pad_to(window.crop(pixels), self.size)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """uint8 (H, W, 3) of any size -> uint8 (size, size, 3)."""
        window = self.place(*image.shape[:2], rng)
        return self.finish(window.of(image), window, rng)


class PaperContrastiveView(View):
    """Stage 1 of the recipe: random crop; with p 0.5 one of compression, blur, noise; rotation and flip.

    Args:
        size: side of the view in pixels (the recipe: 96).
    """

    def __init__(self, size: int = 96):
        super().__init__(size)
        self.longest_window = size

    def place(self, height: int, width: int, rng: np.random.Generator) -> Window:
        return place_crop(height, width, self.size, rng)

    def finish(self, pixels: np.ndarray, window: Window, rng: np.random.Generator) -> np.ndarray:
        image = self.clean_crop(pixels, window)
        if rng.random() < 0.5:
            image = one_of([compress, blur, noise], image, rng)
        return rotate_and_flip(image, rng)


class PaperClassifierView(View):
    """Stage 2 of the recipe: with p 0.5 one of two degraded crops (weights 0.3 : 1), then pad, crop, rotation, flip.

    The first is a resized crop, compressed with p 0.5; the second a plain crop, with p 0.7 compressed, blurred or noisy.

    Args:
        size: side of the view in pixels (the recipe: 256).
    """

    def __init__(self, size: int = 256):
        super().__init__(size)

    def place(self, height: int, width: int, rng: np.random.Generator) -> Window:
        if rng.random() >= 0.5:
            return place_crop(height, width, self.size, rng)
        if rng.random() < 0.3 / 1.3:
            return place_resized_crop(height, width, rng, kind="resized")
        return place_crop(height, width, self.size, rng, kind="degraded")

    def finish(self, pixels: np.ndarray, window: Window, rng: np.random.Generator) -> np.ndarray:
        image = self.clean_crop(pixels, window)
        if window.kind == "resized":
            image = compress(image, rng) if rng.random() < 0.5 else image
        elif window.kind == "degraded":
            image = one_of([compress, blur, noise], image, rng) if rng.random() < 0.7 else image
        return rotate_and_flip(image, rng)

    def clean_crop(self, pixels: np.ndarray, window: Window) -> np.ndarray:
        if window.kind == "resized":
            return degradations.resize(window.crop(pixels), (self.size, self.size), "bilinear")
        return super().clean_crop(pixels, window)


class RobustView(View):
    """A random crop whose surroundings went through what uploads do to pictures; for stages 1 and 2.

    With p 0.65 the image is degraded. First, with p 0.45, it is shrunk and resized back: in 3 of 10 cases to exactly half,
    else to 45–100 %, half of the time with one kernel both ways; in 4 of 10 cases that is all. Then one of: p 0.6
    compression (quality 55 to 95), p 0.08 light blur, p 0.08 noise, else nothing more. A margin around the crop is
    degraded with it and cut off, so that the border of a crop is never a trace of its own. Above and to the left it is up to 7
    pixels smaller, by a draw: so the 8×8 grid of JPEG and the pixels of a half-sized copy fall at any offset.

    Args:
        size: side of the view in pixels.
        margin: pixels around the crop that are degraded with it, where the image has them; above and to the left up to 7 fewer.
    """

    RESIZE_KERNELS = ("bilinear", "bicubic", "lanczos")

    def __init__(self, size: int = 96, margin: int = 16):
        super().__init__(size)
        self.margin = margin
        self.grid = 8  # of JPEG, in pixels; kept here so that caches tell its windows from those of versions without it
        self.longest_window = size + 2 * margin

    def place(self, height: int, width: int, rng: np.random.Generator) -> Window:
        window = place_crop(height, width, self.size, rng).grow(self.margin, height, width)
        top, left = (int(rng.integers(min(self.grid, margin + 1))) for margin in (window.above, window.before))
        odd = [(length - cut) % 2 for length, cut in ((window.height, top), (window.width, left))]
        return window.without(top, left, *odd)  # an even number of rows and columns stays, so that half the size is exactly that

    def finish(self, pixels: np.ndarray, window: Window, rng: np.random.Generator) -> np.ndarray:
        damaged = self.degrade(pad_to(pixels, self.size), rng)  # a short picture is damaged as it will be shown: padded
        crop = damaged[window.above : window.above + self.size, window.before : window.before + self.size]
        return rotate_and_flip(crop, rng)

    def degrade(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """uint8 (H, W, 3) -> the same shape, damaged or not."""
        if rng.random() < 0.35:
            return image
        if rng.random() < 0.45:
            image = self.shrink_and_back(image, rng)
            if rng.random() < 0.4:
                return image
        kind = rng.random()
        if kind < 0.6:
            return compress(image, rng, low=55)
        if kind < 0.68:
            return degradations.gaussian_blur(image, 3)
        if kind < 0.76:
            return noise(image, rng)
        return image

    def shrink_and_back(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """uint8 (H, W, 3) -> the same shape, resized to 45–100 % and back."""
        height, width = image.shape[:2]
        scale = 0.5 if rng.random() < 0.3 else rng.uniform(0.45, 1.0)
        there = str(rng.choice(self.RESIZE_KERNELS))
        back = there if rng.random() < 0.5 else str(rng.choice(self.RESIZE_KERNELS))
        smaller = (max(1, round(height * scale)), max(1, round(width * scale)))
        return degradations.resize(degradations.resize(image, smaller, there), (height, width), back)


VIEWS = {
    "paper": (PaperContrastiveView, PaperClassifierView),
    "robust": (RobustView, RobustView),
}
"""Name of ``--views`` -> the view classes of stage 1 and stage 2."""
TURNED_UPRIGHT = {"paper": False, "robust": True}
"""Name of ``--views`` -> whether pictures are turned upright by EXIF, in training, held-out images, report, and by the saved detector.
The code of the paper reads them as they are stored."""
