"""The classifiers of statistics without any network: each alone, both in one, and their sum, on every generator and fold.

    python -m benchmarks.unseen.statistics_alone --data_dir ../shared/lab [--out runs/unseen]

Each of the training list's folds is scored once for each generator left out: its pictures against real ones ("unseen"), and those of the
others against real ones ("known"), by classifiers fitted to eight views of the other folds' pictures without that generator. So there are
as many cells as folds times generators, where the networks' table has one for each generator. Last come the sum that also learns from
simulated generators, which are fitted to the other folds' real pictures, and the sum that knows these and real pictures alone.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from accelerate import Accelerator

from benchmarks.unseen.figures import Figures, difference, figures_of
from benchmarks.unseen.parts import Lab
from benchmarks.unseen.scores import CONDITIONS, of_pixels
from imaginet_core.text_tables import markdown_table
from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.image_set import REAL, SYNTHETIC, ImageSet
from imaginet_tools.images.splits import in_fold, load_any
from modeling import SelfConImageProcessor
from modeling.front_ends import DetailRelations, KernelClassifier, PixelStatistics
from training.simulation.simulated import make_simulated
from training.stages.normalise import normalise
from training.stages.statistics_classifier import COUNTERPART_WEIGHT, VIEWS, fit
from training.views.random_views import RandomViews
from training.views.recipes import RobustView

CENTRES, SEED, FOLDS, BATCH, NETWORKS = 300, 42, 3, 16, 4
SPECTRUM, RELATIONS = slice(0, PixelStatistics.COUNT), slice(PixelStatistics.COUNT, None)


class Way(NamedTuple):
    """A row of the tables.

    Attributes:
        parts: the statistics that each of its classifiers sees.
        known: whether they learn from generators' pictures.
        simulated: whether they learn from simulated counterparts of real ones.
    """

    parts: tuple[slice, ...]
    known: bool = True
    simulated: bool = False


WAYS = {
    "pixel statistics": Way((SPECTRUM,)), "relations of details": Way((RELATIONS,)), "both in one classifier": Way((slice(None),)),
    "sum of two classifiers": Way((SPECTRUM, RELATIONS)),
    f"the sum, and {NETWORKS} simulated generators": Way((SPECTRUM, RELATIONS), simulated=True),
    f"the sum, of real pictures and {NETWORKS} simulated generators alone": Way((SPECTRUM, RELATIONS), known=False, simulated=True),
}


class Columns(torch.nn.Module):
    """In place of statistics of pixels: some columns of those that were computed before, float (N, 56)."""

    def __init__(self, columns: slice):
        super().__init__()
        self.columns = columns
        self.COUNT = len(range(PixelStatistics.COUNT + DetailRelations.COUNT)[columns])

    def forward(self, table: torch.Tensor) -> torch.Tensor:
        return table[:, self.columns]


@torch.no_grad()
def statistics_of(pixels: torch.Tensor) -> np.ndarray:
    """Normalised pixels (B, 3, H, W) -> both kinds of statistics, float64 (B, 56)."""
    return torch.cat([PixelStatistics()(pixels), DetailRelations()(pixels)], 1).double().numpy()


def of_views(images: ImageSet, title: str, pool: Path | None = None) -> np.ndarray:
    """Of views of each image as stage 2 draws them, float64 (VIEWS, N, 56); with ``pool``, a folder for simulated generators, of
    the images' counterparts instead, all of which must be real."""
    kinds = (sorted(set(images.family)), sorted(set(images.generator)))
    simulated = None if pool is None else make_simulated(images, images, "networks", NETWORKS, pool, SEED, Accelerator(cpu=True))
    views, found = RandomViews(images, RobustView(256), *kinds, SEED, simulated=simulated), []
    items = range(len(images)) if simulated is None else range(len(images), 2 * len(images))
    for epoch in range(VIEWS):
        views.set_epoch(epoch)
        loader = torch.utils.data.DataLoader(views, batch_size=BATCH, sampler=items)
        found.append(np.concatenate([statistics_of(normalise(batch["pixels"].flatten(0, 1))) for batch in loader]))
        print(f"views of {title}: {epoch + 1} of {VIEWS}", flush=True)
    return np.stack(found)


def answers(parts: tuple[slice, ...], fitted_on: np.ndarray, label: np.ndarray, weight: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Sum of log-odds of statistics ``asked``, float (n, 56), by a classifier for each part, fitted to others, float (m, 56), of labels
    int (m,), that count by their weights, float (m,)."""
    total = np.zeros(len(asked))
    for columns in parts:
        classifier = KernelClassifier(Columns(columns), CENTRES)
        fit(classifier, fitted_on[:, columns], label, weight, SEED)
        total += classifier(torch.from_numpy(asked).float()).numpy()
    return total


def rows_of(
    way: Way, images: ImageSet, views: np.ndarray, simulated: dict[int, np.ndarray], pictures: dict[str, np.ndarray]
) -> tuple[dict, dict]:
    """The cells of one way as ``figures.figures_of`` takes them: of generators left out, and of known ones. ``simulated``: statistics of
    the counterparts that stand for each fold's training pictures."""
    unseen, known = [], []
    for fold in range(1, FOLDS + 1):
        inside = in_fold(images.source_image, fold, FOLDS)
        for generator in sorted(set(images.generator[images.label != REAL])):
            train = ~inside & ((images.generator != generator) if way.known else (images.label == REAL))
            fitted_on, label = views[:, train].reshape(-1, views.shape[2]), np.tile(images.label[train], len(views))
            made = simulated[fold].reshape(-1, views.shape[2]) if way.simulated else fitted_on[:0]
            weight = np.append(np.ones(len(label)), np.full(len(made), COUNTERPART_WEIGHT))
            fitted_on, label = np.concatenate([fitted_on, made]), np.append(label, np.full(len(made), SYNTHETIC))
            asked = np.concatenate([table[inside] for table in pictures.values()])
            said = dict(zip(pictures, answers(way.parts, fitted_on, label, weight, asked).reshape(len(pictures), -1), strict=True))
            for runs, wanted in ((unseen, images.generator == generator), (known, images.generator != generator)):
                own = ((images.label == REAL) | wanted)[inside]
                runs.append({
                    "generator": f"{generator}, fold {fold}", "source_image": images.source_image[inside][own].tolist(),
                    "label": images.label[inside][own].tolist(), "threshold": 0.0,
                    "probability": {column: values[own] for column, values in said.items()},
                })
    return {"runs": unseen}, {"runs": known}


def table_of(figures: dict[str, dict[str, Figures]]) -> str:
    """Markdown: a row's mean AUCs, and the difference of its mean over the columns' from the first row's."""
    first = next(iter(figures.values()))
    return markdown_table(["statistics", *CONDITIONS], [
        [row, *(
            f"{own[column].mean}" + ("" if own is first else f" ({difference(own[column], first[column])})") for column in CONDITIONS
        )] for row, own in figures.items()
    ])


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(prog="benchmarks.unseen.statistics_alone", description=__doc__.partition("\n")[0])
    parser.add_argument("--data_dir", required=True, help="folder with images and lists, as for train_selfcon.py")
    parser.add_argument("--out", type=Path, default=Path("runs/unseen"), help="for the simulated generators (default: %(default)s)")
    options = parser.parse_args()
    lab = Lab(options.data_dir)
    images = ImageSet.from_rows(load_any(DataOptions(data_dir=str(lab.folder)))["train"], "the training list")
    views, simulated = of_views(images, "all pictures"), {}
    for fold in range(1, FOLDS + 1):
        real = images.select((images.label == REAL) & ~in_fold(images.source_image, fold, FOLDS))
        simulated[fold] = of_views(real, f"simulated counterparts without fold {fold}", options.out / "simulated")
    processor = SelfConImageProcessor()
    pictures = {column: of_pixels(images, conditions, processor, statistics_of, "statistics") for column, conditions in CONDITIONS.items()}
    rows = {name: rows_of(way, images, views, simulated, pictures) for name, way in WAYS.items()}
    for title, number in (("generators left out", 0), ("known generators", 1)):
        figures = {name: {column: figures_of(row[number], column) for column in CONDITIONS} for name, row in rows.items()}
        print(f"\n{title}, mean AUC of {len(lab.generators) * FOLDS} cells (more than the first row)\n\n{table_of(figures)}")


if __name__ == "__main__":
    main()
