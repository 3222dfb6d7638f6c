"""Feeding stage 1: images per CPU second of three ways to read the same pictures, and what a loading process costs.

    python benchmarks/loading.py --photos FOLDER [--images 12] [--repeats 7] [--rows 2000 200000] [--work_dir DIR]

FOLDER holds photographs; pictures of ImagiNet's formats and sizes are tiled from them, in equal parts. The rival opens a file
with Pillow, decodes it whole to an array, crops 96 × 96 and augments as in stage 1 of the recipe; a second one crops before it
makes the array. All read the same bytes in one process, in turn, several times; time is CPU time of the process. No decoded picture is
kept, as with a data set that is larger than memory. Loading processes are then started over data sets of ``--rows`` rows.
"""

import argparse
import io
import json
import multiprocessing.reduction
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from imaginet_core.pictures import degradations
from imaginet_tools.images.image_set import ImageSet  # noqa: E402
from training.views import random_views  # noqa: E402
from training.views.crop_cache import CropCache  # noqa: E402
from training.views.recipes import PaperContrastiveView  # noqa: E402

FORMATS = {
    "PNG, 1024 × 1024": ((1024, 1024), "PNG", {}),
    "WebP, 1024 × 1024": ((1024, 1024), "WEBP", {"quality": 90}),
    "JPEG, 1000 × 1500": ((1000, 1500), "JPEG", {"quality": 92}),
    "JPEG, 375 × 500": ((375, 500), "JPEG", {"quality": 92}),
    "PNG, 256 × 256": ((256, 256), "PNG", {}),
}
RIVAL, RIVAL_PILLOW, OURS, CACHED = "Pillow, whole", "Pillow, cropped", "windows", "crop cache"
SIDE = 96


def tiled(photos: list[Path], height: int, width: int, rng: np.random.Generator) -> Image.Image:
    """A picture of that size, laid out with photographs in their own resolution."""
    picture, top = Image.new("RGB", (width, height)), 0
    while top < height:
        left, row = 0, 0
        while left < width:
            with Image.open(photos[rng.integers(len(photos))]) as photo:
                picture.paste(photo, (left, top))
                left, row = left + photo.width, max(row, photo.height)
        top += row
    return picture


def make_mix(photos: list[Path], count: int, folder: Path) -> ImageSet:
    """``count`` pictures of each format, in the order of FORMATS, as a data set that is mapped from disk."""
    rng, rows = np.random.default_rng(0), []
    for name, (size, codec, settings) in FORMATS.items():
        for number in range(count):
            file = io.BytesIO()
            tiled(photos, *size, rng).save(file, codec, **settings)
            rows.append({"image": {"bytes": file.getvalue(), "path": None}, "label": "real" if number % 2 else "synthetic",
                         "path": f"{name}/{number}"})
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string"), "path": datasets.Value("string")})
    datasets.Dataset.from_list(rows, features=features).save_to_disk(folder)
    return ImageSet.from_rows(datasets.load_from_disk(folder), "the mix")


class WholePictures(torch.utils.data.Dataset):
    """The rival: Pillow decodes a whole picture for every view.

    Args:
        images: the images.
        crop_first: cut the crop out of Pillow's picture, not out of the whole array.
    """

    def __init__(self, images: ImageSet, crop_first: bool):
        self.images, self.crop_first, self.view, self.epoch = images, crop_first, PaperContrastiveView(SIDE), 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __getitem__(self, index: int) -> dict:
        rng = degradations.rng_for(self.images.path[index], f"0/{self.epoch}")
        with Image.open(io.BytesIO(self.images.rows[index]["image"]["bytes"])) as image:
            picture = image.convert("RGB")
        if self.crop_first:
            window = self.view.place(picture.height, picture.width, rng)
            box = (window.left, window.top, window.left + window.width, window.top + window.height)
            view = self.view.finish(np.asarray(picture.crop(box)), window, rng)
        else:
            view = self.view(np.asarray(picture), rng)
        return {"pixels": torch.from_numpy(view).permute(2, 0, 1), "label": int(self.images.label[index])}


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(images: ImageSet, count: int, repeats: int, folder: Path) -> dict[str, dict[str, list[float]]]:
    """CPU seconds per image of each contestant and format, one figure per repeat; prints what the preparation costs."""
    random_views.KEPT_BYTES = 0
    view = PaperContrastiveView(SIDE)
    cache = CropCache(folder / "crops", images, view, 0, windows=4, epochs=20, limit_bytes=10**10)
    seconds = cpu_seconds(lambda: cache.prepare(0))
    print(f"Preparation for 20 epochs: {seconds / len(images) * 1e3:.1f} ms of CPU and "
          f"{cache.generation_bytes / len(images) / 1e3:.0f} kB of disk per image.\n")
    contestants = {
        RIVAL: WholePictures(images, crop_first=False), RIVAL_PILLOW: WholePictures(images, crop_first=True),
        OURS: random_views.RandomViews(images, view, [], [], 0),
        CACHED: random_views.RandomViews(images, view, [], [], 0, crops=cache),
    }
    times = {name: {kind: [] for kind in FORMATS} for name in contestants}
    for repeat in range(-1, repeats):  # the first is not counted: it warms up
        for place, kind in enumerate(FORMATS):
            for name, dataset in contestants.items():
                dataset.set_epoch(repeat + 1)
                spent = cpu_seconds(lambda: [dataset[index] for index in range(place * count, (place + 1) * count)]) / count
                if repeat >= 0:
                    times[name][kind].append(spent)
    for of_kind in times.values():
        of_kind["all, equal parts"] = [statistics.mean(each) for each in zip(*of_kind.values(), strict=True)]
    return times


def print_table(times: dict[str, dict[str, list[float]]]) -> None:
    names, total = list(times), list(times[RIVAL])[-1]
    print(f"| images per CPU second | {' | '.join(names)} | {OURS} / {RIVAL} | {CACHED} / {RIVAL} |")
    print("|" + " --- |" * (len(names) + 3))
    for kind in times[RIVAL]:
        rates = " | ".join(f"{1 / statistics.median(times[name][kind]):,.0f}" for name in names)
        print(f"| {kind} | {rates} | {ratio(times, OURS, RIVAL, kind)} | {ratio(times, CACHED, RIVAL, kind)} |")
    print(f"\nAgainst {RIVAL_PILLOW}, {total}: {OURS} {ratio(times, OURS, RIVAL_PILLOW, total)}, "
          f"{CACHED} {ratio(times, CACHED, RIVAL_PILLOW, total)}.\n")


def ratio(times: dict, ours: str, rival: str, kind: str) -> str:
    """Median of the repeats' ratios, and their range."""
    ratios = [theirs / mine for theirs, mine in zip(times[rival][kind], times[ours][kind], strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


# loading processes

class MemoryOf(torch.utils.data.Dataset):
    """Item i is 0 but for the last: the memory in MB that the loading process has for itself after all those views."""

    def __init__(self, views: random_views.RandomViews, chosen: list[int]):
        self.views, self.chosen = views, chosen

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, number: int) -> float:
        self.views[self.chosen[number]]
        if number < len(self) - 1:
            return 0.0
        lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Private_Dirty:"))


def many_rows(rows: int, folder: Path) -> ImageSet:
    """A data set of so many small pictures under paths of usual length, of which one in ten is left out as in a real run."""
    file = io.BytesIO()
    Image.effect_noise((32, 32), 50).convert("RGB").save(file, "PNG")
    image = {"bytes": file.getvalue(), "path": None}

    def generate():
        for number in range(rows):
            yield {"image": image, "label": number % 2, "path": f"a/folder/of/images/train2017/{number:012}.jpg"}

    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["real", "synthetic"]),
                                  "path": datasets.Value("string")})
    made = datasets.Dataset.from_generator(generate, features=features, cache_dir=str(folder))
    os.sync()  # pages of a file that are not on the disk yet would count as memory of the process that reads them
    return ImageSet.from_rows(made, "the rows").select(np.random.default_rng(0).random(rows) < 0.9)


def loading_process(rows: int, method: str, folder: Path) -> dict[str, float]:
    """Seconds to the first view, MB sent to a process that is not forked, and its private memory after 500 views."""
    images = many_rows(rows, folder)
    views = random_views.RandomViews(images, PaperContrastiveView(SIDE), [], [], 0)
    sent = io.BytesIO()
    multiprocessing.reduction.ForkingPickler(sent).dump(views)
    chosen = np.random.default_rng(1).permutation(len(images))[:500].tolist()
    loader = torch.utils.data.DataLoader(
        MemoryOf(views, chosen), batch_size=None, num_workers=1, multiprocessing_context=method
    )
    start = time.monotonic()
    items = iter(loader)
    next(items)
    first = time.monotonic() - start
    return {"first": first, "sent": len(sent.getvalue()) / 1e6, "memory": float(list(items)[-1])}


def print_loading_processes(counts: list[int], folder: Path) -> None:
    print("| rows | started by | s to the first view | MB sent | MB of its own after 500 views |\n|" + " --- |" * 5)
    for method in ("fork", "spawn"):
        for rows in counts:
            command = [sys.executable, __file__, "--process", str(rows), method, str(folder)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            figures = json.loads(done.stdout.splitlines()[-1])
            sent = f"{figures['sent']:.2f}" if method == "spawn" else "nothing"
            print(f"| {rows:,} | {method} | {figures['first']:.1f} | {sent} | {figures['memory']:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, help="folder with photographs")
    parser.add_argument("--images", type=int, default=12, help="pictures of each format (default: 12)")
    parser.add_argument("--repeats", type=int, default=7, help="passes over the pictures (default: 7)")
    parser.add_argument("--rows", type=int, nargs="*", default=[2000, 200_000], help="sizes of data set (default: 2000 200000)")
    parser.add_argument("--work_dir", help="where pictures and crops are kept meanwhile (default: the system's temporary folder)")
    parser.add_argument("--process", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    datasets.disable_progress_bars()
    if options.process:
        rows, method, folder = options.process
        print(json.dumps(loading_process(int(rows), method, Path(folder))))
        return
    photos = sorted(path for path in options.photos.rglob("*") if path.suffix in (".jpg", ".jpeg", ".png", ".webp")) \
        if options.photos else []
    if not photos:
        parser.error(f"--photos must be a folder with photographs (jpg, png, webp), got {options.photos}.")
    with tempfile.TemporaryDirectory(dir=options.work_dir) as folder:
        images = make_mix(photos, options.images, Path(folder) / "mix")
        print_table(measure(images, options.images, options.repeats, Path(folder)))
        if options.rows:
            print_loading_processes(options.rows, Path(folder))


if __name__ == "__main__":
    main()
