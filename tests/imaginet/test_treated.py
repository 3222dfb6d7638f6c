"""The configurations that change pictures: perturbed test images, aligned real and synthetic ones."""

import io
from collections import Counter

import datasets
import fsspec
import numpy as np
import pytest
from PIL import Image

import imaginet
from imaginet_core.pictures.alignment import ImageHeader, align, plan_alignment
from imaginet_core.pictures.header import read_header
from imaginet_core.pictures.perturbed_test_set import perturb

SIZES = {"real": [(320, 280), (300, 300), (280, 330), (310, 290)], "synthetic": [(288, 288), (272, 272), (288, 288), (300, 288)]}


@pytest.fixture
def raw(tmp_path):
    """Real photos and faces as JPEG of many sizes, synthetic ones as PNG squares; two splits."""
    root, lines = tmp_path / "raw", {"train": [], "test": []}
    generator = np.random.default_rng(0)
    for split in lines:
        for content, (real, synthetic) in {0: ("val2017", "sd_photos_fake"), 2: ("ffhq", "sd_faces_fake")}.items():
            for label, folder in (("real", real), ("synthetic", synthetic)):
                for number, (width, height) in enumerate(SIZES[label]):
                    path = f"{folder}/{split}{number}.{'jpg' if label == 'real' else 'png'}"
                    (root / folder).mkdir(parents=True, exist_ok=True)
                    coarse = Image.fromarray(generator.integers(0, 256, (12, 12, 3), dtype=np.uint8))
                    coarse.resize((width, height)).save(root / path, quality=90)
                    lines[split].append(f"./{path},{int(label == 'synthetic')},{content},{4 if label == 'real' else 1},{8 if label == 'real' else 3}")
    for split, of_split in lines.items():
        (root / f"{split}_annotations.txt").write_text("\n".join(of_split), encoding="utf-8")
    return root


def stored(rows) -> dict[str, bytes]:
    rows = rows.cast_column("image", datasets.Image(decode=False))
    return {row["path"]: row["image"]["bytes"] for row in rows}


def test_perturbed_images_are_the_same_for_any_number_of_processes_and_any_subset(load, raw):
    one = load("perturbed", data_dir=str(raw))
    assert list(one) == ["test"] and len(one["test"]) == 16
    images = stored(one["test"])
    assert stored(load("perturbed", data_dir=str(raw), split="test", num_proc=2, download_mode="force_redownload")) == images
    assert stored(load("perturbed", data_dir=str(raw), split="test", streaming=True)) == images
    faces = stored(load("perturbed_faces", data_dir=str(raw), split="test"))
    assert len(faces) == 8 and all(images[path] == content for path, content in faces.items())
    for row in one["test"]:
        content, drawn = perturb((raw / row["path"]).read_bytes(), row["path"])
        assert content == images[row["path"]] and {key: row[key] for key in drawn} == drawn
        assert (row["width"], row["height"], row["format"]) == (256, 256, "WEBP") == (*row["image"].size, row["image"].format)
        assert row["image"].format == "WEBP" and 256 <= row["perturbed_side"] <= 330


def test_aligned_images_follow_the_plan_of_their_split(load, raw):
    data = load(data_dir=str(raw), aligned=True, num_proc=2)
    for split, rows in data.items():
        sizes = {value: Counter((row["content"], row["width"], row["height"]) for row in rows if row["label"] == value) for value in (0, 1)}
        assert sizes[0] == sizes[1]
        assert set(rows["format"]) == {"WEBP"}
        records = imaginet.read_list(str(raw / f"{split}_annotations.txt"), imaginet.OFFICIAL)
        contents = {record.path: (raw / record.path).read_bytes() for record in records}
        headers = [ImageHeader(each.path, each.content, each.label, read_header(contents[each.path])) for each in records]
        plan = plan_alignment(headers)
        images = stored(rows)
        for path, step in plan.items():
            assert images[path] == align(contents[path], path, step)
            with Image.open(io.BytesIO(images[path])) as image:
                assert image.size == (step.width, step.height)
    assert "Aligned:" in data["test"].info.description
    assert stored(load(data_dir=str(raw), split="test")) != stored(data["test"])  # not from one cache


def test_a_source_behind_a_url_is_aligned_as_if_it_were_here(load, raw):
    here = stored(load("faces", data_dir=str(raw), aligned=True, split="test"))
    elsewhere = fsspec.filesystem("memory")
    for file in (raw / "sd_faces_fake").iterdir():
        elsewhere.pipe(f"/aligned/sd_faces_fake/{file.name}", file.read_bytes())
        file.unlink()
    locations = {"sd_faces": "memory://aligned/sd_faces_fake"}
    assert stored(load("faces", data_dir=str(raw), aligned=True, split="test", locations=locations)) == here


def test_a_broken_image_is_named_also_when_it_is_to_be_changed(load, raw):
    (raw / "ffhq/test0.jpg").write_bytes((raw / "ffhq/test0.jpg").read_bytes()[:700])
    for keywords in ({"name": "perturbed_faces"}, {"name": "faces", "aligned": True}):
        with pytest.raises(imaginet.ImageError, match="ffhq/test0.jpg"):
            load(data_dir=str(raw), **keywords)
        assert len(load(data_dir=str(raw), on_corrupt="skip", split="test", **keywords)) == 7


def test_what_cannot_be_changed_is_said(load, raw):
    with pytest.raises(ValueError, match="aligned=True needs real and synthetic images"):
        load(data_dir=str(raw), aligned=True, track="generator")
    with pytest.raises(ValueError, match="aligned=True needs"):
        load("perturbed", data_dir=str(raw), aligned=True)
    (raw / "test_annotations.txt").unlink()
    with pytest.raises(ValueError, match="has no test list"):
        load("perturbed", data_dir=str(raw))
