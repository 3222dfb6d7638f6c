"""Random views of a training image: the published recipe's two, and one that covers more of what pictures go through.

A view is a function of (image, random generator) alone. The data set draws one generator per image and epoch from the
image's name, so views do not depend on the number of workers or processes, and a resumed run sees the same ones.
The recipe is that of ImagiNet (https://arxiv.org/abs/2407.20020, training code); the damage is done in ``degradations.py``.
"""

from collections.abc import Callable

import numpy as np

import degradations
from degradations import pad_to

View = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def random_crop(image: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A uniformly drawn ``size`` × ``size`` window of the (padded) image; nothing is resampled."""
    image = pad_to(image, size)
    top, left = (rng.integers(length - size + 1) for length in image.shape[:2])
    return image[top : top + size, left : left + size]


def random_resized_crop(image: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A window of 8 % to 100 % of the area and aspect 3:4 to 4:3, resized to ``size`` × ``size`` (Szegedy et al., 2015)."""
    height, width = image.shape[:2]
    for _ in range(10):
        area = height * width * rng.uniform(0.08, 1.0)
        aspect = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
        w, h = round(np.sqrt(area * aspect)), round(np.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            top, left = rng.integers(height - h + 1), rng.integers(width - w + 1)
            image = image[top : top + h, left : left + w]
            break
    return degradations.resize(image, (size, size), "bilinear")


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


def one_of(operations: list[View], image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Applies one of the operations, all equally likely."""
    return operations[rng.integers(len(operations))](image, rng)


def rotate_and_flip(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """With p 0.33 a rotation by 0, 90, 180 or 270 degrees; with p 0.33 a horizontal flip, a vertical one or both."""
    if rng.random() < 0.33:
        image = np.rot90(image, rng.integers(4))
    if rng.random() < 0.33:
        axes = [(1,), (0,), (0, 1)][rng.integers(3)]
        image = np.flip(image, axes)
    return image.copy()  # its own writable memory, in C order


class PaperContrastiveView:
    """Stage 1 of the recipe: random crop; with p 0.5 one of compression, blur, noise; rotation and flip.

    Args:
        size: side of the view in pixels (the recipe: 96).
    """

    def __init__(self, size: int = 96):
        self.size = size

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """uint8 (H, W, 3) of any size -> uint8 (size, size, 3)."""
        image = random_crop(image, self.size, rng)
        if rng.random() < 0.5:
            image = one_of([compress, blur, noise], image, rng)
        return rotate_and_flip(image, rng)


class PaperClassifierView:
    """Stage 2 of the recipe: with p 0.5 one of two degraded crops (weights 0.3 : 1), then pad, crop, rotation, flip.

    The first is a resized crop, compressed with p 0.5; the second a plain crop, with p 0.7 compressed, blurred or noisy.

    Args:
        size: side of the view in pixels (the recipe: 256).
    """

    def __init__(self, size: int = 256):
        self.size = size

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """uint8 (H, W, 3) of any size -> uint8 (size, size, 3)."""
        if rng.random() < 0.5:
            if rng.random() < 0.3 / 1.3:
                image = random_resized_crop(image, self.size, rng)
                image = compress(image, rng) if rng.random() < 0.5 else image
            else:
                image = random_crop(image, self.size, rng)
                image = one_of([compress, blur, noise], image, rng) if rng.random() < 0.7 else image
        return rotate_and_flip(random_crop(image, self.size, rng), rng)


class RobustView:
    """A random crop whose surroundings went through what uploads do to pictures; for stages 1 and 2.

    With p 0.65 the image is degraded. First, with p 0.45, it is shrunk and resized back: in 3 of 10 cases to exactly half,
    else to 45–100 %, half of the time with one kernel both ways; in 4 of 10 cases that is all. Then one of: p 0.6
    compression (quality 55 to 95), p 0.08 light blur, p 0.08 noise, else nothing more. A margin around the crop is
    degraded with it and cut off, so that the border of a crop is never a trace of its own; the 8×8 grid of JPEG therefore
    falls at any offset.

    Args:
        size: side of the view in pixels.
        margin: pixels around the crop that are degraded with it, where the image has them.
    """

    RESIZE_KERNELS = ("bilinear", "bicubic", "lanczos")

    def __init__(self, size: int = 96, margin: int = 16):
        self.size = size
        self.margin = margin

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """uint8 (H, W, 3) of any size -> uint8 (size, size, 3)."""
        image = pad_to(image, self.size)
        top, left = (int(rng.integers(length - self.size + 1)) for length in image.shape[:2])
        above, before = min(top, self.margin), min(left, self.margin)
        far = self.size + self.margin
        window = self.degrade(image[top - above : top + far, left - before : left + far], rng)
        crop = window[above : above + self.size, before : before + self.size]
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
