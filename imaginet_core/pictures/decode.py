"""Pictures as arrays and back, for the tools that need pixels."""

import io

import numpy as np
from PIL import Image


def decode(content: bytes) -> np.ndarray:
    """The file's picture as uint8 RGB (H, W, 3), by Pillow's ``convert("RGB")`` as in training.

    Raises:
        ValueError: for no image, or a broken one.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            return np.array(image.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"not an image that Pillow can decode ({str(error) or type(error).__name__})") from error


def lossless_webp(image: np.ndarray) -> bytes:
    """A file that holds exactly these pixels (uint8 (H, W, 3), sides up to 16383): lossless WebP at its fastest setting.

    Measured on 256 × 256 photographs after JPEG: 59 KiB and 4 ms; WebP's default setting 51 KiB and 40 ms; PNG 81 KiB and 10 ms.
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, "WEBP", lossless=True, quality=0, method=0)
    return file.getvalue()
