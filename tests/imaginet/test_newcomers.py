"""What a newcomer meets: misspelt options, remote folders, streams with damage, foreign citations, YAML that never ends."""

import json
import os
from pathlib import Path

import datasets
import fsspec
import pytest

import imaginet
from tests.imaginet.trees import write_image


def test_a_misspelt_location_is_named_with_what_was_meant(raw):
    config = imaginet.ImagiNetConfig(name="all", data_dir=str(raw), locations={"wikirat": str(raw)})
    with pytest.raises(ValueError, match="locations names the source 'wikirat'; did you mean 'wikiart'?"):
        config.raw


def test_an_alias_bomb_is_refused_at_once(tmp_path):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]" for n in range(9)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    (tmp_path / "circle.yaml").write_text("a: &a [*a]")
    (tmp_path / "fine.yaml").write_text("a: &a [1, 2]\nb: [*a, *a]")
    for name in ("bomb.yaml", "circle.yaml"):
        with pytest.raises(ValueError, match=f"{name} stands for more than 1,000,000 values"):
            imaginet.read_yaml(str(tmp_path / name))
    assert imaginet.read_yaml(str(tmp_path / "fine.yaml")) == {"a": [1, 2], "b": [[1, 2], [1, 2]]}


def test_own_images_do_not_carry_imaginets_citation(load, raw, tmp_path):
    write_image(tmp_path / "mine" / "train" / "real" / "a.png", 1)
    write_image(tmp_path / "mine" / "train" / "synthetic" / "b.png", 2)
    own, official, sample = (load(*name, data_dir=folder, split="train").info for name, folder in (
        ((), str(tmp_path / "mine")), ((), str(raw)), (("sample",), None),
    ))
    assert not own.citation and not own.homepage and "ImagiNet:" not in own.description
    assert "boychev2024imaginet" in official.citation and "own terms" in official.license
    assert not sample.citation and "not ImagiNet" in sample.description and "LICENSES.md" in sample.license


def test_a_damaged_image_in_a_stream_ends_the_stream(load, raw):
    (raw / "ffhq" / "d.png").write_bytes(b"no picture")
    stream = load(data_dir=str(raw), split="test", streaming=True)
    with pytest.raises(imaginet.ImageError, match="corrupt, so the stream ends here"):
        list(stream)


def test_it_prepares_on_another_file_system(raw):
    (raw / "ffhq" / "d.png").write_bytes(b"no picture")
    builder = imaginet.ImagiNet(config_name="all", data_dir=str(raw), on_corrupt="skip")
    builder.download_and_prepare("memory://prepared", file_format="parquet")
    files = fsspec.filesystem("memory").ls("/prepared", detail=False)
    assert any(name.endswith(".parquet") for name in files)
    [left_out] = [name for name in files if imaginet.LEFT_OUT in name]
    assert json.loads(fsspec.filesystem("memory").cat(left_out))["path"] == "ffhq/d.png"


def test_the_class_and_load_dataset_share_one_prepared_copy(raw, tmp_path):
    builder = imaginet.ImagiNet(config_name="all", data_dir=str(raw), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    loaded = datasets.load_dataset("imaginet", "all", data_dir=str(raw), cache_dir=str(tmp_path / "cache"))
    folders = {Path(file["filename"]).parent for rows in loaded.values() for file in rows.cache_files}
    assert folders == {Path(builder.cache_dir)}


def test_a_folder_called_as_the_builder_is_pointed_out(load, raw, tmp_path, monkeypatch, caplog):
    (tmp_path / "imaginet").mkdir()
    (tmp_path / "imaginet" / "README.md").write_text("an export")
    monkeypatch.chdir(tmp_path)
    load("sample", split="test")
    assert 'load_dataset("./imaginet"' in caplog.text


@pytest.mark.skipif(os.name != "posix", reason="names of other systems are always text")
def test_a_name_that_is_no_text_is_a_corrupt_image(load, tmp_path):
    for number, label in enumerate(("real", "synthetic")):
        write_image(tmp_path / "mine" / "train" / label / "a.png", number)
    folder = os.fsencode(tmp_path / "mine" / "train" / "real")
    os.rename(folder + b"/a.png", folder + b"/caf\xe9.png")
    write_image(tmp_path / "mine" / "train" / "real" / "b.png", 3)
    with pytest.raises(ValueError, match="its name is no UTF-8 text"):
        load(data_dir=str(tmp_path / "mine"))
    assert len(load(data_dir=str(tmp_path / "mine"), on_corrupt="skip")["train"]) == 2


def test_ffhqs_own_archives_are_told_from_those_of_its_imitators():
    patterns = imaginet.SOURCES["ffhq"].archives
    import fnmatch

    assert not any(fnmatch.fnmatch("ffhq_stylegan.zip", pattern) for pattern in patterns)
    for name in ("ffhq.zip", "ffhq-dataset.tar", "ffhq_images.zip", "images1024x1024.zip", "ffhq1024.zip"):
        assert any(fnmatch.fnmatch(name, pattern) for pattern in patterns), name
