"""The doctor's table and exit status on small trees, and the documentation's table."""

import json
import subprocess
import sys

import imaginet
from scripts.update_sources_table import with_table
from tests.imaginet.trees import write_tree


def run(repository, *arguments):
    done = subprocess.run(
        [sys.executable, "imaginet.py", "doctor", *map(str, arguments)], cwd=repository, capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr
    return done


def test_a_whole_tree_gives_exit_status_0_and_its_counts(repository, tmp_path):
    done = run(repository, "--data_dir", write_tree(tmp_path / "raw"), "--json")
    assert done.returncode == 0
    found = {each["source"]: each for each in json.loads(done.stdout)["sources"]}
    assert len(found) == 14 and sum(sum(each["wanted"].values()) for each in found.values()) == 15
    assert found["ffhq"]["found"] == {"train": 1, "test": 1} and found["ffhq"]["missing"] == []
    assert found["ffhq"]["bytes"] == sum(file.stat().st_size for file in (tmp_path / "raw" / "ffhq").iterdir())
    assert found["ffhq"]["where"] == {str(tmp_path / "raw" / "ffhq"): 2}
    assert found["ffhq"]["licence"] == imaginet.SOURCES["ffhq"].licence


def test_missing_images_give_exit_status_1_and_are_named(repository, tmp_path):
    raw = write_tree(tmp_path / "raw")
    (raw / "ffhq/d.png").unlink()
    done = run(repository, "--data_dir", raw)
    assert done.returncode == 1
    [line] = [line for line in done.stdout.splitlines() if line.startswith("ffhq ")]
    assert "1 of 1" in line and "0 of 1" in line and "CC BY-NC-SA 4.0" in line and "https://github.com/NVlabs/ffhq-dataset" in line
    assert "missing of ffhq, e.g. ffhq/d.png" in done.stdout and "stylegan3_paintings" in done.stdout
    assert run(repository, "--data_dir", raw, "--config_name", "photos").returncode == 0


def test_wrong_use_is_one_sentence(repository, tmp_path):
    assert "nowhere does not exist" in run(repository, "--data_dir", tmp_path / "nowhere").stderr
    done = subprocess.run([sys.executable, "imaginet.py", "heal"], cwd=repository, capture_output=True, text=True)
    assert done.returncode == 2 and "doctor" in done.stderr


def test_the_documentation_has_the_registrys_table(repository):
    text = (repository / "docs" / "data.md").read_text(encoding="utf-8")
    assert with_table(text) == text
