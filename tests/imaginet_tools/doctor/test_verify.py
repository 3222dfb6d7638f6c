"""What `doctor --verify` finds in a tree with one of each fault."""

import json

import pytest
from PIL import Image, ImageDraw, ImageFilter

import imaginet
from imaginet_core.pictures.sources import Limits
from imaginet_tools.commands.main import main
from imaginet_tools.doctor import verify as module
from imaginet_tools.doctor.verify import KINDS, describe, verify
from tests.imaginet.trees import write_tree


def picture(seed: int, size: int = 96) -> Image.Image:
    """Some coloured shapes; other seeds give other pictures, also for a perceptual hash."""
    image = Image.new("RGB", (size, size), (seed * 37 % 256, seed * 91 % 256, seed * 53 % 256))
    draw = ImageDraw.Draw(image)
    for n in range(12):
        x, y = (seed * 17 + n * 29) * 7 % size, (seed * 31 + n * 13) * 11 % size
        draw.ellipse((x - 20, y - 12, x + 20, y + 12), fill=tuple((seed * 67 + n * k) % 256 for k in (41, 83, 127)))
    return image


@pytest.fixture
def faulty(tmp_path):
    """A tree in which every image is a picture of its own but for these faults."""
    root = write_tree(tmp_path / "raw")
    for number, record in enumerate(record for records in read(root).splits.values() for record in records):
        picture(number).save(root / record.path)
    (root / "ffhq/d.png").write_bytes((root / "ffhq/d.png").read_bytes()[:-300])
    (root / "journeydb/h.jpg").write_bytes(b"")
    (root / "dalle3_addition2/i.png").unlink()
    picture(50).save(root / "dalle3_addition2/i.png", format="JPEG")
    (root / "wikiart_stylegan/f.png").write_bytes((root / "ffhq_stylegan/e.png").read_bytes())
    train = root / "danbooru2021/1.jpg"
    picture(60, 200).save(train)
    picture(60, 200).filter(ImageFilter.GaussianBlur(1)).resize((150, 150)).save(root / "photozilla/other_dataset/zoo/g.jpg", quality=60)
    return root


def read(root):
    return imaginet.ImagiNetConfig(name="all", data_dir=str(root)).raw


@pytest.mark.parametrize("processes", [1, 2])
def test_each_fault_is_found_and_nothing_else(faulty, processes):
    findings = verify(read(faulty), processes)
    assert [each["path"] for each in findings["broken"]] == ["ffhq/d.png"] and "truncated" in findings["broken"][0]["reason"]
    assert findings["empty"] == [{"path": "journeydb/h.jpg", "reason": "0 bytes"}]
    assert findings["mislabelled"] == [{"path": "dalle3_addition2/i.png", "reason": "it is JPEG"}]
    assert findings["duplicates"] == [{"paths": ["ffhq_stylegan/e.png", "wikiart_stylegan/f.png"]}]
    [near] = findings["near_duplicates"]
    assert (near["train"], near["test"]) == ("danbooru2021/1.jpg", "photozilla/other_dataset/zoo/g.jpg") and near["bits"] <= module.NEAR
    assert findings["oversized"] == []
    text = describe(findings)
    assert all(title in text for title in KINDS.values()) and "journeydb/h.jpg: 0 bytes" in text


def test_oversized_images_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LIMITS", Limits(pixels=5))
    findings = verify(read(write_tree(tmp_path / "raw")), 1)
    assert len(findings["oversized"]) == 15 and not findings["broken"]


def test_the_command_prints_the_findings_and_its_exit_status_says_whether_there_are_any(faulty, tmp_path, capsys):
    def run(root):
        return main(["doctor", "--data_dir", str(root), "--verify", "--json"]), capsys.readouterr()

    status, said = run(faulty)
    assert status == 1 and json.loads(said.out)["findings"]["mislabelled"]
    assert "verifying" in said.err  # the bar
    whole = tmp_path / "whole"
    write_tree(whole, {"test": ["./ffhq/d.png,0,2,4,8"]})
    status, said = run(whole)
    assert status == 0 and not any(json.loads(said.out)["findings"].values())
