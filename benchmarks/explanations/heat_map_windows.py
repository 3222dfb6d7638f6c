"""Which windows and averages of heat maps find a pasted region best, and what a second pass adds; the test list is not touched.

    python -m benchmarks.explanations.heat_map_windows --model MODEL --data_dir LAB [--held_out 0.15] [--seed 42]

MODEL was trained on LAB with the same --held_out and --seed. Composites of ``localisation`` from pictures of the training list that were held
out. Printed for each side of the window and of the average, and for one pass and two (the second of the picture turned by half a turn): mean
AUC of pixels, and IoU on synthetic into real at the best threshold that marks at most QUIET of real into real, with that threshold.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.explanations.localisation import SPARSE, Composite, composites, iou, pixel_aucs, quiet_threshold  # noqa: E402
from imaginet_core.detection.heat_map import averaged  # noqa: E402
from imaginet_core.text_tables import markdown_table  # noqa: E402
from imaginet_tools.images.data_options import DataOptions  # noqa: E402
from imaginet_tools.images.splits import load_splits  # noqa: E402
from imaginet_tools.inference.networks.torch_network import TorchNetwork  # noqa: E402
from imaginet_tools.inference.saved_detector import open_detector  # noqa: E402

WINDOWS, AVERAGES = (8, 24, 40, 72), (8, 56, 72)
"""Sides in pixels; one of 8 is a single place of the preset ``laptop``."""


def maps_of(network: TorchNetwork, pictures: list[Composite], window: int) -> dict[tuple[int, int], list[np.ndarray]]:
    """(side of the average, passes) -> maps, float32 (H, W)."""
    found = {(side, passes): [] for side in AVERAGES for passes in (1, 2)}
    for each in tqdm(pictures, desc=f"window of {window}", unit=" pictures"):
        seen = each.pixels, np.ascontiguousarray(np.rot90(each.pixels, 2))
        logits = [network.local_logits(pixels, window) for pixels in seen]
        for side in AVERAGES:
            first, second = (averaged(part, network.settings.probability, each.pixels.shape[:2], side) for part in logits)
            found[side, 1].append(first)
            found[side, 2].append((first + np.rot90(second, 2)) / 2)
    return found


def row_of(pictures: list[Composite], maps: list[np.ndarray]) -> list[str]:
    """AUC of synthetic into real, of real into synthetic, IoU, and the threshold of that IoU."""
    area, pair = pixel_aucs(pictures, maps), np.array([each.pair for each in pictures])
    values, truth = [each[::SPARSE, ::SPARSE] for each in maps], [each.synthetic[::SPARSE, ::SPARSE] for each in pictures]
    threshold = quiet_threshold(pictures, values, truth)
    overlap = np.mean([iou(values[i] >= threshold, truth[i]) for i in np.flatnonzero(pair == "synthetic into real")])
    figures = area[pair == "synthetic into real"].mean(), area[pair == "real into synthetic"].mean(), overlap, threshold
    return [f"{each:.3f}" for each in figures]


def main(arguments: list[str]) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, help="folder of a saved model")
    parser.add_argument("--data_dir", required=True, help="folder of raw images with lists, as for training")
    parser.add_argument("--held_out", type=float, default=0.15, help="as in training (default: 0.15)")
    parser.add_argument("--seed", type=int, default=42, help="as in training (default: 42)")
    options = parser.parse_args(arguments)
    images = load_splits(DataOptions(data_dir=options.data_dir, held_out=options.held_out), options.seed).held_out
    pictures, network, rows = composites(images, options.seed, True), open_detector(options.model).network, []
    for window in WINDOWS:
        maps = maps_of(network, pictures, window)
        rows += [[str(window), str(side), *row_of(pictures, maps[side, 1]), *row_of(pictures, maps[side, 2])] for side in AVERAGES]
    figures = ("synthetic into real", "real into synthetic", "IoU", "at threshold")
    print(markdown_table(["window", "average", *figures, *(f"two passes: {each}" for each in figures)], rows))


if __name__ == "__main__":
    main(sys.argv[1:])
