"""load_dataset("imaginet", ...) on small trees: what users get, and what they are told."""

import functools
import hashlib
import http.server
import threading

import datasets
import pytest
from PIL import Image

import imaginet
from tests.imaginet.trees import OFFICIAL_LINES, write_image, write_tree

COLUMNS = [
    "image", "label", "content", "generator", "family", "source", "path", "source_image", "calibration", "width", "height", "format",
    "license",
]


def test_columns_names_and_values(load, raw):
    data = load(data_dir=str(raw))
    assert {split: len(rows) for split, rows in data.items()} == {"train": 6, "test": 9}
    test = data["test"]
    assert test.column_names == COLUMNS
    assert test.features["label"].names == ["real", "synthetic"]
    assert test.features["content"].names == ["photos", "paintings", "faces", "uncategorized"]
    assert test.features["generator"].names == [
        "ProGAN", "StyleGAN-XL", "StyleGAN3", "SD v2.1", "SDXL v1.0", "Animagine XL", "Midjourney", "DALL·E 3", "real",
    ]
    assert test.features["family"].names == ["GAN", "SD", "Midjourney", "DALL·E 3", "real"]
    for row, line in zip(test, OFFICIAL_LINES["test"], strict=True):
        path, *numbers = line.rsplit(",", 4)
        assert [row["label"], row["content"], row["family"], row["generator"]] == [int(number) for number in numbers]
        assert row["path"] == row["source_image"] == path.removeprefix("./")
        assert row["image"].size == (row["width"], row["height"]) == (2, 3)
        assert row["image"].format == row["format"]
        assert row["license"] == imaginet.SOURCES[row["source"]].licence and row["calibration"] is False


def test_images_are_stored_as_the_files_bytes(load, raw):
    test = load(data_dir=str(raw), split="test").cast_column("image", datasets.Image(decode=False))
    stored = {row["path"]: row["image"]["bytes"] for row in test}
    assert all(stored[path] == (raw / path).read_bytes() for path in stored)


@pytest.mark.parametrize("name, train, test", [("photos", 2, 2), ("paintings", 2, 2), ("faces", 2, 2), ("uncategorized", 0, 3), ("all", 6, 9)])
def test_configurations_keep_their_content_type(load, raw, name, train, test):
    data = load(name, data_dir=str(raw))
    assert {split: len(rows) for split, rows in data.items()} == {k: n for k, n in (("train", train), ("test", test)) if n}
    if name != "all":
        assert {row["content"] for rows in data.values() for row in rows} == {imaginet.CONTENTS.index(name)}


def test_streaming_processes_and_slices_give_the_same_images(load, raw):
    def digests(rows):
        rows = rows.cast_column("image", datasets.Image(decode=False))
        return [hashlib.sha256(row["image"]["bytes"] + row["path"].encode()).hexdigest() for row in rows]

    plain = digests(load(data_dir=str(raw), split="test"))
    assert len(set(plain)) == 9
    assert digests(load(data_dir=str(raw), split="test", num_proc=2, download_mode="force_redownload")) == plain
    assert digests(load(data_dir=str(raw), split="test", streaming=True)) == plain
    assert digests(load(data_dir=str(raw), split="test[:34%]")) == plain[:3]
    assert sorted(digests(load(data_dir=str(raw), split="test", streaming=True).shuffle(seed=1))) == sorted(plain)


def test_the_builder_works_without_load_dataset(tmp_path, raw):
    builder = imaginet.ImagiNet(config_name="faces", data_dir=str(raw), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    assert len(builder.as_dataset(split="test")) == 2
    assert next(iter(builder.as_streaming_dataset("train")))["path"] == "ffhq/a,b.png"


def test_a_root_with_lists_for_one_split_offers_that_split_only(load, raw):
    (raw / "annotations" / "train_annotations.txt").unlink()
    assert list(load(data_dir=str(raw))) == ["test"]


def test_lists_may_lie_elsewhere(load, raw, tmp_path):
    elsewhere = (raw / "annotations").rename(tmp_path / "elsewhere")
    assert len(load(data_dir=str(raw), annotations=str(elsewhere))["train"]) == 6
    assert list(load(data_dir=str(raw), annotations={"test": str(elsewhere / "train_annotations.txt")})) == ["test"]


def test_missing_images_are_told_at_once_and_wholly_and_nothing_is_left_in_the_cache(load, raw, tmp_path):
    (raw / "ffhq/a,b.png").unlink()
    (raw / "ffhq/d.png").unlink()
    (raw / "journeydb/h.jpg").write_bytes(b"")
    for keywords in ({}, {"streaming": True}, {"num_proc": 2}):
        with pytest.raises(FileNotFoundError) as caught:
            load(data_dir=str(raw), **keywords)
        text = str(caught.value)
        assert "3 of 15 listed images are missing" in text
        assert "ffhq: 2 of 2, e.g. ffhq/a,b.png, ffhq/d.png" in text and "journeydb: 1 of 1" in text
        for name in ("ffhq", "journeydb"):
            assert imaginet.SOURCES[name].home in text and imaginet.SOURCES[name].licence in text
        assert "coco" not in text
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and not path.name.endswith(".lock")]
    assert len(load("photos", data_dir=str(raw))["test"]) == 2  # what is missing elsewhere does not matter to it


def test_changed_images_lists_and_roots_are_seen_and_unchanged_ones_come_from_the_cache(load, raw, tmp_path, monkeypatch):
    first = load(data_dir=str(raw), split="test")
    monkeypatch.chdir(tmp_path)
    assert load(data_dir="raw", split="test").cache_files == first.cache_files  # however the root is spelled
    write_image(raw / "journeydb/h.jpg", 40_000)
    changed = load(data_dir=str(raw), split="test")
    assert changed[7]["image"].getpixel((0, 0)) != first[7]["image"].getpixel((0, 0))
    lines = OFFICIAL_LINES["test"][:-1]
    (raw / "annotations" / "test_annotations.txt").write_text("\n".join(lines), encoding="utf-8")
    assert len(load(data_dir=str(raw), split="test")) == 8
    other = write_tree(tmp_path / "other", {"test": lines[:2]})
    assert len(load(data_dir=str(other), split="test")) == 2


def test_an_image_in_both_lists_is_refused(load, tmp_path):
    lines = {"train": OFFICIAL_LINES["train"], "test": OFFICIAL_LINES["test"] + OFFICIAL_LINES["train"][2:3]}
    with pytest.raises(ValueError, match=r"1 image\(s\) stand in the train and in the test list, e.g. ffhq/a,b.png"):
        load(data_dir=str(write_tree(tmp_path / "raw", lines)))


def test_own_lists_bring_own_names(load, tmp_path):
    lines = {"test": ["./x/cat_0.jpg,0,0,1,2", "./y/cat_1.jpg,1,0,0,0", "./y/dog.jpg,1,1,0,1"]}
    root = write_tree(tmp_path / "raw", lines, lists_in=".")
    (root / "labels.yaml").write_text(
        "contents: [photos, textures]\nfamilies: [CNN, real]\ngenerators: [a, b, real]\nsources: {cat: {}}\n", encoding="utf-8"
    )
    test = load(data_dir=str(root), split="test")
    assert test.features["generator"].names == ["a", "b", "real"] and test["source_image"] == ["cat", "cat", "y/dog.jpg"]
    with pytest.raises(ValueError, match="is of the configuration 'faces'; its content types are: photos, textures"):
        load("faces", data_dir=str(root))
    (root / "labels.yaml").unlink()  # a generator that nobody named is never called StyleGAN-XL
    with pytest.raises(ValueError, match="x/cat_0.jpg lies in no folder of ImagiNet's sources"):
        load(data_dir=str(root))


def test_plain_folders(load, tmp_path, caplog):
    root = tmp_path / "plain"
    for number, path in enumerate(("train/real/a.jpg", "train/real/2024/b.png", "train/synthetic/flux/c.webp", "test/synthetic/d.png")):
        write_image(root / path, number)
    (root / "train" / "notes.txt").write_text("left alone")
    (root / "train" / "real" / "Thumbs.db").write_text("no image")
    data = load(data_dir=str(root))
    assert {split: rows["path"] for split, rows in data.items()} == {
        "train": ["train/real/2024/b.png", "train/real/a.jpg", "train/synthetic/flux/c.webp"], "test": ["test/synthetic/d.png"],
    }
    names = data["train"].features["generator"].names
    assert [names[i] for i in data["train"]["generator"]] == ["real", "real", "flux"] and names == ["flux", "unknown", "real"]
    assert data["train"]["label"] == [0, 0, 1]
    assert "1 file(s)" in caplog.text and "Thumbs.db" in caplog.text


def test_the_sample_is_embedded_whole_and_says_what_it_is_not(load, repository):
    data = load("sample")
    assert {split: len(rows) for split, rows in data.items()} == {"train": 128, "test": 64}
    for rows in data.values():
        assert "not ImagiNet" in rows.info.description and "text-to-image" in rows.info.description
        assert rows.features["generator"].names == ["realesrgan-x4plus", "realesr-animevideov3", "waifu2x", "autoencoder", "real"]
        assert sum(rows["label"]) == len(rows) // 2
    assert not set(data["train"]["source_image"]) & set(data["test"]["source_image"])
    row = data["test"][0]
    assert row["image"].size == (256, 256)
    assert row["path"].startswith("images/synthetic/realesr-animevideov3") and row["license"] == "CC-BY-SA-4.0"  # of gc-wa-polarbear
    with Image.open(repository / "sample" / row["path"]) as file:
        assert row["image"].tobytes() == file.tobytes()
    with pytest.raises(ValueError, match="takes no data_dir"):
        load("sample", data_dir=str(repository))


def test_without_a_data_folder_the_sentence_offers_the_sample_and_names_every_source(load, tmp_path, monkeypatch):
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    for keywords in ({}, {"name": "faces"}, {"streaming": True}):
        with pytest.raises(FileNotFoundError, match='load_dataset\\("imaginet", "sample"\\)') as caught:
            load(**keywords)
        assert all(source.home in str(caught.value) for source in imaginet.SOURCES.values())


def test_wrong_arguments_are_named(load, raw, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        load(data_dir=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="'cars'.*photos"):
        load("cars", data_dir=str(raw))
    with pytest.raises(ValueError, match="no data_files"):
        load(data_dir=str(raw), data_files="x.csv")


@pytest.fixture
def list_server(tmp_path, monkeypatch):
    """A server with upstream's two lists, in upstream's place; gives the folder that it serves."""
    served = write_tree(tmp_path / "served") / "annotations"
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    handler.log_message = None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(imaginet, "UPSTREAM_LISTS", f"http://127.0.0.1:{server.server_port}")
    yield served
    server.shutdown()
    server.server_close()


def test_only_a_root_without_any_list_downloads_upstreams(load, raw, list_server):
    for file in (raw / "annotations").iterdir():
        file.unlink()
    assert {split: len(rows) for split, rows in load(data_dir=str(raw)).items()} == {"train": 6, "test": 9}
    (raw / "annotations" / "test_annotations.txt").write_text(OFFICIAL_LINES["test"][0], encoding="utf-8")
    (list_server / "test_annotations.txt").unlink()
    assert {split: len(rows) for split, rows in load(data_dir=str(raw)).items()} == {"test": 1}


def test_lists_that_cannot_be_fetched_are_one_sentence(load, raw, monkeypatch):
    monkeypatch.setattr(imaginet, "UPSTREAM_LISTS", "http://127.0.0.1:9/lists")
    for file in (raw / "annotations").iterdir():
        file.unlink()
    with pytest.raises(ConnectionError, match="could not be fetched from http://127.0.0.1:9/lists.*annotations=FOLDER"):
        load(data_dir=str(raw))
