"""What early exit, other engines and other precisions cost in AUC, on the test list of a data set.

    python -m benchmarks.evaluation.formats --model MODEL --data_dir RAW [--seed 42] [--work_dir DIR]

MODEL was trained on RAW. It is exported for each engine and precision that this processor computes; pictures of the training list, as many
of each class as there are, 64 at most, set the scales of int8 and compare exports. Then all of them score the test list, which chooses nothing.
Printed: the AUC with its 95 % interval (DeLong, by source picture), its difference from the whole network in PyTorch, the largest difference
of a probability, and with early exit the share of pictures that left early. An export that is refused, since a probability is further off than
is admitted, is made once more with another limit.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from imaginet_core.text_tables import markdown_table
from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.image_set import REAL, SYNTHETIC, ImageSet
from imaginet_tools.images.splits import load_splits
from imaginet_tools.inference.export_model import Wish, check_processor, export_model
from imaginet_tools.inference.saved_detector import SavedDetector, open_detector
from imaginet_tools.metrics.delong import delong

WHOLE = "PyTorch fp32"
EXPORTS = (("onnx", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"), ("onnx", "int8"), ("openvino", "int8"))
FOLDERS = {REAL: "real", SYNTHETIC: "synthetic"}
EACH, CHUNK = 64, 32
"""Training pictures of each class at most; pictures that are read at a time."""


def write_training_pictures(images: ImageSet, folder: Path, seed: int) -> Path:
    """Some of each class, as PNG files."""
    for label, name in FOLDERS.items():
        (folder / name).mkdir(parents=True)
        of_class = np.flatnonzero(images.label == label)
        for index in np.random.default_rng(seed).permutation(of_class)[:EACH]:
            Image.fromarray(images.pixels(index)).save(folder / name / f"{index}.png")
    return folder


def detectors_of(model: str, pictures: Path, folder: Path) -> dict[str, SavedDetector | str]:
    """Name -> detector, or the sentence why there is none."""
    found: dict[str, SavedDetector | str] = {WHOLE: open_detector(model, device="cpu")}
    try:
        found["PyTorch fp32, early exit"] = open_detector(model, device="cpu", early_exit=True)
    except ValueError as error:
        found["PyTorch fp32, early exit"] = str(error)
    for format, precision in EXPORTS:
        place = folder / f"{format}_{precision}"
        for limit, name in ((None, f"{format} {precision}"), (1.0, f"{format} {precision}, beyond the usual limit")):
            wish = Wish(format, precision, str(pictures), str(pictures), limit)
            try:
                check_processor(wish)
                export_model(model, str(place), wish)
                found[name] = open_detector(str(place), device="cpu")
                break
            except ValueError as error:
                print(f"{name}: {error}", file=sys.stderr, flush=True)
                found[name] = str(error)
    return found


def table(detectors: dict[str, SavedDetector | str], images: ImageSet) -> str:
    """Markdown."""
    lines, whole = [], None
    for name, detector in detectors.items():
        if isinstance(detector, str):
            lines.append([name, f"none: {detector}", "", "", ""])
            continue
        parts = [
            detector.scores([images.pixels(index) for index in range(start, min(start + CHUNK, len(images)))])
            for start in range(0, len(images), CHUNK)
        ]
        probability = np.concatenate([part.probability for part in parts])
        area = delong(images.label, probability, images.source_image)
        whole = whole or (area.value, probability)
        share = f"{np.isnan(np.concatenate([part.feature for part in parts])).any(1).mean():.0%}" if detector.early_exit else ""
        same = name == WHOLE
        lines.append([
            name, f"{area.value:.4f} [{area.low:.3f}, {area.high:.3f}]", "" if same else f"{area.value - whole[0]:+.4f}",
            "" if same else f"{np.abs(probability - whole[1]).max():.1g}", share,
        ])
        print(lines[-1], file=sys.stderr, flush=True)
    return markdown_table(["format", "AUC", "difference", "largest difference of a probability", "answered early"], lines)


def main(arguments: list[str]) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, help="folder of a saved model")
    parser.add_argument("--data_dir", required=True, help="folder of raw images with lists, as for training")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--work_dir", help="where exports are kept for the while (default: a temporary folder)")
    options = parser.parse_args(arguments)
    splits = load_splits(DataOptions(data_dir=options.data_dir), options.seed)
    with tempfile.TemporaryDirectory(dir=options.work_dir) as folder:
        pictures = write_training_pictures(splits.train, Path(folder, "pictures"), options.seed)
        print(table(detectors_of(options.model, pictures, Path(folder)), splits.test))
    print(f"\n{len(splits.test)} pictures of {len(np.unique(splits.test.source_image))} source pictures.")


if __name__ == "__main__":
    main(sys.argv[1:])
