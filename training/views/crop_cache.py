"""Windows cut out of the training images once, so that a view costs no decoding of a whole picture.

In the cache's folder each data set has a subfolder, named by a fingerprint of all that its windows depend on, so windows of other
data are never taken for it. There, ``generation-00003/part-00007.windows`` holds the windows of some hundred images: an array of
one record per window, uncompressed. A file is complete or not there.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.compute
import torch
from tqdm import tqdm

from imaginet_core.pictures import degradations
from imaginet_core.pictures.partial_decode import content_of
from imaginet_core.pictures.window import Window
from imaginet_core.storage.safe_writes import HeldLock, read_lock, remove_parts, write_aside, write_lock
from imaginet_tools.images.image_set import ImageSet
from training.views.picture_files import PictureFiles
from training.views.recipes import View

PART_BYTES = 2**24
"""Size of a file of windows, more or less."""
HASHED_BYTES = 2**28
"""Of the images' bytes, so many go into the fingerprint, of images evenly picked; their sizes go in in any case."""
DESCRIPTION = "crop_cache.json"
LAYOUT = 1
"""Number of the way in which windows are drawn and stored; another one makes other fingerprints."""


class CropCache:
    """``windows`` windows of each image, drawn anew every ``epochs`` epochs; epochs take them in turn.

    A window depends on path, seed, generation (the epoch divided by ``epochs``) and its number alone, and is drawn by the view's
    own ``place``, so the crops have the distribution that they have without a cache. Several runs may use one folder, also at the
    same time. Windows of past generations that no run uses make room when the limit asks for it; nothing else is ever removed.

    Args:
        folder: where the windows are kept; made if it is not there.
        images: the images.
        view: what places the windows; it must have a ``longest_window``.
        seed: of the windows.
        windows: of each image in a generation.
        epochs: that a generation serves.
        limit_bytes: the folder's size never exceeds it, with all data sets that it holds.
        margin: pixels around each window that are stored too, where the image has them.

    Attributes:
        generation_bytes: size of one generation on disk.

    Raises:
        ValueError: in one sentence, before any work, if a generation does not fit in the limit beside other data sets' windows
            or on the disk, or if the view may need whole pictures.
    """

    def __init__(
        self, folder: str | Path, images: ImageSet, view: View, seed: int, windows: int, epochs: int, limit_bytes: int,
        margin: int = 0,
    ):
        if view.longest_window is None:
            raise ValueError(f"--crop_cache cannot serve {type(view).__name__}, whose windows may be whole pictures.")
        self.files, self.view, self.seed, self.margin = PictureFiles(images), view, seed, margin
        self.windows, self.epochs, self.limit_bytes = min(windows, epochs), epochs, limit_bytes
        self.record = record_type(view.longest_window + 2 * margin)
        self.images_per_part = max(1, PART_BYTES // (self.windows * self.record.itemsize))
        self.parts = -(-len(images) // self.images_per_part)
        self.generation_bytes = len(images) * self.windows * self.record.itemsize
        self.root = Path(folder)
        self.folder = self.root / self._fingerprint(images)
        self.in_use: tuple[int, HeldLock | None] | None = None  # the generation that this run holds, and its lock
        self._check_room()

    def prepare(self, epoch: int, num_workers: int = 0) -> None:
        """Cuts out what ``epoch`` needs and is not there yet; for one process of a run to call before the epoch.

        Says beforehand what it will write, and shows progress and time left. What an interrupted preparation completed is kept.

        Args:
            epoch: counted from 0.
            num_workers: processes that read the images; 0 works in this one.

        Raises:
            ValueError: naming a file that is no image.
            OSError: if the disk is full.
        """
        generation = epoch // self.epochs
        if self.in_use is not None and self.in_use[0] == generation:
            return
        self.close()
        self.folder.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(self.root / "lock", f"Another run is making room in {self.root}; waiting for it."):
            if not self._make_room(generation):
                self.in_use = (generation, None)
                print(f"{self.root} is full of windows that other runs use; those of epoch {epoch} on are read from the images.")
                return
            self._generation(generation).mkdir(exist_ok=True)
            self._describe()
            self.in_use = (generation, read_lock(self._generation(generation) / "in_use"))
        try:
            waiting = "Another run is cutting out the same windows; waiting for it."
            with exclusive_lock(self._generation(generation) / "writing", waiting):
                self._write_missing(generation, num_workers)
        except BaseException:
            self.close()  # not prepared: to be gone on with
            raise

    def window(self, index: int, epoch: int) -> tuple[np.ndarray, Window]:
        """The window of image ``index`` whose turn it is in ``epoch``, and its pixels uint8 (height, width, 3).

        Where it is not in the cache, it is read from the image: the same window, only slower.
        """
        generation, number = epoch // self.epochs, epoch % self.epochs % self.windows
        part, place = divmod(index, self.images_per_part)
        offset = (place * self.windows + number) * self.record.itemsize
        try:  # opened every time: neither memory nor open files grow with the data set
            record = np.fromfile(self._part(generation, part), dtype=self.record, count=1, offset=offset)
        except FileNotFoundError:
            record = []
        if len(record) == 0:
            return next(self._cut(index, generation, [number]))
        window = Window(*map(int, record["window"][0]), kind=record["kind"][0].decode())
        return record["pixels"][0, : window.height, : window.width], window

    def close(self) -> None:
        """Lets other runs remove the generation that this one used."""
        if self.in_use is not None and self.in_use[1] is not None:
            self.in_use[1].release()
        self.in_use = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "in_use": None}  # the lock stays with the process that prepares

    # windows

    def _cut(self, index: int, generation: int, numbers: list[int]) -> Iterator[tuple[np.ndarray, Window]]:
        """The windows of one image and generation by their numbers, out of one reading of the picture."""
        path = self.files.path(index)
        with self.files.open(index) as picture:
            size = (picture.height, picture.width)
            placed = [
                self.view.place(*size, degradations.rng_for(path, f"{self.seed}/windows/{generation}/{number}"))
                .grow(self.margin, *size) for number in numbers
            ]
            box = bounding_window(placed)
            pixels = picture.read(box)
        for window in placed:
            yield window._replace(top=window.top - box.top, left=window.left - box.left).of(pixels), window

    def write_part(self, generation: int, part: int) -> int:
        """Cuts out and stores the windows of one part. Returns its number of images."""
        first = part * self.images_per_part
        indices = range(first, min(first + self.images_per_part, len(self.files)))
        records = np.zeros((len(indices), self.windows), dtype=self.record)
        for row, index in zip(records, indices, strict=True):
            for record, (pixels, window) in zip(row, self._cut(index, generation, list(range(self.windows))), strict=True):
                record["window"], record["kind"] = window[:8], window.kind.encode()
                record["pixels"][: window.height, : window.width] = pixels
        file = self._part(generation, part)
        with write_aside(file, durable=True) as aside:
            records.tofile(aside)
        return len(indices)

    def _write_missing(self, generation: int, num_workers: int) -> None:
        remove_parts(self._generation(generation))  # of a preparation that was killed
        missing = [part for part in range(self.parts) if not self._is_complete(generation, part)]
        if not missing:
            return
        count = sum(self._images_of(part) for part in missing)
        print(f"Cutting {self.windows} windows out of each of {count} images for epochs {generation * self.epochs} to "
              f"{(generation + 1) * self.epochs - 1}: {as_text(self.generation_bytes)} in {self.folder}.")
        writing = torch.utils.data.DataLoader(
            PartsToWrite(self, generation, missing), batch_size=None, num_workers=min(num_workers, len(missing)),
            generator=torch.Generator(),  # of its own: the run's random numbers do not depend on whether windows were there
        )
        with tqdm(total=count, desc="Cutting windows", unit=" images", smoothing=0.1) as progress:
            for images in writing:
                progress.update(int(images))

    def _images_of(self, part: int) -> int:
        return min(self.images_per_part, len(self.files) - part * self.images_per_part)

    def _is_complete(self, generation: int, part: int) -> bool:
        size = self._images_of(part) * self.windows * self.record.itemsize
        file = self._part(generation, part)
        return file.exists() and file.stat().st_size == size

    # the folder

    def _generation(self, generation: int) -> Path:
        return self.folder / f"generation-{generation:05}"

    def _part(self, generation: int, part: int) -> Path:
        return self._generation(generation) / f"part-{part:05}.windows"

    def _check_room(self) -> None:
        need, limit, others = self.generation_bytes, f"--crop_cache_gb {self.limit_bytes / 1e9:g}", self._others()
        side = self.record["pixels"].shape[0]
        what = (f"The crop cache needs {as_text(need)} for {self.windows} windows of {side} pixels a side of each of "
                f"{len(self.files)} images")
        if need > self.limit_bytes:
            raise ValueError(f"{what}, more than {limit}; raise it or lower --crop_cache_windows.")
        if need + sum(others.values()) > self.limit_bytes:
            listed = ", ".join(f"{folder} ({as_text(size)})" for folder, size in others.items())
            raise ValueError(f"{what}, which with the windows of other data does not fit in {limit}; delete what you no longer "
                             f"need of {listed}, or raise it.")
        existing = next(folder for folder in (self.folder, *self.folder.parents) if folder.exists())
        here = sum(file.stat().st_size for file in self.folder.glob("generation-*/*.windows"))
        free = shutil.disk_usage(existing).free
        if need > free + here:
            raise ValueError(f"{what}, but the disk of {self.root} has {as_text(free)} free; choose another --crop_cache.")

    def _others(self) -> dict[Path, int]:
        """Subfolders with windows of other data, and their bytes when complete."""
        found = {}
        for description in sorted(self.root.glob(f"*/{DESCRIPTION}")):
            if description.parent != self.folder:
                generations = len(list(description.parent.glob("generation-*")))
                found[description.parent] = generations * json.loads(description.read_text(encoding="utf-8"))["generation_bytes"]
        return found

    def _make_room(self, generation: int) -> bool:
        """Removes unused generations as far as ``generation`` needs it, by the limit or on the disk; whether there is room."""
        taken = sum(self._others().values()) + self.generation_bytes
        kept = sorted(folder for folder in self.folder.glob("generation-*") if folder != self._generation(generation))
        taken += len(kept) * self.generation_bytes
        for folder in kept:
            full = taken > self.limit_bytes or shutil.disk_usage(self.folder).free < self.generation_bytes
            if full and remove_unless_used(folder):
                taken -= self.generation_bytes
        return taken <= self.limit_bytes

    def _describe(self) -> None:
        content = {
            "what": "windows cut out of training images, see training/views/crop_cache.py; may be deleted when no run uses it",
            "generation_bytes": self.generation_bytes, "images": len(self.files), "first image": self.files.path(0),
            "windows of each": self.windows, "view": settings_of(self.view), "margin": self.margin, "seed": self.seed,
        }
        with write_aside(self.folder / DESCRIPTION) as aside:
            aside.write_text(json.dumps(content, indent=1), encoding="utf-8")

    def _fingerprint(self, images: ImageSet) -> str:
        settings = f"{LAYOUT}/{settings_of(self.view)}/{self.margin}/{self.windows}/{self.seed}"
        return fingerprint_with_images(settings, images)


class PartsToWrite(torch.utils.data.Dataset):
    """Item i: number of images in the i-th part, which is written when the item is asked for."""

    def __init__(self, cache: CropCache, generation: int, parts: list[int]):
        self.cache, self.generation, self.parts = cache, generation, parts

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, number: int) -> int:
        return self.cache.write_part(self.generation, self.parts[number])


def record_type(side: int) -> np.dtype:
    """One window as it is stored: the first eight numbers of ``Window``, its kind, and the pixels in the upper left corner."""
    return np.dtype([("window", "<i4", (8,)), ("kind", "S16"), ("pixels", "u1", (side, side, 3))])


def bounding_window(windows: list[Window]) -> Window:
    """The smallest window that has all of them inside."""
    top, left = min(window.top for window in windows), min(window.left for window in windows)
    bottom = max(window.top + window.height for window in windows)
    right = max(window.left + window.width for window in windows)
    return Window.at(top, left, bottom - top, right - left)


def settings_of(view: View) -> str:
    """Class and settings of a view, which its windows depend on."""
    return f"{type(view).__name__} {json.dumps(vars(view), sort_keys=True)}"


def fingerprint_with_images(settings: str, images: ImageSet) -> str:
    """Sixteen hexadecimal digits that change with the settings and with the images: paths, sizes, and content as far as HASHED_BYTES."""
    digest = hashlib.sha256(settings.encode())
    if images.turn_upright:
        digest.update(b"/upright")
    digest.update("\0".join(images.path.tolist()).encode("utf-8", "surrogatepass"))
    sizes = image_sizes(images)
    digest.update(sizes.tobytes())
    step = max(1, -(-int(sizes[:, 0].sum()) // HASHED_BYTES))
    for index in range(0, len(images), step):
        digest.update(content_of(images.rows[index]["image"]))
    return digest.hexdigest()[:16]


def image_sizes(images: ImageSet) -> np.ndarray:
    """int64 (N, 2): bytes of each image's file; time of its last change in ns, 0 where the data set holds the bytes itself."""
    column = images.rows.with_format("arrow")["image"]
    parts = column.chunks if hasattr(column, "chunks") else [column]
    lengths = [pyarrow.compute.binary_length(pyarrow.compute.struct_field(part, "bytes")) for part in parts]
    sizes = np.zeros((len(images), 2), dtype=np.int64)
    sizes[:, 0] = np.concatenate([part.fill_null(-1).to_numpy(zero_copy_only=False) for part in lengths])
    for index in np.flatnonzero(sizes[:, 0] < 0):
        status = os.stat(images.rows[int(index)]["image"]["path"])
        sizes[index] = status.st_size, status.st_mtime_ns
    return sizes


def as_text(size: float) -> str:
    """Bytes in MB or GB."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.2f} MB"


@contextlib.contextmanager
def exclusive_lock(file: Path, waiting: str) -> Iterator[None]:
    """Keeps other processes out while it lasts; ``waiting`` is printed if one is in."""
    lock = write_lock(file, wait=False)
    if lock is None:
        print(waiting)
        lock = write_lock(file)
    with lock:
        yield


def remove_unless_used(generation: Path) -> bool:
    """Removes a generation's own files and its folder, unless a run uses it; whether it is gone.

    Nobody comes to use it meanwhile, as that takes the lock that the caller holds.
    """
    lock = write_lock(generation / "in_use", wait=False)
    if lock is None:
        return False
    lock.release()
    remove_parts(generation)
    for pattern in ("part-*.windows", "part-*.unfinished", "writing*", "in_use*"):  # the second: of earlier versions
        for file in generation.glob(pattern):
            file.unlink()
    if not any(generation.iterdir()):
        generation.rmdir()
    return True
