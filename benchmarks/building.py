"""Building the data set: from folders to Parquet against datasets' own imagefolder, and the first example out of a large zip.

    python benchmarks/building.py --annotations FOLDER [--runs 3] [--zip_gb 5] [--work_dir DIR]

FOLDER holds upstream's test_annotations.txt. A tree with a tiny image at each of its 40,000 paths is made; both builders write Parquet with
the images' bytes inside, in turn, each run in a process of its own. imagefolder gets the layout that is fastest for it: data_dir with a folder
test/ that holds the images and metadata.csv (with data_files patterns it is about half as fast). imaginet checks every image on the way, and
is run with one process and with two. Printed: a table of medians, and ratios of images per second.
"""

import argparse
import csv
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def write_tree(root: Path, listing: list[str]) -> None:
    """A 2×3 image of the suffix's format at each path, and the metadata file that imagefolder reads."""
    from tests.imaginet.trees import write_image

    for number, line in enumerate(listing):
        write_image(root / line.rsplit(",", 4)[0], number)


def write_best_layout(root: Path, tree: Path, listing: list[str]) -> None:
    """The same files (hard links) under plain names in ``root``/test, and the metadata file that imagefolder reads.

    Under their own names some would be taken for a split "validation", as their folders are called val.
    """
    (root / "test").mkdir(parents=True)
    names = [f"{number:06}{Path(line.rsplit(',', 4)[0]).suffix}" for number, line in enumerate(listing)]
    for name, line in zip(names, listing, strict=True):
        os.link(tree / line.rsplit(",", 4)[0], root / "test" / name)
    with io.open(root / "test" / "metadata.csv", "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file_name", "label", "content", "family", "generator"])
        rows.writerows([name, *line.rsplit(",", 4)[1:]] for name, line in zip(names, listing, strict=True))


def build(builder_of, num_proc: int | None = None) -> dict:
    """Seconds to construct the builder and to write Parquet, images per second, peak memory in MB."""
    start = time.perf_counter()
    builder = builder_of()
    constructed = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        builder.download_and_prepare(f"{out}/parquet", file_format="parquet", num_proc=num_proc)
        built = time.perf_counter()
        rows = sum(split.num_examples for split in builder.info.splits.values())
    return {
        "construct s": constructed - start, "build s": built - constructed, "images/s": rows / (built - constructed), "images": rows,
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def imaginet_run(root: str, annotations: str, num_proc: int | None = None) -> dict:
    import imaginet

    cache = tempfile.mkdtemp(dir=Path(root).parent)
    return build(lambda: imaginet.ImagiNet(config_name="all", data_dir=root, annotations=annotations, cache_dir=cache), num_proc)


def two_processes_run(root: str, annotations: str) -> dict:
    return imaginet_run(root, annotations, num_proc=2)


def imagefolder_run(root: str, annotations: str) -> dict:
    import datasets

    cache = tempfile.mkdtemp(dir=Path(root).parent)
    return build(lambda: datasets.load_dataset_builder("imagefolder", data_dir=f"{root}-imagefolder", drop_labels=True, cache_dir=cache))


def first_from_zip(root: str, annotations: str) -> dict:
    """Seconds to the first streamed example; torch is imported beforehand, which datasets' streaming does by itself."""
    import torch  # noqa: F401

    import imaginet

    start = time.perf_counter()
    builder = imaginet.ImagiNet(config_name="photos", data_dir=root, annotations=annotations, cache_dir=tempfile.mkdtemp(dir=root))
    next(iter(builder.as_streaming_dataset("test")))
    return {"first example s": time.perf_counter() - start, "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def write_zip(folder: Path, gigabytes: float) -> None:
    """val2017.zip with 5,000 stored members of random bytes behind a picture, and a list of them."""
    (folder / "annotations").mkdir(parents=True)
    from tests.imaginet.trees import write_image

    write_image(folder / "picture.jpg")
    picture = (folder / "picture.jpg").read_bytes()
    padding = os.urandom(max(0, int(gigabytes * 1e9 / 5000) - len(picture)))
    with zipfile.ZipFile(folder / "val2017.zip", "w") as archive:
        for number in range(5000):
            archive.writestr(f"val2017/{number:012}.jpg", picture + padding)
    lines = [f"./val2017/{number:012}.jpg,0,0,4,8" for number in range(5000)]
    (folder / "annotations" / "test_annotations.txt").write_text("\n".join(lines), encoding="utf-8")


RUNS = {"imaginet": imaginet_run, "imaginet, 2 processes": two_processes_run, "imagefolder": imagefolder_run, "zip": first_from_zip}


def in_process(name: str, root: Path, annotations: Path) -> dict:
    """One run in a process of its own, so that its memory is its own."""
    command = [sys.executable, __file__, "--run", name, "--root", str(root), "--annotations", str(annotations)]
    environment = {**os.environ, "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def median_of(runs: list[dict]) -> dict:
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--annotations", type=Path, required=True, help="folder with upstream's test_annotations.txt")
    parser.add_argument("--runs", type=int, default=3, help="runs of each builder, in turn (default: 3)")
    parser.add_argument("--zip_gb", type=float, default=5.0, help="size of the zip in GB (default: 5; 0 leaves it out)")
    parser.add_argument("--work_dir", help="where the tree and the zip are made (default: the system's temporary folder)")
    parser.add_argument("--run", choices=RUNS, help=argparse.SUPPRESS)
    parser.add_argument("--root", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(RUNS[options.run](options.root, str(options.annotations))))
        return
    listing = (options.annotations / "test_annotations.txt").read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory(dir=options.work_dir) as folder:
        tree = Path(folder) / "tree"
        write_tree(tree, listing)
        write_best_layout(Path(f"{tree}-imagefolder"), tree, listing)
        runs = {name: [] for name in RUNS if name != "zip"}
        for _ in range(options.runs):
            for name, of_name in runs.items():
                of_name.append(in_process(name, tree, options.annotations))
        medians = {name: median_of(of_name) for name, of_name in runs.items()}
        columns = list(medians["imaginet"])
        print("| builder | " + " | ".join(columns) + " |\n|" + " --- |" * (len(columns) + 1))
        for name, figures in medians.items():
            print(f"| {name} | " + " | ".join(f"{figures[column]:,.2f}" for column in columns) + " |")
        for name, rival in (("imaginet", "imagefolder"), ("imaginet, 2 processes", "imaginet")):
            ratios = [ours["images/s"] / other["images/s"] for ours, other in zip(runs[name], runs[rival], strict=True)]
            print(f"images per second, {name} / {rival}: median {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")
        if not options.zip_gb:
            return
        write_zip(Path(folder) / "zipped", options.zip_gb)
        size = (Path(folder) / "zipped" / "val2017.zip").stat().st_size / 1e9
        zipped = median_of([in_process("zip", Path(folder) / "zipped", Path(folder) / "zipped" / "annotations") for _ in range(options.runs)])
        print(f"first streamed example from a zip of {size:.1f} GB: {zipped['first example s']:.2f} s; peak {zipped['peak MB']:.0f} MB")


if __name__ == "__main__":
    main()
