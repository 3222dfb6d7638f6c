"""Plain folders and lists whose paths lead over links, to one file twice, or out of the data folder."""

import os

import pytest

import imaginet
from imaginet_core.storage.files import walk_files
from tests.imaginet.trees import write_image


def raw_of(root, **keywords) -> imaginet.Raw:
    return imaginet.ImagiNetConfig(name="all", data_dir=str(root), **keywords).raw


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "raw"
    for split in ("train", "test"):
        for number, name in enumerate(("real/a.png", "real/deep/b.png", "synthetic/c.png")):
            write_image(root / split / name, number + 10 * (split == "test"))
    return root


def test_links_to_folders_are_followed(folder, tmp_path):
    for number in range(3):
        write_image(tmp_path / "elsewhere" / f"{number}.png", 100 + number)
    write_image(tmp_path / "elsewhere" / "more" / "3.png", 103)
    (folder / "train/synthetic/SDXL").symlink_to(tmp_path / "elsewhere")
    records = [record for record in raw_of(folder).splits["train"] if record.generator == "SDXL"]
    expected = [f"train/synthetic/SDXL/{name}" for name in ("0.png", "1.png", "2.png", "more/3.png")]
    assert [record.path for record in records] == expected
    paths = {record.path for record in raw_of(folder).splits["train"]}
    assert {f"train/{path}" for path in walk_files(str(folder / "train"))} == paths


def test_links_in_a_circle_end(folder):
    before = raw_of(folder).splits
    (folder / "train/real/up").symlink_to(folder / "train")
    (folder / "train/real/itself").symlink_to("itself")
    (folder / "train/real/gone").symlink_to("nowhere")
    assert {split: records for split, records in raw_of(folder).splits.items()} == before
    (folder / "train/real/deep/other").symlink_to(folder / "train/real/second")
    (folder / "train/real/second").mkdir()
    write_image(folder / "train/real/second/x.png", 50)
    (folder / "train/real/second/first").symlink_to(folder / "train/real/deep")
    files = {"a.png", "deep/b.png", "second/x.png", "deep/other/x.png", "second/first/b.png"}  # each way once
    real = {record.path for record in raw_of(folder).splits["train"] if record.label == "real"}
    assert real == {f"train/real/{name}" for name in files}
    assert files | {"itself", "gone"} == set(walk_files(str(folder / "train/real")))


def test_what_can_be_no_file_counts_as_missing(tmp_path):
    root = tmp_path / "raw"
    write_image(root / "ffhq/a.png")
    (root / "ffhq/loop.png").symlink_to("loop.png")
    (root / "ffhq/folder.png").mkdir()
    os.mkfifo(root / "ffhq/pipe.png")
    strange = ["ffhq/loop.png", "ffhq/folder.png", "ffhq/pipe.png", f"ffhq/{'x' * 5000}.png", "ffhq/nul\0.png"]
    lines = [f"./{path},0,2,4,8" for path in ["ffhq/a.png", *strange]]
    (root / "test_annotations.txt").write_text("\n".join(lines), encoding="utf-8")
    raw = raw_of(root)
    assert list(raw.places) == ["ffhq/a.png"] and [record.path for record in raw.missing] == strange


def test_real_is_no_name_of_a_generator(folder):
    write_image(folder / "train/synthetic/real/d.png", 60)
    with pytest.raises(ValueError, match="train/synthetic/real: a folder below synthetic names the generator.* move real"):
        raw_of(folder)


def test_one_file_under_two_listed_names_is_refused(tmp_path):
    root = tmp_path / "raw"
    write_image(root / "ffhq/café.png")  # on the disk with one character for the accented letter
    (root / "train_annotations.txt").write_text("./ffhq/caf\u00e9.png,0,2,4,8\n", encoding="utf-8")
    (root / "test_annotations.txt").write_text("./ffhq/cafÃ©.png,0,2,4,8\n", encoding="utf-8")  # the same name misread
    with pytest.raises(ValueError, match="are one and the same file, .*ffhq/café.png; take one out"):
        raw_of(root)


@pytest.mark.parametrize("entry", ['train: ["../outside/*.png"]', 'train: ["mine/../../outside/*.png"]', "folders: [../outside]"])
def test_a_registry_stays_in_the_data_folder(tmp_path, entry):
    write_image(tmp_path / "outside/1.png")
    write_image(tmp_path / "raw/mine/1.png")
    fields = ["folders: [mine]", "what: w", "home: h", "licence: l", "label: real", "content: photos"]
    fields = [field for field in fields if field.partition(":")[0] != entry.partition(":")[0]] + [entry]
    registry = tmp_path / "registry.yaml"
    registry.write_text("extends: nothing\nsources:\n  mine:\n" + "".join(f"    {field}\n" for field in fields), encoding="utf-8")
    with pytest.raises(ValueError, match=r"registry.yaml, source mine: .* which leads out of the data folder"):
        raw_of(tmp_path / "raw", registry=str(registry))
    assert os.listdir(tmp_path / "outside") == ["1.png"]
