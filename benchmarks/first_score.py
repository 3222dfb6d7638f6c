"""From a model's folder to the first score of one picture, against Transformers' own loading and one eager pass.

    python -m benchmarks.first_score [--networks laptop resnet50] [--exports FOLDER …] [--runs 5] [--work_dir DIR]

Every run is a process of its own that has imported everything before the clock starts. Rival: ``AutoModelForImageClassification`` and
``AutoImageProcessor`` by ``from_pretrained``, Pillow, one pass in fp32. Ours: ``open_detector`` and ``scores``. Both take turns. Printed:
medians of seconds by the clock to open and to score the first picture and a second one, and the ratio of the rival's sum to ours.
``--exports``: folders of ``imaginet export-model``, such as ``benchmarks/inference.py --work_dir DIR --prepare`` writes, by ``open_detector``.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMPORTS = """
import contextlib, json, sys, time
import numpy as np, torch, transformers.modeling_utils, transformers.image_processing_backends
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification, ImageClassificationPipeline
from imaginet_tools.inference.networks.engines import ENGINES
from imaginet_tools.inference.saved_detector import open_detector
for load, _ in ENGINES.values():
    with contextlib.suppress(ModuleNotFoundError):
        load()
place, picture = sys.argv[1:]
times = [time.perf_counter()]
"""
OURS = """
detector = open_detector(place, device="cpu")
times.append(time.perf_counter())
for _ in range(2):
    score = float(detector.scores([picture]).probability[0])
    times.append(time.perf_counter())
"""
RIVAL = """
model = AutoModelForImageClassification.from_pretrained(place, trust_remote_code=True).eval()
processor = AutoImageProcessor.from_pretrained(place, trust_remote_code=True)
times.append(time.perf_counter())
for _ in range(2):
    with torch.no_grad(), Image.open(picture) as image:
        score = model(**processor(image.convert("RGB"), return_tensors="pt")).logits.softmax(1)[0, 1].item()
    times.append(time.perf_counter())
"""
END = "\nprint(json.dumps([score, *np.diff(times).tolist()]))"
CONTESTANTS = {"Transformers, eager": RIVAL, "open_detector": OURS}


def run(code: str, place: Path, picture: Path) -> list[float]:
    """The score, and seconds to open, to score the first time and the second."""
    command = [sys.executable, "-c", IMPORTS + code + END, str(place), str(picture)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"A run failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def lines_of(name: str, place: Path, contestants: dict[str, str], runs: int, picture: Path) -> list[list[str]]:
    """Lines of the table; the first of the contestants, which take turns, is what the others are compared with."""
    found = {each: [] for each in contestants}
    for _ in range(runs):
        for each, code in contestants.items():
            found[each].append(run(code, place, picture))
    rival, lines = next(iter(contestants)), []
    totals = {each: statistics.median(one[1] + one[2] for one in of) for each, of in found.items()}
    for each, of in found.items():
        opening, first, second = (statistics.median(column) for column in list(zip(*of, strict=True))[1:])
        ratio, off = ("–", "–") if each == rival else (f"{totals[rival] / totals[each]:.2f}", f"{abs(of[0][0] - found[rival][0][0]):.1g}")
        lines.append([name, each, f"{opening:.2f}", f"{first:.2f}", f"{totals[each]:.2f}", ratio, f"{second:.2f}", off])
    return lines


def main(arguments: list[str]) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", nargs="+", default=["laptop", "resnet50"], choices=("laptop", "resnet50"))
    parser.add_argument("--exports", nargs="+", default=[], type=Path, metavar="FOLDER")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--work_dir", help="where models are kept (default: a temporary folder)")
    options = parser.parse_args(arguments)

    from benchmarks.inference import network_of, sample_files
    from imaginet_core.text_tables import markdown_table
    from modeling import SelfConImageProcessor, save

    lines = []
    if options.work_dir:
        Path(options.work_dir).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.work_dir) as folder:
        for name in options.networks:
            place = save(network_of(name), SelfConImageProcessor(), Path(folder, name))
            lines += lines_of(name, place, CONTESTANTS, options.runs, sample_files()[0])
    for place in options.exports:
        lines += lines_of(place.name, place.resolve(), {"open_detector": OURS}, options.runs, sample_files()[0])
    print(markdown_table(["network", "way", "open, s", "first score, s", "both, s", "ratio", "second score, s", "difference"], lines))


if __name__ == "__main__":
    main(sys.argv[1:])
