"""Splits by source image, the views' seeds, calibration lists, and what is said of bad data."""

from dataclasses import replace

import datasets
import numpy as np
import pytest
from torch.utils.data import DataLoader

from imaginet_core.errors import sentence_of
from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.splits import calibration_images, load_splits
from tests.imaginet.trees import write_image
from tests.training.tiny_data import NAMES, records, write_split
from training.views.random_views import RandomViews
from training.views.recipes import RobustView

SEED = 42


def options(dataset, **changes):
    return DataOptions(dataset=str(dataset), **{"held_out": 0.25, **changes})


def sources(*parts):
    return [set(part.source_image) for part in parts]


def test_splits_share_no_source_image_and_lose_no_image(tiny_dataset):
    splits = load_splits(options(tiny_dataset), SEED)
    train, held_out, test = sources(splits.train, splits.held_out, splits.test)
    assert not train & held_out and not train & test and not held_out & test
    assert (len(splits.train), len(splits.held_out), len(splits.test)) == (36, 12, 17)
    assert splits.contents == ["photos", "paintings"]
    assert (splits.families, splits.generators) == (["GAN", "SD"], ["smooth", "chequered"])


def test_splits_are_the_same_again_and_others_with_another_seed(tiny_dataset):
    first, again = load_splits(options(tiny_dataset), SEED), load_splits(options(tiny_dataset), SEED)
    assert first.train.path.tolist() == again.train.path.tolist() and first.train.fingerprint() == again.train.fingerprint()
    other = load_splits(options(tiny_dataset), seed=7)
    assert set(other.held_out.source_image) != set(first.held_out.source_image)


def test_folds_part_the_training_list_by_source_image_and_leave_the_test_list_alone(tiny_dataset):
    seen = []
    for number in range(1, 5):
        splits = load_splits(options(tiny_dataset, fold=f"{number}/4"), SEED)
        train, held_out, fold = sources(splits.train, splits.held_out, splits.test)
        assert not fold & (train | held_out) and all(name.startswith("train-") for name in fold)
        assert len(splits.train) + len(splits.held_out) + len(splits.test) == 48
        seen += splits.test.path.tolist()
    assert len(seen) == len(set(seen)) == 48


def test_views_do_not_depend_on_workers_and_change_with_the_epoch(tiny_dataset):
    images = load_splits(options(tiny_dataset), SEED).train
    views = RandomViews(images, RobustView(32), ["GAN", "SD"], ["smooth", "chequered"], seed=5)
    epochs = {}
    for workers in (0, 2):
        loader = DataLoader(views, batch_size=9, num_workers=workers, persistent_workers=workers > 0)
        for epoch in (0, 1):
            views.set_epoch(epoch)
            epochs[workers, epoch] = np.concatenate([batch["pixels"].numpy() for batch in loader])
    for epoch in (0, 1):
        np.testing.assert_array_equal(epochs[0, epoch], epochs[2, epoch])
    assert (epochs[0, 0] != epochs[0, 1]).any(axis=(1, 2, 3)).all()
    other = RandomViews(images, RobustView(32), ["GAN", "SD"], ["smooth", "chequered"], seed=6)
    assert (other[0]["pixels"] != views[0]["pixels"]).any()


def test_classes_are_numbered_in_the_data_set_s_order_and_real_images_have_none(tiny_dataset):
    images = load_splits(options(tiny_dataset), SEED).train
    views = RandomViews(images, RobustView(32), ["GAN", "SD"], ["smooth", "chequered"], seed=5)
    for index in range(len(views)):
        item, generator = views[index], images.generator[index]
        expected = {"real": (0, -1, -1), "smooth": (1, 0, 0), "chequered": (1, 1, 1)}[generator]
        assert (item["label"], item["family"], item["generator"]) == expected


def test_a_calibration_list_chooses_images_and_a_foreign_one_is_refused(tiny_dataset, tmp_path):
    images = load_splits(options(tiny_dataset), SEED).train
    listed = sorted(images.path[images.label == 0])[:3] + sorted(images.path[images.label == 1])[:2]
    file = tmp_path / "calibration.txt"
    file.write_text("".join(f"./{path},1,0,0,0\n" for path in [*listed, "elsewhere/1.png"]), encoding="utf-8")
    assert sorted(images.path[calibration_images(images, str(file))]) == sorted(listed)
    file.write_text("".join(f"./{path},1,0,0,0\n" for path in listed[:3]), encoding="utf-8")
    with pytest.raises(ValueError, match="the images of the calibration list hold no synthetic image"):
        calibration_images(images, str(file))
    file.write_text("./elsewhere/1.png,0,0,4,8\n", encoding="utf-8")
    with pytest.raises(ValueError, match="No training image is on the calibration list"):
        calibration_images(images, str(file))


def test_images_that_the_data_set_marks_are_stage_2_s_else_all(tmp_path):
    rows = [{**row, "calibration": number % 4 < 2} for number, row in enumerate(records("train", 12))]
    write_split(tmp_path / "data", "train", rows)
    images = load_splits(options(tmp_path / "data"), SEED).train
    marked = {row["path"] for row in rows if row["calibration"]}
    assert set(images.path[calibration_images(images, None)]) == marked & set(images.path)
    unmarked = replace(images, calibration=np.zeros(len(images), dtype=bool))
    assert len(calibration_images(unmarked, None)) == len(images)


def test_a_configuration_that_is_not_there_is_named(tiny_dataset):
    with pytest.raises(ValueError, match="'nonesuch' not found. Available: .'default'"):
        load_splits(options(tiny_dataset, config_name="nonesuch"), SEED)


def test_an_empty_split_is_said(tmp_path):
    write_split(tmp_path / "data", "train", records("train", 2))
    loaded = datasets.load_dataset(str(tmp_path / "data"), split="train")
    loaded.select([]).to_parquet(tmp_path / "data" / "train.parquet")
    with pytest.raises(ValueError, match="A split of .*data has no image"):
        load_splits(options(tmp_path / "data"), SEED)


def broken(tmp_path, change):
    """A data set whose training rows went through ``change``."""
    rows = records("train", 12)
    write_split(tmp_path / "data", "train", [change(dict(row)) for row in rows if change(dict(row))])
    return options(tmp_path / "data")


def test_only_image_and_label_are_needed(tmp_path):
    splits = load_splits(broken(tmp_path, lambda row: {"image": row["image"], "label": row["label"]}), SEED)
    assert splits.test is None and set(splits.train.content) == {"uncategorized"}
    assert splits.generators == ["unknown"] and len(splits.train) == 18


@pytest.mark.parametrize("change, said", [
    (lambda row: {key: value for key, value in row.items() if key != "label"}, "no column 'label' .it has image, content"),
    (lambda row: row if row["label"] == "real" else None, "the training images hold no synthetic image"),
    (lambda row: {"image": row["image"], "origin": "x", "label": row["label"]}, None),
])
def test_wrong_columns_and_a_missing_class_are_named(tmp_path, change, said):
    wanted = broken(tmp_path, change)
    if said is None:
        load_splits(wanted, SEED)  # a further column is nobody's error
    else:
        with pytest.raises(ValueError, match=said):
            load_splits(wanted, SEED)


def test_labels_that_are_not_real_and_synthetic_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(NAMES, "label", ["real", "synthetic", "maybe"])
    with pytest.raises(ValueError, match="label 'maybe'; labels must be real and synthetic"):
        load_splits(broken(tmp_path, lambda row: {**row, "label": "maybe"} if "3" in row["path"] else row), SEED)


def test_no_training_split_is_said(tmp_path):
    write_split(tmp_path / "data", "test", records("test", 4))
    with pytest.raises(ValueError, match="no train split .only test"):
        load_splits(options(tmp_path / "data"), SEED)


def test_too_few_source_images_to_hold_out_are_said(tmp_path):
    rows = records("train", 8)
    write_split(tmp_path / "data", "train", [row for number, row in enumerate(rows) if number // 2 % 2 == number % 2])
    with pytest.raises(ValueError, match="raise --held_out"):
        load_splits(options(tmp_path / "data", held_out=0.01), SEED)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_is_named_also_from_a_worker(tmp_path, workers):
    images = load_splits(broken(tmp_path, lambda row: row), SEED).train  # sound when it was looked at, and damaged since
    images = images.with_rows(images.rows.map(lambda row: {"image": {"bytes": row["image"]["bytes"][:60], "path": None}}))
    views = RandomViews(images, RobustView(32), [], [], seed=5)
    with pytest.raises(ValueError) as caught:
        next(iter(DataLoader(views, batch_size=1, num_workers=workers)))
    assert sentence_of(caught.value).startswith(f"{images.path[0]} cannot be read as an image")
    assert "\n" not in sentence_of(caught.value)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises((ValueError, OSError)) as caught:
        load_splits(options(tmp_path / "nothing-here"), SEED)
    assert "nothing-here" in str(caught.value)


def test_sources_of_ones_own_train_under_their_names(tmp_path):
    """A registry as a lab would write it: real photos and a generator that is none of the eight, both splits."""
    root = tmp_path / "raw"
    for number in range(24):
        for label, folder in (("real", "camera"), ("synthetic", "flux")):
            write_image(root / folder / f"{'train' if number < 16 else 'test'}{number}.png", 40 * number + (label == "real"))
    source = "    home: https://example.org\n    licence: CC0\n    content: photos\n    train: ['{0}/train*.png']\n    test: ['{0}/test*.png']\n"
    (tmp_path / "registry.yaml").write_text(
        "extends: nothing\nfamilies: [Flux]\ngenerators: [FLUX.1]\nsources:\n"
        "  camera:\n    folders: [camera]\n    what: our photos\n    label: real\n" + source.format("camera")
        + "  flux:\n    folders: [flux]\n    what: FLUX.1\n    family: Flux\n    generator: FLUX.1\n" + source.format("flux"),
        encoding="utf-8",
    )
    given = dict(data_dir=str(root), registry=str(tmp_path / "registry.yaml"), held_out=0.25)
    splits = load_splits(DataOptions(**given), SEED)
    assert (splits.generators, splits.families, splits.contents) == (["FLUX.1"], ["Flux"], ["photos"])
    assert len(splits.train) + len(splits.held_out) == 32 and len(splits.test) == 16
    with pytest.raises(ValueError, match="--registry belongs to the dataset imaginet, not to me/other"):
        DataOptions(**given, dataset="me/other")


@pytest.mark.parametrize("split", ["train", "test"])
def test_images_that_cannot_be_decoded_are_found_before_anything_is_trained(tmp_path, split):
    for name, count in (("train", 24), ("test", 9)):
        rows = records(name, count)
        if name == split:
            rows[3]["image"] = {"bytes": rows[3]["image"]["bytes"][:-30], "path": None}
        write_split(tmp_path / "tiny", name, rows)
    with pytest.raises(ValueError, match=rf"1 image\(s\) of the {split} split of .* cannot be decoded .* --on_corrupt skip"):
        load_splits(options(tmp_path / "tiny"), SEED)
    splits = load_splits(options(tmp_path / "tiny", on_corrupt="skip"), SEED)
    whole = {"train": 48, "test": 18}
    left = {"train": len(splits.train) + len(splits.held_out), "test": len(splits.test)}
    assert left == {name: count - (name == split) for name, count in whole.items()}
