"""ImagiNet's perturbed test set, made from the raw test images: the configurations ``perturbed``, ``perturbed_photos`` and so on.

The published figures are taken on a test set of which each image is a random square of the raw one, resized to 256 × 256 and,
three times in four, compressed. Upstream's own copy depends on batch size and number of workers; here an image's randomness is
drawn from its path alone, so it comes out the same for any number of processes, order or subset.
"""

from imaginet_core.pictures import degradations
from imaginet_core.pictures.decode import decode, lossless_webp

SALT = "perturbed"
"""Keeps the draws of this test set apart from others for the same names."""


def perturb(content: bytes, path: str) -> tuple[bytes, dict]:
    """The perturbed copy of a raw image.

    Args:
        content: the raw image's file.
        path: as listed; all randomness is drawn from it.

    Returns:
        a lossless WebP file of 256 × 256 pixels, and what was drawn: ``perturbed_side`` (pixels of the square),
        ``perturbed_codec`` ("JPEG", "WEBP" or "none") and ``perturbed_quality`` (60 to 100; 0 without a codec).

    Raises:
        ValueError: with the reason, if the image is broken.
    """
    image, drawn = degradations.perturb(decode(content), degradations.rng_for(path, SALT))
    return lossless_webp(image), {
        "perturbed_side": drawn.side, "perturbed_codec": drawn.codec or "none", "perturbed_quality": drawn.quality or 0,
    }
