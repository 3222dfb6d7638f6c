"""The baseline of pixel statistics with and without each of them: which ones its figures rest on.

    python -m benchmarks.evaluation.baseline_parts [--data_dir RAW] [--without blockiness_8 ...] [--held_out 0.15] [--seed 42]

Without --data_dir it is the embedded sample, as `make demo` splits it. ``blockiness_8`` measures the 8×8 grid that a JPEG compression leaves,
which tells photographs that were once compressed from a network's outputs: a trace of files, not of generators. Printed: AUC on the test
pictures with 95 % intervals (DeLong, by source picture), undegraded, after JPEG 70, and after half size and back.
"""

import argparse
import sys

import numpy as np

from imaginet_core.pictures.degradations import CONDITION_TITLES
from imaginet_core.pictures.pixel_statistics import NAMES, statistics
from imaginet_core.text_tables import markdown_table
from imaginet_tools.evaluation.pixel_baseline import PixelStatistics
from imaginet_tools.evaluation.predict import BATCH_SIZE, iterate_prepared
from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.images.splits import load_splits
from imaginet_tools.metrics.delong import delong


def features(images: ImageSet, condition: str) -> np.ndarray:
    """The statistics of all images under a condition: float64 (N, 13)."""
    return np.concatenate([np.stack(batch) for batch in iterate_prepared(images, condition, statistics, BATCH_SIZE, "pixel statistics")])


def table(train: ImageSet, test: ImageSet, without: list[str]) -> str:
    """Markdown: a row for all statistics and one without each of those named."""
    learned = features(train, "clean")
    of_test = {condition: features(test, condition) for condition in CONDITION_TITLES}
    rows = []
    for left_out in (None, *without):
        kept = [number for number, name in enumerate(NAMES) if name != left_out]
        baseline = PixelStatistics().fit(learned[:, kept], train.label)
        areas = [delong(test.label, baseline.probabilities(of_test[condition][:, kept]), test.source_image) for condition in of_test]
        rows.append([f"without {left_out}" if left_out else "all", *map(str, areas)])
    return markdown_table(["statistics", *CONDITION_TITLES.values()], rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.evaluation.baseline_parts", description=__doc__.partition("\n")[0])
    parser.add_argument("--data_dir", help="folder of raw images with lists, as for training (default: the embedded sample)")
    parser.add_argument("--without", nargs="+", choices=NAMES, default=list(NAMES), metavar="STATISTIC", help="(default: each of them)")
    parser.add_argument("--held_out", type=float, default=0.15, help="as in training (default: 0.15)")
    parser.add_argument("--seed", type=int, default=42, help="as in training")
    options = parser.parse_args()
    try:
        data = DataOptions(data_dir=options.data_dir, config_name=None if options.data_dir else "sample", held_out=options.held_out)
        splits = load_splits(data, options.seed)
    except (ValueError, OSError) as error:
        sys.exit(f"benchmarks.evaluation.baseline_parts: {error}")
    print(table(splits.train, splits.test, options.without))


if __name__ == "__main__":
    main()
