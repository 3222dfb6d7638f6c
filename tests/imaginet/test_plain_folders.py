"""A folder of one's own: the field's words for splits and labels are understood and said, and nothing is left out without a word."""

import datasets
import pytest

import imaginet
from tests.imaginet.trees import write_image


def tree(root, *folders, images=2):
    for number, folder in enumerate(folders):
        for k in range(images):
            write_image(root / folder / f"{number}{k}.png", 10 * number + k)
    return root


@pytest.mark.parametrize("folders, splits", [
    (("train/real", "train/fake", "test/real", "test/fake"), {"train", "test"}),
    (("train/0_real", "train/1_fake", "val/0_real", "val/1_fake"), {"train", "validation"}),
    (("Train/nature", "Train/ai", "validation/nature", "validation/ai", "test/human", "test/AI-generated"), {"train", "validation", "test"}),
    (("real", "fake"), {"train"}),
])
def test_the_words_of_the_field_are_understood_and_said(load, tmp_path, caplog, folders, splits):
    data = load(data_dir=str(tree(tmp_path / "mine", *folders)))
    assert set(data) == splits
    for rows in data.values():
        assert rows["label"].count(0) == rows["label"].count(1) == 2
    assert "fake for synthetic" in caplog.text or "1_fake for synthetic" in caplog.text or "ai for synthetic" in caplog.text


def test_a_folder_that_is_neither_is_named_with_the_layout(tmp_path):
    root = tree(tmp_path / "mine", "train/real", "train/flux", "test/real", "test/synthetic")
    with pytest.raises(ValueError, match=r"train/flux names neither real nor synthetic .* looks so: train/real, train/synthetic"):
        imaginet.read_raw(imaginet.ImagiNetConfig(name="all", data_dir=str(root)))


def test_two_folders_of_one_split_are_refused(tmp_path):
    root = tree(tmp_path / "mine", "val/real", "val/fake", "validation/real", "validation/fake")
    with pytest.raises(ValueError, match="holds val and validation, which would be one split"):
        imaginet.read_raw(imaginet.ImagiNetConfig(name="all", data_dir=str(root)))


def test_a_split_with_one_class_is_said(tmp_path, caplog):
    root = tree(tmp_path / "mine", "train/real", "train/synthetic", "test/real")
    imaginet.read_raw(imaginet.ImagiNetConfig(name="all", data_dir=str(root)))
    assert f"{root}/test holds no synthetic image" in caplog.text


def test_what_is_no_data_folder_is_told_the_layout_without_asking_the_network(tmp_path, monkeypatch):
    monkeypatch.setattr(imaginet, "download_lists", lambda: pytest.fail("asked the network"))
    tree(tmp_path / "holiday", "2024", "2025")
    with pytest.raises(FileNotFoundError, match=r"holiday holds no list, .* A plain folder of images looks so: train/real"):
        imaginet.read_raw(imaginet.ImagiNetConfig(name="all", data_dir=str(tmp_path / "holiday")))
    (tmp_path / "mine.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    with pytest.raises(FileNotFoundError, match="mine.zip does not exist or is no folder. It is a file: unpack it"):
        imaginet.read_raw(imaginet.ImagiNetConfig(name="all", data_dir=str(tmp_path / "mine.zip")))
    with pytest.raises(ValueError, match="data_dir is empty"):
        imaginet.read_raw(imaginet.ImagiNetConfig(name="all", data_dir=""))


def test_the_commonest_data_loader_runs(load, tmp_path):
    torch = pytest.importorskip("torch")
    root = tree(tmp_path / "mine", "train/real", "train/synthetic")
    for rows in (load(data_dir=str(root), split="train"), load("sample", split="test").select(range(4))):
        rows = rows.with_format("torch")
        batch = next(iter(torch.utils.data.DataLoader(rows.remove_columns("image"), batch_size=4)))
        assert batch["label"].tolist() == [int(value) for value in rows["label"]] and batch["calibration"].dtype == torch.bool
        same_size = next(iter(torch.utils.data.DataLoader(rows.select([0]), batch_size=1)))
        assert same_size["image"].ndim == 4


def test_perturbed_rows_have_no_null(load, raw):
    rows = load("perturbed", data_dir=str(raw), split="test").remove_columns("image")
    assert not any(value is None for row in rows for value in row.values())
    assert isinstance(rows.features["perturbed_quality"], datasets.Value)
