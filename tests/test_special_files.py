"""Named pipes, sockets and devices where a picture, a list or an archive is expected: nobody waits for them, and they are named."""

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import datasets
import pytest

import imaginet
from imaginet_core.pictures.partial_decode import PictureFile
from imaginet_core.pictures.sources import content_of_source
from imaginet_core.storage.files import file_state, open_regular, open_stream
from imaginet_tools.commands import main
from imaginet_tools.doctor.verify import verify
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.images.perturbed_copies import perturb_all
from imaginet_tools.images.splits import leave_out_corrupt
from imaginet_tools.images.streamed import with_bytes
from imaginet_tools.publish.audit_section import read_audit
from imaginet_tools.publish.hub import push_data_set
from tests.imaginet.trees import write_image, write_tree

SECONDS = 10
"""After which something that waits is woken."""


def pipe(file: Path) -> None:
    os.mkfifo(file)


def bound_socket(file: Path) -> None:
    here = os.getcwd()
    os.chdir(file.parent)  # the path of a socket may have 107 letters
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(file.name)
    finally:
        os.chdir(here)


def device(file: Path) -> None:
    file.symlink_to("/dev/zero")


@pytest.fixture(params=[pipe, bound_socket, device], ids=lambda make: make.__name__)
def make(request) -> Callable[[Path], None]:
    return request.param


@pytest.fixture(autouse=True)
def woken():
    """Ends a test that waits."""
    def wake(*_):
        raise TimeoutError(f"still waiting after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, wake)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def folder_with(make: Callable[[Path], None], root: Path) -> Path:
    """Two pictures of each label, and what is none called x.jpg."""
    for number, label in enumerate(("real", "synthetic")):
        for name in "ab":
            write_image(root / label / f"{name}.png", 10 * number + ord(name))
    make(root / "real/x.jpg")
    return root


READERS = {
    "file_state": file_state, "open_regular": open_regular, "open_stream": open_stream, "picture": content_of_source,
    "window": lambda file: PictureFile({"bytes": None, "path": file}, file), "stream": lambda file: with_bytes({"bytes": None, "path": file}, file),
    "list": lambda file: imaginet.read_list(file, imaginet.OFFICIAL), "calibration list": imaginet.listed_paths, "YAML": imaginet.read_yaml,
    "CSV": ImageSet.from_csv, "audit": read_audit,
}


@pytest.mark.parametrize("reader", READERS)
def test_each_reader_refuses_them_by_name(reader, make, tmp_path):
    make(tmp_path / "x.jpg")
    with pytest.raises((ValueError, OSError), match=r"x\.jpg.*(no|not a) regular file"):
        READERS[reader](str(tmp_path / "x.jpg"))


def test_a_folder_is_perturbed_without_them(make, tmp_path):
    images = ImageSet.from_folder(str(folder_with(make, tmp_path / "images")))
    assert len(images) == 5
    with pytest.raises(ValueError, match=r"real/x\.jpg: .*x\.jpg is a (named pipe|socket|device), not a regular file.*all others are done"):
        perturb_all(images, str(tmp_path / "out"))
    outcome = perturb_all(images, str(tmp_path / "out"), on_corrupt="skip")
    assert outcome.images == 4 and list(outcome.left_out) == ["real/x.jpg"]


def test_an_audit_counts_them_as_left_out(make, tmp_path, monkeypatch):
    from imaginet_tools.audit.audit import measure_images

    images = ImageSet.from_folder(str(folder_with(make, tmp_path / "images")))
    for view in ("raw", "aligned"):
        found, left_out = measure_images(images, list(range(5)), view, 1)
        assert len(found) == 4 and "not a regular file" in left_out["real/x.jpg"]


def test_a_csv_file_that_names_one_is_refused(make, tmp_path):
    folder_with(make, tmp_path)
    (tmp_path / "list.csv").write_text("path,label\nreal/x.jpg,real\nsynthetic/a.png,synthetic\n")
    with pytest.raises(ValueError, match=r"names 1 file\(s\) that are no regular files, e.g. real/x.jpg"):
        ImageSet.from_csv(str(tmp_path / "list.csv"))


def test_the_builder_and_the_doctor_count_them_as_missing(make, tmp_path):
    root = write_tree(tmp_path / "raw")
    (root / "ffhq/d.png").unlink()
    make(root / "ffhq/d.png")
    builder = imaginet.ImagiNet(data_dir=str(root), cache_dir=str(tmp_path / "cache"))
    with pytest.raises(FileNotFoundError, match=r"(?s)missing \(or empty, or no regular files\).*ffhq/d\.png"):
        builder.download_and_prepare()
    assert verify(builder.config.raw, 1)["broken"] == [{"path": "ffhq/d.png", "reason": "it is no regular file"}]
    assert main.main(["doctor", "--data_dir", str(root)]) == 1


def test_a_plain_folder_is_built_without_them(make, tmp_path):
    folder_with(make, tmp_path / "raw/train")
    given = {"data_dir": str(tmp_path / "raw"), "cache_dir": str(tmp_path / "cache")}
    with pytest.raises(FileNotFoundError, match=r"train/real/x\.jpg"):
        imaginet.ImagiNet(**given).download_and_prepare()
    builder = imaginet.ImagiNet(**given, allow_missing=True)
    builder.download_and_prepare()
    assert len(builder.as_dataset("train")) == 4


def test_what_becomes_one_after_it_was_found_is_a_broken_picture(tmp_path):
    root = write_tree(tmp_path / "raw")
    raw = imaginet.read_raw(imaginet.ImagiNetConfig(name="all", data_dir=str(root)))
    (root / "ffhq/d.png").unlink()
    os.mkfifo(root / "ffhq/d.png")
    builder = imaginet.ImagiNet(data_dir=str(root), cache_dir=str(tmp_path / "cache"), on_corrupt="skip")
    builder.config._raw = raw
    builder.download_and_prepare()
    assert len(builder.as_dataset("test")) == 8


@pytest.mark.parametrize("name", ["annotations/train_annotations.txt", "annotations/calibration.txt", "annotations/labels.yaml"])
def test_a_list_that_is_none_is_said_not_passed_over(name, make, tmp_path):
    root = write_tree(tmp_path / "raw")
    (root / name).unlink(missing_ok=True)
    make(root / name)
    with pytest.raises((ValueError, OSError), match=f"{Path(name).name} .*not a regular file"):
        imaginet.read_raw(imaginet.ImagiNetConfig(name="all", data_dir=str(root)))


def test_archives_and_shards_that_are_none_are_refused(make, tmp_path):
    root = write_tree(tmp_path / "raw")
    (root / "ffhq/d.png").unlink()
    make(root / "faces.zip")
    with pytest.raises(OSError, match=r"faces\.zip is a (named pipe|socket|device), not a regular file"):
        imaginet.read_raw(imaginet.ImagiNetConfig(name="all", data_dir=str(root), locations={"ffhq": "faces.zip"}))
    (tmp_path / "export/faces").mkdir(parents=True)
    make(tmp_path / "export/faces/test-00000.parquet")
    with pytest.raises(OSError, match=r"test-00000\.parquet is a .*not a regular file"):
        imaginet.ImagiNetConfig(name="all", data_dir=str(root), manifest=str(tmp_path / "export")).raw  # noqa: B018


def test_a_folder_that_holds_one_is_not_pushed(make, tmp_path, monkeypatch):
    monkeypatch.setattr("imaginet_tools.publish.hub.check_data_set_repository", lambda *_: None)
    monkeypatch.setattr("imaginet_tools.publish.hub.HfApi", lambda: pytest.fail("the Hub was asked"))
    make(tmp_path / "x.jpg")
    with pytest.raises(OSError, match=r"x\.jpg is a .*not a regular file"):
        push_data_set(str(tmp_path), "me/data", False)


def test_training_looks_at_every_file_without_waiting(make, tmp_path):
    folder = folder_with(make, tmp_path / "images")
    files = sorted(str(file) for file in folder.rglob("*.*"))
    rows = datasets.Dataset.from_dict({"image": files, "label": [int("synthetic" in file) for file in files]})
    images = ImageSet.from_rows(rows.cast_column("image", datasets.Image(decode=False)), "these")
    with pytest.raises(ValueError, match=r"1 image\(s\) of these cannot be decoded .*x\.jpg is a"):
        leave_out_corrupt(images)
    assert len(leave_out_corrupt(images, "skip")) == 4
