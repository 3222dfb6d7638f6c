"""Reads images as they come, without preparing a data set first, and hands them to PyTorch in batches.

    python examples/stream.py [RAW]
"""

import sys

import numpy as np
import torch
from datasets import load_dataset
from torch.utils.data import DataLoader

import imaginet  # noqa: F401  (makes the name "imaginet" known to load_dataset)


def to_tensors(row: dict) -> dict:
    pixels = np.asarray(row["image"].convert("RGB").resize((64, 64)))
    return {"pixels": torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255, "label": row["label"]}


def main(arguments: list[str]) -> None:
    given = {"data_dir": arguments[0]} if arguments else {"name": "sample"}
    stream = load_dataset("imaginet", **given, split="train", streaming=True).shuffle(seed=0, buffer_size=100)
    batches = DataLoader(stream.map(to_tensors, remove_columns=stream.column_names), batch_size=16)
    for number, batch in enumerate(batches):
        share = batch["label"].float().mean()
        print(f"batch {number}: {tuple(batch['pixels'].shape)}, {share:.0%} of the images synthetic")
        if number == 3:
            return


if __name__ == "__main__":
    main(sys.argv[1:])
