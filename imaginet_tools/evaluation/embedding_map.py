"""A map of what the network sees: its features of some images in two dimensions, near where they are alike."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

LABELS = ("real", "synthetic")
MOST_IMAGES = 500
"""More only hide each other, and t-SNE takes longer."""
FEWEST_FOR_TSNE = 30
COMPONENTS = 50
"""Principal components that t-SNE works on."""


def embedding_map(feature: np.ndarray, label: np.ndarray, generator: np.ndarray, seed: int = 0) -> dict:
    """Places of up to ``MOST_IMAGES`` images, the same for the same seed.

    Features are scaled to length 1, and laid out by t-SNE (van der Maaten and Hinton, 2008) on their first principal components,
    or by the first two alone where there are fewer than ``FEWEST_FOR_TSNE`` images or all features are the same.
    Distances between far groups mean little in t-SNE; whether groups part does.

    Args:
        feature: float (N, F), N ≥ 1.
        label: int (N,), 0 real, 1 synthetic.
        generator: str (N,), "real" for real images.

    Returns:
        plain values: ``method``, ``images`` (N), ``points``: list of x, y, label ("real" or "synthetic"), generator.

    Raises:
        ValueError: for features that are not finite numbers, or none.
    """
    if len(feature) == 0 or not np.isfinite(feature).all():
        raise ValueError("A map needs features that are finite numbers; lower the learning rate if training made them otherwise.")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(feature))[:MOST_IMAGES])
    rows = feature[chosen].astype(np.float64)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    method, places = _lay_out(rows, seed)
    points = [
        {"x": round(float(x), 3), "y": round(float(y), 3), "label": LABELS[label[index]], "generator": str(generator[index])}
        for (x, y), index in zip(places, chosen, strict=True)
    ]
    return {"method": method, "images": len(feature), "points": points}


def _lay_out(rows: np.ndarray, seed: int) -> tuple[str, np.ndarray]:
    components = min(COMPONENTS, *rows.shape)
    if np.ptp(rows, axis=0).max() < 1e-9:
        return "PCA", np.zeros((len(rows), 2))
    reduced = PCA(components, random_state=seed).fit_transform(rows)
    if len(rows) < FEWEST_FOR_TSNE:
        return "PCA", np.pad(reduced, [(0, 0), (0, max(0, 2 - components))])[:, :2]
    perplexity = min(30, (len(rows) - 1) / 3)
    return "t-SNE", TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)
