"""What the whole grid of degradations costs, against its parts on pictures that are decoded already, in one run.

    python -m benchmarks.evaluation.degradation_grid [--images 12] [--side 512] [--repeats 3]

Pictures are those of the embedded sample, enlarged to ``--side`` and saved as JPEG. "Whole" decodes each once and makes every
condition of it; "parts" make the same of decoded pictures, one condition after the other; "apart" decodes for each condition anew.
"""

import argparse
import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import cv2
from PIL import Image

from imaginet_core.pictures.decode import decode
from imaginet_core.pictures.degradation_grid.conditions import GRID, degrade, degrade_all

SAMPLE = Path(__file__).resolve().parents[2] / "sample" / "images"


def files_of(count: int, side: int) -> list[bytes]:
    """JPEG files of so many pictures, ``side`` × ``side``."""
    found = []
    for file in sorted(SAMPLE.rglob("*.jpg"))[:count]:
        content = io.BytesIO()
        Image.open(file).convert("RGB").resize((side, side), Image.Resampling.LANCZOS).save(content, "JPEG", quality=92)
        found.append(content.getvalue())
    return found


def seconds(function: Callable[[], None]) -> float:
    """Processor seconds of this process, which other processes on the machine do not change much."""
    start = time.process_time()
    function()
    return time.process_time() - start


def whole(files: list[bytes]) -> None:
    for number, content in enumerate(files):
        for _ in degrade_all(decode(content), str(number), GRID):
            pass


def parts(pictures: list) -> None:
    for condition in GRID:
        for number, picture in enumerate(pictures):
            degrade(picture, str(number), condition)


def apart(files: list[bytes]) -> None:
    for condition in GRID:
        for number, content in enumerate(files):
            degrade(decode(content), str(number), condition)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    files = files_of(options.images, options.side)
    pictures = [decode(content) for content in files]
    what = f"{len(files)} pictures of {options.side} × {options.side}, {len(GRID)} conditions"
    print(f"{what}; load {os.getloadavg()[0]:.1f} before", flush=True)
    rounds = [
        (seconds(lambda: whole(files)), seconds(lambda: parts(pictures)), seconds(lambda: apart(files))) for _ in range(options.repeats)
    ]
    for number, (of_whole, of_parts, of_apart) in enumerate(rounds):
        print(
            f"round {number}: whole {of_whole:.2f} s, parts {of_parts:.2f} s, apart {of_apart:.2f} s; "
            f"whole / parts {of_whole / of_parts:.3f}, apart / parts {of_apart / of_parts:.3f}", flush=True,
        )


if __name__ == "__main__":
    main()
