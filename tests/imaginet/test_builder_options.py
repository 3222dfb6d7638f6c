"""What is left out, what is added, and what goes wrong while building."""

import errno
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import datasets
import pytest
from PIL import Image

import imaginet
from tests.imaginet.trees import OFFICIAL_LINES, write_image, write_tree


def left_out(rows) -> list[dict]:
    """The file beside the prepared data."""
    file = Path(rows.cache_files[0]["filename"]).parent / imaginet.LEFT_OUT
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


@pytest.mark.parametrize("num_proc", [None, 2])
def test_missing_images_may_be_left_out_and_are_recorded(load, raw, num_proc):
    (raw / "ffhq/d.png").unlink()
    (raw / "journeydb/h.jpg").write_bytes(b"")
    test = load(data_dir=str(raw), allow_missing=True, split="test", num_proc=num_proc)
    assert len(test) == 7 and not {"ffhq/d.png", "journeydb/h.jpg"} & set(test["path"])
    assert left_out(test) == [{"path": path, "reason": "missing"} for path in ("ffhq/d.png", "journeydb/h.jpg")]
    assert "Left out: 2 missing and 0 corrupt images" in test.info.description
    write_image(raw / "ffhq/d.png")
    write_image(raw / "journeydb/h.jpg")
    whole = load(data_dir=str(raw), allow_missing=True, split="test")
    assert len(whole) == 9 and left_out(whole) == [] and "Left out" not in whole.info.description


def test_nothing_there_at_all_is_no_data_set(load, tmp_path):
    root = write_tree(tmp_path / "raw", {"test": OFFICIAL_LINES["test"][:1]})
    (root / "progan_val/cat/0_real/1.png").unlink()
    with pytest.raises(FileNotFoundError, match="1 of 1 listed images are missing"):
        load(data_dir=str(root), allow_missing=True)


def damage(raw: Path) -> dict[str, str]:
    """Breaks four images in ways that downloads do; gives path -> a part of the reason."""
    for path in ("dalle3_addition2/i.png", "journeydb/h.jpg", "sd_photos_fake/1.webp"):
        Image.effect_noise((64, 64), 50).convert("RGB").save(raw / path)
        (raw / path).write_bytes((raw / path).read_bytes()[:-400])
    (raw / "ffhq/d.png").write_text("<html>Quota exceeded</html>")
    return {"dalle3_addition2/i.png": "truncated", "journeydb/h.jpg": "truncated", "sd_photos_fake/1.webp": "", "ffhq/d.png": "it is no JPEG"}


@pytest.mark.parametrize("num_proc", [None, 2])
def test_corrupt_images_stop_the_build_with_their_names(load, raw, tmp_path, num_proc):
    damaged = damage(raw)
    with pytest.raises(imaginet.ImageError, match="are corrupt, so nothing was built") as caught:
        load(data_dir=str(raw), num_proc=num_proc)
    named = [path for path in damaged if path in str(caught.value)]
    assert len(named) == 4 if num_proc is None else named
    for path in named:
        assert damaged[path] in str(caught.value)
    assert not list((tmp_path / "cache").rglob("*.arrow"))


@pytest.mark.parametrize("num_proc", [None, 2])
def test_corrupt_images_may_be_left_out_and_are_recorded(load, raw, num_proc):
    damaged = damage(raw)
    test = load(data_dir=str(raw), on_corrupt="skip", split="test", num_proc=num_proc)
    assert len(test) == 5 and not set(damaged) & set(test["path"])
    assert {each["path"] for each in left_out(test)} == set(damaged)
    assert "Left out: 0 missing and 4 corrupt images" in test.info.description


def test_only_the_first_ten_corrupt_images_are_named(load, tmp_path):
    lines = [f"./ffhq/{number:02}.png,0,2,4,8" for number in range(15)]
    root = write_tree(tmp_path / "raw", {"test": lines})
    for number in range(1, 15):
        (root / f"ffhq/{number:02}.png").write_bytes(b"x")
    with pytest.raises(imaginet.ImageError, match=r"10 or more image\(s\) are corrupt") as caught:
        load(data_dir=str(root))
    assert str(caught.value).count("it is no JPEG, PNG") == 10


def test_a_picture_with_bytes_after_its_end_is_whole(load, raw):
    """Cameras append previews; only an end that cannot be found makes an image corrupt."""
    file = raw / "journeydb/h.jpg"
    file.write_bytes(file.read_bytes() + b"\0" * 40 + b"appended")
    assert len(load(data_dir=str(raw), split="test")) == 9


def test_the_generator_track_holds_synthetic_images_only(load, raw):
    test = load(data_dir=str(raw), track="generator", split="test")
    assert set(test["label"]) == {1} and len(test) == 5
    with pytest.raises(ValueError, match="track must be 'origin' or 'generator', got 'family'"):
        load(data_dir=str(raw), track="family")
    with pytest.raises(ValueError, match="on_corrupt must be 'error' or 'skip'"):
        load(data_dir=str(raw), on_corrupt="ignore")


def test_members_of_the_calibration_list_are_marked(load, raw):
    (raw / "annotations" / "calibration.txt").write_text("\n".join(OFFICIAL_LINES["train"][2:4]), encoding="utf-8")
    data = load(data_dir=str(raw))
    assert data["train"]["calibration"] == [False, False, True, True, False, False] and not any(data["test"]["calibration"])


REGISTRY = """
extends: {extends}
families: [Flux]
generators: [FLUX.1]
sources:
  flux_photos:
    folders: [flux]
    what: FLUX.1 photos
    home: https://example.org/flux
    licence: CC0
    label: synthetic
    content: photos
    family: Flux
    generator: FLUX.1
    train: [flux/a/*.png]
    test: ["flux/b/**/*.png"]
  gpt:
    folders: [gpt]
    what: another one
    home: https://example.org/gpt
    licence: not stated
    lists: {{test: gpt.txt}}
"""


def write_registry(tmp_path: Path, raw: Path, extends: str) -> str:
    for number, path in enumerate(("flux/a/1.png", "flux/a/2.png", "flux/b/deep/3.png", "gpt/4.png")):
        write_image(raw / path, number)
    number = 9 if extends == "official" else 0  # the first number after the official ones
    family = 5 if extends == "official" else 0
    (tmp_path / "gpt.txt").write_text(f"./gpt/4.png,1,2,{family},{number}\n", encoding="utf-8")
    (tmp_path / "registry.yaml").write_text(REGISTRY.format(extends=extends), encoding="utf-8")
    return str(tmp_path / "registry.yaml")


def test_sources_of_ones_own_beside_the_official_ones(load, raw, tmp_path):
    data = load(data_dir=str(raw), registry=write_registry(tmp_path, raw, "official"))
    assert {split: len(rows) for split, rows in data.items()} == {"train": 8, "test": 11}
    test = data["test"]
    names = test.features["generator"].names
    assert names == [*imaginet.OFFICIAL.generators.values(), "FLUX.1"] and test.features["family"].names[-1] == "Flux"
    rows = {row["path"]: row for row in test}
    assert (rows["flux/b/deep/3.png"]["source"], rows["flux/b/deep/3.png"]["license"]) == ("flux_photos", "CC0")
    assert names[rows["gpt/4.png"]["generator"]] == "FLUX.1" and rows["gpt/4.png"]["content"] == 2
    assert rows["ffhq/d.png"]["source"] == "ffhq"


def test_sources_of_ones_own_in_place_of_the_official_ones(load, raw, tmp_path):
    data = load(data_dir=str(raw), registry=write_registry(tmp_path, raw, "nothing"))
    assert {split: rows["path"] for split, rows in data.items()} == {
        "train": ["flux/a/1.png", "flux/a/2.png"], "test": ["flux/b/deep/3.png", "gpt/4.png"],
    }
    assert data["test"].features["generator"].names == ["FLUX.1", "real"]
    (raw / "gpt/4.png").unlink()
    with pytest.raises(FileNotFoundError, match="gpt: 1 of 1.*\n.*another one; from https://example.org/gpt; terms: not stated"):
        load(data_dir=str(raw), registry=str(tmp_path / "registry.yaml"))


@pytest.mark.parametrize("old, new, sentence", [
    ("extends: official", "extends: all", "must say 'extends: official' or 'extends: nothing'"),
    ("generator: FLUX.1", "generator: FLUX.2", "source flux_photos: its generator 'FLUX.2' is none of"),
    ("licence: CC0", "license: CC0", r"lacks \['licence'\] and has the unknown entries \['license'\]"),
    ("flux/a/*.png", "flux/c/*.png", "no file under .* fits its train pattern"),
    ("folders: [flux]", "folders: [fluxx]", "lies in none of its folders"),
    ("label: synthetic", "label: real", "source flux_photos: its label is"),
    ("gpt.txt", "absent.txt", "its test list .*absent.txt does not exist"),
    ("sources:", "source:", "must be a mapping with an entry 'sources'"),
])
def test_a_wrong_registry_is_named(load, raw, tmp_path, old, new, sentence):
    file = Path(write_registry(tmp_path, raw, "official"))
    text = file.read_text(encoding="utf-8")
    assert old in text
    if old.startswith("label"):  # real images have no generator of their own
        new += "\n    note: 1"
        sentence = "unknown entries \\['note'\\]"
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=sentence) as caught:
        load(data_dir=str(raw), registry=str(file))
    assert "registry.yaml" in str(caught.value)


def test_upstreams_ready_perturbed_copy_is_traced_to_its_originals(load, tmp_path):
    root = tmp_path / "raw"
    originals = ["./ffhq_stylegan/e.png,1,2,0,1", "./ffhq/d.png,0,2,4,8", "./sd_photos_fake/1.webp,1,0,1,3", "./ffhq/d.png,0,2,4,8"]
    (root / "annotations").mkdir(parents=True)
    for family, lines in (("gan", originals[:2]), ("sd", originals[2:]), ("midjourney", []), ("dalle3", ["./dalle3/z.png,1,3,3,7"])):
        (root / f"annotations/test_annotations_{family}.txt").write_text("\n".join(lines or ["./journeydb/h.jpg,1,3,2,6"]), encoding="utf-8")
    copies = [
        "./testset/photos/synthetic/sd/00002.webp,1,0,1,3", "./testset/faces/real/00003.webp,0,2,4,8", "./testset/faces/real/00001.webp,0,2,4,8",
        "./testset/faces/synthetic/gan/00000.webp,1,2,0,1",
    ]
    (root / "annotations/test_all.txt").write_text("\n".join(copies), encoding="utf-8")
    (root / "annotations/test_sd.txt").write_text("\n".join(copies[:2]), encoding="utf-8")
    for line in copies:
        write_image(root / line.split(",")[0])
    test = load("testset", data_dir=str(root), split="test")
    assert test["source_image"] == ["sd_photos_fake/1.webp", "ffhq/d.png", "ffhq/d.png", "ffhq_stylegan/e.png"]
    assert test["source"] == ["sd_photos", "ffhq", "ffhq", "stylegan_xl_faces"]
    assert len(load("testset_sd", data_dir=str(root), split="test")) == 2
    with pytest.raises(FileNotFoundError, match="no test_gan.txt; fetch it from"):
        load("testset_gan", data_dir=str(root))
    (root / "annotations/test_all.txt").write_text(copies[0].replace("00002", "00001"), encoding="utf-8")
    with pytest.raises(ValueError, match="00001.webp is labelled synthetic.*ffhq/d.png"):
        load("testset", data_dir=str(root))


def test_upstreams_real_lists_of_the_perturbed_copy_fit_together(shared):
    _, splits = imaginet.read_testset(str(shared), str(shared / "annotations"), "testset")
    listed = {record.path for record in imaginet.read_list(str(shared / "annotations" / "test_annotations.txt"), imaginet.OFFICIAL)}
    assert len(splits["test"]) == 40_000 and {record.source_image for record in splits["test"]} <= listed


def test_a_full_disk_is_one_sentence(load, raw, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(datasets.arrow_writer.ArrowWriter, "write_table", full)
    with pytest.raises(imaginet.ImageError, match="No space is left for the prepared data in .*cache"):
        load(data_dir=str(raw))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs to become another user, which only root may")
def test_a_folder_that_may_not_be_read_is_one_sentence():
    def look_as_nobody(pipe):
        os.setgid(65534)
        os.setuid(65534)
        try:
            pipe.send(imaginet.ImagiNetConfig(name="all", data_dir=root).raw)
        except PermissionError as error:
            pipe.send(str(error))

    with tempfile.TemporaryDirectory() as root:  # pytest's own folders are closed to others as a whole
        config = imaginet.ImagiNetConfig(name="all", data_dir=str(write_tree(Path(root))))
        assert not config.raw.missing  # also imports everything while this process still may
        os.chmod(root, 0o755)
        os.chmod(f"{root}/ffhq", 0)
        here, there = multiprocessing.Pipe()
        child = multiprocessing.get_context("fork").Process(target=look_as_nobody, args=(there,))
        child.start()
        assert here.poll(30) and "ffhq/a,b.png may not be read by this user" in here.recv()
        child.join()


BUILD = """
import sys
import imaginet
builder = imaginet.ImagiNet(config_name="all", data_dir=sys.argv[1], cache_dir=sys.argv[2])
print("go", flush=True)
builder.download_and_prepare(num_proc=2)
"""


def test_a_build_killed_three_times_at_random_leaves_no_half_data_set_and_finishes(tmp_path, load):
    lines = [f"./ffhq/{number:05}.png,0,2,4,8" for number in range(6000)]
    (tmp_path / "raw" / "ffhq").mkdir(parents=True)
    write_image(tmp_path / "image.png")
    for line in lines:
        os.link(tmp_path / "image.png", tmp_path / "raw" / line.split(",")[0])
    (tmp_path / "raw" / "test_annotations.txt").write_text("\n".join(lines), encoding="utf-8")
    command = [sys.executable, "-c", BUILD, str(tmp_path / "raw"), str(tmp_path / "cache")]
    environment = {**os.environ, "PYTHONPATH": str(Path(imaginet.__file__).parent)}
    generator = random.Random(0)
    for _ in range(3):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
        assert process.stdout.readline() == b"go\n"
        time.sleep(generator.uniform(0.05, 0.6))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    builder = imaginet.ImagiNet(config_name="all", data_dir=str(tmp_path / "raw"), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare(num_proc=2)
    assert builder.as_dataset(split="test")["path"] == [line[2:].split(",")[0] for line in lines]
    [prepared] = [path.parent for path in (tmp_path / "cache").rglob("dataset_info.json")]
    assert {path.suffix or path.name for path in prepared.iterdir()} == {".arrow", ".json", "LICENSE"} and len(list(prepared.glob("*.arrow"))) == 2
    assert not list((tmp_path / "cache").rglob("*.incomplete"))
