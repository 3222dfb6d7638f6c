"""What alignment removes and what it leaves: the audit before and after it, on data whose shortcuts are known.

    python benchmarks/shortcuts.py --out FOLDER [--shared ../shared] [--cases official_formats ...] [--num_proc 2]

Cases, each audited as it is and aligned:

- official_formats: random pixels in formats and (an eighth of the) sizes of every 25th line of ImagiNet's test list;
- biased: the lab's pictures, real ones saved as JPEG of quality 75, synthetic ones as WebP of quality 80;
- lab, sample: as they are;
- once_jpeg_75, once_jpeg_90, never_jpeg: the lab's real pictures as PNG, of which every other one was compressed so before and is
  called real, the others synthetic; the chance is large, with 160 pictures each.

SHARED holds ``annotations/`` (upstream's test list) and ``lab/``; the sample needs neither. Audits that FOLDER holds are not made
again, so a stopped run goes on. Printed: a table of AUCs out of fold with 95 % intervals.
"""

import argparse
import csv
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from imaginet_tools.audit.findings import SETS  # noqa: E402
from imaginet_tools.images.image_set import ImageSet  # noqa: E402
from tests.imaginet_tools.audit.audit_trees import biased_lab, random_pixels  # noqa: E402

VIEWS = ("raw", "aligned")
FORMER = {"once_jpeg_75": 75, "once_jpeg_90": 90, "never_jpeg": None}
CASES = ("official_formats", "biased", "lab", "sample", *FORMER)


def write_former_jpegs(folder: Path, lab: Path, quality: int | None) -> Path:
    """PNG copies of the lab's real pictures, every other one after JPEG of the quality, and a CSV file that calls those real."""
    images = ImageSet.from_raw("all", data_dir=str(lab))
    real = sorted(np.flatnonzero(images.label == 0).tolist(), key=lambda index: images.path[index])
    place = {index: number for number, index in enumerate(real)}
    folder.mkdir()
    rows = []
    for index, content in images.read(real):
        picture, number = Image.open(io.BytesIO(content)).convert("RGB"), place[index]
        if quality and number % 2 == 0:
            former = io.BytesIO()
            picture.save(former, "JPEG", quality=quality)
            picture = Image.open(former)
        picture.save(folder / f"{number:03}.png")
        rows.append((f"{number:03}.png", number % 2, images.source_image[index]))
    with io.open(folder / "images.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "label", "source_image"), *sorted(rows)])
    return folder / "images.csv"


def arguments_of(case: str, shared: Path, work: Path) -> list[str]:
    """The audit's options that name the images of a case, which are made in ``work`` where they have to be."""
    if case == "sample":
        return ["--sample"]
    if case == "lab":
        return ["--data_dir", str(shared / "lab")]
    if case in FORMER:
        return ["--csv", str(write_former_jpegs(work / case, shared / "lab", FORMER[case]))]
    if case == "biased":
        return ["--data_dir", str(biased_lab(work / case, shared / "lab"))]
    return ["--data_dir", str(random_pixels(work / case, shared / "annotations" / "test_annotations.txt", 25))]


def audit(case: str, shared: Path, out: Path, processes: int) -> None:
    """Audits a case in each view that is not there yet, by the command that anyone would use."""
    views = [view for view in VIEWS if not (out / f"{case}_{view}" / "audit.json").exists()]
    with tempfile.TemporaryDirectory() as work:
        which = arguments_of(case, shared, Path(work)) if views else []
        for view in views:
            command = [sys.executable, str(ROOT / "imaginet.py"), "audit", *which, "--view", view, "--num_proc", str(processes)]
            subprocess.run([*command, "--out", str(out / f"{case}_{view}")], check=True, stdout=subprocess.DEVNULL)


def row_of(case: str, view: str, out: Path) -> str:
    """One line of the table."""
    found = json.loads((out / f"{case}_{view}" / "audit.json").read_text(encoding="utf-8"))
    cells = []
    for name in SETS:
        auc = found["sets"][name]["groups"][0]["auc"]
        cells.append(f"{auc['value']:.3f}" + ("" if auc["low"] is None else f" [{auc['low']:.3f}, {auc['high']:.3f}]"))
    return " | ".join([f"| {case}", view, f"{sum(found['images'].values()):,}", *cells, f"{found['seconds_per_1000']:.0f} |"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the audits' reports")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="folder with annotations/ and lab/")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES, help="(default: all)")
    parser.add_argument("--num_proc", type=int, default=1, help="processes (default: 1)")
    options = parser.parse_args()
    for case in options.cases:
        audit(case, options.shared, options.out, options.num_proc)
    print(f"| data | view | images | {' | '.join(SETS.values())} | s per 1,000 images |")
    print("| --- " * (4 + len(SETS)) + "|")
    for case in options.cases:
        for view in VIEWS:
            print(row_of(case, view, options.out))


if __name__ == "__main__":
    main()
