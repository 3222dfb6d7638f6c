"""Loads the embedded sample and shows its columns: no download, no other data.

    python examples/load_the_sample.py
"""

from collections import Counter

from datasets import load_dataset

import imaginet  # noqa: F401  (makes the name "imaginet" known to load_dataset)


def main() -> None:
    sample = load_dataset("imaginet", "sample")  # the whole data set: load_dataset("imaginet", data_dir=RAW)
    for split, rows in sample.items():
        generators = rows.features["generator"]
        counts = Counter(generators.int2str(rows["generator"]))
        print(f"{split}: {len(rows)} images; " + ", ".join(f"{count} {name}" for name, count in counts.most_common()))
    first = sample["test"][0]
    print({name: value if name != "image" else f"{value.width} x {value.height} pixels" for name, value in first.items()})


if __name__ == "__main__":
    main()
