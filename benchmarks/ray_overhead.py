"""What Ray costs on one machine: the same pictures, the same network, with and without it, one after the other.

    python -m benchmarks.ray_overhead --model runs/demo/model [--pictures 1000] [--repeats 3]

Pictures are copies of the embedded sample's (256 × 256 and the like). A row for each engine: images/s from the first picture handed
out to the last row written, with the start of Ray and the loading of its networks apart. Both use all cores.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLE = Path(__file__).resolve().parents[1] / "sample" / "images"


def measure(engine: str, folder: Path, model: str, place: Path) -> tuple[float, float]:
    """Images/s that the command tells, and the seconds of the whole command."""
    start = time.monotonic()
    command = [sys.executable, "imaginet.py", "score", str(folder), "--model", model, "--output", str(place), "--engine", engine]
    told = subprocess.run(command, cwd=SAMPLE.parents[1], capture_output=True, text=True, check=True).stdout
    return float(re.search(r"([\d,.]+) images/s", told)[1].replace(",", "")), time.monotonic() - start


def flags_of_cpu() -> str:
    """Model of the CPU and those of its flags that matter for speed."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    flags = set((re.search(r"flags\s*: (.*)", text) or [""])[0].split()) & {"avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16"}
    return f"{os.cpu_count()} cores, {', '.join(sorted(flags)) or 'no flags known'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="folder of a saved model")
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    sample = sorted(SAMPLE.rglob("*.jpg"))
    print(f"{flags_of_cpu()}; load {os.getloadavg()[0]:.1f} before", flush=True)
    print("| run | engine | images/s | seconds in all |\n| --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "pictures"
        folder.mkdir()
        for number in range(options.pictures):
            shutil.copy(sample[number % len(sample)], folder / f"{number:06}.jpg")
        for repeat in range(options.repeats):
            for engine in ("local", "ray"):
                speed, seconds = measure(engine, folder, options.model, Path(temporary) / f"{engine}{repeat}.parquet")
                print(f"| {repeat + 1} | {engine} | {speed:.1f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
