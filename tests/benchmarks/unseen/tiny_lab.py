"""A folder of raw images with lists, small enough to look at: of each source picture a real crop and one of each generator."""

from pathlib import Path

from tests.training.tiny_data import picture, png

GENERATORS = ("blurry", "plain", "smooth")
SOURCES = 12


def write_lab(folder: Path, generators: tuple[str, ...] = GENERATORS) -> Path:
    """12 source pictures to train on, 2 to score."""
    folder.mkdir(parents=True)
    names = [*generators, "real"]
    for split, sources in (("train", SOURCES), ("test", 2)):
        lines = []
        for source in range(sources):
            for number, generator in enumerate(names):
                label = int(generator != "real")
                path = f"{generator}/{split}{source}_{number}.png"
                (folder / generator).mkdir(exist_ok=True)
                (folder / path).write_bytes(png(picture("smooth" if label else "real", source * 10 + number, 16)))
                lines.append(f"./{path},{label},0,{0 if label else 1},{number}")
        (folder / f"annotations_{split}.txt").write_text("".join(f"{line}\n" for line in lines))
    (folder / "SOURCES.tsv").write_text("key\n" + "".join(f"{split}{source}\n" for split in ("train", "test") for source in range(SOURCES)))
    listed = "".join(f"  {number}: {name}\n" for number, name in enumerate(names))
    (folder / "labels.yaml").write_text(f"contents:\n  0: photos\nfamilies:\n  0: made\n  1: real\ngenerators:\n{listed}")
    return folder
