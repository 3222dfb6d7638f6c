"""What the grid does to pictures beyond ``degradations``: AVIF, crops, screenshots, fitting a site's size, the paper's two curves.

Every image is a uint8 RGB array (H, W, 3), in and out; what is given is not changed.
"""

import io

import cv2
import numpy as np
from PIL import Image

from imaginet_core.pictures.degradations import PERTURBED_SIZE, jpeg, pad_to, resize


def avif(image: np.ndarray, quality: int) -> np.ndarray:
    """Lossy AVIF (Pillow's encoder, chroma 4:2:0, one thread, so that all machines write the same) and decoding.

    ``quality``: whole number, 0 (worst) to 100. Raises ValueError for another one.
    """
    if not (0 <= quality <= 100 and quality == int(quality)):
        raise ValueError(f"AVIF quality must be a whole number between 0 and 100, got {quality}.")
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "AVIF", quality=int(quality), speed=8, max_threads=1)
    return np.array(Image.open(file).convert("RGB"))


def rescale(image: np.ndarray, scale: float, kernel: str = "bicubic") -> np.ndarray:
    """Both sides times ``scale``, rounded, at least 1 pixel; unlike ``resize_and_back`` the picture stays at its new size.

    Raises ValueError for an unknown kernel, see ``degradations.resize``.
    """
    height, width = image.shape[:2]
    return resize(image, (max(1, round(height * scale)), max(1, round(width * scale))), kernel)


def fit(image: np.ndarray, longest: int, kernel: str = "bicubic") -> np.ndarray:
    """Shrunk to ``longest`` pixels on its longer side, as sites do with what is larger; smaller pictures stay as they are."""
    side = max(image.shape[:2])
    return image if side <= longest else rescale(image, longest / side, kernel)


def crop(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """A part of the picture anywhere in it, both sides ``share`` (0 to 1] of the whole, at least 1 pixel; no resampling."""
    height, width = (max(1, round(side * share)) for side in image.shape[:2])
    top, left = (int(rng.integers(whole - part + 1)) for whole, part in zip(image.shape[:2], (height, width), strict=True))
    return image[top : top + height, left : left + width].copy()


def rescreenshot(image: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
    """A screenshot of the picture as a viewer shows it.

    Enlarged or shrunk to ``scale`` times a zoom of 0.97 to 1.03 by the fixed 2 × 2 bilinear kernel of graphics hardware, which
    aliases when it shrinks; shown with a gamma error of up to 3 %; cut by up to 4 pixels on each side, so that grids of blocks move;
    and saved as JPEG, quality 85 to 95, chroma 4:2:0.
    """
    zoom, gamma, quality = float(rng.uniform(0.97, 1.03)), float(rng.uniform(0.97, 1.03)), int(rng.integers(85, 96))
    cuts = rng.integers(0, 5, 4)
    shown = rescale(image, scale * zoom, "opencv_bilinear")
    table = np.rint(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    shown = cv2.LUT(shown, table)
    top, bottom, left, right = (int(cut) if min(shown.shape[:2]) > 16 else 0 for cut in cuts)
    return jpeg(shown[top : shown.shape[0] - bottom, left : shown.shape[1] - right], quality)


def paper_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """A point of the paper's curve over JPEG quality (arXiv 2407.20020): the padded centre crop of 256 pixels, compressed."""
    return jpeg(centre(image, PERTURBED_SIZE), quality)


def paper_resize(image: np.ndarray, twelfths: int) -> np.ndarray:
    """A point of the paper's curve over resizing: the centre crop of 256 · 12 / ``twelfths`` pixels (rounded down), resized to 256.

    Pictures that are smaller are padded by reflection; the kernel is OpenCV's 8 × 8 Lanczos, which aliases when it shrinks.
    ``twelfths``: 2 (a square of 1536 pixels) to 12 (not resized).
    """
    square = centre(image, PERTURBED_SIZE * 12 // twelfths)
    return resize(square, (PERTURBED_SIZE, PERTURBED_SIZE), "opencv_lanczos")


def centre(image: np.ndarray, side: int) -> np.ndarray:
    """The middle ``side`` × ``side`` pixels, of smaller pictures padded by reflection on both sides."""
    height, width = image.shape[:2]
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return pad_to(image[top : top + side, left : left + side], side)
