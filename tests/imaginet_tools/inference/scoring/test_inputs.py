"""Everything that a user can name becomes inputs: files of any name, folders, patterns, archives, URLs, data sets."""

import io
import os
import tarfile
import unicodedata
import zipfile
from pathlib import Path

import datasets
import fsspec
import numpy as np
import py7zr
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image

from imaginet_core.pictures.sources import LIMITS
from imaginet_tools.inference.scoring.fetch import read, read_streams, sentence_of
from imaginet_tools.inference.scoring.inputs import NONE, Input, list_inputs, list_rows, to_text
from imaginet_tools.inference.scoring.manifest import Manifest, write_manifest


def picture(seed: int = 0, kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(file, kind)
    return file.getvalue()


def contents(inputs) -> dict[str, bytes | str | None]:
    """path -> content, or the sentence that says why there is none, or None where no row is needed."""
    found = {}
    for job in read_streams(inputs, LIMITS):
        each, content = job if not isinstance(job, Input) else (job, read(job, LIMITS))
        assert each.path not in found
        found[each.path] = sentence_of(content, to_text(each.path)[0]) if isinstance(content, Exception) else content
    return found


NAMES = [
    "A.JPG",
    "b.jfif",
    "no suffix",
    "[1] {x}*?.png",
    unicodedata.normalize("NFC", "é.jpg"),
    unicodedata.normalize("NFD", "é.jpg"),
    "two\nlines.jpg",
    os.fsdecode(b"\xff\xfe.jpg"),
    "picture.txt",
    ".hidden.jpg",
    "100%25.jpg",
    'a;b,"c".webp',
    "-x.jpg",
    "c:\\d.jpg",
]


def test_names_of_all_kinds_survive_and_content_decides_what_is_a_picture(tmp_path):
    for number, name in enumerate(NAMES):
        (tmp_path / name).write_bytes(picture(number))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "movie.jpg").write_text("no picture either")
    found = contents(list_inputs([str(tmp_path)]))
    assert {name: found[f"{tmp_path}/{name}"] for name in NAMES} == {name: picture(number) for number, name in enumerate(NAMES)}
    assert found[f"{tmp_path}/notes.txt"] is None
    assert len(found) == len(NAMES) + 2 and isinstance(found[f"{tmp_path}/movie.jpg"], bytes)  # the reader tells what it is not
    ids = [each.id for each in list_inputs([str(tmp_path)])]
    assert len(set(ids)) == len(ids)
    # one that is named itself is never left out, and one with brackets is no pattern
    assert contents(list_inputs([f"{tmp_path}/notes.txt"])) == {f"{tmp_path}/notes.txt": b"no picture"}
    assert list(contents(list_inputs([f"{tmp_path}/[1] {{x}}*?.png"]))) == [f"{tmp_path}/[1] {{x}}*?.png"]


def test_a_name_that_is_no_text_is_told_with_its_bytes():
    assert to_text("a/é\n.jpg") == ("a/é\n.jpg", None)
    text, raw = to_text(os.fsdecode(b"a/\xff\xc3\xa9.jpg"))
    assert text == "a/\\xffé.jpg" and bytes.fromhex(raw) == b"a/\xff\xc3\xa9.jpg"
    assert to_text("s3://b/ü.jpg") == ("s3://b/ü.jpg", None)
    assert to_text("https://u:secret@x.org/a.jpg?X-Amz-Signature=abcdef")[0] == "https://***@x.org/a.jpg?X-Amz-Signature=***"


def test_links_are_followed_and_loops_end(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.jpg").write_bytes(picture())
    (tmp_path / "in" / "out").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "deep" / "back").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "b.jpg").symlink_to(tmp_path / "out" / "a.jpg")
    (tmp_path / "in" / "gone.jpg").symlink_to(tmp_path / "gone")
    (tmp_path / "in" / "itself").symlink_to(tmp_path / "in" / "itself")
    os.mkfifo(tmp_path / "in" / "pipe.jpg")
    found = contents(list_inputs([f"{tmp_path}/in/"]))
    assert {name.removeprefix(f"{tmp_path}/in/") for name in found} == {"out/a.jpg", "b.jpg", "gone.jpg", "itself", "pipe.jpg"}
    assert found[f"{tmp_path}/in/out/a.jpg"] == found[f"{tmp_path}/in/b.jpg"] == picture()
    for name, said in (
        ("gone.jpg", "there is no such file"),
        ("itself", "Too many levels"),
        ("pipe.jpg", "it is no regular file"),
    ):
        assert said in found[f"{tmp_path}/in/{name}"] and f"in/{name}" in found[f"{tmp_path}/in/{name}"]


def test_patterns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a/1.jpg", "a/b/2.jpg", "c/3.png", "notes.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(picture())
    assert set(contents(list_inputs(["*/*.jpg", "c"]))) == {"a/1.jpg", "c/3.png"}
    assert set(contents(list_inputs(["**/*.jpg"]))) == {"a/1.jpg", "a/b/2.jpg"}
    assert set(contents(list_inputs(["**"]))) == {"a/1.jpg", "a/b/2.jpg", "c/3.png", "notes.txt"}
    assert set(contents(list_inputs(["[ac]"]))) == {"a/1.jpg", "a/b/2.jpg", "c/3.png"}
    absent = contents(list_inputs(["d/*.jpg", "nowhere.jpg"]))
    assert "nor anything that it is a pattern of" in absent["d/*.jpg"] and absent["nowhere.jpg"] == "nowhere.jpg does not exist"


@pytest.fixture
def packed(tmp_path) -> Path:
    """A folder with an archive of each kind, of three pictures and a text, and a broken one."""
    folder = tmp_path / "packed"
    folder.mkdir()
    files = {"x/1.jpg": picture(1), "x/[2].jpg": picture(2), "3": picture(3), "read.me/notes.txt": b"text"}
    with zipfile.ZipFile(folder / "z.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    for ending, mode in (("tar", "w"), ("tar.gz", "w:gz")):
        with tarfile.open(folder / f"t.{ending}", mode) as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    with py7zr.SevenZipFile(folder / "s.7z", "w") as archive:
        for name, content in files.items():
            archive.writestr(content, name)
    (folder / "broken.zip").write_bytes((folder / "z.zip").read_bytes()[:-100])
    (folder / "really.zip").write_bytes(picture(9))
    return folder


def test_archives_give_a_row_an_entry_and_a_broken_one_costs_only_itself(packed):
    found = contents(list_inputs([str(packed)]))
    for archive in ("z.zip", "t.tar", "t.tar.gz", "s.7z"):
        names = {"x/1.jpg": picture(1), "x/[2].jpg": picture(2), "3": picture(3), "read.me/notes.txt": None}
        assert {name: found.pop(f"{packed}/{archive}/{name}") for name in names} == names
    assert "is cut short or damaged" in found.pop(f"{packed}/broken.zip")
    assert found == {f"{packed}/really.zip": picture(9)}


@pytest.mark.parametrize("name", ["t.tar.gz", "t.tar", "z.zip", "s.7z"])
def test_an_archive_that_breaks_or_vanishes_after_it_was_listed_gives_each_entry_its_reason(packed, name):
    file = packed / name
    inputs, content = list(list_inputs([str(file)])), file.read_bytes()
    file.write_bytes(content[: len(content) * 2 // 3])
    assert len(found := contents(inputs)) == 4 and any(f"{file} is cut short" in str(reason) for reason in found.values())
    file.unlink()
    assert len(found := contents(inputs)) == 4 and all("does not exist" in reason for reason in found.values())


def test_parquet_saved_data_sets_and_data_sets_by_name(tmp_path):
    rows = datasets.Dataset.from_dict({"n": [0, 1, 2], "image": [{"bytes": picture(n), "path": None} for n in range(2)] + [None]})
    rows = rows.cast_column("image", datasets.Image())
    rows.to_parquet(tmp_path / "d.parquet", batch_size=2)
    rows.remove_columns("image").to_parquet(tmp_path / "none.parquet")
    datasets.DatasetDict(test=rows).save_to_disk(tmp_path / "saved")
    found = contents(list_inputs([f"{tmp_path}/d.parquet", f"{tmp_path}/none.parquet", f"{tmp_path}/saved"]))
    for place in ("d.parquet", "saved/test"):
        assert [found[f"{tmp_path}/{place}/{n}"] for n in range(2)] == [picture(n) for n in range(2)]
        assert "the row has no image" in found[f"{tmp_path}/{place}/2"]
    assert "has no column of images" in found[f"{tmp_path}/none.parquet"]
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.jpg").write_bytes(picture(5))
    given = {"name": f"{tmp_path}/folder", "config_name": None, "split": None, "image_column": None}
    assert contents(list_rows(given, "mine")) == {"mine/train/0": picture(5)}
    with pytest.raises(OSError, match="nowhere"):
        list(list_rows({**given, "name": f"{tmp_path}/nowhere"}, "x"))


@pytest.fixture
def bucket():
    system = fsspec.filesystem("memory")
    for name in ("b/1.jpg", "b/c/2.jpg", "b/notes.txt"):
        system.pipe(f"/{name}", picture(1))
    system.pipe("/b/notes.txt", b"text")
    yield system
    system.rm("/b", recursive=True)


def test_buckets(bucket, monkeypatch):
    everything = {"memory://b/1.jpg": picture(1), "memory://b/c/2.jpg": picture(1), "memory://b/notes.txt": None}
    as_written = lambda found: {name.replace("memory:///", "memory://"): content for name, content in found.items()}
    assert as_written(contents(list_inputs(["memory://b/"]))) == everything
    assert set(as_written(contents(list_inputs(["memory://b/*.jpg"])))) == {"memory://b/1.jpg"}
    assert "cannot be found" in contents(list_inputs(["memory://nowhere/x.jpg"]))["memory://nowhere/x.jpg"]
    inputs = list(list_inputs(["memory://b"]))

    def refuse(self, *arguments, **keywords):
        raise PermissionError("403 Forbidden")

    monkeypatch.setattr(MemoryFileSystem, "_open", refuse)
    found = contents(inputs)
    assert len(found) == 3 and all("may not be read by this user" in reason for reason in found.values())
    monkeypatch.setattr(MemoryFileSystem, "info", refuse)
    [refused] = list_inputs(["memory://b"])
    assert refused.kind == NONE and "memory://b may not be read" in refused.error


def test_a_file_that_vanished_after_it_was_listed_has_its_reason(tmp_path):
    (tmp_path / "a.jpg").write_bytes(picture())
    inputs = list(list_inputs([str(tmp_path)]))
    (tmp_path / "a.jpg").unlink()
    assert "there is no such file" in contents(inputs)[f"{tmp_path}/a.jpg"]


def test_the_list_is_kept_with_all_names_and_knows_what_is_still_to_do(tmp_path):
    inputs = [Input(f"f/{name}", "file", "", f"f/{name}", None, False) for name in NAMES]
    write_manifest(iter([*inputs, inputs[0], Input("gone", NONE, error="x", named=True)]), tmp_path / "list")
    manifest = Manifest(tmp_path / "list", np.array([inputs[1].id, 5]))
    assert list(manifest) == [inputs[0], *inputs[2:], Input("gone", NONE, error="x", named=True)] and manifest.repeated == 1


def test_a_closed_folder_costs_only_itself(tmp_path, monkeypatch):
    for name in ("a", "closed", "z"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_bytes(picture())
    scan = os.scandir

    def scan_what_is_open(folder):
        if str(folder).endswith("/closed/"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scan(folder)

    monkeypatch.setattr(os, "scandir", scan_what_is_open)
    found = contents(list_inputs([str(tmp_path)]))
    assert len(found) == 3 and "may not be read" in found[f"{tmp_path}/closed"]
