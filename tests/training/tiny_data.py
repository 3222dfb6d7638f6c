"""A data set small enough to train on in seconds, in the columns of ImagiNet."""

import io
from pathlib import Path

import datasets
import numpy as np
from PIL import Image

GENERATORS = ("smooth", "chequered")
NAMES = {
    "label": ["real", "synthetic"], "content": ["photos", "paintings"],
    "generator": [*GENERATORS, "real"], "family": ["GAN", "SD", "real"],
}


def picture(generator: str, seed: int, side: int = 48) -> np.ndarray:
    """Noise for "real"; for the generators noise with a trace of its own: low-passed, or a faint chequerboard on it."""
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3))
    if generator == "smooth":
        noise = np.asarray(Image.fromarray(noise.astype(np.uint8)).resize((side // 2, side // 2)).resize((side, side)))
    if generator == "chequered":
        noise = noise // 2 + 120 * (np.indices((side, side)).sum(0) % 2)[..., None]
    return noise.astype(np.uint8)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def records(split: str, sources: int) -> list[dict]:
    """Two pictures of each source: a real one and one of a generator."""
    rows = []
    for source in range(sources):
        content, family = NAMES["content"][source % 2], NAMES["family"][source // 2 % 2]
        for generator in ("real", GENERATORS[source // 2 % 2]):
            name = f"{split}/{generator}/{source}.png"
            rows.append({
                "image": {"bytes": png(picture(generator, hash_of(name))), "path": None},
                "label": "real" if generator == "real" else "synthetic", "content": content, "generator": generator,
                "family": "real" if generator == "real" else family, "source_image": f"{split}-{source}", "path": name,
            })
    return rows


def hash_of(name: str) -> int:
    return sum(ord(letter) * (place + 1) for place, letter in enumerate(name))


def write_split(folder: Path, split: str, rows: list[dict]) -> None:
    """A split in parquet, loadable by ``load_dataset(folder)``. Columns of strings in NAMES become class labels."""
    features = {"image": datasets.Image()}
    for column, value in rows[0].items():
        if column != "image":
            plain = datasets.Value("bool" if isinstance(value, bool) else "string")
            features[column] = datasets.ClassLabel(names=NAMES[column]) if column in NAMES else plain
    folder.mkdir(exist_ok=True)
    datasets.Dataset.from_list(rows, features=datasets.Features(features)).to_parquet(folder / f"{split}.parquet")
