"""Leave one generator out: which images a run trains on, and which are scored, as lists beside the run."""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

import imaginet
from benchmarks.unseen.rows import LONG, SHORT
from imaginet_core.storage.safe_writes import write_aside
from imaginet_tools.images.image_set import REAL, ImageSet
from imaginet_tools.images.splits import in_fold

TRAIN = imaginet.LIST_NAMES["train"][1]

LABELS = ("labels.yaml", "SOURCES.tsv")
"""What a list's numbers and its source pictures are called, beside the list or in the folder of the images."""


class Plan(NamedTuple):
    """What all rows of a table have in common; rows of different plans cannot be compared.

    Attributes:
        data: name of the folder of images.
        fingerprint: of the training list.
        folds: the training list is cut into so many by source picture, and a run scores one of them; 0: it scores the test list,
            and trains on all of the training list.
        views: crops of 96 × 96 that stage 1 of a run sees; None: as many as the epochs in ``common`` show.
        seed: of the runs.
        common: options that every run is given beside its row's.
    """

    data: str
    fingerprint: str
    folds: int
    views: int | None
    seed: int
    common: tuple[str, ...]


class Part(NamedTuple):
    """One run's images.

    Attributes:
        generator: left out of training; its pictures are scored.
        fold: that is scored, from 1; 0 for the test list.
        train: images to train on (and to calibrate on).
        scored: pictures of the generator and real ones; no source picture of theirs is in ``train``.
    """

    generator: str
    fold: int
    train: ImageSet
    scored: ImageSet


class Lab:
    """The images of a folder with lists.

    Args:
        data_dir: folder with images and lists, as for train_selfcon.py.

    Raises:
        ValueError: if it has no training list, or pictures of fewer than two generators.
    """

    def __init__(self, data_dir: str):
        self.folder = Path(data_dir).resolve()
        if "train" not in (lists := imaginet.find_lists(str(self.folder))):
            raise ValueError(f"{data_dir} has no list of training images ({TRAIN}); give a folder with lists.")
        self.lines = _lines_by_path(Path(lists["train"]))
        beside = Path(lists["train"]).parent
        self.names = beside if (beside / LABELS[0]).exists() else self.folder
        self.train = ImageSet.from_raw("all", ("train",), data_dir=str(self.folder))
        self.generators = sorted(set(self.train.generator[self.train.label != REAL].tolist()))
        if len(self.generators) < 2:
            raise ValueError(f"{data_dir} has pictures of {len(self.generators)} generator(s); to leave one out takes two.")

    def part(self, generator: str, folds: int, known: int | None = None) -> Part:
        """The images of the run that leaves ``generator`` out; see :class:`Plan` for ``folds``.

        Generators take the folds in turn. Trained on are real pictures and those of ``known`` generators, the next ones in the order
        of ``generators``, which begins anew behind its last; None: all others.
        """
        place = self.generators.index(generator)
        others = [*self.generators[place + 1 :], *self.generators[:place]][:known]
        trains = (self.train.label == REAL) | np.isin(self.train.generator, others)
        fold = place % folds + 1 if folds else 0
        if folds:
            trains &= ~in_fold(self.train.source_image, fold, folds)
        pool = self.pool(fold, folds)
        return Part(generator, fold, self.train.select(trains), pool.select((pool.label == REAL) | (pool.generator == generator)))

    def pool(self, fold: int, folds: int) -> ImageSet:
        """Real pictures and those of all generators out of which a run scores some: a fold of the training list, or the test list."""
        if folds == 0:
            return ImageSet.from_raw("all", ("test",), data_dir=str(self.folder))
        return self.train.select(in_fold(self.train.source_image, fold, folds))

    def write_list(self, images: ImageSet, folder: Path) -> None:
        """A folder of lists for ``--annotations`` with these images alone, in the order of the lab's own list."""
        folder.mkdir(parents=True, exist_ok=True)
        wanted = set(images.path.tolist())
        with write_aside(folder / TRAIN) as aside:
            aside.write_text("".join(f"{line}\n" for path, line in self.lines.items() if path in wanted), encoding="utf-8")
        for name in LABELS:
            if (self.names / name).exists():
                with write_aside(folder / name) as aside:
                    aside.write_bytes((self.names / name).read_bytes())


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    """The options that tell which runs are meant."""
    parser.add_argument("--data_dir", default="../shared/lab", help="folder with images and lists (default: %(default)s)")
    parser.add_argument("--views", type=int, default=3840, help="crops that stage 1 of each run sees (default: %(default)s)")
    parser.add_argument("--epochs", type=int, help="train for so many, in the preset's batches, whatever --views says (the preset: 800)")
    parser.add_argument("--folds", type=int, default=3, help="of the training list (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=42, help="(default: %(default)s)")
    parser.add_argument("--test_list", action="store_true", help="score the test list; its rows have a folder of their own")


def folder_name(options: argparse.Namespace) -> str:
    """Of the folder for the plan's runs, and of that for its rows."""
    length = f"views_{options.views}" if options.epochs is None else f"epochs_{options.epochs}"
    return f"{length}_test_list" if options.test_list else length


def plan_of(options: argparse.Namespace, lab: Lab) -> Plan:
    """The plan that these options tell."""
    views, common = (options.views, SHORT) if options.epochs is None else (None, (*LONG, "--epochs", str(options.epochs)))
    folds = 0 if options.test_list else options.folds
    return Plan(lab.folder.name, lab.train.fingerprint(), folds, views, options.seed, common)


def _lines_by_path(file: Path) -> dict[str, str]:
    """The lines of a list by the paths of its images, as the builder names them."""
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    return {line.rsplit(",", 4)[0].removeprefix("./"): line for line in lines if line.strip()}
