"""The commands that are killed: how each is called, and what of its result is compared."""

import hashlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from tests.fuzz.seed_pictures import saved, scene

ROOT = Path(__file__).resolve().parents[2]
BUILD = """
import sys
import imaginet
from datasets import load_dataset
load_dataset("imaginet", data_dir=sys.argv[1], cache_dir=sys.argv[2], on_corrupt="skip", num_proc=int(sys.argv[3]))
"""
SMALLEST = [
    "--preset",
    "laptop",
    "--statistics_networks",
    "0",
    "--stem_width",
    "8",
    "--widths",
    "8",
    "8",
    "--depths",
    "1",
    "1",
    "--sub_network_after",
    "1",
    "--crop_size",
    "32",
    "--epochs",
    "40",
    "--warmup_epochs",
    "1",
    "--batch_size",
    "8",
    "--classifier_crop_size",
    "48",
    "--classifier_epochs",
    "3",
    "--held_out",
    "0.25",
    "--bootstrap",
    "50",
    "--cpu_threads",
    "1",
    "--num_workers",
    "1",
    "--checkpoint_every",
    "7",
    "--resume",
]


@dataclass(frozen=True)
class Command:
    """One command of the project.

    Attributes:
        name: of it, with the number of its processes.
        arguments: (folder of the inputs, place of the output) -> the command line.
        result: (place of the output, file of its standard output) -> what is compared: name -> digest.
        says: whether it promises a sentence when it is interrupted; not so for lines of Python of the user's own.
        worker: whether it has processes of its own that may be killed.
        fine: exit statuses of a run that reached its end.
    """

    name: str
    arguments: Callable[[Path, Path], list[str]]
    result: Callable[[Path, Path], dict[str, str]]
    says: bool = True
    worker: bool = False
    fine: tuple[int, ...] = (0,)


def digest(content: bytes) -> str:
    """Short name of some bytes."""
    return hashlib.sha256(content).hexdigest()[:16]


def files_of(folder: Path) -> dict[str, str]:
    """Relative path -> digest of every file below a folder, hidden ones too; folders have the digest "folder"."""
    return {
        str(file.relative_to(folder)): digest(file.read_bytes()) if file.is_file() else "folder"
        for file in sorted(folder.rglob("*"))
    }


def _rows(output: Path, stdout: Path) -> dict[str, str]:
    """Rows of the prepared data set, and the names of all files in its cache but the system's locks."""
    files = {name: "" for name in files_of(output) if not name.endswith((".lock", ".json"))} if output.is_dir() else {}
    for file in sorted(output.rglob("*.arrow")):
        table = datasets.Dataset.from_file(str(file)).data.table
        files[str(file.relative_to(output))] = digest(repr(table.to_pylist()).encode())
    for file in output.rglob("left_out.jsonl"):
        files[str(file.relative_to(output))] = digest("\n".join(sorted(file.read_text().splitlines())).encode())
    return files


def _whole_folder(output: Path, stdout: Path) -> dict[str, str]:
    return files_of(output)


def _learned(output: Path, stdout: Path) -> dict[str, str]:
    """Weights and history of a training, without times."""
    report = json.loads((output / "report.json").read_text())
    history = [{**row, "seconds": None} for row in report["training"]["history"]]
    weights = (output / "model" / "model.safetensors").read_bytes()
    return {
        "weights": digest(weights),
        "history": digest(json.dumps(history).encode()),
        **{name: "" for name in os.listdir(output)},
    }


def _printed(output: Path, stdout: Path) -> dict[str, str]:
    return {"stdout": digest(stdout.read_bytes())}


def _audited(output: Path, stdout: Path) -> dict[str, str]:
    """What an audit found, without when and how fast."""
    found = json.loads((output / "audit.json").read_text())
    found["created"] = found["seconds_per_1000"] = None
    return {"audit.json": digest(json.dumps(found, sort_keys=True).encode()), **{name: "" for name in os.listdir(output)}}


def _scored(output: Path, stdout: Path) -> dict[str, str]:
    """Every row, without the last digits of numbers, which depend on what else is in a batch; a row that is there twice counts twice."""
    rows = [row for part in sorted(output.glob("part-*.parquet")) for row in pq.read_table(part).to_pylist()]
    rounded = [{name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()} for row in rows]
    return {"rows": digest(json.dumps(sorted(rounded, key=lambda row: row["path"])).encode()), "count": str(len(rows))}


def _imaginet(name: str, *options: str) -> Callable[[Path, Path], list[str]]:
    """A subcommand; the words RAW and OUT of its options stand for places."""

    def arguments(inputs: Path, output: Path) -> list[str]:
        places = {"RAW": str(inputs / "raw"), "TRAIN": str(inputs / "raw" / "train"), "OUT": str(output)}
        return [sys.executable, "imaginet.py", name, *(places.get(option, option) for option in options)]

    return arguments


COMMANDS = {
    command.name: command
    for command in (
        Command(
            "build 1", lambda inputs, out: [sys.executable, "-c", BUILD, str(inputs / "raw"), str(out), "1"], _rows, says=False
        ),
        Command(
            "build 2",
            lambda inputs, out: [sys.executable, "-c", BUILD, str(inputs / "raw"), str(out), "2"],
            _rows,
            says=False,
            worker=True,
        ),
        Command("export", _imaginet("export", "--data_dir", "RAW", "--output", "OUT", "--on_corrupt", "skip"), _whole_folder),
        Command(
            "perturb",
            _imaginet("perturb", "--folder", "TRAIN", "--output", "OUT", "--num_proc", "1", "--on_corrupt", "skip"),
            _whole_folder,
        ),
        Command(
            "perturb 2",
            _imaginet("perturb", "--folder", "TRAIN", "--output", "OUT", "--num_proc", "2", "--on_corrupt", "skip"),
            _whole_folder,
            worker=True,
        ),
        Command(
            "verify 2",
            _imaginet("doctor", "--data_dir", "RAW", "--verify", "--num_proc", "2"),
            _printed,
            worker=True,
            fine=(0, 1),
        ),
        Command(
            "audit 2",
            _imaginet("audit", "--data_dir", "RAW", "--num_proc", "2", "--limit", "200", "--output", "OUT"),
            _audited,
            worker=True,
        ),
        Command(
            "score 2",
            _imaginet(
                "score", "TRAIN", "--model", str(ROOT / "tests" / "data" / "version_0_1" / "model"), "--output", "OUT", "--resume",
                "--workers", "2", "--device", "cpu",
            ),
            _scored,
            worker=True,
        ),
        Command(
            "convert",
            lambda inputs, out: [sys.executable, "-m", "scripts.convert_published_weights", str(inputs / "weights.pt"), str(out)],
            _whole_folder,
        ),
        Command(
            "train",
            lambda inputs, out: [
                sys.executable,
                "train_selfcon.py",
                *SMALLEST,
                "--dataset",
                str(inputs / "tiny"),
                "--output_dir",
                str(out),
            ],
            _learned,
            worker=True,
        ),
    )
}


def write_inputs(folder: Path, names: list[str], pictures: int) -> None:
    """What the commands read, the same whenever it is written: RAW with so many pictures of each label, a data set, weights."""
    for split, count in (("train", pictures), ("test", pictures // 8)):
        for label in ("real", "synthetic/one", "synthetic/two"):
            place = folder / "raw" / split / label
            place.mkdir(parents=True)
            for number in range(count if label == "real" else count // 2):
                seed = int.from_bytes(hashlib.sha256(f"{split}/{label}/{number}".encode()).digest()[:4], "big")
                image = Image.fromarray(np.asarray(scene(seed, 300 + seed % 60, 280 + seed % 40)))
                (place / f"{number:04}.jpg").write_bytes(saved(image, "JPEG", quality=80 + seed % 15))
    (folder / "raw" / "train" / "real" / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    if "train" in names:
        from tests.training.tiny_data import records, write_split

        (folder / "tiny").mkdir()
        write_split(folder / "tiny", "train", records("train", 24))
        write_split(folder / "tiny", "test", records("test", 9)[:-1])
    if "convert" in names:
        import torch

        from tests.reference_weights import filled_checkpoint

        parts = filled_checkpoint(tame=True)
        torch.save(
            {
                part: {name: value.float() if value.is_floating_point() else value for name, value in of_part.items()}
                for part, of_part in parts.items()
            },
            folder / "weights.pt",
        )
