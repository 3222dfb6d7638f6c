"""Reconstructions: for each real training image its reconstruction by an autoencoder, as a hard negative.

It shows what its real image shows, at the same size, and differs from it by the decoder's traces alone; trained side by side
with the same crop and augmentation, content and format tell nothing (Rajan et al., "Aligned Datasets Improve Detection of Latent
Diffusion-Generated Images", arXiv 2410.11835; Chen et al., "Dual Data Alignment", arXiv 2505.14359). The autoencoder is given the
decoded picture, so that the traces of its file's compression are in both, and reconstructions are kept without loss.

What remains of the frequency gap that the second paper closes: an autoencoder smooths, so it leaves somewhat less of the
highest frequencies than its real image, those of compression among them.
"""

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from imaginet_core.pictures.decode import decode, lossless_webp
from imaginet_core.pictures.degradations import LONGEST_SIDE
from imaginet_core.pictures.partial_decode import content_of
from imaginet_core.storage.safe_writes import PART, remove_parts, write_aside
from imaginet_tools.images.image_set import REAL, ImageSet, pick_evenly
from training.reconstructions.autoencoder import (
    PICTURES,
    cut_crops,
    load_diffusers,
    load_small,
    reconstruct,
    save_small,
    train_small,
    weights_hash,
)
from training.run.progress import Progress

SMALL = "small"
RECORD, WEIGHTS = "twins.json", "autoencoder.safetensors"
COMPARED_IMAGES = 64
"""Reconstructions that are compared with their real images for the report."""
HASHED_IMAGES = 64
"""Real images whose bytes go into the fingerprint."""


class Reconstructions:
    """The reconstructions in a folder.

    Args:
        folder: as ``make_reconstructions`` filled it.
        images: what they are reconstructions of; only their labels are kept.

    Attributes:
        description: a sentence for the user, on the main process: how many there are and how close to their images.
    """

    description = ""

    def __init__(self, folder: Path, images: ImageSet):
        self.folder, self.label = folder, images.label
        self.number = np.arange(len(images))  # of the reconstruction's file

    def select(self, chosen: np.ndarray) -> "Reconstructions":
        """The reconstructions of ``images.select(chosen)``; ``chosen`` int (n,)."""
        other = copy(self)
        other.label, other.number = self.label[chosen], self.number[chosen]
        return other

    def pixels(self, index: int) -> np.ndarray:
        """The reconstruction of real image ``index``: uint8 (H, W, 3), the image's size.

        Raises:
            ValueError: naming what is wrong: a synthetic image has no reconstruction; the file is missing or cannot be read.
        """
        if self.label[index] != REAL:
            raise ValueError(f"Image {index} is synthetic; only real images have reconstructions.")
        number = int(self.number[index])
        file = existing_file(self.folder, number)
        if file is None:
            raise ValueError(f"The reconstruction {_file(self.folder, number, '')} is missing; resume the run to make it.")
        try:
            return decode(file.read_bytes())
        except ValueError as error:
            raise ValueError(f"The reconstruction {file} cannot be read ({error}); delete it and resume the run.") from error


def make_reconstructions(
    images: ImageSet, source: str, folder: Path, seed: int, accelerator: Accelerator, num_workers: int
) -> Reconstructions:
    """Makes those that the folder lacks; every process calls it, with a folder that all of them see, and does its share.

    A run that was stopped goes on where it was. No random state outside is touched.

    Args:
        images: the training images.
        source: "small" trains a small autoencoder on the real images; anything else is one of diffusers, by name or folder.
        folder: for reconstructions, record and weights; created.
        seed: of the small one.
        accelerator: its processes share the work, on its devices.
        num_workers: processes that decode, and threads that write, per training process.

    Raises:
        ValueError: if there is no real image, the folder holds those of other images or of another autoencoder, or ``source``
            cannot be loaded.
        FileExistsError: if the folder holds something else.
        ModuleNotFoundError: if ``source`` needs diffusers, which is not installed.
    """
    real = np.flatnonzero(images.label == REAL)
    if not len(real):
        raise ValueError("There is no real training image to reconstruct; train without reconstructions.")
    with torch.random.fork_rng(devices=[]):  # new networks and loaders draw from the global state
        network = _autoencoder(images, real, source, folder, seed, accelerator, num_workers)
        missing = [index for index in real if existing_file(folder, index) is None]
        accelerator.wait_for_everyone()  # all have looked before any writes, so that all part the same list
        own = missing[accelerator.process_index :: accelerator.num_processes]
        _write(images, own, network, folder, accelerator, num_workers)
    accelerator.wait_for_everyone()
    reconstructions = Reconstructions(folder, images)
    if accelerator.is_main_process:
        reconstructions.description = describe(reconstructions, images)
    return reconstructions


def describe(reconstructions: Reconstructions, images: ImageSet) -> str:
    """How many reconstructions there are, and how close up to COMPARED_IMAGES of them, evenly spread, are to their images."""
    real = np.flatnonzero(images.label == REAL)
    chosen = pick_evenly(real, COMPARED_IMAGES)
    errors = [images.pixels(index).astype(np.float64) - reconstructions.pixels(index) for index in chosen]
    absolute = np.mean([np.abs(error).mean() for error in errors])
    square = np.mean([(error**2).mean() for error in errors])
    ratio = f"{10 * np.log10(255**2 / square):.1f} dB" if square else "without limit"
    return (
        f"{len(real)} reconstructions; over {len(chosen)} of them the mean absolute error is {absolute:.2f} of 255, "
        f"the PSNR {ratio}."
    )


def fingerprint(images: ImageSet) -> str:
    """What tells these images from others: a hash of all paths and labels, and one of the bytes of HASHED_IMAGES real images."""
    digest = hashlib.sha256()
    for index in pick_evenly(np.flatnonzero(images.label == REAL), HASHED_IMAGES):
        digest.update(content_of(images.rows[int(index)]["image"]))
    return f"{images.fingerprint()}-{digest.hexdigest()[:16]}"


def claim(folder: Path, **facts) -> None:
    """Notes facts in the folder's record.

    Raises:
        ValueError: naming the fact, if the record says otherwise, or the record cannot be read.
        FileExistsError: if the folder has no record but other content.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file, record = folder / RECORD, {}
    if file.exists():
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{file} is damaged; delete the folder, or choose another one for the run.") from error
    elif any(not entry.name.endswith((PART, ".partial")) for entry in folder.iterdir()):
        raise FileExistsError(f"{folder} holds something else than reconstructions; move it away, or choose another folder.")
    for name, value in facts.items():
        if record.setdefault(name, value) != value:
            raise ValueError(
                f"{folder} holds reconstructions of other {name} than this run's ({record[name]}, not {value}); delete the "
                "folder, or choose another one for the run."
            )
    with write_aside(file) as aside:
        aside.write_text(json.dumps(record, indent=1), encoding="utf-8")


def existing_file(folder: Path, index: int) -> Path | None:
    """The file of the reconstruction of image ``index``, if it is there."""
    candidates = (_file(folder, index, suffix) for suffix in (".webp", ".png"))
    return next((file for file in candidates if file.exists()), None)


def _autoencoder(
    images: ImageSet, real: np.ndarray, source: str, folder: Path, seed: int, accelerator: Accelerator, num_workers: int
) -> nn.Module:
    """The autoencoder on the process's device, trained first where that is due, and the folder's record checked against it."""
    if accelerator.is_main_process:
        claim(folder, source=source, seed=seed, images=fingerprint(images))
        remove_parts(folder)  # of a run that was killed
        if source == SMALL and not (folder / WEIGHTS).exists():
            crops = cut_crops((picture for _, picture in _decoded(images, pick_evenly(real, PICTURES), num_workers)), seed)
            with write_aside(folder / WEIGHTS) as aside:
                save_small(train_small(crops, seed, accelerator), aside)
    accelerator.wait_for_everyone()
    with accelerator.main_process_first():  # the first downloads, the others find it in the cache
        network = load_small(folder / WEIGHTS) if source == SMALL else load_diffusers(source)
    if accelerator.is_main_process:
        claim(folder, weights=weights_hash(network))
    accelerator.wait_for_everyone()
    return network.to(accelerator.device)


def _write(
    images: ImageSet, missing: list[int], network: nn.Module, folder: Path, accelerator: Accelerator, num_workers: int
) -> None:
    """Reconstructs and writes the images in ``missing``; at most a few pictures wait in memory."""
    threads = max(1, num_workers)
    with Progress(accelerator, "reconstructions", len(missing)) as progress, ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future] = deque()
        for index, picture in _decoded(images, missing, num_workers):
            waiting.append(pool.submit(_write_one, folder, index, reconstruct(network, picture, accelerator.device)))
            if len(waiting) > 2 * threads:
                waiting.popleft().result()
            progress.step(accelerator.num_processes)
        for writing in waiting:
            writing.result()


def _decoded(images: ImageSet, indices: Iterable[int], num_workers: int) -> Iterator[tuple[int, np.ndarray]]:
    """(index, pixels) in order, decoded by other processes."""
    dataset = _Pictures(images, [int(index) for index in indices])
    return iter(DataLoader(dataset, batch_size=None, num_workers=num_workers, collate_fn=_no_collation))


class _Pictures(Dataset):
    def __init__(self, images: ImageSet, indices: list[int]):
        self.images, self.indices = images, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, place: int) -> tuple[int, np.ndarray]:
        return self.indices[place], self.images.pixels(self.indices[place])


def _no_collation(item):
    return item


def _write_one(folder: Path, index: int, reconstruction: np.ndarray) -> None:
    suffix = ".webp" if max(reconstruction.shape) <= LONGEST_SIDE["WEBP"] else ".png"
    file = _file(folder, index, suffix)
    file.parent.mkdir(exist_ok=True)
    with write_aside(file) as aside:
        if suffix == ".webp":
            aside.write_bytes(lossless_webp(reconstruction))
        else:
            Image.fromarray(reconstruction).save(aside, "PNG")


def _file(folder: Path, index: int, suffix: str) -> Path:
    return folder / f"{index // 1000:04d}" / f"{index:07d}{suffix}"
