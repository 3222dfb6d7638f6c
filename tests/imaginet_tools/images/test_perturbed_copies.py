"""Anyone's images perturbed: the same files in any way they are made, resumed after a kill, nothing overwritten or lost."""

import csv
import os
import signal
import time
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image

import imaginet
from imaginet_core.pictures.perturbed_test_set import perturb as perturbed
from imaginet_tools.images import perturbed_copies
from imaginet_tools.images.image_set import ImageSet
from tests import fresh_process

COUNT = 12


def picture(number: int) -> Image.Image:
    rng = np.random.default_rng(number)
    return Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((320, 280), Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path) -> Path:
    root = tmp_path / "images"
    for label in ("real", "synthetic/a network: 2"):
        (root / label).mkdir(parents=True)
        for number in range(COUNT // 2):
            picture(number + 100 * (label == "real")).save(root / label / f"{number}.png")
    return root


def images_of(folder: Path) -> ImageSet:
    return ImageSet.from_folder(str(folder))


def rows_of(out: Path) -> list[dict]:
    with open(out / "metadata.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def files_of(out: Path) -> dict[str, bytes]:
    return {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*") if file.is_file()}


def test_the_files_are_what_the_name_draws_and_the_table_says_where_from(folder, tmp_path):
    assert perturbed_copies.perturb_all(images_of(folder), str(tmp_path / "out")).images == COUNT
    rows = rows_of(tmp_path / "out")
    assert len({row["original"] for row in rows}) == COUNT == len(files_of(tmp_path / "out")) - 1
    for row in rows:
        content, drawn = perturbed((folder / row["original"]).read_bytes(), row["original"])
        assert (tmp_path / "out" / row["file_name"]).read_bytes() == content
        assert {key: row[key] for key in drawn} == {key: "" if value is None else str(value) for key, value in drawn.items()}
        assert row["file_name"].startswith({"real": "real/", "synthetic": "synthetic/a_network_2/"}[row["label"]])


def test_two_processes_a_subset_and_another_order_give_the_same_files(folder, tmp_path):
    perturbed_copies.perturb_all(images_of(folder), str(tmp_path / "one"))
    perturbed_copies.perturb_all(images_of(folder), str(tmp_path / "two"), processes=2)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    some = [(row["original"], row["label"]) for row in rows_of(tmp_path / "one")[::-3]]
    with open(folder / "some.csv", "w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *some])
    perturbed_copies.perturb_all(ImageSet.from_csv(str(folder / "some.csv")), str(tmp_path / "three"))
    first = {row["original"]: (tmp_path / "one" / row["path"]).read_bytes() for row in rows_of(tmp_path / "one")}
    for row in rows_of(tmp_path / "three"):
        assert (tmp_path / "three" / row["path"]).read_bytes() == first[row["original"]]


def test_what_was_made_is_read_by_others_and_by_our_own_tools(folder, tmp_path):
    perturbed_copies.perturb_all(images_of(folder), str(tmp_path / "data" / "test"))
    out, cache = tmp_path / "data" / "test", str(tmp_path / "cache")
    rows = datasets.load_dataset("imagefolder", data_dir=str(out), cache_dir=cache)["train"]
    assert len(rows) == COUNT and set(rows["label"]) == {"real", "synthetic"} and rows[0]["image"].size == (256, 256)
    own = [ImageSet.from_csv(str(out / "metadata.csv")), ImageSet.from_folder(str(out))]
    assert sorted(own[0].label) == own[1].label.tolist()
    loaded = imaginet.ImagiNet(config_name="all", data_dir=str(tmp_path / "data"), cache_dir=cache)
    assert sum(1 for _ in loaded.as_streaming_dataset("test")) == COUNT


def test_raw_images_become_what_the_configuration_perturbed_makes(tmp_path):
    perturbed_copies.perturb_all(ImageSet.from_raw("sample", ("test",)), str(tmp_path / "out"))
    builder = imaginet.ImagiNet(config_name="sample", cache_dir=str(tmp_path))
    contents = {row["path"]: row["image"]["bytes"] for row in builder.as_streaming_dataset("test").cast_column(
        "image", datasets.Image(decode=False)
    )}
    for row in rows_of(tmp_path / "out")[:5]:
        assert (tmp_path / "out" / row["path"]).read_bytes() == perturbed(contents[row["original"]], row["original"])[0]


def test_a_killed_run_goes_on_and_ends_as_if_it_had_not_been(repository, folder, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    perturbed_copies.perturb_all(images_of(folder), str(whole))
    slow = (
        "import sys, time; from imaginet_tools.images import perturbed_copies as copies; write = copies._write\n"
        "copies._write = lambda *given: (write(*given), time.sleep(0.2))\n"
        "import imaginet; imaginet.main(['perturb', *sys.argv[1:]])"
    )
    with open(os.devnull, "r+") as nothing:
        command = ["-c", slow, "--folder", folder, "--out", killed, "--num_proc", "1"]
        run = fresh_process.FreshProcess(command, repository, os.environ, [nothing, nothing, nothing])
    started = time.monotonic()
    while len(list(killed.rglob("*.webp"))) < 4 and time.monotonic() - started < 60:
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not (killed / "metadata.csv").exists() and 4 <= len(list(killed.rglob("*.webp"))) < COUNT
    with open(killed / perturbed_copies.JOURNAL, "a") as file:
        file.write('{"file_name": "real/cut in the mid')  # what a kill amid a line leaves
    before = {file: file.stat().st_mtime_ns for file in killed.rglob("*.webp")}
    perturbed_copies.perturb_all(images_of(folder), str(killed))
    assert files_of(killed) == files_of(whole)
    assert sum(file.stat().st_mtime_ns == before[file] for file in before) >= 3  # at most the one being noted is made again


def test_broken_images_are_named_and_the_rest_is_not_lost(folder, tmp_path):
    (folder / "real" / "0.png").write_bytes((folder / "real" / "0.png").read_bytes()[:900])
    out = tmp_path / "out"
    with pytest.raises(ValueError, match=r"1 image\(s\) are broken \(real/0.png: it is broken.*--on_corrupt skip"):
        perturbed_copies.perturb_all(images_of(folder), str(out))
    outcome = perturbed_copies.perturb_all(images_of(folder), str(out), on_corrupt="skip")
    assert outcome.images == COUNT - 1 == len(rows_of(out)) and list(outcome.left_out) == ["real/0.png"]
    assert "real/0.png" in (out / "left_out.jsonl").read_text(encoding="utf-8")


def test_nothing_is_overwritten_or_mixed(folder, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is not empty; choose another folder"):
        perturbed_copies.perturb_all(images_of(folder), str(out))
    with pytest.raises(FileExistsError, match="is no folder"):
        perturbed_copies.perturb_all(images_of(folder), str(out / "mine.txt"))
    perturbed_copies.perturb_all(images_of(folder), str(tmp_path / "done"))
    with pytest.raises(FileExistsError, match="metadata.csv already"):
        perturbed_copies.perturb_all(images_of(folder), str(tmp_path / "done"))
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / perturbed_copies.JOURNAL).write_text('{"images": "others"}\n')
    with pytest.raises(ValueError, match="an unfinished run of other images"):
        perturbed_copies.perturb_all(images_of(folder), str(tmp_path / "half"))


def test_the_command_says_what_it_did_and_what_is_wrong(repository, folder, tmp_path):
    def run(*arguments):
        done = fresh_process.run(["imaginet.py", "perturb", *arguments, "--num_proc", "1"], repository)
        assert "Traceback" not in done.stderr
        return done

    done = run("--folder", folder, "--out", tmp_path / "out")
    assert done.returncode == 0 and f"{COUNT} images in {tmp_path / 'out'}, with metadata.csv." in done.stdout
    again = run("--folder", folder, "--out", tmp_path / "out")
    assert again.returncode == 1 and "choose another folder" in again.stderr
