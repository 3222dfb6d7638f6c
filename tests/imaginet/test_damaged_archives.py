"""Archives of which a part is damaged: what can be read is built, what cannot is named."""

import gzip
import io
import json
import os
import shutil
import tarfile
import zipfile

import datasets
import pytest

import imaginet
from imaginet_core.storage.archives import state_of
from tests.imaginet.trees import image_bytes, write_tree

LINES = {"train": [f"./wikiart/Realism/{number}.jpg,0,1,4,8" for number in range(12)]}
SMALL = {"train": [f"./wikiart/Realism/{number}.jpg,0,1,4,8" for number in range(3)]}


def damage(file, needle: bytes) -> None:
    """Turns a byte within the first place where ``needle`` stands."""
    content = bytearray(file.read_bytes())
    content[content.index(needle) + len(needle) // 2] ^= 0xFF
    file.write_bytes(content)


@pytest.fixture(params=[zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def packed(tmp_path, request):
    """Twelve paintings in wikiart.zip, of which 3.jpg is damaged."""
    root = write_tree(tmp_path / "raw", LINES)
    with zipfile.ZipFile(root / "wikiart.zip", "w", request.param) as archive:
        for line in LINES["train"]:
            path = line.split(",")[0].removeprefix("./")
            archive.write(root / path, path)
        entry = archive.getinfo("wikiart/Realism/3.jpg")
    shutil.rmtree(root / "wikiart")
    content = bytearray((root / "wikiart.zip").read_bytes())
    middle = entry.header_offset + 30 + len(entry.filename) + entry.compress_size // 2
    content[middle : middle + 4] = bytes(byte ^ 0x5A for byte in content[middle : middle + 4])
    (root / "wikiart.zip").write_bytes(content)
    return root


@pytest.mark.parametrize("num_proc", [None, 2])
def test_a_damaged_entry_is_skipped_and_noted_or_named(load, packed, tmp_path, num_proc):
    sentence = r"1 image\(s\) are corrupt.*\n- wikiart/Realism/3.jpg: .*wikiart.zip is damaged: its entry"
    with pytest.raises(imaginet.ImageError, match=sentence):
        load(data_dir=str(packed), num_proc=num_proc)
    rows = load(data_dir=str(packed), num_proc=num_proc, on_corrupt="skip")["train"]
    assert len(rows) == 11 and "wikiart/Realism/3.jpg" not in rows["path"]
    [noted] = (tmp_path / "cache").rglob(imaginet.LEFT_OUT)
    [left_out] = map(json.loads, noted.read_text(encoding="utf-8").splitlines())
    assert left_out["path"] == "wikiart/Realism/3.jpg" and "its entry wikiart/Realism/3.jpg cannot be read" in left_out["reason"]
    streamed = load(data_dir=str(packed), split="train", on_corrupt="skip", streaming=True)
    assert [row["path"] for row in streamed] == rows["path"]


@pytest.mark.parametrize("case", ["zip_one_bad_crc", "zip_one_bad_bz2"])
def test_archives_that_once_failed_are_built_without_the_damaged_entry(load, shared, case):
    root = shared / "cases" / "archives" / case
    if not root.exists():
        pytest.skip("these archives are not here")
    listed = len((root / "annotations" / "train_annotations.txt").read_text(encoding="utf-8").split())
    assert len(load(data_dir=str(root), split="train", on_corrupt="skip")) == listed - 1
    with pytest.raises(imaginet.ImageError, match="is damaged: its entry wikiart/"):
        load(data_dir=str(root))


def test_what_lies_before_the_damage_in_a_compressed_tar_is_kept(load, tmp_path):
    root = write_tree(tmp_path / "raw", SMALL)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for line in SMALL["train"]:
            path = line.split(",")[0].removeprefix("./")
            entry = tarfile.TarInfo(path)
            content = (root / path).read_bytes() + os.urandom(200_000)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    shutil.rmtree(root / "wikiart")
    archive = root / "wikiart.tar.gz"
    archive.write_bytes(gzip.compress(file.getvalue(), 1))
    config = {"data_dir": str(root), "on_corrupt": "skip"}
    assert len(imaginet.ImagiNetConfig(name="all", **config).raw.places) == 3  # listed while it was whole
    raw = imaginet.ImagiNetConfig(name="all", **config).raw
    content = bytearray(archive.read_bytes())
    content[-150_000] ^= 0xFF
    archive.write_bytes(content)
    errors = []
    images = imaginet.read_images(raw, raw.splits["train"], on_error=lambda _, error: errors.append(str(error)))
    with pytest.raises(ValueError, match="wikiart.tar.gz is cut short, damaged"):  # a changed tar is listed anew
        list(imaginet.read_images(raw, raw.splits["train"]))
    assert len(list(images)) + len(errors) == 3 and all("wikiart.tar.gz is cut short, damaged" in reason for reason in errors)


def test_a_restored_file_is_built_anew_although_its_time_was_kept(load, tmp_path):
    """As `cp -p`, unzip and tar do."""
    root = write_tree(tmp_path / "raw", SMALL)
    picture = root / "wikiart/Realism/1.jpg"
    whole, times = picture.read_bytes(), picture.stat()
    picture.write_bytes(bytes(len(whole)))
    os.utime(picture, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert len(load(data_dir=str(root), split="train", on_corrupt="skip")) == 2
    picture.write_bytes(whole)
    os.utime(picture, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert len(load(data_dir=str(root), split="train", on_corrupt="skip")) == 3


def test_a_restored_archive_is_built_anew_although_its_time_was_kept(load, tmp_path):
    root = write_tree(tmp_path / "raw", SMALL)
    with zipfile.ZipFile(root / "wikiart.zip", "w", zipfile.ZIP_STORED) as archive:
        for number in range(3):
            archive.writestr(f"wikiart/Realism/{number}.jpg", image_bytes("JPEG", number))
    shutil.rmtree(root / "wikiart")
    file = root / "wikiart.zip"
    whole, times = file.read_bytes(), file.stat()
    damage(file, image_bytes("JPEG", 1)[-30:])
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    before = state_of(str(file))
    assert len(load(data_dir=str(root), split="train", on_corrupt="skip")) == 2
    file.write_bytes(whole)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert state_of(str(file)) != before
    rows = load(data_dir=str(root), split="train", on_corrupt="skip").cast_column("image", datasets.Image(decode=False))
    assert [row["image"]["bytes"] for row in rows] == [image_bytes("JPEG", number) for number in range(3)]


def test_images_are_read_in_the_background_with_few_in_memory(tmp_path, monkeypatch):
    root = write_tree(tmp_path / "raw", {"train": [f"./ffhq/{number}.png,0,2,4,8" for number in range(100)]})
    raw = imaginet.ImagiNetConfig(name="all", data_dir=str(root)).raw
    read, whole = [], imaginet.read_unit
    monkeypatch.setattr(imaginet, "read_unit", lambda unit, first_bytes: read.append(unit) or whole(unit, first_bytes))
    images = imaginet.read_images(raw, raw.splits["train"])
    for number, (record, content) in enumerate(images):
        assert record.path == f"ffhq/{number}.png" and content == (root / record.path).read_bytes()
        assert len(read) <= number + imaginet.READ_AHEAD
    assert [len(content) for _, content in imaginet.read_images(raw, raw.splits["train"], 8)] == [8] * 100


def test_a_file_that_vanished_is_named_or_left_out(load, tmp_path):
    root = write_tree(tmp_path / "raw", SMALL)
    raw = imaginet.ImagiNetConfig(name="all", data_dir=str(root)).raw
    (root / "wikiart/Realism/1.jpg").unlink()
    with pytest.raises(imaginet.ImageError, match="Realism/1.jpg could not be read .*it was there a moment ago"):
        list(imaginet.read_images(raw, raw.splits["train"]))
    gone = []
    images = imaginet.read_images(raw, raw.splits["train"], on_error=lambda record, _: gone.append(record.path))
    kept = [record.path for record, _ in images]
    assert gone == ["wikiart/Realism/1.jpg"] and len(kept) == 2
