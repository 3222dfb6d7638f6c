"""The classifiers of statistics without any network: each alone, both in one, and their sum, on every generator and fold.

    python -m benchmarks.unseen.statistics_alone --data_dir ../shared/lab

Each of the training list's folds is scored once for each generator left out: its pictures against real ones ("unseen"), and those of the
others against real ones ("known"), by classifiers fitted to eight views of the other folds' pictures without that generator. So there are
as many cells as folds times generators, where the networks' table has one for each generator. 6 minutes on one core.
"""

import argparse

import numpy as np
import torch

from benchmarks.unseen.figures import Figures, difference, figures_of
from benchmarks.unseen.parts import Lab
from benchmarks.unseen.scores import CONDITIONS, by_condition
from imaginet_core.text_tables import markdown_table
from imaginet_tools.evaluation.predict import iterate_prepared
from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.image_set import REAL, ImageSet
from imaginet_tools.images.splits import in_fold, load_any
from modeling import SelfConImageProcessor
from modeling.front_ends import DetailRelations, KernelClassifier, PixelStatistics
from training.stages.normalise import normalise
from training.stages.statistics_classifier import VIEWS, fit
from training.views.random_views import RandomViews
from training.views.recipes import RobustView

CENTRES, SEED, FOLDS, BATCH = 300, 42, 3, 16
SPECTRUM, RELATIONS = slice(0, PixelStatistics.COUNT), slice(PixelStatistics.COUNT, None)
WAYS = {
    "pixel statistics": [SPECTRUM], "relations of details": [RELATIONS], "both in one classifier": [slice(None)],
    "sum of two classifiers": [SPECTRUM, RELATIONS],
}
"""Row of the table -> the statistics that each of its classifiers sees."""


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


def of_views(images: ImageSet) -> np.ndarray:
    """Of views of each image as stage 2 draws them, float64 (VIEWS, N, 56)."""
    views, found = RandomViews(images, RobustView(256), sorted(set(images.family)), sorted(set(images.generator)), SEED), []
    for epoch in range(VIEWS):
        views.set_epoch(epoch)
        loader = torch.utils.data.DataLoader(views, batch_size=BATCH)
        found.append(np.concatenate([statistics_of(normalise(batch["pixels"].flatten(0, 1))) for batch in loader]))
        print(f"views: {epoch + 1} of {VIEWS}", flush=True)
    return np.stack(found)


def of_pictures(images: ImageSet, conditions: tuple[str, ...]) -> np.ndarray:
    """Of each whole picture under the condition that it draws, float64 (N, 56)."""
    found, processor = np.empty((len(images), PixelStatistics.COUNT + DetailRelations.COUNT)), SelfConImageProcessor()
    prepare = lambda picture: processor(picture, return_tensors="pt")["pixel_values"]
    for condition, own in by_condition(images, conditions):
        batches = iterate_prepared(images.select(own), condition, prepare, BATCH, "statistics")
        found[own] = np.concatenate([statistics_of(torch.cat(batch)) for batch in batches])
    return found


def answers(way: list[slice], fitted_on: np.ndarray, label: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Sum of log-odds of statistics ``asked``, float (n, 56), by classifiers fitted to others, float (m, 56), of labels int (m,)."""
    total = np.zeros(len(asked))
    for columns in way:
        classifier = KernelClassifier(Columns(columns), CENTRES)
        fit(classifier, fitted_on[:, columns], label, np.ones(len(label)), SEED)
        total += classifier(torch.from_numpy(asked).float()).numpy()
    return total


def rows_of(way: list[slice], images: ImageSet, views: np.ndarray, pictures: dict[str, np.ndarray]) -> tuple[dict, dict]:
    """The cells of one way as ``figures.figures_of`` takes them: of generators left out, and of known ones."""
    unseen, known = [], []
    for fold in range(1, FOLDS + 1):
        inside = in_fold(images.source_image, fold, FOLDS)
        for generator in sorted(set(images.generator[images.label != REAL])):
            train = ~inside & (images.generator != generator)
            fitted_on, label = views[:, train].reshape(-1, views.shape[2]), np.tile(images.label[train], len(views))
            asked = np.concatenate([table[inside] for table in pictures.values()])
            said = dict(zip(pictures, answers(way, fitted_on, label, asked).reshape(len(pictures), -1), strict=True))
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
    lab = Lab(parser.parse_args().data_dir)
    images = ImageSet.from_rows(load_any(DataOptions(data_dir=str(lab.folder)))["train"], "the training list")
    views = of_views(images)
    pictures = {column: of_pictures(images, conditions) for column, conditions in CONDITIONS.items()}
    rows = {name: rows_of(way, images, views, pictures) for name, way in WAYS.items()}
    for title, number in (("generators left out", 0), ("known generators", 1)):
        figures = {name: {column: figures_of(row[number], column) for column in CONDITIONS} for name, row in rows.items()}
        print(f"\n{title}, mean AUC of {len(lab.generators) * FOLDS} cells (more than the first row)\n\n{table_of(figures)}")


if __name__ == "__main__":
    main()
