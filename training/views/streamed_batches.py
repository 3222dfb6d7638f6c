"""Training on a stream: images as they come from the Hub or the disk, without preparing or even knowing the whole data set.

What must be known beforehand is gathered once, at most in one pass over the training stream: held-out images for calibration,
and a sample of the training images for the report. They lie with the test images in the run's own folder. A source image is
held out or not by a hash of its name alone, so that no list of names is needed and none of its images ever trains.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count, islice
from pathlib import Path

import datasets
import fsspec
import numpy as np
import torch
from accelerate import Accelerator
from datasets.distributed import split_dataset_by_node
from torch import Tensor
from torch.utils.data import DataLoader

import imaginet
from imaginet_core.pictures import degradations
from imaginet_core.pictures.partial_decode import PictureFile
from imaginet_tools.images.image_set import LABELS, as_image_set, check_columns
from imaginet_tools.images.splits import Splits, check_classes, load_any, plain_errors
from training.options import TrainingOptions
from training.views.batches import check_batch_size
from training.views.random_views import finished_views, margin_for, view_of_stage

SHUFFLED_ROWS = 512
"""Undecoded images among which each loading process draws the next (0.3 GB of ImagiNet's), from several files at a time."""
HELD_OUT_IMAGES, SAMPLE_IMAGES = 2000, 1000
"""Most images that are gathered for calibration, and of those that train for the report; half of them real."""
SAMPLED = "Trained on a stream: the training images counted here, and those of the pixel statistics, are a sample of it."
FOLDER = "streamed"
"""In the run's folder: the gathered images."""
ABSENT = {"content": "uncategorized", "family": "unknown", "generator": "unknown"}
"""Column with class names -> the one class of a stream without it."""
GATHERED = datasets.Features({
    "image": datasets.Image(), "calibration": datasets.Value("bool"),
    **{name: datasets.Value("string") for name in ("label", "content", "family", "generator", "source_image", "path", "part")},
})


def load_streamed_splits(options: TrainingOptions) -> Splits:
    """Opens the training stream and gathers held-out images, a sample of the training images and the test images.

    Every process calls it, the main process first; the others find what it gathered. ``Splits.stream`` holds undecoded images,
    held-out ones among them, which ``StreamedBatches`` leaves out; ``Splits.train`` is the sample. The class names are all that
    the columns' features name, whether the stream has such images or not.

    Raises:
        ValueError: if a split is missing or empty, has one class only, labels that are not real and synthetic, or columns
            with class names that are not of the feature ClassLabel.
    """
    loaded = load_any(options.data, streaming=True)
    stream = _undecoded(loaded["train"], f"the train split of {options.data.dataset}")
    names = [class_names(stream.features, column, options.data.dataset) for column in ABSENT]
    sample = _gather(stream, "train", options)
    part = np.array(sample["part"])
    train, held_out = (as_image_set(sample.select(np.flatnonzero(part == name)), name) for name in ("train", "held_out"))
    check_classes(train, "the training images that the stream gives")
    share = f"{options.data.held_out:.0%}"
    check_classes(held_out, f"the held-out {share} of the source images that the stream gives (raise --held_out)")
    test = None
    if "test" in loaded:
        stream_of_test = _undecoded(loaded["test"], f"the test split of {options.data.dataset}")
        test = as_image_set(_gather(stream_of_test, "test", options), "the test split")
        check_classes(test, "the scored images")
    description = f"{stream.info.description or ''} {SAMPLED}".strip()
    return Splits(train, held_out, test, *names, description=description, stream=stream)


def class_names(features: datasets.Features, column: str, dataset: str) -> list[str]:
    """The classes of a column without "real", in the feature's order. Raises ValueError for a column that does not name them."""
    if column not in features:
        return [ABSENT[column]]
    if not isinstance(features[column], datasets.ClassLabel):
        raise ValueError(
            f"The column {column!r} of {dataset} is no ClassLabel, so a stream does not tell its classes beforehand; cast it to "
            "ClassLabel, or train without --streaming."
        )
    return [name for name in features[column].names if name != "real"]


def is_held_out(source_image: str, options: TrainingOptions) -> bool:
    """Whether a source image is kept for calibration: a hash of its name, as a number in [0, 1), is below the share held out."""
    digest = hashlib.sha256(f"held out/{options.run.seed}/{source_image}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < options.data.held_out


def plain_row(row: dict, features: datasets.Features) -> dict:
    """A row of a stream in the columns of GATHERED, but ``part``; class numbers become names, absent columns their default.

    An image without a path is named by a hash of its bytes. Raises ValueError for a label that is not real or synthetic.
    """
    image = row["image"]
    path = row["path"] if "path" in features else image["path"] if image["bytes"] is None else _hash_of(image["bytes"])
    named = _text(row, features, "label")
    if named not in LABELS:
        raise ValueError(f"{path} has the label {named!r}; labels must be real and synthetic, or 0 and 1.")
    label = imaginet.LABELS[LABELS[named]]
    origin = "real" if label == "real" else "unknown"
    return {
        "image": image, "label": label, "path": path, "source_image": _text(row, features, "source_image", path),
        "content": _text(row, features, "content", "uncategorized"), "family": _text(row, features, "family", origin),
        "generator": _text(row, features, "generator", origin), "calibration": bool(row.get("calibration")),
    }


class StreamedBatches:
    """:class:`training.views.batches.Batches` of a stream, in an order drawn from seed and epoch among the rows of a buffer.

    The files of the stream are shared out over processes, and over the loading processes of each, where there are enough of
    them; else each process takes every n-th row. An epoch ends for all processes as soon as one has no full batch left, so that
    none waits for ever: what the others have left, up to the difference between the files' sizes, waits for the next epoch,
    which deals the files out anew. The order depends on the number of processes and of loading processes.

    Args:
        accelerator: whose processes share each batch.
        splits: as ``load_streamed_splits`` gives them.
        stage: 1 or 2. Stage 2 sees only the images on the calibration list, or those that the data set marks, if there are.
        options: batch_size, views, crop sizes, consistency, seed, held_out, num_workers and calibration_list.

    Raises:
        ValueError: if the batch size does not part evenly over the processes.
    """

    steps = None

    def __init__(self, accelerator: Accelerator, splits: Splits, stage: int, options: TrainingOptions):
        processes = accelerator.num_processes
        check_batch_size(options.stage_1.batch_size, options.stage_1.batch_size, processes)
        self.accelerator, self.options, self.share = accelerator, options, options.stage_1.batch_size // processes
        shuffled = splits.stream.shuffle(seed=options.run.seed, buffer_size=SHUFFLED_ROWS)
        own = split_dataset_by_node(shuffled, accelerator.process_index, processes)
        self.num_workers = min(options.views.num_workers, own.num_shards)  # more would find nothing to read
        self.views = StreamedViews(own, splits, stage, options)
        self.given: list[str] = []

    def epoch(self, number: int, skip: int = 0) -> Iterator[dict[str, Tensor]]:
        """As in ``Batches``; the rows of skipped batches are read but not decoded.

        Raises ValueError where not even the first batch can be filled, or an image cannot be read.
        """
        items = iter(self._loader(number, skip))
        for step in count():
            part = list(islice(items, self.share))
            if not self._everyone(len(part) == self.share):
                break
            if step >= skip:
                yield self._batch(part, step)
        if step == 0:
            raise ValueError(
                f"The stream does not fill one batch: a process found fewer than {self.share} images to train on; lower "
                f"--batch_size {self.options.stage_1.batch_size} or start fewer processes."
            )

    def paths(self, batch: dict[str, Tensor]) -> list[str]:
        """The images of ``batch``, the one last given, by their paths."""
        return self.given

    def _loader(self, number: int, skip: int) -> DataLoader:
        self.views.start(number, skip * self.share)
        workers = {"prefetch_factor": 2 + 2 * self.share // self.num_workers} if self.num_workers else {}
        return DataLoader(
            self.views, batch_size=None, collate_fn=_as_it_is, num_workers=self.num_workers, **workers,
            generator=torch.Generator(),  # of its own: the network's random numbers must not depend on when a run resumed
        )

    def _everyone(self, ready: bool) -> bool:
        """Whether all processes are ready; each of them asks at the same time."""
        if self.accelerator.num_processes == 1:
            return ready
        flag = torch.tensor(int(ready), device=self.accelerator.device)
        return int(self.accelerator.reduce(flag, "sum")) == self.accelerator.num_processes

    def _batch(self, items: list[dict], step: int) -> dict[str, Tensor]:
        self.given = [item["path"] for item in items]
        batch = {"pixels": torch.from_numpy(np.stack([item["pixels"] for item in items]))}
        batch |= {name: torch.tensor([item[name] for item in items]) for name in ("label", "family", "generator")}
        batch["index"] = torch.arange(step * self.share, (step + 1) * self.share)  # places in this process's part of the epoch
        return {name: value.to(self.accelerator.device, non_blocking=True) for name, value in batch.items()}


class StreamedViews(torch.utils.data.IterableDataset):
    """Random views of the rows of a stream that train: dicts like ``RandomViews``'s, with ``path`` in place of ``index``.

    ``pixels`` is an array. A view is the same function of path, epoch and seed as there. Args: see ``StreamedBatches``.
    """

    def __init__(self, stream: datasets.IterableDataset, splits: Splits, stage: int, options: TrainingOptions):
        self.stream, self.features, self.options = stream, stream.features, options
        self.view, self.degraded = view_of_stage(stage, options)
        self.families, self.generators = _numbers(splits.families), _numbers(splits.generators)
        file = options.data.calibration_list
        self.listed = imaginet.listed_paths(file) if stage == 2 and file else None
        self.only_marked = stage == 2 and self.listed is None and bool(splits.train.calibration.any())
        self.number = self.skipped = 0

    def start(self, number: int, skipped: int) -> None:
        """The next iteration is of epoch ``number``; its first ``skipped`` items, over all loading processes, are not wanted."""
        self.number, self.skipped = number, skipped

    def __iter__(self) -> Iterator[dict | None]:
        """Items; None in place of some of those that are not wanted."""
        self.stream.set_epoch(self.number)
        worker = torch.utils.data.get_worker_info()
        own, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        for place, row in enumerate(self._training_rows()):
            # the loader takes an item of each process in turn, so this one is at that place or, once others have ended, before it
            yield None if place * workers + own < self.skipped else self._item(row)

    def _training_rows(self) -> Iterator[dict]:
        for row in self.stream:
            row = plain_row(row, self.features)
            if is_held_out(row["source_image"], self.options) or (self.only_marked and not row["calibration"]):
                continue
            if self.listed is None or row["path"].removeprefix("./") in self.listed:
                yield row

    def _item(self, row: dict) -> dict:
        rng = degradations.rng_for(row["path"], f"{self.options.run.seed}/{self.number}")
        with PictureFile(_with_bytes(row["image"], row["path"]), row["path"]) as picture:
            window = self.view.place(picture.height, picture.width, rng)
            window = window.grown(margin_for(self.view, self.degraded), picture.height, picture.width)
            pixels = picture.read(window)
        return {
            "pixels": finished_views(self.view, pixels, window, rng, self.degraded).numpy(), "path": row["path"],
            "label": int(row["label"] == "synthetic"), "family": self.families.get(row["family"], -1),
            "generator": self.generators.get(row["generator"], -1),
        }


def _undecoded(stream: datasets.IterableDataset, what: str) -> datasets.IterableDataset:
    """The stream with images as bytes or paths. Raises ValueError if it is empty, or has no image and label."""
    if stream.features is None:
        raise ValueError(f"{what} does not tell its columns beforehand; train without --streaming.")
    check_columns(stream.features, what)
    if not isinstance(stream.features["image"], datasets.Image):
        raise ValueError(f"The column 'image' of {what} holds no images but {stream.features['image']}; cast it to Image.")
    stream = stream.cast_column("image", datasets.Image(decode=False))
    if next(iter(stream), None) is None:
        raise ValueError(f"{what} is a stream without any image.")
    return stream


def _gather(stream: datasets.IterableDataset, split: str, options: TrainingOptions) -> datasets.Dataset:
    """What the run needs of a split, in the run's folder; found there if it was gathered before."""
    origin = {**asdict(options.data), "seed": options.run.seed}
    with plain_errors(options.data.dataset):
        rows = datasets.Dataset.from_generator(
            _sample if split == "train" else _all, features=GATHERED, cache_dir=str(Path(options.run.output_dir) / FOLDER),
            gen_kwargs={"stream": stream, "options": options}, split=datasets.NamedSplit(split),
            fingerprint=f"{split}-{_hash_of(repr(origin).encode())}",
        )
    rows.info.config_name, rows.info.description = stream.info.config_name, stream.info.description
    return rows


def _sample(stream: datasets.IterableDataset, options: TrainingOptions) -> Iterator[dict]:
    """Held-out images and some that train, each up to its number of real and of synthetic ones."""
    most, found = {"held_out": HELD_OUT_IMAGES // 2, "train": SAMPLE_IMAGES // 2}, Counter()
    for row in stream.shuffle(seed=options.run.seed, buffer_size=SHUFFLED_ROWS):
        row = plain_row(row, stream.features)
        part = "held_out" if is_held_out(row["source_image"], options) else "train"
        if found[part, row["label"]] < most[part]:
            found[part, row["label"]] += 1
            yield {**row, "image": _with_bytes(row["image"], row["path"]), "part": part}
        if found.total() == 2 * sum(most.values()):
            return


def _all(stream: datasets.IterableDataset, options: TrainingOptions) -> Iterator[dict]:
    for row in stream:
        row = plain_row(row, stream.features)
        yield {**row, "image": _with_bytes(row["image"], row["path"]), "part": "test"}


def _with_bytes(image: dict, name: str) -> dict:
    """The undecoded image with its file's bytes, read from wherever its path leads. Raises ValueError naming a missing file."""
    if image["bytes"] is not None:
        return image
    try:
        with fsspec.open(image["path"], "rb") as file:
            return {"bytes": file.read(), "path": None}
    except OSError as error:
        raise ValueError(f"{name} cannot be read ({error}); see that it is there and run again.") from error


def _text(row: dict, features: datasets.Features, column: str, absent: str | None = None) -> str | None:
    if column not in features:
        return absent
    feature = features[column]
    return feature.int2str(row[column]) if isinstance(feature, datasets.ClassLabel) else str(row[column])


def _numbers(names: list[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}


def _hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _as_it_is(item):
    return item
