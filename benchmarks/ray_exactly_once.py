"""Every picture gets exactly one row on a cluster from which a worker, a node and the driver are killed.

    python -m benchmarks.ray_exactly_once [--pictures 20000] [--folder FOLDER]

Two Ray nodes on this machine (``ray.cluster_utils.Cluster``). Of the pictures, small JPEG files, one in two hundred is broken and
one a link to nothing. While ``imaginet score --engine ray`` is at work, a process of the cluster is killed, then a node, then the
driver; a fresh node takes the lost one's place, and the same command with --resume goes on. The network is a small random one:
what is measured is the books, not the network. Printed: what was killed when, and how many rows there are of what.
"""

import argparse
import collections
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from modeling import SelfConConfig, SelfConForImageClassification, SelfConImageProcessor, save

MARK = "IMAGINET_RAY_RUN"
"""In the environment of the cluster's processes, so that none but them is killed."""
SCORE = (
    "import sys\nfrom imaginet_tools.inference.scoring import output\noutput.PART_SECONDS = float(sys.argv.pop(1))\n"
    "from imaginet_tools.commands.main import main\nsys.exit(main(['score', *sys.argv[1:]]))"
)


class Result(NamedTuple):
    """What came of a run: seconds from the first start to the end, what was killed after how many rows, and the rows."""

    seconds: float
    killed: dict[str, int]
    rows: list[dict]


def write_model(folder: Path) -> Path:
    """A small random detector that sees 64 × 64 pixels."""
    small = {"stem_kernel": 3, "stem_width": 8, "stem_pool": False, "block": "basic", "widths": [8, 16], "depths": [1, 1]}
    config = SelfConConfig(**small, stem_stride=2, sub_network_after=1, projection_size=16, classifier_hidden=8)
    model = SelfConForImageClassification(config).eval()
    return save(model, SelfConImageProcessor(crop_size={"height": 64, "width": 64}), folder)


def write_pictures(folder: Path, count: int) -> None:
    """So many small JPEG files, with one broken and one missing in every two hundred."""
    import numpy as np
    from PIL import Image

    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        file = folder / f"{number:06}.jpg"
        if number % 200 == 77:
            file.write_bytes(b"\xff\xd8\xff no picture")
        elif number % 200 == 155:
            file.symlink_to(folder / "nowhere")
        else:
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((96, 80)).save(file)


def run(folder: Path, pictures: int, part_seconds: float = 2.0, tell=print) -> Result:
    """Scores ``pictures`` pictures in ``folder``, which is new, and kills a worker, a node and the driver meanwhile."""
    model, output = write_model(folder / "model"), folder / "scores"
    write_pictures(folder / "pictures", pictures)
    os.environ[MARK] = mark = secrets.token_hex(8)
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second, killed, start = cluster.add_node(num_cpus=2), {}, time.monotonic()
    arguments = [str(folder / "pictures"), "--model", str(model), "--output", str(output), "--device", "cpu", "--resume"]
    command = [sys.executable, "-c", SCORE, str(part_seconds), *arguments, "--engine", "ray", "--ray_address", cluster.address]
    try:
        driver = subprocess.Popen(command, start_new_session=True)
        for what, share in (("worker", 0.1), ("node", 0.3), ("driver", 0.6)):
            killed[what] = _wait_for_rows(output, share * pictures, driver)
            tell(f"{time.monotonic() - start:5.0f} s, {killed[what]:,} rows: {what} killed", flush=True)
            if what == "worker":
                os.kill(_busiest_worker(mark), signal.SIGKILL)
            elif what == "node":
                cluster.remove_node(second, allow_graceful=False)
                cluster.add_node(num_cpus=2)
            else:
                driver.kill()
                driver.wait()
        status = subprocess.run(command, start_new_session=True).returncode
        if status:
            raise RuntimeError(f"the resumed run ended with {status}")
    finally:
        driver.kill()
        cluster.shutdown()
    rows = [row for part in sorted(output.glob("part-*")) for row in pq.read_table(part, columns=["path", "error"]).to_pylist()]
    return Result(time.monotonic() - start, killed, rows)


def _wait_for_rows(output: Path, count: float, driver: subprocess.Popen) -> int:
    while (rows := sum(pq.read_metadata(part).num_rows for part in output.glob("part-*"))) < count:
        if driver.poll() is not None:
            raise RuntimeError(f"the run ended with {driver.returncode} after {rows} rows")
        time.sleep(0.1)
    return rows


def _busiest_worker(mark: str) -> int:
    """The process of the cluster that has used most time among those that work for a run."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"{MARK}={mark}".encode() in (place / "environ").read_bytes().split(b"\0")
            if ours and b"ray::" in (place / "cmdline").read_bytes():
                found[int(place.name)] = sum(map(int, (place / "stat").read_text().rpartition(")")[2].split()[11:13]))
        except OSError:
            continue
    return max(found, key=found.get)


def check(rows: list[dict], pictures: int) -> str:
    """One line on the rows. Raises AssertionError unless every picture has exactly one, with a reason where it has no score."""
    times = collections.Counter(Path(row["path"]).name for row in rows)
    assert times == {f"{number:06}.jpg": 1 for number in range(pictures)}, "some pictures have no row or several"
    failed = {int(Path(row["path"]).stem) % 200 for row in rows if row["error"] is not None}
    assert failed <= {77, 155} and sum(row["error"] is None for row in rows) == sum(
        n % 200 not in (77, 155) for n in range(pictures)
    )
    return (
        f"{len(rows):,} rows, each of another picture; {sum(row['error'] is not None for row in rows):,} with the reason why not"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--folder", help="new folder for everything (default: a temporary one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        result = run(Path(options.folder or temporary) / "run", options.pictures)
    print(f"{check(result.rows, options.pictures)}; {result.seconds:.0f} s in all")


if __name__ == "__main__":
    main()
