"""What Ray costs on one machine: the same pictures, the same network, with and without it, one after the other.

    python -m benchmarks.ray_overhead --model runs/demo/model [--pictures 1000] [--repeats 3]

Pictures are copies of the embedded sample's (256 × 256 and the like). Each engine scores a quarter of them and then all, so that
its start (imports, Ray, loading the network in every actor) can be told from its speed: "beyond the start" is what the further
pictures took. Both use all cores.
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


def measure(engine: str, folder: Path, model: str, place: Path) -> float:
    """Seconds of the whole command."""
    start = time.monotonic()
    command = [sys.executable, "imaginet.py", "score", str(folder), "--model", model, "--output", str(place), "--engine", engine]
    subprocess.run(command, cwd=SAMPLE.parents[1], capture_output=True, text=True, check=True)
    return time.monotonic() - start


def write_pictures(folder: Path, count: int) -> Path:
    """A folder with so many pictures."""
    sample = sorted(SAMPLE.rglob("*.jpg"))
    folder.mkdir()
    for number in range(count):
        shutil.copy(sample[number % len(sample)], folder / f"{number:06}.jpg")
    return folder


def flags_of_cpu() -> str:
    """Model of the CPU and those of its flags that matter for speed."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    flags = set((re.search(r"flags\s*: (.*)", text) or [""])[0].split()) & {
        "avx2",
        "avx512f",
        "avx512_bf16",
        "avx512_vnni",
        "amx_bf16",
    }
    return f"{os.cpu_count()} cores, {', '.join(sorted(flags)) or 'no flags known'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="folder of a saved model")
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    few, many = options.pictures // 4, options.pictures
    print(f"{flags_of_cpu()}; load {os.getloadavg()[0]:.1f} before", flush=True)
    print(f"| run | engine | {few} pictures, s | {many} pictures, s | images/s beyond the start |\n{'| --- ' * 5}|", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folders = [write_pictures(Path(temporary) / str(count), count) for count in (few, many)]
        for repeat in range(options.repeats):
            for engine in ("local", "ray"):
                places = (Path(temporary) / f"{engine}{repeat}-{folder.name}.parquet" for folder in folders)
                short, long = (
                    measure(engine, folder, options.model, place) for folder, place in zip(folders, places, strict=True)
                )
                print(f"| {repeat + 1} | {engine} | {short:.0f} | {long:.0f} | {(many - few) / (long - short):.1f} |", flush=True)


if __name__ == "__main__":
    main()
