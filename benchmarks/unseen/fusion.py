"""Ways of joining a network and the classifier of pixel statistics, on the finished runs of a row.

    python -m benchmarks.unseen.fusion --data_dir ../shared/lab --views 19200 [--out runs/unseen] [--shifts 1 2] [--row ROW]

Each generator was kept from one run, see ``benchmarks.unseen``, which makes them. Both log-odds are brought to one scale by logistic
regressions on the run's held-out images, under all columns' conditions; then each way joins them. "Known" are the held-out images
themselves, of the generators that the run was trained with: few, and the scales were fitted on them. Nothing is fitted on what is scored.
``--shifts``: the network sees pictures moved by these numbers of pixels instead of by the preset's.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from benchmarks.unseen.parts import Lab, Part, Plan, add_plan_options, folder_name, plan_of
from benchmarks.unseen.rows import ROWS
from benchmarks.unseen.runs import finished_folder, options_of, splits_of
from benchmarks.unseen.scores import CONDITIONS, of_pixels
from imaginet_core.text_tables import markdown_table
from imaginet_tools.images.image_set import ImageSet
from modeling import SelfConForImageClassification, SelfConImageProcessor
from training.stages.statistics_classifier import calibrated


def bounded(network: np.ndarray, least: float) -> np.ndarray:
    """Log-odds that speak for "real" no louder than about ``least``, and keep their order: what a network knows of the traces of known
    generators can show that a picture is synthetic, and their absence cannot show that it is real."""
    return np.logaddexp(0, network + least) - least


WAYS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "network": lambda network, statistics: network,
    "statistics": lambda network, statistics: statistics,
    "sum": lambda network, statistics: network + statistics,
    "either (log-sum-exp)": np.logaddexp,
    "network at least -2": lambda network, statistics: bounded(network, 2) + statistics,
    "network at least -1": lambda network, statistics: bounded(network, 1) + statistics,
    "network at least 0": lambda network, statistics: bounded(network, 0) + statistics,
    "network at least -1, half of statistics": lambda network, statistics: bounded(network, 1) + statistics / 2,
}


class Witnesses:
    """A saved detector's two log-odds.

    Args:
        place: folder of the model, with a classifier of statistics.
        shifts: of the configuration; None: as they are.
    """

    def __init__(self, place: Path, shifts: list[int] | None):
        changed = {"network_floor": 0.0} if shifts is None else {"network_floor": 0.0, "shifts": shifts}
        self.model = SelfConForImageClassification.from_pretrained(place, **changed).eval()
        self.processor = SelfConImageProcessor.from_pretrained(place)

    def log_odds(self, images: ImageSet, conditions: tuple[str, ...]) -> np.ndarray:
        """Of network and statistics, float (2, N); each picture under the condition of these that its path draws."""
        return of_pixels(images, conditions, self.processor, self._of_batch, "log-odds").T

    @torch.no_grad()
    def _of_batch(self, pixels: torch.Tensor) -> np.ndarray:
        statistics = self.model.statistics_classifier(pixels)
        return torch.stack([self.model(pixels).origin_logit - statistics, statistics], dim=1).double().numpy()


def aucs_of_run(part: Part, lab: Lab, plan: Plan, out: Path, row: str, shifts: list[int] | None) -> tuple[np.ndarray, np.ndarray]:
    """AUC of the generator left out and of the known ones, each (ways, columns), in the run of a row."""
    folder = finished_folder(row, part, plan, out)
    witnesses, held_out = Witnesses(folder / "model", shifts), splits_of(options_of(ROWS[row], part, lab, plan, out)).held_out
    known, unseen = (
        [witnesses.log_odds(images, conditions) for conditions in CONDITIONS.values()] for images in (held_out, part.scored)
    )
    fitted_on, labels = np.concatenate(known, axis=1), np.tile(held_out.label, len(known))

    def aucs(columns: list[np.ndarray], label: np.ndarray) -> np.ndarray:
        both = [[calibrated(fitted_on[number], labels, column[number]) for number in (0, 1)] for column in columns]
        return np.array([[roc_auc_score(label, way(*each)) for each in both] for way in WAYS.values()])

    return aucs(unseen, part.scored.label), aucs(known, held_out.label)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.unseen.fusion", description=__doc__.partition("\n")[0])
    add_plan_options(parser)
    parser.add_argument("--out", type=Path, default=Path("runs/unseen"), help="of the runs (default: %(default)s)")
    parser.add_argument("--shifts", type=int, nargs="+", help="of the network (default: the preset's)")
    parser.add_argument("--row", choices=ROWS, default="preset", metavar="ROW", help="whose runs (default: %(default)s)")
    options = parser.parse_args()
    lab = Lab(options.data_dir)
    plan, out = plan_of(options, lab), (options.out / folder_name(options)).resolve()
    parts = [lab.part(generator, plan.folds) for generator in lab.generators]
    found = [aucs_of_run(part, lab, plan, out, options.row, options.shifts) for part in parts]
    unseen, known = (np.stack(each) for each in zip(*found, strict=True))
    lines = [
        [way, *(f"{value:.3f}" for value in (*unseen[:, number].mean(0), unseen[:, number, 0].min(), *known[:, number].mean(0)))]
        for number, way in enumerate(WAYS)
    ]
    print(markdown_table(["way", *CONDITIONS, "worst, clean", *(f"known, {column}" for column in CONDITIONS)], lines))


if __name__ == "__main__":
    main()
