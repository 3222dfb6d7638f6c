"""Opening a data set that is prepared: the state of every raw file is read, so that a changed one is noticed.

    python benchmarks/opening.py --annotations FOLDER [--images 200000] [--runs 3] [--work_dir DIR] [--latency 0]

FOLDER holds upstream's test_annotations.txt. Its paths, with a number added to their names, name as many tiny images as are asked for;
the tree and the prepared data set are kept in DIR for the next call. Printed for each run, in a process of its own: seconds by the clock
and of the processor (user and system, imports excluded) from ``imaginet.ImagiNet(...)`` to the data set. With ``--latency`` a file's state
takes so many milliseconds more, as on a disk far away.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def write_tree(root: Path, listing: list[str], images: int) -> None:
    """Tiny images, and a list of them in ``root``/annotations."""
    from tests.imaginet.trees import write_image

    lines, content = [], {}
    for number in range(images):
        path, labels = re.fullmatch(r"(.*),(\d+,\d+,\d+,\d+)", listing[number % len(listing)]).groups()  # some names have commas
        name = Path(path)
        name = name.with_name(f"{name.stem}_{number // len(listing)}{name.suffix}")
        if name.suffix not in content:
            write_image(root / name, 0)
            content[name.suffix] = (root / name).read_bytes()
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content[name.suffix])
        lines.append(f"./{name},{labels}")
    (root / "annotations").mkdir(exist_ok=True)
    (root / "annotations" / "test_annotations.txt").write_text("\n".join(lines), encoding="utf-8")


def open_once(root: str, latency: float) -> dict:
    """Seconds by the clock and of the processor, and the number of images. ``latency``: milliseconds."""
    import imaginet

    if latency:
        delay_states(root, latency / 1000)
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    builder = imaginet.ImagiNet(config_name="all", data_dir=root, cache_dir=f"{root}-cache")
    builder.download_and_prepare()
    images = builder.as_dataset("test").num_rows
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    return {"seconds": seconds, "user": after.ru_utime - before.ru_utime, "system": after.ru_stime - before.ru_stime, "images": images}


def delay_states(root: str, seconds: float) -> None:
    """Makes ``os.stat`` wait for each file below ``root``."""
    stat = os.stat

    def delayed(file, *args, **keywords):
        if isinstance(file, str) and file.startswith(f"{root}/"):
            time.sleep(seconds)
        return stat(file, *args, **keywords)

    os.stat = delayed


def main() -> None:
    parser = argparse.ArgumentParser(description="How long a prepared data set takes to open.")
    parser.add_argument("--annotations", type=Path, help="folder with upstream's test_annotations.txt")
    parser.add_argument("--images", type=int, default=200_000, help="how many (default: 200000)")
    parser.add_argument("--runs", type=int, default=3, help="(default: 3)")
    parser.add_argument("--work_dir", type=Path, help="kept for the next call (default: a temporary folder)")
    parser.add_argument("--latency", type=float, default=0.0, help="milliseconds that a file's state takes more (default: 0)")
    parser.add_argument("--once", metavar="ROOT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        print(json.dumps(open_once(options.once, options.latency)))
        return
    root = (options.work_dir or Path(tempfile.mkdtemp())) / f"raw-{options.images}"
    if not root.exists():
        listing = (options.annotations / "test_annotations.txt").read_text(encoding="utf-8").splitlines()
        write_tree(root, [line.removeprefix("./") for line in listing], options.images)
    for run in range(options.runs + 1):
        command = [sys.executable, __file__, "--once", str(root), "--latency", str(options.latency if run else 0.0)]
        found = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])
        what = "prepared and opened" if run == 0 else "opened"
        cpu = found["user"] + found["system"]
        print(f"{found['images']:,} images {what} in {found['seconds']:.2f} s, {cpu:.2f} s of the processor", flush=True)


if __name__ == "__main__":
    main()
