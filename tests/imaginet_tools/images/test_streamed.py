"""Splits of a stream: what is held out and what is gathered, that it is gathered once, and what is said of bad input."""

from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pytest

from imaginet_tools.images import streamed
from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.images.splits import load_any
from imaginet_tools.images.streamed import is_held_out, load_streamed_splits
from tests.training.tiny_data import records, write_split

SHARE, SEED = 0.25, 42


@pytest.fixture(scope="module", autouse=True)
def no_pause():
    """datasets waits 5 s at the end of each pass over parquet files, for its threads; tests need not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "SLEEP_TIME_ON_THREADS_SHUTDOWN", 0, raising=False)
        yield


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    """96 images in two files, and 17 to score."""
    folder = tmp_path_factory.mktemp("data") / "shards"
    rows = records("train", 48)
    for number, (start, end) in enumerate([(0, 42), (42, 96)]):
        write_split(folder, f"train-{number}", rows[start:end])
    write_split(folder, "test", records("test", 9)[:-1])
    return folder


@pytest.fixture(scope="module")
def data(shards) -> DataOptions:
    return DataOptions(dataset=str(shards), streaming=True, held_out=SHARE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def splits(data, folder):
    return load_streamed_splits(data, SEED, folder)


def test_the_sources_held_out_are_the_share_asked_for_and_others_with_another_seed():
    names = [f"source {number}" for number in range(4000)]
    chosen = {name for name in names if is_held_out(name, SHARE, SEED)}
    assert 900 < len(chosen) < 1100
    other = {name for name in names if is_held_out(name, SHARE, seed=7)}
    assert 0.15 < len(chosen & other) / len(chosen) < 0.35  # as independent draws would
    assert chosen < {name for name in names if is_held_out(name, 0.3, SEED)}


def test_gathered_images_are_bounded_balanced_and_whole(data, shards, tmp_path, monkeypatch):
    monkeypatch.setattr(streamed, "HELD_OUT_IMAGES", 6)
    monkeypatch.setattr(streamed, "SAMPLE_IMAGES", 10)
    splits = load_streamed_splits(data, SEED, tmp_path)
    assert np.bincount(splits.held_out.label).tolist() == [3, 3] and np.bincount(splits.train.label).tolist() == [5, 5]
    images = {row["path"]: row for row in records("train", 48) + records("test", 9)}
    for part in (splits.held_out, splits.train, splits.test):
        for index, path in enumerate(part.path):
            row = images[path]
            assert part.rows[index]["image"]["bytes"] == row["image"]["bytes"]
            assert (part.label[index] == 1) == (row["label"] == "synthetic")
            assert (part.content[index], part.family[index]) == (row["content"], row["family"])
            assert (part.generator[index], part.source_image[index]) == (row["generator"], row["source_image"])


def test_gathering_happens_once(data, folder, splits, monkeypatch):
    def never(stream, **given):
        raise AssertionError("gathered again")

    monkeypatch.setattr(streamed, "_sample", never)
    monkeypatch.setattr(streamed, "_all", never)
    again = load_streamed_splits(data, SEED, folder)
    assert again.train.fingerprint() == splits.train.fingerprint()
    assert again.held_out.fingerprint() == splits.held_out.fingerprint()


def test_another_seed_gathers_anew(data, folder, splits):
    other = load_streamed_splits(data, 7, folder)
    assert set(other.held_out.source_image) != set(splits.held_out.source_image)


@pytest.mark.parametrize("streaming", [False, True])
def test_what_save_to_disk_wrote_loads_and_streams(data, shards, tmp_path, streaming):
    loaded = datasets.load_dataset(str(shards))
    loaded.save_to_disk(tmp_path / "all")
    loaded["train"].save_to_disk(tmp_path / "one")
    for name, splits_there in (("all", {"train", "test"}), ("one", {"train"})):
        changed, listed = replace(data, dataset=str(tmp_path / name)), [row["path"] for row in records("train", 48)]
        opened = load_any(changed, streaming=streaming)
        assert set(opened) == splits_there
        if not streaming:
            assert ImageSet.from_rows(opened["train"], "train").path.tolist() == listed
            continue
        splits = load_streamed_splits(changed, SEED, tmp_path / f"run {name}")
        assert [row["path"] for row in splits.stream] == listed and splits.stream.num_shards > 1
        assert {*splits.train.path, *splits.held_out.path} == set(listed)


# bad input

def with_rows(tmp_path, rows, features=None, split="train") -> DataOptions:
    """Options of a data set of these rows."""
    if features is None:
        write_split(tmp_path / "data", split, rows)
    else:
        (tmp_path / "data").mkdir()
        columns = {name: [row[name] for row in rows] for name in features}
        datasets.Dataset.from_dict(columns, features=features).to_parquet(tmp_path / "data" / f"{split}.parquet")
    return DataOptions(dataset=str(tmp_path / "data"), streaming=True, held_out=SHARE)


def test_a_stream_without_images_is_said(tmp_path):
    write_split(tmp_path / "full", "train", records("train", 1))
    features = datasets.load_dataset(str(tmp_path / "full"), split="train").features
    with pytest.raises(ValueError, match="the train split of .*data is a stream without any image"):
        load_streamed_splits(with_rows(tmp_path, [], features), SEED, tmp_path / "run")


def test_a_stream_without_train_split_is_said(tmp_path):
    with pytest.raises(ValueError, match=r"has no train split \(only test\)"):
        load_streamed_splits(with_rows(tmp_path, records("test", 4), split="test"), SEED, tmp_path / "run")


def test_one_class_only_is_said(tmp_path):
    rows = [row for row in records("train", 24) if row["label"] == "real"]
    with pytest.raises(ValueError, match="training images that the stream gives hold no synthetic image"):
        load_streamed_splits(with_rows(tmp_path, rows), SEED, tmp_path / "run")


def test_too_few_held_out_images_are_said(tmp_path):
    rows = [row for row in records("train", 24) if not is_held_out(row["source_image"], SHARE, SEED)]
    with pytest.raises(ValueError, match=r"held-out 25% .* hold no real image"):
        load_streamed_splits(with_rows(tmp_path, rows), SEED, tmp_path / "run")


def test_a_column_of_class_names_that_is_no_class_label_is_named(tmp_path):
    rows = [{"image": row["image"], "label": row["label"], "generator": row["generator"]} for row in records("train", 4)]
    features = {
        "image": datasets.Image(), "label": datasets.ClassLabel(names=["real", "synthetic"]), "generator": datasets.Value("string"),
    }
    with pytest.raises(ValueError, match="The column 'generator' of .* is no ClassLabel"):
        load_streamed_splits(with_rows(tmp_path, rows, datasets.Features(features)), SEED, tmp_path / "run")


def test_strange_labels_and_missing_columns_are_named(tmp_path):
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string"), "path": datasets.Value("string")})
    rows = [{"image": row["image"], "label": "maybe", "path": row["path"]} for row in records("train", 4)]
    with pytest.raises(ValueError, match="train/.*png has the label 'maybe'; labels must be real and synthetic"):
        load_streamed_splits(with_rows(tmp_path, rows, features), SEED, tmp_path / "run")
    rows = [{"picture": row["image"], "label": row["label"]} for row in records("train", 4)]
    features = datasets.Features({"picture": datasets.Image(), "label": datasets.Value("string")})
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match="has no column 'image'"):
        load_streamed_splits(with_rows(tmp_path / "other", rows, features), SEED, tmp_path / "run")


def test_columns_and_labels_by_other_names_stream(tmp_path, caplog):
    rows = [{"img": row["image"], "origin": ["human", "ai"][row["label"] == "synthetic"]} for row in records("train", 24)]
    features = datasets.Features({"img": datasets.Image(), "origin": datasets.Value("string")})
    data = replace(with_rows(tmp_path, rows, features), image_column="img", label_column="origin")
    splits = load_streamed_splits(data, SEED, tmp_path / "run")
    assert len(splits.train) + len(splits.held_out) == 48 and splits.train.label.mean() == 0.5
    assert "human as real; ai as synthetic" in caplog.text


def test_a_file_that_is_not_there_any_more_is_named():
    with pytest.raises(ValueError, match=r"train/1.png cannot be read \(.*No such file.*\); see that it is there"):
        streamed.with_bytes({"bytes": None, "path": "nowhere/1.png"}, "train/1.png")


def test_configurations_of_a_saved_folder_and_damaged_ones_are_refused(tmp_path):
    datasets.Dataset.from_list([{"x": 1}]).save_to_disk(tmp_path / "saved")
    saved = DataOptions(dataset=str(tmp_path / "saved"))
    with pytest.raises(ValueError, match="saved, written by save_to_disk, has no configurations"):
        load_any(replace(saved, config_name="faces"))
    next((tmp_path / "saved").glob("*.arrow")).unlink()
    with pytest.raises(ValueError, match="saved was written by save_to_disk but cannot be read"):
        load_any(saved)
