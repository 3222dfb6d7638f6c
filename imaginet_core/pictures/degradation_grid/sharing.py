"""Chains as social networks, sites and people make them, in two tiers: web (shared once) and hard (several times, or re-digitised).

The steps are those that the named publications describe; sides and qualities are ours and stand here, since sites change theirs. All
draws depend on the picture's name alone. Every image is a uint8 RGB array (H, W, 3), in and out.
"""

import numpy as np

from imaginet_core.pictures import degradations
from imaginet_core.pictures.degradation_grid.steps import crop, fit, rescale, rescreenshot


def social_post(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A post: fitted to 2048 pixels, JPEG at quality 70 to 92, chroma 4:2:0."""
    return degradations.jpeg(fit(image, 2048, "lanczos"), int(rng.integers(70, 93)))


def messenger(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A message: fitted to 1280 pixels, JPEG at quality 60 to 87, chroma 4:2:0."""
    return degradations.jpeg(fit(image, 1280), int(rng.integers(60, 88)))


def preview(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A site's preview: shrunk to 50 to 90 %, WebP at quality 70 to 85."""
    scale, quality = float(rng.uniform(0.5, 0.9)), int(rng.integers(70, 86))
    return degradations.webp(rescale(image, scale), quality)


def perturbed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The image of ImagiNet's perturbed test set: a square resized to 256, three times in four compressed."""
    return degradations.perturb(image, rng)[0]


def shared_twice(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A post, saved as a preview, and sent on by messenger."""
    return messenger(preview(social_post(image, rng), rng), rng)


def cropped_and_shared(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut to 60 to 95 % of its sides, resized to 50 to 100 %, JPEG at quality 50 to 85."""
    part = crop(image, float(rng.uniform(0.6, 0.95)), rng)
    scale, quality = float(rng.uniform(0.5, 1.0)), int(rng.integers(50, 86))
    return degradations.jpeg(rescale(part, scale), quality)


def screenshot_shared(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A post, shown at 50 to 100 %, photographed from the screen by software, and sent by messenger."""
    shot = rescreenshot(social_post(image, rng), float(rng.uniform(0.5, 1.0)), rng)
    return messenger(shot, rng)


def noisy_chain(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur (kernel 3 or 5), noise (variance 10 to 60), half size to full, then JPEG at quality 30 to 60."""
    blurred = degradations.gaussian_blur(image, int(rng.choice([3, 5])))
    noisy = degradations.gaussian_noise(blurred, float(rng.uniform(10, 60)), rng)
    return degradations.jpeg(rescale(noisy, float(rng.uniform(0.5, 1.0))), int(rng.integers(30, 61)))


CHAINS = {
    "web_post": ("web", social_post, "a post", "Giudice et al. 2016 (arXiv 1610.06347), Dang-Nguyen et al. 2023 (arXiv 2302.12133)"),
    "web_messenger": ("web", messenger, "a message", "TrueFake (arXiv 2504.20658): Facebook, X, Telegram"),
    "web_preview": ("web", preview, "a site's preview", "TrueFake (arXiv 2504.20658)"),
    "web_perturbed": ("web", perturbed, "as ImagiNet's perturbed test set", "ImagiNet (arXiv 2407.20020)"),
    "hard_shared_twice": ("hard", shared_twice, "post, preview, message", "RRDataset (arXiv 2509.09172): rounds of transmission"),
    "hard_cropped": ("hard", cropped_and_shared, "cut, resized, compressed", "NTIRE 2026 (arXiv 2604.11487): chained transforms"),
    "hard_screenshot": ("hard", screenshot_shared, "post, screenshot, message", "RRDataset (arXiv 2509.09172): re-digitising"),
    "hard_noisy": ("hard", noisy_chain, "blur, noise, resizing, compression", "NTIRE 2026 (arXiv 2604.11487): chained transforms"),
}
"""Name of a condition -> tier, function, title, publications that describe such steps."""
