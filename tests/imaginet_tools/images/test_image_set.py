"""The one record of images: the same images from a folder, a CSV file, data sets and raw data, and what is said of bad ones."""

import csv
import io
import logging

import datasets
import numpy as np
import pytest
from PIL import Image

from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.images.splits import load_splits


def saved(number: int, kind: str = "PNG", side: int = 40) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)).save(content, kind)
    return content.getvalue()


def write_folder(root, real="real", synthetic="synthetic", count=12):
    for label, kind in ((real, "JPEG"), (f"{synthetic}/a network", "PNG")):
        (root / label).mkdir(parents=True)
        for number in range(count):
            (root / label / f"{number}.{kind.lower()}").write_bytes(saved(number, kind))
    return root


def rows_of(labels: list, feature=None, **columns) -> datasets.Dataset:
    """A data set with these labels, and pictures of their numbers."""
    rows = {"image": [{"bytes": saved(number), "path": None} for number in range(len(labels))], "label": labels, **columns}
    made = datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image(decode=False))
    return made.cast_column("label", feature) if feature else made


def contents_of(images: ImageSet) -> list[bytes]:
    return [content for _, content in sorted(images.read(list(range(len(images)))))]


def test_a_folder_a_csv_file_and_data_sets_give_the_same_images(tmp_path):
    folder = ImageSet.from_folder(str(write_folder(tmp_path / "images")))
    assert folder.label.tolist() == [0] * 12 + [1] * 12
    assert folder.generator.tolist() == ["real"] * 12 + ["a network"] * 12
    contents = contents_of(folder)
    with Image.open(io.BytesIO(contents[13])) as image:
        np.testing.assert_array_equal(folder.pixels(13), np.asarray(image))

    with open(tmp_path / "images" / "list.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["path", "label", "content"])
        writer.writeheader()
        for path, label in zip(folder.path, folder.label, strict=True):
            writer.writerow({"path": path, "label": ("real", "synthetic")[label], "content": "faces"})
    table = ImageSet.from_csv(str(tmp_path / "images" / "list.csv"))
    assert contents_of(table) == contents and set(table.content) == {"faces"}

    rows = datasets.Dataset.from_dict(
        {"picture": [{"bytes": content, "path": None} for content in contents], "kind": (1 - folder.label).tolist()},
        features=datasets.Features({"picture": datasets.Image(), "kind": datasets.ClassLabel(names=["fake", "Real"])}),
    )
    rows.save_to_disk(str(tmp_path / "saved"))
    (tmp_path / "hub").mkdir()
    rows.to_parquet(str(tmp_path / "hub" / "train.parquet"))
    for name in ("saved", "hub"):
        loaded = ImageSet.from_dataset(str(tmp_path / name), image="picture", label="kind")
        assert contents_of(loaded) == contents and loaded.label.tolist() == folder.label.tolist()
        assert set(loaded.generator) == {"real", "fake"} and loaded.title.endswith("real: kind = Real")


@pytest.mark.parametrize("images", ["folder", "rows", "raw"])
def test_selection_keeps_columns_files_and_pixels_together(images, tmp_path):
    whole = {
        "folder": lambda: ImageSet.from_folder(str(write_folder(tmp_path / "images"))),
        "rows": lambda: ImageSet.from_rows(rows_of(["real", "synthetic"] * 6), "these"),
        "raw": lambda: ImageSet.from_raw("sample", ("test",)),
    }[images]()
    some = whole.select(np.array([7, 2]))
    for column in ("path", "label", "generator", "family", "source_image"):
        assert getattr(some, column).tolist() == [getattr(whole, column)[7], getattr(whole, column)[2]]
    np.testing.assert_array_equal(some.pixels(0), whole.pixels(7))
    assert dict(some.read([1])) == {1: whole.content_of(2)} and some.content_of(0) == whole.content_of(7)
    synthetic = whole.select(whole.label == 1)
    assert synthetic.label.all() and len(synthetic) == whole.label.sum()
    assert some.counts()["images"] == 2 and some.fingerprint() != whole.fingerprint()


def test_the_sample_is_read_with_its_labels_and_source_images():
    images = ImageSet.from_raw("sample", ("test",))
    assert set(images.content) == {"photos", "paintings", "faces", "uncategorized"}
    assert len(set(images.source_image)) < len(images) and images.missing == 0
    assert set(images.family[images.label == 1]) == set(images.family) - {"real"} and (images.family == "real").any()
    assert {index for index, _ in images.read([3, 1])} == {1, 3}
    with pytest.raises(ValueError, match="no split other"):
        ImageSet.from_raw("sample", ("other",))


def test_fewer_images_are_chosen_with_the_same_shares_whatever_their_order():
    rows = datasets.Dataset.from_dict({
        "image": [{"bytes": b"", "path": None}] * 1000, "label": [0, 1] * 500, "path": [f"{number}.png" for number in range(1000)],
    }).cast_column("image", datasets.Image(decode=False))
    images = ImageSet.from_rows(rows, "these")
    chosen = images.choose(100)
    assert len(chosen) == 100 and images.label[chosen].sum() == 50
    turned = images.select(np.arange(1000)[::-1])
    assert set(images.path[chosen]) == set(turned.path[turned.choose(100)])
    assert images.choose(0).tolist() == images.choose(5000).tolist() == list(range(1000))


# words for labels

@pytest.mark.parametrize("real, synthetic", [("human", "ai"), ("0_real", "1_fake"), ("nature", "AI-generated")])
def test_folders_with_the_field_s_words_are_understood_and_said(tmp_path, caplog, real, synthetic):
    images = ImageSet.from_folder(str(write_folder(tmp_path / "images", real, synthetic)))
    assert images.label.tolist() == [0] * 12 + [1] * 12 and set(images.generator) == {"real", "a network"}
    assert f"{real} as real; {synthetic} as synthetic" in caplog.text


@pytest.mark.parametrize("labels, feature, said", [
    ([0, 1, 1, 0], None, "0 as real; 1 as synthetic"),
    (["human", "ai", "ai", "human"], None, "human as real; ai as synthetic"),
    ([1, 0, 0, 1], datasets.ClassLabel(names=["Fake", "Real"]), "Real as real; Fake as synthetic"),
    ([0, 1, 1, 0], datasets.ClassLabel(names=["0", "1"]), "0 as real; 1 as synthetic"),
    (["real", "synthetic", "synthetic", "real"], None, None),
])
def test_labels_of_a_column_are_understood_by_their_words_and_what_was_guessed_is_said(labels, feature, said, caplog):
    with caplog.at_level(logging.WARNING):
        images = ImageSet.from_rows(rows_of(labels, feature), "my data")
    assert images.label.tolist() == [0, 1, 1, 0]
    assert (f"Labels of my data are read so: {said}." in caplog.text) if said else not caplog.text


def test_names_of_generators_in_the_place_of_labels_are_understood_where_they_are_told_to_be(tmp_path):
    rows = rows_of(["Real", "FLUX", "SDXL", "Real"])
    images = ImageSet.from_rows(rows, "my data", kinds=True)
    assert (images.label.tolist(), images.generator.tolist()) == ([0, 1, 1, 0], ["real", "FLUX", "SDXL", "real"])
    with pytest.raises(ValueError, match="my data has the label 'FLUX'; labels must be real and synthetic"):
        ImageSet.from_rows(rows, "my data")
    named = ImageSet.from_rows(rows_of(["camera", "FLUX"]), "my data", real="camera")
    assert named.label.tolist() == [0, 1]
    with pytest.raises(ValueError, match="No image of my data has the label 'photo'; its labels are FLUX, camera. Say which is real"):
        ImageSet.from_rows(rows_of(["camera", "FLUX"]), "my data", real="photo")


@pytest.mark.parametrize("labels", [["real", "maybe"], [0, 2], ["0", "real"], ["real", "maybe", "fake"]])
def test_unknown_and_mixed_labels_are_refused(labels):
    with pytest.raises(ValueError, match="my data has the label .*; labels must be real and synthetic"):
        ImageSet.from_rows(rows_of(labels), "my data")


# bad input

def test_images_without_labels_or_pixels_are_said_and_those_of_one_name_told_apart():
    columns = {
        "image": [{"bytes": saved(number), "path": None} for number in range(4)] + [None], "label": [0, 0, 1, 1, 1],
        "path": ["0.png", "1.png", "0.png", "1.png", "2.png"],
    }
    kinds = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["real", "fake"]), "path": datasets.Value("string")}
    )
    found = ImageSet.from_rows(datasets.Dataset.from_dict(columns, features=kinds), "my data")
    assert found.path.tolist() == list("01234")
    with pytest.raises(ValueError, match="Row 4 of my data has no image"):
        list(found.read([3, 4]))
    unlabelled = datasets.Dataset.from_dict({**columns, "label": [0, 0, 1, -1, -1]}, features=kinds)
    with pytest.raises(ValueError, match="2 of 5 images of my data have no label"):
        ImageSet.from_rows(unlabelled, "my data")


def test_columns_that_hold_no_images_or_are_not_there_are_said(tmp_path):
    rows = datasets.Dataset.from_dict({"image": ["no picture"], "label": [0]})
    rows.save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(ValueError, match="holds no images"):
        ImageSet.from_dataset(str(tmp_path / "saved"))
    with pytest.raises(ValueError, match="has no column 'picture' .it has image, label.; name it with --image_column"):
        ImageSet.from_dataset(str(tmp_path / "saved"), image="picture")


@pytest.mark.parametrize("text, said", [
    ("file,label\na.png,0\n", "path is not in it"), ("path,label\na.png,maybe\n", "line 2: the label 'maybe'"),
    ("path,label\na.png,0\na.png,1\n", "names a.png more than once"),
    ("path,label\nb.png,0\n", r"names 1 file\(s\) that are not there, e.g. b.png"),
    ("path,label\na.png,0\nc.png,fake\n", "labels must be real and synthetic"),
])
def test_tables_that_cannot_be_read_are_said(tmp_path, text, said):
    for name in ("a", "c"):
        (tmp_path / f"{name}.png").write_bytes(saved(1))
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(ValueError, match=said):
        ImageSet.from_csv(str(tmp_path / "list.csv"))


def test_folders_that_are_links_are_followed_and_what_is_no_picture_is_left_out(tmp_path):
    root = write_folder(tmp_path / "images", count=3)
    write_folder(tmp_path / "elsewhere", count=2)
    (root / "synthetic" / "SDXL").symlink_to(tmp_path / "elsewhere" / "synthetic", target_is_directory=True)
    (root / "synthetic" / "back").symlink_to(root, target_is_directory=True)
    (root / "real" / "._1.jpeg").write_bytes(b"of a Mac")
    images = ImageSet.from_folder(str(root))
    assert images.counts()["generator"] == {"SDXL": 2, "a network": 3, "real": 3}
    with pytest.raises(ValueError, match="nothing-here is no folder"):
        ImageSet.from_folder(str(tmp_path / "nothing-here"))
    (root / "real").rename(root / "things")
    with pytest.raises(ValueError, match="real has none .its folders: synthetic, things"):
        ImageSet.from_folder(str(root))


# columns and splits of other names

def test_columns_by_other_names_train(tmp_path, caplog):
    rows = rows_of(["human", "ai"] * 20).rename_columns({"image": "img", "label": "origin"})
    (tmp_path / "data").mkdir()
    rows.to_parquet(tmp_path / "data" / "train.parquet")
    named = DataOptions(dataset=str(tmp_path / "data"), image_column="img", label_column="origin", held_out=0.25)
    splits = load_splits(named, seed=1)
    assert len(splits.train) + len(splits.held_out) == 40 and "human as real; ai as synthetic" in caplog.text
    with pytest.raises(ValueError, match="has no column 'pixels' .it has img, origin.; name another with --image_column"):
        load_splits(DataOptions(dataset=str(tmp_path / "data"), image_column="pixels"), seed=1)


def test_a_split_for_validation_is_scored_where_there_is_no_other_and_else_said(tmp_path, caplog):
    folder = tmp_path / "data"
    folder.mkdir()
    rows_of(["real", "synthetic"] * 20).to_parquet(folder / "train.parquet")
    rows_of(["real", "synthetic"] * 4).to_parquet(folder / "validation.parquet")
    given = DataOptions(dataset=str(folder), held_out=0.25)
    assert len(load_splits(given, seed=1).test) == 8
    assert "has no split test; its split validation is scored in its place" in caplog.text
    rows_of(["real", "synthetic"] * 3).to_parquet(folder / "test.parquet")
    assert len(load_splits(given, seed=1).test) == 6
    assert "The split validation of" in caplog.text and "is not used" in caplog.text
