"""What happens to pictures on their way: compression, resizing, blur, noise, and chains of them.

The only place of this project that damages pictures: training views, robustness figures and perturbed test sets all call
these functions. Every image is a uint8 RGB array (H, W, 3), in and out. Whatever is drawn at random is drawn from a generator
seeded by the image's name (:func:`rng_for`), so results do not depend on order, subset or number of workers.
"""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from PIL import Image

PILLOW_KERNELS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
"""Kernels that low-pass when shrinking (but ``nearest``), as Pillow does."""
OPENCV_KERNELS = {"opencv_lanczos": cv2.INTER_LANCZOS4, "opencv_bilinear": cv2.INTER_LINEAR}
"""Kernels of fixed extent (Lanczos: 8×8), which alias when shrinking; ImagiNet's perturbed test set was made with the first."""
SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")


def rng_for(name: str, salt: str = "") -> np.random.Generator:
    """A random generator that depends on an image's name and a salt alone: the same on every machine and in every process."""
    digest = hashlib.sha256(f"{salt}\0{name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def jpeg(image: np.ndarray, quality: int, subsampling: str = "4:2:0") -> np.ndarray:
    """JPEG compression (libjpeg) and decoding.

    Args:
        image: uint8 (H, W, 3).
        quality: 1 (worst) to 100, libjpeg's scale.
        subsampling: of the chroma, "4:4:4", "4:2:2" or "4:2:0".

    Raises:
        ValueError: for a quality or subsampling outside these.
    """
    if subsampling not in SUBSAMPLINGS:
        raise ValueError(f"JPEG subsampling must be one of {', '.join(SUBSAMPLINGS)}, got {subsampling!r}.")
    return _recode(image, "JPEG", quality, subsampling=subsampling)


def webp(image: np.ndarray, quality: int) -> np.ndarray:
    """Lossy WebP compression (libwebp, method 4) and decoding; quality 1 to 100. Raises ValueError for another quality."""
    return _recode(image, "WEBP", quality)


def _recode(image: np.ndarray, codec: str, quality: int, **options) -> np.ndarray:
    if not 1 <= quality <= 100:
        raise ValueError(f"{codec} quality must be between 1 and 100, got {quality}.")
    file = io.BytesIO()
    _as_picture(image).save(file, codec, quality=int(quality), **options)
    return np.asarray(Image.open(file).convert("RGB"))


def resize(image: np.ndarray, size: tuple[int, int], kernel: str = "bicubic") -> np.ndarray:
    """Resampling to ``size`` = (height, width) pixels.

    Args:
        image: uint8 (H, W, 3).
        size: (height, width), each at least 1.
        kernel: a name in PILLOW_KERNELS (low-pass when shrinking) or OPENCV_KERNELS (do not).

    Raises:
        ValueError: for an unknown kernel or an empty size.
    """
    height, width = size
    if height < 1 or width < 1:
        raise ValueError(f"A picture cannot be resized to {height} × {width} pixels.")
    if kernel in PILLOW_KERNELS:
        return np.asarray(_as_picture(image).resize((width, height), PILLOW_KERNELS[kernel]))
    if kernel in OPENCV_KERNELS:
        return cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=OPENCV_KERNELS[kernel])
    raise ValueError(f"Resizing kernel must be one of {', '.join((*PILLOW_KERNELS, *OPENCV_KERNELS))}, got {kernel!r}.")


def gaussian_blur(image: np.ndarray, kernel_size: int) -> np.ndarray:
    """Gaussian blur with an odd kernel size in pixels; sigma = 0.3 · ((size − 1) / 2 − 1) + 0.8, OpenCV's rule.

    Raises ValueError for an even or non-positive size.
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"The kernel size of a blur must be odd and positive, got {kernel_size}.")
    return cv2.GaussianBlur(np.ascontiguousarray(image), (kernel_size, kernel_size), 0)


def gaussian_noise(image: np.ndarray, variance: float, rng: np.random.Generator) -> np.ndarray:
    """Adds independent Gaussian noise to each value; ``variance`` on the 0..255 scale. Raises ValueError if it is negative."""
    if variance < 0:
        raise ValueError(f"The variance of noise must not be negative, got {variance}.")
    noisy = image + rng.standard_normal(image.shape, dtype=np.float32) * np.float32(np.sqrt(variance))
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def resize_and_back(image: np.ndarray, scale: float, kernel: str = "bicubic") -> np.ndarray:
    """Resized by ``scale`` (> 0) in both directions and back to its own size, with the same kernel."""
    height, width = image.shape[:2]
    other = (max(1, round(height * scale)), max(1, round(width * scale)))
    return resize(resize(image, other, kernel), (height, width), kernel)


def half_and_back(image: np.ndarray) -> np.ndarray:
    """Half size and back to its own, bicubic with low-pass (Pillow) both ways."""
    return resize_and_back(image, 0.5)


CONDITIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "clean": lambda image: image,
    "jpeg70": lambda image: jpeg(image, 70),
    "half_and_back": half_and_back,
}
"""The conditions under which detectors are scored; each keeps the picture's size."""
CONDITION_TITLES = {"clean": "clean", "jpeg70": "after JPEG 70", "half_and_back": "after half size and back"}

STEPS: dict[str, Callable[..., np.ndarray]] = {
    "jpeg": jpeg, "webp": webp, "resize_and_back": resize_and_back, "gaussian_blur": gaussian_blur, "gaussian_noise": gaussian_noise,
}


@dataclass(frozen=True)
class Chain:
    """Degradations in order, as plain data: it can be written as JSON beside the picture that it made.

    Attributes:
        steps: (name in STEPS, its parameters) pairs.
        seed: of whatever noise the steps add.
    """

    steps: tuple[tuple[str, dict[str, Any]], ...] = field(default=())
    seed: int = 0

    def __post_init__(self):
        for name, _ in self.steps:
            if name not in STEPS:
                raise ValueError(f"A chain's step must be one of {', '.join(STEPS)}, got {name!r}.")

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """uint8 (H, W, 3) -> the same shape."""
        rng = np.random.default_rng(self.seed)
        for name, parameters in self.steps:
            extra = {"rng": rng} if name == "gaussian_noise" else {}
            image = STEPS[name](image, **parameters, **extra)
        return image


def draw_chain(rng: np.random.Generator, longest: int = 3) -> Chain:
    """A chain of 1 to ``longest`` steps, each with parameters from the ranges that uploads show.

    JPEG and WebP at quality 50 to 95, resizing to 50–150 % and back with any low-pass kernel, blur of kernel 3 to 7,
    noise of variance 1 to 10.
    """
    draw = {
        "jpeg": lambda: {"quality": int(rng.integers(50, 96)), "subsampling": str(rng.choice(SUBSAMPLINGS))},
        "webp": lambda: {"quality": int(rng.integers(50, 96))},
        "resize_and_back": lambda: {
            "scale": float(rng.uniform(0.5, 1.5)), "kernel": str(rng.choice(["bilinear", "bicubic", "lanczos", "box"])),
        },
        "gaussian_blur": lambda: {"kernel_size": int(rng.choice([3, 5, 7]))},
        "gaussian_noise": lambda: {"variance": float(rng.uniform(1, 10))},
    }
    names = [str(rng.choice(list(draw))) for _ in range(int(rng.integers(1, longest + 1)))]
    return Chain(tuple((name, draw[name]()) for name in names), seed=int(rng.integers(2**31)))


def _as_picture(image: np.ndarray) -> Image.Image:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"A picture must be a uint8 array (height, width, 3), got {image.dtype} {image.shape}.")
    return Image.fromarray(np.ascontiguousarray(image))
