"""What a frozen trunk says of the training views, computed once and kept on disk.

A view is a function of picture, epoch and seed, and a frozen trunk says the same of it every time. In the cache's folder each
combination of trunk, images and view has a subfolder, named by a fingerprint of all that its features depend on, so features of another
trunk or of other data are never taken for them. There, ``views-00003/part-00007.features`` holds those of ``PART`` images in epoch 3:
float32 (images, views of each, features), little-endian. A file is complete or not there.
"""

import json
import shutil
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from imaginet_core.errors import first_line
from imaginet_core.storage.safe_writes import remove_parts, write_aside
from training.run.progress import Progress
from training.views.crop_cache import as_text, exclusive_lock, fingerprint_with_images, settings_of
from training.views.random_views import RandomViews

PART = 128
"""Images of a file; a run that is killed loses no more."""
BATCH = 32
"""Images whose views the trunk sees at a time; all batches of a file are the same, however often a run was killed."""
LAYOUT = 1
"""Number of the way in which features are computed and stored; another one makes other fingerprints."""


class Trunk(Protocol):
    """See ``training.stages.frozen_trunk.FrozenTrunk``.

    Attributes:
        fingerprint: changes with all that its answers depend on but the pixels.
        size: number of features of a view.
    """

    fingerprint: str
    size: int

    def __call__(self, pixels: Tensor) -> Tensor:
        """uint8 (B, V, 3, H, W) -> float32 (B, V, size), on the CPU."""


class FeatureCache:
    """Features of the views of each image, for some epochs.

    Args:
        folder: where they are kept, with those of other trunks and data; made if it is not there.
        views: of the images.
        trunk: the frozen trunk.
    """

    def __init__(self, folder: str | Path, views: RandomViews, trunk: Trunk):
        self.views, self.trunk, self.root = views, trunk, Path(folder)
        self.images, self.shape = len(views), (2 if views.degraded else 1, trunk.size)
        self.image_bytes = 4 * self.shape[0] * self.shape[1]
        self.parts = -(-self.images // PART)
        settings = f"{LAYOUT}/{trunk.fingerprint}/{settings_of(views.view)}/{views.degraded}/{views.seed}"
        self.folder = self.root / fingerprint_with_images(settings, views.images)

    def prepare(self, epochs: Iterable[int], accelerator: Accelerator, num_workers: int = 0) -> None:
        """Computes what is not there yet of some epochs' features; all processes of a run call it and share the work.

        Says beforehand what will be written, and shows progress and time left. What an interrupted preparation completed is kept.

        Raises:
            ValueError: naming a file that is no image, or where the disk has no room, before any work.
            OSError: if a file cannot be written.
        """
        epochs = sorted(set(epochs))
        self._check_room(epochs)
        waiting = "Another run is computing the same features; waiting for it."
        if accelerator.is_main_process:
            self.folder.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(self.folder / "writing", waiting) if accelerator.is_main_process else nullcontext():
            if accelerator.is_main_process:
                remove_parts(self.folder)  # of a preparation that was killed
                self._describe()
            accelerator.wait_for_everyone()  # until the main process holds the lock
            missing = self._missing(epochs)
            accelerator.wait_for_everyone()  # until all have seen the same
            if missing:
                accelerator.print(
                    f"The frozen trunk sees {self._count(missing)} views of {self.images} images once: {as_text(self._size(missing))} in "
                    f"{self.folder}."
                )
                self._compute(missing[accelerator.process_index :: accelerator.num_processes], accelerator, num_workers)
            accelerator.wait_for_everyone()

    def read(self, index: int, epoch: int) -> Tensor:
        """Features of the views of image ``index`` in ``epoch``, float32 (V, size). Raises FileNotFoundError if they are not there."""
        part, place = divmod(index, PART)
        count = self.shape[0] * self.shape[1]
        # opened every time: neither memory nor open files grow with the data set
        values = np.fromfile(self._file(epoch, part), dtype="<f4", count=count, offset=place * self.image_bytes)
        return torch.from_numpy(values.astype(np.float32, copy=False)).view(self.shape)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "views": None, "trunk": None}  # of no use to a process that only reads

    def _compute(self, parts: list[tuple[int, int]], accelerator: Accelerator, num_workers: int) -> None:
        batches = {part: list(range(*self._range(part), BATCH)) for _, part in parts}
        with Progress(accelerator, "frozen trunk", sum(len(batches[part]) for _, part in parts)) as progress:
            for epoch in sorted({epoch for epoch, _ in parts}):
                self.views.set_epoch(epoch)
                own = [part for other, part in parts if other == epoch]
                indices = [list(range(start, min(start + BATCH, self._range(part)[1]))) for part in own for start in batches[part]]
                loader = iter(progress.timed(torch.utils.data.DataLoader(
                    self.views, batch_sampler=indices, num_workers=num_workers,
                    generator=torch.Generator(),  # of its own: the run's random numbers do not depend on whether features were there
                )))
                for part in own:
                    seen = []
                    for _ in batches[part]:
                        pixels = next(loader)["pixels"]
                        seen.append(self.trunk(pixels))
                        progress.step(len(pixels))
                    self._write(self._file(epoch, part), torch.cat(seen))

    def _write(self, file: Path, values: Tensor) -> None:
        try:
            with write_aside(file, durable=True) as aside:
                aside.write_bytes(values.numpy().astype("<f4").tobytes())
        except OSError as error:
            raise OSError(
                f"{file} could not be written ({first_line(error)}). Make room on the disk and run the same command with --resume; "
                "what is complete is kept."
            ) from error

    def _missing(self, epochs: list[int]) -> list[tuple[int, int]]:
        """(epoch, part) of what is not complete."""
        return [(epoch, part) for epoch in epochs for part in range(self.parts) if not self._is_complete(epoch, part)]

    def _is_complete(self, epoch: int, part: int) -> bool:
        start, end = self._range(part)
        file = self._file(epoch, part)
        return file.exists() and file.stat().st_size == (end - start) * self.image_bytes

    def _check_room(self, epochs: list[int]) -> None:
        missing = self._missing(epochs)
        existing = next(folder for folder in (self.folder, *self.folder.absolute().parents) if folder.exists())
        need, free = self._size(missing), shutil.disk_usage(existing).free
        if need > free:
            raise ValueError(
                f"What the frozen trunk says of {self._count(missing)} views takes {as_text(need)}, but the disk of {self.root} has "
                f"{as_text(free)} free; choose another --feature_cache or lower --view_epochs."
            )

    def _count(self, parts: list[tuple[int, int]]) -> int:
        """Views in parts."""
        return self.shape[0] * sum(end - start for start, end in (self._range(part) for _, part in parts))

    def _size(self, parts: list[tuple[int, int]]) -> int:
        """Bytes of parts."""
        return self._count(parts) * 4 * self.shape[1]

    def _range(self, part: int) -> tuple[int, int]:
        """The images of a part, from the first to the one after the last."""
        return part * PART, min((part + 1) * PART, self.images)

    def _file(self, epoch: int, part: int) -> Path:
        return self.folder / f"views-{epoch:05}" / f"part-{part:05}.features"

    def _describe(self) -> None:
        content = {
            "what": "features of training views, see training/views/feature_cache.py; may be deleted when no run uses it",
            "trunk": self.trunk.fingerprint, "features": self.trunk.size, "images": self.images, "first image": self.views.files.path(0),
            "view": settings_of(self.views.view), "degraded": self.views.degraded, "seed": self.views.seed,
        }
        with write_aside(self.folder / "feature_cache.json") as aside:
            aside.write_text(json.dumps(content, indent=1), encoding="utf-8")


class FeatureViews(torch.utils.data.Dataset):
    """The same items as ``views`` without counterparts, with ``features``, float32 (V, size), in place of ``pixels``.

    Args:
        views: of the images, that show some epochs in turn.
        cache: in which the features of these epochs are.
    """

    has_counterparts, crops = False, None

    def __init__(self, views: RandomViews, cache: FeatureCache):
        self.views, self.images, self.cache = views, views.images, cache

    def set_epoch(self, epoch: int) -> None:
        self.views.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.views)

    def __getitem__(self, number: int) -> dict:
        return {"features": self.cache.read(number, int(self.views.epoch)), **self.views.about(number)}
