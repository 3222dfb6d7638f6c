"""FFHQ under its original numbers is found by its pixels; the index survives kills and notices changes."""

import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from PIL import Image

import imaginet
from imaginet import SOURCES, Place
from imaginet_core.storage import archives, ffhq_numbers, listings
from tests.imaginet_core.storage.packing import locate, pack_tar, pack_zip


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Indexes of this test only."""
    monkeypatch.setattr(listings, "index_folder", lambda: tmp_path / "indexes")
    return tmp_path / "indexes"


def picture(seed: int, **keywords) -> tuple[bytes, str]:
    """A PNG and the MD5 of its array, computed as FFHQ's own script does."""
    array = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG", **keywords)
    return file.getvalue(), hashlib.md5(np.ascontiguousarray(array)).hexdigest()


COUNT = 12
PICTURES = {f"{number // 6 * 6:05d}/{number:05d}.png": picture(number) for number in range(COUNT)}
DIGESTS = {f"ffhq/name-{number}.png": digest for number, (_, digest) in enumerate(PICTURES.values()) if number != 5}
EXPECTED = {f"ffhq/name-{number}.png": name for number, name in enumerate(PICTURES) if number != 5}
"""Listed path -> original name; one picture is on no list."""


@pytest.fixture
def folder(tmp_path):
    for name, (content, _) in PICTURES.items():
        (tmp_path / "numbered" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "numbered" / name).write_bytes(content)
    (tmp_path / "numbered" / "LICENSE.txt").write_text("CC")
    return tmp_path / "numbered"


@pytest.fixture
def hashed(monkeypatch):
    """The names of the pictures that were decoded."""
    names, real = [], ffhq_numbers._digest_of

    def count(location, container, name):
        names.append(name)
        return real(location, container, name)

    monkeypatch.setattr(ffhq_numbers, "_digest_of", count)
    return names


def test_the_md5_is_ffhqs_own_whatever_the_files_bytes():
    (small, digest), (large, same) = picture(1, compress_level=9), picture(1, compress_level=0)
    assert small != large and ffhq_numbers.pixel_md5(small) == ffhq_numbers.pixel_md5(large) == digest == same
    assert ffhq_numbers.pixel_md5(picture(2)[0]) != digest


def test_pictures_in_a_folder_a_zip_and_a_tar_are_found_by_their_pixels(tmp_path, folder, hashed):
    found = ffhq_numbers.find(DIGESTS, str(folder), DIGESTS)
    assert {path: place.member.removeprefix(f"{folder}/") for path, place in found.items()} == EXPECTED
    state = os.stat(folder / EXPECTED["ffhq/name-0.png"])
    assert found["ffhq/name-0.png"] == Place("", f"{folder}/{EXPECTED['ffhq/name-0.png']}", state.st_size, f"{state.st_mtime_ns} {state.st_ctime_ns}")
    content = {f"images1024x1024/{name}": data for name, (data, _) in PICTURES.items()}
    for container in (pack_zip(tmp_path / "ffhq.zip", content), pack_tar(tmp_path / "ffhq.tar", content, "w")):
        found = ffhq_numbers.find(DIGESTS, container, DIGESTS)
        assert {path: (place.container, place.member) for path, place in found.items()} == {
            path: (container, f"images1024x1024/{name}") for path, name in EXPECTED.items()
        }
    assert len(hashed) <= 3 * COUNT
    assert sorted(path.name for path in folder.iterdir()) == ["00000", "00006", "LICENSE.txt"]  # nothing is written beside them
    with pytest.raises(archives.ArchiveError, match="can only be read from beginning to end"):
        ffhq_numbers.find(DIGESTS, pack_tar(tmp_path / "ffhq.tgz", content), DIGESTS)


def test_the_index_is_made_once_and_only_what_changed_is_made_again(folder, hashed):
    first = ffhq_numbers.find(DIGESTS, str(folder), DIGESTS)
    assert len(hashed) >= COUNT - 1
    hashed.clear()
    assert ffhq_numbers.find(DIGESTS, str(folder), DIGESTS) == first and not hashed
    one, other = list(PICTURES)[:2]
    (folder / one).write_bytes(PICTURES[other][0])  # two pictures change places
    (folder / other).write_bytes(PICTURES[one][0])
    os.utime(folder / one, ns=(1, 1))
    os.utime(folder / other, ns=(1, 1))
    changed = ffhq_numbers.find(DIGESTS, str(folder), DIGESTS)
    assert sorted(name for name in hashed if name in (one, other)) == [one, other] and len(hashed) <= 3
    assert changed["ffhq/name-0.png"].member.endswith(other) and changed["ffhq/name-1.png"].member.endswith(one)


def test_hashing_stops_when_all_that_is_wanted_is_found(tmp_path, hashed):
    for number in range(400):
        (tmp_path / f"{number:05d}.png").write_bytes(picture(number)[0])
    wanted = {"ffhq/x.png": picture(0)[1]}
    first = min(os.listdir(tmp_path), key=lambda name: name != "00000.png")
    assert ffhq_numbers.find(wanted, str(tmp_path), wanted)["ffhq/x.png"].member.endswith(first)
    with_all = len(hashed)
    assert with_all <= 400
    hashed.clear()
    assert ffhq_numbers.find(wanted, str(tmp_path), wanted) and not hashed


def test_without_leave_to_make_it_only_what_is_known_is_found(folder, hashed, caplog):
    assert ffhq_numbers.find(DIGESTS, str(folder), DIGESTS, make=False) == {} and not hashed
    assert f"{COUNT} of FFHQ's pictures" in caplog.text
    everything = ffhq_numbers.find(DIGESTS, str(folder), DIGESTS)
    assert ffhq_numbers.find(DIGESTS, str(folder), DIGESTS, make=False) == everything


SCRIPT = """
import sys, time
from imaginet_core.storage import ffhq_numbers, listings
from pathlib import Path
folder, cache, digests = sys.argv[1:]
listings.index_folder = lambda: Path(cache)
real = ffhq_numbers._digest_of
def slowly(*arguments):
    time.sleep(0.05)
    return real(*arguments)
ffhq_numbers._digest_of = slowly
wanted = dict(line.split() for line in Path(digests).read_text().splitlines())
ffhq_numbers.find(wanted, folder, wanted)
"""


def test_a_run_killed_in_the_middle_goes_on_where_it_was(tmp_path, own_cache, hashed, repository):
    """SIGKILL at a random moment, then once more, then to the end."""
    folder, count = tmp_path / "many", 60
    folder.mkdir()
    digests = {}
    for number in range(count):
        content, digests[f"ffhq/{number}"] = picture(number)
        (folder / f"{number:05d}.png").write_bytes(content)
    listing, script = tmp_path / "digests", tmp_path / "script.py"
    listing.write_text("\n".join(f"{path} {digest}" for path, digest in digests.items()))
    script.write_text(textwrap.dedent(SCRIPT))
    journal, lines = listings.index_file(listings.absolute(str(folder)), ".md5"), 0
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, script, folder, own_cache, listing], env={**os.environ, "PYTHONPATH": str(repository)},
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 60
        goal = lines + random.randint(3, 12)
        while time.monotonic() < until and process.poll() is None and (
            not journal.exists() or journal.read_bytes().count(b"\n") < goal
        ):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        before, lines = lines, journal.read_bytes().count(b"\n")
        assert before < lines < count
    with journal.open("ab") as stream:
        stream.write(b"0123456789abcdef")  # a line that the kill cut off
    found = ffhq_numbers.find(digests, str(folder), digests)
    assert {path: os.path.basename(place.member) for path, place in found.items()} == {
        f"ffhq/{number}": f"{number:05d}.png" for number in range(count)
    }
    assert 0 < len(hashed) <= count - lines  # what was done before the kills was not done again
    hashed.clear()
    assert ffhq_numbers.find(digests, str(folder), digests) == found and not hashed


def test_broken_pictures_are_told_and_not_tried_again_until_they_change(folder, hashed, caplog):
    broken = list(PICTURES)[3]
    (folder / broken).write_bytes(PICTURES[broken][0][:60])
    found = ffhq_numbers.find(DIGESTS, str(folder), DIGESTS)
    assert found.keys() == DIGESTS.keys() - {"ffhq/name-3.png"}
    assert f"1 picture(s) in {folder} cannot be decoded, e.g. {broken}; fetch them again" in caplog.text
    hashed.clear()
    assert ffhq_numbers.find(DIGESTS, str(folder), DIGESTS) == found and not hashed
    (folder / broken).write_bytes(PICTURES[broken][0])
    assert ffhq_numbers.find(DIGESTS, str(folder), DIGESTS).keys() == DIGESTS.keys()


def write_map(root) -> None:
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    lines = [f"drive-id,{path.removeprefix('ffhq/')},{digest}" for path, digest in DIGESTS.items()]
    (root / "annotations" / ffhq_numbers.MAP_NAME).write_bytes("\r\n".join(lines).encode("utf-8-sig"))


def test_locate_finds_ffhq_under_the_root_and_where_the_user_says(tmp_path, folder):
    root = tmp_path / "raw"
    write_map(root)
    wanted = {"ffhq": list(DIGESTS)}
    assert locate(wanted, str(root), {}, SOURCES) == {}
    given = locate(wanted, str(root), {"ffhq": [str(folder)]}, SOURCES)
    assert {path: place.member.removeprefix(f"{folder}/") for path, place in given.items()} == EXPECTED
    folder.rename(root / "ffhq")
    found = locate(wanted, str(root), {}, SOURCES)
    assert {path: place.member.removeprefix(f"{root}/ffhq/") for path, place in found.items()} == EXPECTED


def test_a_wrong_map_and_one_that_cannot_be_fetched_are_named(tmp_path, folder, monkeypatch):
    write_map(tmp_path)
    file = tmp_path / "annotations" / ffhq_numbers.MAP_NAME
    assert ffhq_numbers.read_map(imaginet.list_folders(str(tmp_path)), ()) == DIGESTS
    file.write_text("id,name.png,nomd5\n")
    with pytest.raises(ValueError, match=r"ffhq_filenames.txt, line 1: expected Drive id,name,md5 but found 'id,name.png,nomd5'"):
        ffhq_numbers.read_map([str(file.parent)], ())
    file.unlink()
    monkeypatch.setattr("imaginet.UPSTREAM_FFHQ_MAP", ("http://127.0.0.1:9/main/annotations",))
    with pytest.raises(ConnectionError, match=r"not be fetched \(http://127.0.0.1:9/main/annot.*Put ffhq_filenames.txt into"):
        ffhq_numbers.read_map([str(tmp_path)], imaginet.UPSTREAM_FFHQ_MAP)
    (tmp_path / "ffhq").mkdir()
    (tmp_path / "ffhq" / "b.png").write_bytes(picture(1)[0])
    assert locate({"ffhq": ["ffhq/a.png"]}, str(tmp_path), {}, SOURCES) == {}  # no numbered pictures, so no map is needed
    folder.rename(tmp_path / "images1024x1024")
    with pytest.raises(ConnectionError, match="FFHQ lies there under its own numbers"):
        locate({"ffhq": ["ffhq/a.png"]}, str(tmp_path), {}, SOURCES)


def test_upstreams_map_covers_the_official_list(shared):
    digests = ffhq_numbers.read_map(imaginet.list_folders(str(shared)), ())
    assert len(digests) == len(set(digests.values())) == 22_500
    lines = (shared / "annotations" / "test_annotations.txt").read_text(encoding="utf-8").splitlines()
    listed = [line.rsplit(",", 4)[0].removeprefix("./") for line in lines if line.startswith("./ffhq/")]
    assert len(listed) == 4500 and digests.keys() >= set(listed)
