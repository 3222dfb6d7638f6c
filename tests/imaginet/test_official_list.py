"""The official test list as a whole: 40,000 tiny images, as folders and partly in their publishers' archives."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import datasets
import pytest
from PIL import Image

import imaginet
from tests.imaginet.trees import write_image


@pytest.fixture(scope="module")
def listing(shared) -> list[str]:
    return (shared / "annotations" / "test_annotations.txt").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def tree(listing, tmp_path_factory) -> Path:
    """A tiny image at each of the 40,000 paths: links to 500 pictures in each format."""
    root, made = tmp_path_factory.mktemp("official"), set()
    pictures = tmp_path_factory.mktemp("pictures")
    for number, line in enumerate(listing):
        file = root / line.rsplit(",", 4)[0]
        if file.parent not in made:
            file.parent.mkdir(parents=True, exist_ok=True)
            made.add(file.parent)
        picture = pictures / f"{number % 500}{file.suffix}"
        if not picture.exists():
            write_image(picture, number)
        os.link(picture, file)
    return root


def content_hash(rows: datasets.Dataset) -> str:
    """Of paths, labels and bytes, whatever the order."""
    rows = rows.cast_column("image", datasets.Image(decode=False))
    lines = sorted(
        f"{row['path']},{row['label']},{row['content']},{row['generator']},{hashlib.sha256(row['image']['bytes']).hexdigest()}" for row in rows
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_every_configuration_has_the_lists_counts_and_labels(load, shared, listing, tree):
    numbers = [tuple(map(int, line.rsplit(",", 4)[1:])) for line in listing]
    keywords = {"data_dir": str(tree), "annotations": str(shared / "annotations")}
    data = load(num_proc=2, **keywords)
    assert list(data) == ["test"]
    test = data["test"]
    assert list(zip(test["label"], test["content"], test["family"], test["generator"], strict=True)) == numbers
    assert test["path"] == [line.rsplit(",", 4)[0].removeprefix("./") for line in listing]
    assert sum(not path.isascii() for path in test["path"]) == 14
    for number, name in enumerate(imaginet.CONTENTS):
        rows = load(name, split="test", **keywords)
        assert len(rows) == sum(content == number for _, content, _, _ in numbers) > 0
        assert set(rows["content"]) == {number}
    with Image.open(io.BytesIO((tree / test["path"][39_999]).read_bytes())) as file:
        assert test[39_999]["image"].tobytes() == file.tobytes()


def pack(tree: Path, packed: Path, listing: list[str]) -> None:
    """COCO, WikiArt, Photozilla and JourneyDB in their publishers' archives, the rest as links to the folders."""
    def members(folder):
        return sorted(path for path in (line.rsplit(",", 4)[0].removeprefix("./") for line in listing) if path.startswith(folder))

    zips = {"val2017.zip": ("val2017/", ""), "wikiart.zip": ("wikiart/", ""), "dataset.zip": ("photozilla/dataset/", "photozilla/"),
            "other_dataset.zip": ("photozilla/other_dataset/", "photozilla/")}
    packed.mkdir()
    for name, (folder, stripped) in zips.items():
        with zipfile.ZipFile(packed / name, "w") as archive:
            for path in members(folder):
                archive.write(tree / path, path.removeprefix(stripped))
    with tarfile.open(packed / "000.tgz", "w:gz") as archive:
        for path in members("journeydb/"):
            archive.add(tree / path, path.replace("journeydb/", "000/"))
    for folder in tree.iterdir():
        if folder.name not in ("val2017", "wikiart", "photozilla", "journeydb"):
            (packed / folder.name).symlink_to(folder)


@pytest.mark.slow
def test_folders_and_archives_give_the_same_data_set_and_it_reloads_from_parquet(load, shared, listing, tree, repository, tmp_path):
    pack(tree, tmp_path / "packed", listing)
    annotations = str(shared / "annotations")

    done = subprocess.run(
        [sys.executable, "imaginet.py", "doctor", "--data_dir", tmp_path / "packed", "--annotations", annotations],
        cwd=repository, capture_output=True, text=True, timeout=120,
    )
    print(done.stdout)
    assert done.returncode == 0 and "val2017.zip" in done.stdout and "40,000 of 40,000" in done.stdout

    folders = load(data_dir=str(tree), annotations=annotations, split="test")
    archives = load(data_dir=str(tmp_path / "packed"), annotations=annotations, split="test", num_proc=2)
    assert content_hash(folders) == content_hash(archives)

    subprocess.run(
        [sys.executable, "imaginet.py", "export", "--data_dir", tmp_path / "packed", "--annotations", annotations,
         "--output", tmp_path / "imaginet"], cwd=repository, check=True, timeout=300,
    )
    code = (
        "import datasets, json\n"
        "counts = {n: len(datasets.load_dataset('imaginet', n, split='test')) for n in ('all', 'photos', 'paintings', 'faces', 'uncategorized')}\n"
        "datasets.load_dataset('imaginet', 'all', split='test').save_to_disk('saved')\n"
        "print(json.dumps(counts))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"all": 40_000, "photos": 12_000, "paintings": 9_000, "faces": 9_000, "uncategorized": 10_000}
    assert content_hash(datasets.load_from_disk(str(tmp_path / "saved"))) == content_hash(folders)
