"""The doctor's table and exit status on small trees, and the documentation's table."""

import json

import pytest

import imaginet
from imaginet_tools.commands.main import main
from scripts.update_sources_table import with_table
from tests.imaginet.trees import write_tree


def test_a_whole_tree_gives_exit_status_0_and_its_counts(tmp_path, capsys):
    assert main(["doctor", "--data_dir", str(write_tree(tmp_path / "raw")), "--json"]) == 0
    found = {each["source"]: each for each in json.loads(capsys.readouterr().out)["sources"]}
    assert len(found) == 14 and sum(sum(each["wanted"].values()) for each in found.values()) == 15
    assert found["ffhq"]["found"] == {"train": 1, "test": 1} and found["ffhq"]["missing"] == []
    assert found["ffhq"]["bytes"] == sum(file.stat().st_size for file in (tmp_path / "raw" / "ffhq").iterdir())
    assert found["ffhq"]["where"] == {str(tmp_path / "raw" / "ffhq"): 2}
    assert found["ffhq"]["licence"] == imaginet.SOURCES["ffhq"].licence


def test_missing_images_give_exit_status_1_and_are_named(tmp_path, capsys):
    raw = write_tree(tmp_path / "raw")
    (raw / "ffhq/d.png").unlink()
    assert main(["doctor", "--data_dir", str(raw)]) == 1
    said = capsys.readouterr().out
    [line] = [line for line in said.splitlines() if line.startswith("ffhq ")]
    assert "1 of 1" in line and "0 of 1" in line and "CC BY-NC-SA 4.0" in line and "https://github.com/NVlabs/ffhq-dataset" in line
    assert "missing of ffhq, e.g. ffhq/d.png" in said and "stylegan3_paintings" in said
    assert main(["doctor", "--data_dir", str(raw), "--config_name", "photos"]) == 0


def test_wrong_use_is_one_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit, match="nowhere does not exist"):
        main(["doctor", "--data_dir", str(tmp_path / "nowhere")])
    assert main(["heal"]) == 2 and "doctor" in capsys.readouterr().err


def test_the_documentation_has_the_registrys_table(repository):
    text = (repository / "docs" / "data.md").read_text(encoding="utf-8")
    assert with_table(text) == text
