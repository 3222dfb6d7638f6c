"""Streams: what trains and what never does, that views and order are right and come again, and what is said of bad input."""

from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from accelerate import Accelerator

from imaginet_tools.images.splits import load_splits
from imaginet_tools.images.streamed import SAMPLED, is_held_out, load_streamed_splits
from tests.training.tiny_data import GENERATORS, picture, png, records, write_split
from training.options import TrainingOptions
from training.presets import PRESETS
from training.views import streamed_batches
from training.views.random_views import RandomViews
from training.views.recipes import VIEWS
from training.views.streamed_batches import StreamedBatches

GIVEN = {"streaming": True, "aligned": False, "held_out": 0.25, "batch_size": 4, "num_workers": 0, "crop_size": 32}


@pytest.fixture(scope="module", autouse=True)
def no_pause():
    """datasets waits 5 s at the end of each pass over parquet files, for its threads; tests need not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "SLEEP_TIME_ON_THREADS_SHUTDOWN", 0, raising=False)
        yield


@pytest.fixture(scope="module")
def accelerator():
    return Accelerator(cpu=True)


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    """96 images in three files of 12, 30 and 54 rows, and 17 to score."""
    folder = tmp_path_factory.mktemp("data") / "shards"
    rows = records("train", 48)
    for number, (start, end) in enumerate([(0, 12), (12, 42), (42, 96)]):
        write_split(folder, f"train-{number}", rows[start:end])
    write_split(folder, "test", records("test", 9)[:-1])
    return folder


@pytest.fixture(scope="module")
def options(shards, tmp_path_factory) -> TrainingOptions:
    output = str(tmp_path_factory.mktemp("run"))
    return TrainingOptions.of(**{**PRESETS["laptop"], **GIVEN, "dataset": str(shards), "output_dir": output})


@pytest.fixture(scope="module")
def splits(options):
    return splits_of(options)


def splits_of(options):
    return load_streamed_splits(options.data, options.run.seed, Path(options.run.output_dir))


def held_out_by(options, source_image):
    return is_held_out(source_image, options.data.held_out, options.run.seed)


def batches(accelerator, splits, options, stage=1, **changes):
    return StreamedBatches(accelerator, splits, stage, options.replace(**changes))


def drawn(batches, number, skip=0):
    """[(batch, its paths)] of an epoch."""
    return [(batch, batches.paths(batch)) for batch in batches.epoch(number, skip)]


def paths_of(epoch):
    return [path for _, paths in epoch for path in paths]


# what trains

def test_held_out_sources_never_train_and_everything_else_does(splits, options, accelerator, shards):
    listed = {row["path"]: row["source_image"] for row in records("train", 48)}
    held_out = {path for path, source in listed.items() if held_out_by(options, source)}
    assert 0.1 < len(held_out) / len(listed) < 0.4
    assert set(splits.held_out.path) == held_out and set(splits.train.path) == set(listed) - held_out
    for number in (0, 1):
        seen = paths_of(drawn(batches(accelerator, splits, options, batch_size=2), number))
        assert len(seen) == len(set(seen)) == len(listed) - len(held_out) and not set(seen) & held_out
    assert len(splits.test) == 17
    assert (splits.contents, splits.families, splits.generators) == (["photos", "paintings"], ["GAN", "SD"], list(GENERATORS))


# views and order

@pytest.mark.parametrize("stage, changes", [(1, {}), (1, {"consistency": True}), (2, {"classifier_crop_size": 64})])
def test_views_are_those_that_a_prepared_data_set_gives(splits, options, accelerator, stage, changes):
    changed = options.replace(**changes)
    view = VIEWS[options.views.views][stage - 1](32 if stage == 1 else 64)
    views = RandomViews(
        splits.train, view, splits.families, splits.generators, options.run.seed, degraded=changed.stage_1.consistency and stage == 1
    )
    views.set_epoch(3)
    place = {path: index for index, path in enumerate(splits.train.path)}
    for batch, paths in drawn(batches(accelerator, splits, changed, stage), 3)[:4]:
        for row, path in enumerate(paths):
            expected = views[place[path]]
            assert torch.equal(batch["pixels"][row], expected["pixels"])
            for name in ("label", "family", "generator"):
                assert batch[name][row] == expected[name]


def test_each_epoch_has_its_own_order_and_views_and_gives_them_again(splits, options, accelerator):
    first, again = (drawn(batches(accelerator, splits, options), 0) for _ in range(2))
    other = drawn(batches(accelerator, splits, options), 1)
    assert paths_of(first) == paths_of(again) != paths_of(other)
    assert all(torch.equal(one["pixels"], two["pixels"]) for (one, _), (two, _) in zip(first, again, strict=True))
    shown = {path: batch["pixels"][row] for batch, paths in first for row, path in enumerate(paths)}
    changed = [
        not torch.equal(shown[path], batch["pixels"][row])
        for batch, paths in other for row, path in enumerate(paths) if path in shown
    ]
    assert len(changed) > 50 and all(changed)


def test_images_of_different_files_and_classes_are_mixed(splits, options, accelerator):
    order = paths_of(drawn(batches(accelerator, splits, options), 0))
    number = np.array([int(Path(path).stem) for path in order])
    assert abs(np.corrcoef(number, np.arange(len(number)))[0, 1]) < 0.35


@pytest.mark.parametrize("workers", [0, 3])
def test_after_skipping_the_same_batches_follow_bit_for_bit(splits, options, accelerator, workers):
    whole = drawn(batches(accelerator, splits, options, num_workers=workers), 2)
    assert len(whole) > 14
    for skip in (1, 5, len(whole) - 1):  # towards the end the loading process of the smallest file has ended
        rest = drawn(batches(accelerator, splits, options, num_workers=workers), 2, skip)
        assert [paths for _, paths in rest] == [paths for _, paths in whole[skip:]]
        for (batch, _), (expected, _) in zip(rest, whole[skip:], strict=True):
            assert batch.keys() == expected.keys() and all(torch.equal(batch[name], expected[name]) for name in batch)
    assert drawn(batches(accelerator, splits, options, num_workers=workers), 2, len(whole)) == []


def test_skipped_images_are_not_decoded(splits, options, accelerator, monkeypatch):
    opened, picture_file = [], streamed_batches.PictureFile
    monkeypatch.setattr(streamed_batches, "PictureFile", lambda record, name, turn: opened.append(name) or picture_file(record, name, turn))
    rest = drawn(batches(accelerator, splits, options), 0, skip=10)
    assert len(rest) > 3 and set(paths_of(rest)) <= set(opened)
    assert len(opened) < 4 * (len(rest) + 1)


def test_the_global_random_state_is_left_alone(splits, options, accelerator):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    drawn(batches(accelerator, splits, options), 0)
    assert torch.equal(torch.rand(3), expected)


# stage 2's images

def test_stage_2_sees_only_the_images_of_the_calibration_list(splits, options, accelerator, tmp_path):
    listed = sorted(splits.train.path)[5:25]
    file = tmp_path / "calibration.txt"
    file.write_text("".join(f"./{path},1,0,0,0\n" for path in listed), encoding="utf-8")
    changes = {"calibration_list": str(file), "batch_size": 2}
    assert sorted(paths_of(drawn(batches(accelerator, splits, options, stage=2, **changes), 0))) == listed
    assert len(paths_of(drawn(batches(accelerator, splits, options, stage=1, **changes), 0))) == len(splits.train)


def test_stage_2_sees_only_the_images_that_the_data_set_marks(options, accelerator, tmp_path):
    rows = [{**row, "calibration": number % 4 < 2} for number, row in enumerate(records("train", 32))]
    write_split(tmp_path / "data", "train", rows)
    changed = options.replace(dataset=str(tmp_path / "data"), output_dir=str(tmp_path / "run"), batch_size=2)
    splits = splits_of(changed)
    expected = {row["path"] for row in rows if row["calibration"] and not held_out_by(changed, row["source_image"])}
    assert set(paths_of(drawn(batches(accelerator, splits, changed, stage=2), 0))) == expected
    assert splits.test is None


# where data comes from

def test_the_embedded_sample_streams(options, accelerator, tmp_path):
    changed = options.replace(dataset="imaginet", config_name="sample", output_dir=str(tmp_path), batch_size=8)
    splits, prepared = splits_of(changed), load_splits(changed.data, changed.run.seed)
    assert (splits.generators, splits.families) == (prepared.generators, prepared.families)
    assert splits.description == f"{prepared.description} {SAMPLED}" and len(splits.test) == len(prepared.test)
    assert set(splits.train.path) | set(splits.held_out.path) == set(prepared.train.path) | set(prepared.held_out.path)
    batch, paths = drawn(batches(accelerator, splits, changed), 0)[0]
    assert batch["pixels"].shape == (8, 1, 3, 32, 32) and set(paths) <= set(splits.train.path)


def test_folders_of_plain_images_stream_with_default_classes(options, accelerator, tmp_path):
    for number in range(24):
        for label, generator in (("real", "real"), ("synthetic", "smooth")):
            file = tmp_path / "data" / "train" / label / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(png(picture(generator, number)))
    changed = options.replace(dataset=str(tmp_path / "data"), output_dir=str(tmp_path / "run"))
    splits = splits_of(changed)
    assert (splits.contents, splits.families, splits.generators) == (["uncategorized"], ["unknown"], ["unknown"])
    for batch, paths in drawn(batches(accelerator, splits, changed), 0):
        assert all(Path(path).is_file() and Path(path).parent.name in ("real", "synthetic") for path in paths)
        assert batch["label"].tolist() == [int(Path(path).parent.name == "synthetic") for path in paths]
        assert batch["family"].tolist() == [label - 1 for label in batch["label"].tolist()]


def test_images_without_any_path_are_told_apart_by_their_bytes(options, accelerator, tmp_path):
    rows = [{"image": row["image"], "label": row["label"]} for row in records("train", 24)]
    write_split(tmp_path / "data", "train", rows)
    changed = options.replace(dataset=str(tmp_path / "data"), output_dir=str(tmp_path / "run"), batch_size=2)
    splits = splits_of(changed)
    seen = paths_of(drawn(batches(accelerator, splits, changed), 0))
    assert len(set(splits.train.path) | set(splits.held_out.path)) == 48 and set(seen) == set(splits.train.path)


# bad input

def with_rows(tmp_path, options, rows, features=None, split="train"):
    """Options of a data set of these rows."""
    if features is None:
        write_split(tmp_path / "data", split, rows)
    else:
        (tmp_path / "data").mkdir()
        columns = {name: [row[name] for row in rows] for name in features}
        datasets.Dataset.from_dict(columns, features=features).to_parquet(tmp_path / "data" / f"{split}.parquet")
    return options.replace(dataset=str(tmp_path / "data"), output_dir=str(tmp_path / "run"))


def test_a_batch_larger_than_the_stream_is_said(splits, options, accelerator):
    with pytest.raises(ValueError, match=r"does not fill one batch: .* fewer than 200 images .* lower --batch_size 200"):
        drawn(batches(accelerator, splits, options, batch_size=200), 0)
    with pytest.raises(ValueError, match="batch size 1 cannot be divided"):
        batches(accelerator, splits, options, batch_size=1)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_cannot_be_read_is_named(options, accelerator, tmp_path, workers):
    rows = records("train", 24)
    broken = next(row for row in rows if not held_out_by(options, row["source_image"]))
    broken["image"] = {"bytes": b"no picture", "path": None}
    changed = with_rows(tmp_path, options, rows)
    with pytest.raises(ValueError, match=f"{broken['path']} cannot be read as an image"):
        drawn(batches(accelerator, splits_of(changed), changed, num_workers=workers), 0)


