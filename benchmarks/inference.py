"""Scoring pictures: what each format of a detector costs, and how far its answers are from PyTorch's.

    python benchmarks/inference.py [--networks laptop resnet50] [--pictures 200] [--repeats 3] [--work_dir DIR [--prepare]] [--output TABLE.md]

The rival is the way of the reference: eager PyTorch in fp32, one picture after another, opened by Pillow. Networks have random
weights, whose statistics are those of the sample's pictures, so that activations are of the size of trained ones: ``laptop`` is
the preset's network, ``resnet50`` the paper's. "Alone" is the network on one crop that is in memory; "folder" is everything from
files of 256 × 256 pixels to probabilities, by ``SavedDetector.scores``; "photograph" is the same for a JPEG of 12 megapixels, of
which the centre is scored. All contestants take turns in one process; the quickest
turn of each counts, so that others' work on the computer weighs little. Ratios are to the rival of the same run.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import imaginet
from imaginet_core.text_tables import markdown_table
from imaginet_tools.inference.export_model import Wish, check_processor, export_model
from imaginet_tools.inference.processor import processor_flags
from imaginet_tools.inference.saved_detector import open_detector
from modeling import SelfConConfig, SelfConForImageClassification, SelfConImageProcessor
from training.presets import PRESETS

RIVAL, TORCH = "eager PyTorch, one by one, Pillow", "torch fp32"
EXPORTS = (("onnx", "fp32"), ("onnx", "int8"), ("openvino", "fp32"), ("openvino", "bf16"), ("openvino", "int8"))
KINDS = dict(families=["GAN", "DM"], generators=["a", "b", "c"])
CHUNK = 64
"""Pictures that are read at a time."""


def network_of(name: str) -> SelfConForImageClassification:
    """A network with random weights whose statistics are those of pictures."""
    torch.manual_seed(0)
    known = SelfConConfig().to_dict().keys()
    shape = {key: value for key, value in PRESETS["laptop"].items() if key in known} if name == "laptop" else {}
    model = SelfConForImageClassification(SelfConConfig(**shape, **KINDS))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.momentum = 1.0
    pictures = [Image.open(file) for file in sample_files()[::24]]
    with torch.no_grad():
        model.train()(SelfConImageProcessor()(pictures, return_tensors="pt")["pixel_values"][:, :, :128, :128])
    return model.eval()


def sample_files() -> list[Path]:
    """The sample's pictures, 256 × 256."""
    return sorted(Path(imaginet.sample_folder(), "images").rglob("*.jpg"))


def score_like_the_reference(model: torch.nn.Module, files: list[Path]) -> np.ndarray:
    """The rival: probabilities, float (N,)."""
    processor = SelfConImageProcessor()
    mean, std = (torch.tensor(values)[:, None, None] for values in (processor.image_mean, processor.image_std))
    found = []
    with torch.no_grad():
        for file in files:
            with Image.open(file) as image:
                left, top = ((side - 256) // 2 for side in image.size)
                crop = image.convert("RGB").crop((left, top, left + 256, top + 256))
            pixels = torch.from_numpy(np.array(crop)).permute(2, 0, 1) / 255
            found.append(torch.softmax(model(((pixels - mean) / std)[None]).logits, 1)[0, 1].item())
    return np.array(found)


def contestants(name: str, folder: Path) -> dict[str, tuple[Callable, Callable]]:
    """Name -> (the network on one crop, files -> probabilities)."""
    model = network_of(name)
    if not (folder / name).exists():
        model.save_pretrained(folder / name)
        SelfConImageProcessor().save_pretrained(folder / name)
    pixels = torch.randn(1, 3, 256, 256)
    found = {RIVAL: (torch.no_grad()(lambda: model(pixels)), lambda files: score_like_the_reference(model, files))}
    detectors = {TORCH: open_detector(folder / name, device="cpu")}
    for format, precision in EXPORTS:
        images = Path(imaginet.sample_folder(), "images")  # few and without labels, for the sake of time; the table compares all
        wish = Wish(format, precision, str(images / "real" / "faces"), str(images / "real" / "photos"), limit=1.0)
        try:
            check_processor(wish)
        except ValueError as error:
            print(f"{format} {precision}: {error}")
            continue
        place = folder / f"{name}_{format}_{precision}"
        if not place.exists():
            print("\n".join([f"{name} {format} {precision}", *export_model(str(folder / name), str(place), wish).sentences()]), flush=True)
        detectors[f"{format} {precision}"] = open_detector(place, device="cpu")
    crop = np.asarray(Image.open(sample_files()[0]).convert("RGB"))[None]
    for each, detector in detectors.items():
        found[each] = (lambda detector=detector: detector.network(crop)), (lambda files, detector=detector: _scores(detector, files))
    return found


def _scores(detector, files: list[Path]) -> np.ndarray:
    return np.concatenate([detector.scores(files[start : start + CHUNK]).probability for start in range(0, len(files), CHUNK)])


def write_photograph(folder: Path) -> Path:
    """A JPEG of 4000 × 3000 pixels, the sample's pictures side by side."""
    photograph = Image.new("RGB", (4000, 3000))
    for number, file in enumerate(sample_files()):
        with Image.open(file) as image:
            photograph.paste(image, (number % 16 * 256, number // 16 * 256))
    place = folder / "photograph.jpg"
    photograph.save(place, quality=90)
    return place


def measure(name: str, files: list[Path], repeats: int, folder: Path) -> list[list[str]]:
    """The lines of the table of a network."""
    rivals = contestants(name, folder)
    photograph = write_photograph(folder)
    alone, whole, large = ({each: float("inf") for each in rivals} for _ in range(3))
    answers = {}
    for _ in range(repeats):
        for each, (one, many) in rivals.items():
            one()
            for _ in range(3):
                start = time.perf_counter()
                one()
                alone[each] = min(alone[each], time.perf_counter() - start)
            start = time.perf_counter()
            answers[each] = many(files)
            whole[each] = min(whole[each], time.perf_counter() - start)
            for _ in range(3):
                start = time.perf_counter()
                many([photograph])
                large[each] = min(large[each], time.perf_counter() - start)
    lines = []
    for each in rivals:
        off = np.abs(answers[each] - answers[RIVAL]).max()
        lines.append([
            name, each, f"{alone[each] * 1e3:.0f}", f"{alone[RIVAL] / alone[each]:.2f}", f"{len(files) / whole[each]:.1f}",
            f"{whole[RIVAL] / whole[each]:.2f}", f"{large[each] * 1e3:.0f}", f"{large[RIVAL] / large[each]:.2f}",
            "–" if each == RIVAL else f"{off:.1g}",
        ])
    return lines


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["laptop", "resnet50"], choices=("laptop", "resnet50"))
    parser.add_argument("--pictures", type=int, default=200, help="in the folder (default 200)")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each contestant (default 3)")
    parser.add_argument("--work_dir", help="where models and exports are kept for another run (default: a temporary folder)")
    parser.add_argument("--prepare", action="store_true", help="make what --work_dir lacks, and time nothing")
    parser.add_argument("--output", help="file for the table")
    options = parser.parse_args()
    sample = sample_files()
    files = [sample[number * 7 % len(sample)] for number in range(options.pictures)]
    header = [
        "network", "format", "alone, ms", "ratio", "folder, images/s", "ratio", "photograph, ms", "ratio", "largest difference",
    ]
    if options.work_dir:
        Path(options.work_dir).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() if options.work_dir is None else nullcontext(options.work_dir) as folder:
        if options.prepare:
            for name in options.networks:
                contestants(name, Path(folder))
            return
        lines = [line for name in options.networks for line in measure(name, files, options.repeats, Path(folder))]
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    table = markdown_table(header, lines)
    table += f"\n\n{os.cpu_count()} cores ({', '.join(processor_flags())}), {len(files)} pictures, {options.repeats} turns, {load}."
    print(table)
    if options.output:
        Path(options.output).write_text(table + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
