"""What happens to pictures on their way: compression, resizing, blur, noise, and chains of them.

The only place of this project that damages pictures: training views, robustness figures and perturbed test sets all call
these functions. Every image is a uint8 RGB array (H, W, 3), in and out. Whatever is drawn at random is drawn from a generator
seeded by the image's name (:func:`rng_for`), so results do not depend on order, subset or number of workers. No function
changes the array that it is given.
"""

import hashlib
import inspect
import io
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

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
LONGEST_SIDE = {"JPEG": 65500, "WEBP": 16383}
"""Pixels; libjpeg and libwebp write nothing longer."""
PERTURBED_SIZE, PERTURBED_LONGEST = 256, 1000
"""Pixels a side of the images of the perturbed test set, and of the largest square that they are made of."""


def rng_for(name: str, salt: str = "") -> np.random.Generator:
    """A random generator that depends on an image's name and a salt alone: the same on every machine and in every process.

    Args:
        name: of the image, as listed; any string, also one that stands for a file name that is not UTF-8.
        salt: keeps purposes apart (an epoch, a test set), so that they draw independently for the same image.
    """
    digest = hashlib.sha256(f"{salt}\0{name}".encode("utf-8", "surrogatepass")).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def jpeg(image: np.ndarray, quality: int, subsampling: str = "4:2:0") -> np.ndarray:
    """JPEG compression (libjpeg) and decoding.

    Args:
        image: uint8 (H, W, 3).
        quality: whole number, 1 (worst) to 100, libjpeg's scale.
        subsampling: of the chroma, "4:4:4", "4:2:2" or "4:2:0".

    Raises:
        ValueError: for a quality or subsampling outside these, or a side longer than 65500 pixels.
    """
    if subsampling not in SUBSAMPLINGS:
        raise ValueError(f"JPEG subsampling must be one of {', '.join(SUBSAMPLINGS)}, got {subsampling!r}.")
    return _recode(image, "JPEG", quality, subsampling=subsampling)


def webp(image: np.ndarray, quality: int) -> np.ndarray:
    """Lossy WebP compression (libwebp, method 4) and decoding.

    Args:
        image: uint8 (H, W, 3).
        quality: whole number, 1 (worst) to 100, libwebp's scale.

    Raises:
        ValueError: for another quality, or a side longer than 16383 pixels.
    """
    return _recode(image, "WEBP", quality)


def _recode(image: np.ndarray, codec: str, quality: int, **options) -> np.ndarray:
    if not (1 <= quality <= 100 and quality == int(quality)):
        raise ValueError(f"{codec} quality must be a whole number between 1 and 100, got {quality}.")
    picture, file = _as_picture(image), io.BytesIO()
    if max(picture.size) > LONGEST_SIDE[codec]:
        width, height = picture.size
        raise ValueError(f"{codec} holds at most {LONGEST_SIDE[codec]} pixels a side; this picture has {height} × {width}.")
    picture.save(file, codec, quality=int(quality), **options)
    return np.array(Image.open(file).convert("RGB"))


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
        return np.array(_as_picture(image).resize((width, height), PILLOW_KERNELS[kernel]))
    if kernel in OPENCV_KERNELS:
        return cv2.resize(_checked(image), (width, height), interpolation=OPENCV_KERNELS[kernel])
    raise ValueError(f"Resizing kernel must be one of {', '.join((*PILLOW_KERNELS, *OPENCV_KERNELS))}, got {kernel!r}.")


def gaussian_blur(image: np.ndarray, kernel_size: int) -> np.ndarray:
    """Gaussian blur of a uint8 (H, W, 3) image with an odd kernel size in pixels, the border reflected.

    Sigma is OpenCV's choice for the size: 0.3 · ((size − 1) / 2 − 1) + 0.8, and for sizes 3, 5 and 7 its fixed kernels
    (1, 2, 1) / 4, (1, 4, 6, 4, 1) / 16 and (2, 7, 14, 18, 14, 7, 2) / 64.

    Raises ValueError for an even or non-positive size.
    """
    if kernel_size < 1 or kernel_size % 2 != 1:
        raise ValueError(f"The kernel size of a blur must be an odd, positive whole number, got {kernel_size}.")
    return cv2.GaussianBlur(_checked(image), (int(kernel_size), int(kernel_size)), 0)


def gaussian_noise(image: np.ndarray, variance: float, rng: np.random.Generator) -> np.ndarray:
    """Adds independent Gaussian noise to each value of a uint8 (H, W, 3) image, then rounds and clips to 0..255.

    ``variance`` is on the 0..255 scale (rounding adds 1/12). Raises ValueError if it is negative or not finite.
    """
    if not 0 <= variance < math.inf:
        raise ValueError(f"The variance of noise must be a number not below 0, got {variance}.")
    noisy = _checked(image) + rng.standard_normal(image.shape, dtype=np.float32) * np.float32(np.sqrt(variance))
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def resize_and_back(image: np.ndarray, scale: float, kernel: str = "bicubic", back: str | None = None) -> np.ndarray:
    """Resized by ``scale`` in both directions (to at least 1 pixel) and back to its own size.

    Args:
        image: uint8 (H, W, 3).
        scale: of both sides, above 0.
        kernel: a name in PILLOW_KERNELS or OPENCV_KERNELS.
        back: the kernel on the way back; None takes the same.

    Raises:
        ValueError: if ``scale`` is not a positive number or a kernel is unknown.
    """
    return _scaled_and_back(image, scale, kernel, back, lambda smaller: smaller)


def thumbnail(
    image: np.ndarray, scale: float, quality: int, codec: str = "JPEG", kernel: str = "bicubic", back: str = "bicubic"
) -> np.ndarray:
    """What a site shows of a picture, saved from there and enlarged again: shrunk, compressed at that size, back to its own.

    Args:
        image: uint8 (H, W, 3).
        scale: of both sides, above 0.
        quality: of the compression, a whole number from 1 to 100.
        codec: "JPEG" (4:2:0) or "WEBP".
        kernel, back: names in PILLOW_KERNELS or OPENCV_KERNELS, of shrinking and enlarging.

    Raises:
        ValueError: if ``scale`` is not a positive number, or for another codec, quality or kernel.
    """
    return _scaled_and_back(image, scale, kernel, back, Compression(codec, quality))


def _scaled_and_back(
    image: np.ndarray, scale: float, kernel: str, back: str | None, there: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Resized by ``scale``, changed ``there``, and resized back to its own size."""
    if not 0 < scale < math.inf:
        raise ValueError(f"The scale of a resize must be a positive number, got {scale}.")
    height, width = _checked(image).shape[:2]
    other = (max(1, round(height * scale)), max(1, round(width * scale)))
    return resize(there(resize(image, other, kernel)), (height, width), back or kernel)


def half_and_back(image: np.ndarray) -> np.ndarray:
    """Half size and back to its own, bicubic with low-pass (Pillow) both ways."""
    return resize_and_back(image, 0.5)


def clean(image: np.ndarray) -> np.ndarray:
    """The image as it is, not copied."""
    return image


def jpeg70(image: np.ndarray) -> np.ndarray:
    """JPEG at quality 70, chroma 4:2:0."""
    return jpeg(image, 70)


# named functions, so that loader processes which are not forked can be sent them
CONDITIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"clean": clean, "jpeg70": jpeg70, "half_and_back": half_and_back}
"""The conditions under which detectors are scored; each keeps the picture's size."""
CONDITION_TITLES = {"clean": "clean", "jpeg70": "after JPEG 70", "half_and_back": "after half size and back"}

STEPS: dict[str, Callable[..., np.ndarray]] = {
    "jpeg": jpeg, "webp": webp, "resize_and_back": resize_and_back, "thumbnail": thumbnail,
    "gaussian_blur": gaussian_blur, "gaussian_noise": gaussian_noise,
}


@dataclass(frozen=True)
class Chain:
    """Degradations in order, as plain data, to be written as JSON beside the picture that it made.

    ``Chain(**json.loads(json.dumps(dataclasses.asdict(chain))))`` equals ``chain``.

    Attributes:
        steps: (name in STEPS, its parameters but the image and the random generator) pairs.
        seed: of whatever noise the steps add.

    Raises:
        ValueError: for an unknown step, or one with unknown or missing parameters; values are checked when it is called.
    """

    steps: tuple[tuple[str, dict[str, Any]], ...] = field(default=())
    seed: int = 0

    def __post_init__(self):
        # JSON gives lists; as tuples two chains of the same steps are equal
        object.__setattr__(self, "steps", tuple((name, dict(parameters)) for name, parameters in self.steps))
        for name, parameters in self.steps:
            if name not in STEPS:
                raise ValueError(f"A chain's step must be one of {', '.join(STEPS)}, got {name!r}.")
            try:
                inspect.signature(STEPS[name]).bind(None, **parameters, **_random_part(name, None))
            except TypeError as error:
                raise ValueError(f"The step {name!r} of a chain cannot take the parameters {parameters} ({error}).") from error

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """uint8 (H, W, 3) -> the same shape."""
        rng = np.random.default_rng(self.seed)
        for name, parameters in self.steps:
            image = STEPS[name](image, **parameters, **_random_part(name, rng))
        return image


def _random_part(name: str, rng: np.random.Generator | None) -> dict:
    return {"rng": rng} if name == "gaussian_noise" else {}


DOWN_KERNELS = ("bilinear", "bicubic", "lanczos", "box", "opencv_bilinear", "opencv_lanczos")
UP_KERNELS = ("bilinear", "bicubic", "lanczos")
"""Kernels that :func:`draw_chain` draws: for resizing first those that alias too, as programs do; back only smooth ones."""


def draw_chain(rng: np.random.Generator, longest: int = 3) -> Chain:
    """A chain of 1 to ``longest`` steps, each with parameters from the ranges that uploads show.

    JPEG and WebP at quality 50 to 95; resizing to 50–150 % and back, and thumbnails of 35–70 % at quality 60 to 95, with kernels
    from DOWN_KERNELS and UP_KERNELS; blur of kernel 3 to 7; noise of variance 1 to 10.

    Raises ValueError if ``longest`` is below 1.
    """
    if longest < 1:
        raise ValueError(f"A chain has at least 1 step, got {longest} as its greatest length.")
    kernels = lambda: {"kernel": str(rng.choice(DOWN_KERNELS)), "back": str(rng.choice(UP_KERNELS))}
    draw = {
        "jpeg": lambda: {"quality": int(rng.integers(50, 96)), "subsampling": str(rng.choice(SUBSAMPLINGS))},
        "webp": lambda: {"quality": int(rng.integers(50, 96))},
        "resize_and_back": lambda: {"scale": float(rng.uniform(0.5, 1.5)), **kernels()},
        "thumbnail": lambda: {
            "scale": float(rng.uniform(0.35, 0.7)), "quality": int(rng.integers(60, 96)),
            "codec": str(rng.choice(list(LONGEST_SIDE))), **kernels(),
        },
        "gaussian_blur": lambda: {"kernel_size": int(rng.choice([3, 5, 7]))},
        "gaussian_noise": lambda: {"variance": float(rng.uniform(1, 10))},
    }
    names = [str(rng.choice(list(draw))) for _ in range(int(rng.integers(1, longest + 1)))]
    return Chain(tuple((name, draw[name]()) for name in names), seed=int(rng.integers(2**31)))


class Compression(NamedTuple):
    """A lossy compression, as plain data that can be called.

    Attributes:
        codec: "JPEG" or "WEBP".
        quality: whole number, 1 to 100, on the codec's own scale.
        subsampling: of JPEG's chroma, a name in SUBSAMPLINGS; WebP always has 4:2:0.
    """

    codec: str
    quality: int
    subsampling: str = "4:2:0"

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """uint8 (H, W, 3) -> the same shape. Raises ValueError for another codec, quality or subsampling."""
        if self.codec not in LONGEST_SIDE:
            raise ValueError(f"The codec of a compression must be {' or '.join(LONGEST_SIDE)}, got {self.codec!r}.")
        return jpeg(image, self.quality, self.subsampling) if self.codec == "JPEG" else webp(image, self.quality)


def draw_compression(rng: np.random.Generator) -> Compression:
    """JPEG or WebP at equal odds, a quality of 60 to 95, and for JPEG one of the three subsamplings, all uniformly drawn."""
    codec, quality, chroma = str(rng.choice(list(LONGEST_SIDE))), int(rng.integers(60, 96)), str(rng.choice(SUBSAMPLINGS))
    return Compression(codec, quality, chroma if codec == "JPEG" else "4:2:0")


class Perturbation(NamedTuple):
    """What :func:`perturb` drew: the square's side and corner in pixels of the (padded) picture; codec and quality or None."""

    side: int
    top: int
    left: int
    codec: str | None
    quality: int | None


def pad_to(image: np.ndarray, size: int) -> np.ndarray:
    """Pads a uint8 (H, W, 3) image by reflection on all sides, without repeating the edge, to at least ``size`` × ``size``."""
    missing = [max(0, size - length) for length in image.shape[:2]]
    return np.pad(image, [(m // 2, m - m // 2) for m in missing] + [(0, 0)], mode="reflect") if any(missing) else image


def perturb(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, Perturbation]:
    """One image of ImagiNet's perturbed test set (arXiv 2407.20020), and what was drawn.

    A square, its side drawn uniformly from 256 to the picture's shorter side (at most 1000), anywhere in the picture; resized
    to 256 × 256 with OpenCV's 8 × 8 Lanczos, which aliases when it shrinks; then, with probability 0.75, JPEG (4:2:0) or WebP
    at equal odds, at a whole quality of 60 to 100. A picture with a side below 256 pixels is first padded to 256 there, by
    reflection on both sides without repeating the edge; its square has side 256.

    Args:
        image: uint8 (H, W, 3).
        rng: what everything is drawn from, always with the same number of draws.

    Returns:
        uint8 (256, 256, 3), and the draw.
    """
    height, width = _checked(image).shape[:2]
    side = int(rng.integers(PERTURBED_SIZE, max(PERTURBED_SIZE, min(height, width, PERTURBED_LONGEST)) + 1))
    top, left = (int(rng.integers(max(length, PERTURBED_SIZE) - side + 1)) for length in (height, width))
    compressed, codec, quality = rng.random() < 0.75, str(rng.choice(["JPEG", "WEBP"])), int(rng.integers(60, 101))
    rows, columns = (
        slice(start, start + side) if length > PERTURBED_SIZE else slice(None) for start, length in ((top, height), (left, width))
    )
    square = pad_to(image[rows, columns], PERTURBED_SIZE)  # not the whole picture: it may be one pixel wide and millions high
    image = resize(square, (PERTURBED_SIZE, PERTURBED_SIZE), "opencv_lanczos")
    if not compressed:
        return image, Perturbation(side, top, left, None, None)
    return Compression(codec, quality)(image), Perturbation(side, top, left, codec, quality)


def _checked(image: np.ndarray) -> np.ndarray:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"A picture must be a uint8 array (height, width, 3) with pixels, got {image.dtype} {image.shape}.")
    return np.ascontiguousarray(image)


def _as_picture(image: np.ndarray) -> Image.Image:
    return Image.fromarray(_checked(image))
