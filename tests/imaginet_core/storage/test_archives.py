"""Archives of every kind: the same bytes as went in, and one clear sentence for those that cannot be read."""

import bz2
import gzip
import hashlib
import io
import multiprocessing
import os
import stat
import struct
import sys
import tarfile
import threading
import time
import zipfile
import zlib
from pathlib import Path

import pytest

from imaginet_core.storage import archives, listings, seven_zip_archives, tar_archives
from imaginet_core.storage.archives import ArchiveError, is_stream, kind_of, members, read_members
from tests.imaginet_core.storage.packing import CONTENT, as_nobody, pack_seven, pack_tar, pack_zip, served, split

PACKERS = {
    "a.zip": pack_zip,
    "b.tar": lambda file, content: pack_tar(file, content, "w"),
    "c.tar.gz": pack_tar,
    "d.tgz": pack_tar,
    "e.tar.bz2": lambda file, content: pack_tar(file, content, "w:bz2"),
    "f.tar.xz": lambda file, content: pack_tar(file, content, "w:xz"),
    "g.7z": pack_seven,
}
STREAMS = {"c.tar.gz", "d.tgz", "e.tar.bz2", "f.tar.xz", "g.7z"}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Indexes of this test only."""
    monkeypatch.setattr(listings, "index_folder", lambda: tmp_path / "indexes")


def read_all(container: str, names: list[str]) -> dict[str, bytes]:
    return {names[index]: content for index, content in read_members(container, names)}


@pytest.mark.parametrize("name", PACKERS)
def test_every_kind_lists_and_gives_the_bytes_that_went_in(tmp_path, name):
    container = PACKERS[name](tmp_path / name, CONTENT)
    listed = members(container)
    assert {member.name: member.size for member in listed} == {key: len(data) for key, data in CONTENT.items()}
    assert len({member.stamp for member in listed}) == len(CONTENT)
    assert read_all(container, list(CONTENT)) == CONTENT
    assert is_stream(container) == (name in STREAMS)
    asked = ["folder/4.jpg", "folder/1.jpg", "folder/4.jpg"]
    pairs = list(read_members(container, asked))
    assert sorted(index for index, _ in pairs) == [0, 1, 2] and all(content == CONTENT[asked[index]] for index, content in pairs)
    if name not in STREAMS:
        assert [index for index, _ in pairs] == [0, 1, 2]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [name]  # nothing was unpacked beside it


def test_volumes_of_a_7z_read_as_one(tmp_path):
    pack_seven(tmp_path / "imaginet.7z", CONTENT)
    first, *others = split(tmp_path / "imaginet.7z", 1500)
    assert len(others) >= 2 and kind_of(str(first)) and not kind_of(str(others[0]))
    assert read_all(str(first), list(CONTENT)) == CONTENT
    others[0].rename(tmp_path / "elsewhere")
    with pytest.raises(ArchiveError, match=r"imaginet.7z.002 is missing.*put all volumes into one folder"):
        members(str(first))
    (tmp_path / "elsewhere").rename(others[0])
    content = others[-1].read_bytes()
    others[-1].write_bytes(content[:-3])
    with pytest.raises(ArchiveError, match=f"{others[-1].name} is cut short"):
        members(str(first))


def test_a_7z_of_several_blocks_with_empty_files_and_a_reader_that_stops_early(tmp_path):
    content = {f"{number}.bin": b"" if number % 7 == 0 else os.urandom(5000) for number in range(60)}
    container = pack_seven(tmp_path / "a.7z", dict(list(content.items())[:30]))
    import py7zr

    with py7zr.SevenZipFile(container, "a") as archive:
        for name, data in list(content.items())[30:]:
            archive.writestr(data, name)
    assert read_all(container, list(content)) == content
    before = threading.active_count()
    reader = read_members(container, list(content))
    next(reader)
    reader.close()
    assert threading.active_count() == before


def test_links_in_a_tar_give_what_they_lead_to(tmp_path):
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        entry = tarfile.TarInfo("./x/first.jpg")
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b"abc"))
        for name, kind, target in (
            ("./x/hard.jpg", tarfile.LNKTYPE, "./x/first.jpg"), ("./y/soft.jpg", tarfile.SYMTYPE, "../x/hard.jpg"),
        ):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, target
            archive.addfile(link)
    container = str(tmp_path / "a.tgz")
    names = [member.name for member in members(container)]
    assert sorted(names) == ["./x/first.jpg", "./x/hard.jpg", "./y/soft.jpg"]
    assert read_all(container, names) == dict.fromkeys(names, b"abc")


def test_of_two_entries_with_one_name_the_last_counts(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x.jpg", b"old")
        archive.writestr("x.jpg", b"newer")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for data in (b"old", b"newer"):
            entry = tarfile.TarInfo("x.jpg")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    for name in ("a.zip", "a.tar.gz"):
        container = str(tmp_path / name)
        assert [member.size for member in members(container)] == [5]
        assert read_all(container, ["x.jpg"]) == {"x.jpg": b"newer"}


def test_the_index_of_a_compressed_tar_is_made_once_and_again_when_the_tar_changes(tmp_path, monkeypatch):
    container = pack_tar(tmp_path / "a.tgz", CONTENT)
    first = members(container)
    listings._index_of.cache_clear()  # as in another process
    with monkeypatch.context() as patch:
        patch.setattr(archives.tar_archives, "_make_index", lambda *arguments: pytest.fail("read again"))
        assert members(container) == first
    pack_tar(tmp_path / "a.tgz", {"other.jpg": b"x" * 90})
    assert [member.name for member in members(container)] == ["other.jpg"]
    assert not list((tmp_path / "indexes").glob("*.part"))
    next((tmp_path / "indexes").glob("*.json")).write_text("{ broken")
    listings._index_of.cache_clear()
    assert [member.name for member in members(container)] == ["other.jpg"]


def test_a_zip_that_was_replaced_is_opened_anew(tmp_path):
    container = pack_zip(tmp_path / "a.zip", {"x.jpg": b"one"})
    before = members(container)[0].stamp
    assert read_all(container, ["x.jpg"]) == {"x.jpg": b"one"}
    pack_zip(tmp_path / "new.zip", {"x.jpg": b"three"})
    os.replace(tmp_path / "new.zip", container)
    assert read_all(container, ["x.jpg"]) == {"x.jpg": b"three"}
    assert members(container)[0].stamp != before


def _digests(container: str, names: list[str]) -> list[str]:
    return [hashlib.sha256(content).hexdigest() for _, content in read_members(container, names)]


def test_forked_processes_and_threads_share_an_open_zip(tmp_path):
    content = {f"{number}.jpg": os.urandom(3000) for number in range(200)}
    container = pack_zip(tmp_path / "a.zip", content)
    names, expected = list(content), [hashlib.sha256(data).hexdigest() for data in content.values()]
    assert _digests(container, names[:3]) == expected[:3]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        runs = [pool.apply_async(_digests, (container, names)) for _ in range(4)]
        assert _digests(container, names) == expected
        assert all(run.get(30) == expected for run in runs)
    results = []
    threads = [threading.Thread(target=lambda: results.append(_digests(container, names))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


def test_reading_one_by_one_does_not_open_the_zip_again(tmp_path, monkeypatch):
    container = pack_zip(tmp_path / "a.zip", CONTENT)
    members(container)
    monkeypatch.setattr(zipfile, "ZipFile", lambda *arguments: pytest.fail("opened again"))
    for name, data in CONTENT.items():
        assert list(read_members(container, [name])) == [(0, data)]


def test_a_zip_over_http_is_read_in_parts(tmp_path):
    """5 GB on the server (sparse), of which the directory and one entry are fetched."""
    content = os.urandom(200_000)
    with zipfile.ZipFile(tmp_path / "big.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("first.jpg", content)
        archive.writestr("last.jpg", b"z" * 10)
    whole = (tmp_path / "big.zip").read_bytes()
    directory = whole.index(b"PK\x01\x02")
    with zipfile.ZipFile(tmp_path / "big.zip") as archive:
        infos = archive.infolist()
    with open(tmp_path / "big.zip", "wb") as file:  # the same with a hole before the directory
        file.write(whole[:directory])
        hole = 5 << 30
        file.seek(directory + hole)
        file.write(_directory_after(whole[directory:], infos, directory + hole))
    with served(tmp_path) as (url, sent):
        container = f"{url}/big.zip"
        assert [(member.name, member.size) for member in members(container)] == [("first.jpg", 200_000), ("last.jpg", 10)]
        assert list(read_members(container, ["first.jpg"])) == [(0, content)]
        assert sum(sent) < 400_000 and len(sent) <= 4
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert pool.apply(_digests, (container, ["first.jpg"])) == [hashlib.sha256(content).hexdigest()]
        stamp = members(container)[0].stamp
        pack_zip(tmp_path / "big.zip", {"first.jpg": b"new"})
        assert members(container)[0].stamp != stamp


def _directory_after(directory: bytes, infos: list, start: int) -> bytes:
    """A zip's directory that stands beyond 4 GB: with the zip64 end that this takes."""
    entries = directory[: directory.index(b"PK\x05\x06")]
    end = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, len(infos), len(infos), len(entries), start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, start + len(entries), 1)
    classic = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return entries + end + locator + classic


@pytest.mark.parametrize("name", [name for name in PACKERS if name != "a.zip"])
def test_other_kinds_over_http(tmp_path, name):
    PACKERS[name](tmp_path / name, CONTENT)
    with served(tmp_path) as (url, _):
        assert {member.name for member in members(f"{url}/{name}")} == CONTENT.keys()
        assert read_all(f"{url}/{name}", list(CONTENT)) == CONTENT
        assert is_stream(f"{url}/{name}?download=1") == (name in STREAMS)


def test_volumes_over_http(tmp_path):
    pack_seven(tmp_path / "imaginet.7z", CONTENT)
    split(tmp_path / "imaginet.7z", 1500)
    with served(tmp_path) as (url, _):
        assert read_all(f"{url}/imaginet.7z.001", list(CONTENT)) == CONTENT


def test_a_server_without_ranges_serves_streams_and_is_named_for_the_rest(tmp_path):
    pack_tar(tmp_path / "a.tgz", CONTENT)
    (tmp_path / "a.zip").write_bytes(b"")
    pack_zip(tmp_path / "a.zip", {"x.bin": os.urandom(300_000), "y.bin": b"1"})
    with served(tmp_path, ranges=False) as (url, _):
        assert read_all(f"{url}/a.tgz", list(CONTENT)) == CONTENT
        with pytest.raises(OSError, match=r"a.zip cannot be reached \(.*range.*download it and give the local path"):
            members(f"{url}/a.zip")


def test_what_is_not_there_or_not_reachable_is_named(tmp_path):
    for name in PACKERS:
        with pytest.raises(FileNotFoundError, match=f"{name} does not exist"):
            members(str(tmp_path / name))
        with pytest.raises(OSError, match=rf"http://127.0.0.1:9/{name} cannot be reached \(.*\); check address") as caught:
            members(f"http://127.0.0.1:9/{name}")
        assert "\n" not in str(caught.value)
    absent = pytest.raises(FileNotFoundError, match=r"a.zip cannot be found \(404, message=.*check the address")
    with served(tmp_path) as (url, _), absent:
        members(f"{url}/a.zip")
    with pytest.raises(OSError, match="nosuch://a.zip cannot be reached"):
        members("nosuch://a.zip")


def test_a_file_without_permission_is_named():
    with as_nobody() as (folder, give_rights_up):
        containers = [pack(folder / name, CONTENT) for name, pack in PACKERS.items()]
        for container in containers:
            os.chmod(container, 0)
        give_rights_up()
        for container in containers:
            sentence = f"{container} may not be read by this user; change its or its folder's permissions.$"
            with pytest.raises(PermissionError, match=sentence):
                members(container)


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.97])
def test_an_archive_cut_short_is_named(tmp_path, name, part):
    container = PACKERS[name](tmp_path / name, CONTENT)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * part)])
    if name == "b.tar" and part == 0.97:
        pytest.skip("only the padding of zeros is cut")
    with pytest.raises(ArchiveError, match=f"{name} .*(cut short|is no).*fetch it again") as caught:
        members(container)
    assert "\n" not in str(caught.value)


def test_a_tar_cut_between_two_entries_is_cut_short(tmp_path):
    container = pack_tar(tmp_path / "a.tar", CONTENT, "w")
    with open(container, "r+b") as file:
        file.truncate(512 + 1024 + 512 + 1024)  # two whole entries of header and content
    with pytest.raises(ArchiveError, match="a.tar is cut short"):
        members(container)


@pytest.mark.parametrize("name", PACKERS)
def test_what_is_no_archive_is_named(tmp_path, name):
    (tmp_path / name).write_text("<!DOCTYPE html> quota exceeded" * 100)
    with pytest.raises(ArchiveError, match=f"{name} .*is no|{name} is cut short, damaged or no tar"):
        members(str(tmp_path / name))


@pytest.mark.parametrize("name", ["a.zip", "c.tar.gz", "e.tar.bz2", "f.tar.xz", "g.7z"])
def test_a_flipped_byte_never_gives_wrong_bytes(tmp_path, name):
    container = PACKERS[name](tmp_path / name, {"first.jpg": os.urandom(4000), "second.jpg": os.urandom(4000)})
    damaged = bytearray((tmp_path / name).read_bytes())
    damaged[3000] ^= 0x55
    (tmp_path / name).write_bytes(damaged)
    with pytest.raises(ArchiveError, match=name):
        list(read_members(container, ["first.jpg", "second.jpg"]))
    if name in ("a.zip", "g.7z"):
        with pytest.raises(ArchiveError, match="entry first.jpg cannot be read"):
            list(read_members(container, ["first.jpg"]))
    if name == "a.zip":
        assert len(next(read_members(container, ["second.jpg"]))[1]) == 4000  # the others can still be had


def test_encrypted_archives_are_named(tmp_path):
    container = pack_zip(tmp_path / "a.zip", {"x.jpg": b"123"})
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag of an encrypted entry
    (tmp_path / "a.zip").write_bytes(content)
    for call in (members, lambda container: list(read_members(container, ["x.jpg"]))):
        with pytest.raises(ArchiveError, match=r"a.zip is encrypted \(its entry x.jpg is\); pack it again without a password"):
            call(container)
    for header in (False, True):
        container = pack_seven(tmp_path / f"{header}.7z", CONTENT, password="secret", header_encryption=header)
        with pytest.raises(ArchiveError, match=f"{header}.7z is encrypted; pack it again without a password"):
            members(container)


def test_a_colon_in_a_name_is_no_drive(tmp_path):
    packed = pack_zip(tmp_path / "a.zip", {"B: sides/x.txt": b"", "B: sides/1.jpg": b"1", "C:2.jpg": b"2"})
    assert [member.name for member in archives.members(packed)] == ["B: sides/x.txt", "B: sides/1.jpg", "C:2.jpg"]
    assert [content for _, content in archives.read_members(packed, ["B: sides/1.jpg", "C:2.jpg"])] == [b"1", b"2"]


@pytest.mark.parametrize("entry", ["../x.jpg", "a/../../x.jpg", "/etc/x.jpg", "C:/x.jpg", "..\\x.jpg"])
def test_entries_that_climb_out_are_refused(tmp_path, entry):
    info = zipfile.ZipInfo("placeholder")
    info.filename = entry
    for container in (
        pack_zip(tmp_path / "a.zip", {"ok.jpg": b"1", info: b"2"}), pack_tar(tmp_path / "a.tgz", {"ok.jpg": b"1", entry: b"2"}),
        pack_tar(tmp_path / "a.tar", {"ok.jpg": b"1", entry: b"2"}, "w"),
    ):
        with pytest.raises(ArchiveError, match=r"is not read: its entry .*x.jpg' lies outside of it") as caught:
            members(container)
        assert container in str(caught.value)


def test_a_7z_entry_that_climbs_out_is_refused(tmp_path):
    """py7zr refuses to pack such a one, so a name of the same length is replaced and the checksums are made right."""
    import py7zr

    with py7zr.SevenZipFile(tmp_path / "a.7z", "w") as archive:
        archive.set_encoded_header_mode(False)
        archive.writestr(b"1", "ab/x.jpg")
    content = (tmp_path / "a.7z").read_bytes().replace("ab/x.jpg".encode("utf-16-le"), "../x.jpg".encode("utf-16-le"))
    _, _, _, offset, length, _ = seven_zip_archives._START.unpack(content[:32])
    end = struct.pack("<QQI", offset, length, zlib.crc32(content[32 + offset : 32 + offset + length]))
    (tmp_path / "a.7z").write_bytes(content[:8] + struct.pack("<I", zlib.crc32(end)) + end + content[32:])
    with pytest.raises(ArchiveError, match=r"a.7z is not read: its entry '../x.jpg' lies outside of it"):
        members(str(tmp_path / "a.7z"))


@pytest.mark.parametrize("kind, target", [
    (tarfile.SYMTYPE, "../../secret"), (tarfile.SYMTYPE, "/etc/passwd"), (tarfile.LNKTYPE, "../secret"),
])
def test_tar_links_that_climb_out_are_refused(tmp_path, kind, target):
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        link = tarfile.TarInfo("x/link.jpg")
        link.type, link.linkname = kind, target
        archive.addfile(link)
    with pytest.raises(ArchiveError, match=r"its entry 'x/link.jpg' links to .*(secret|passwd), which lies outside of it"):
        members(str(tmp_path / "a.tgz"))


def test_symbolic_links_in_a_zip_are_no_files(tmp_path):
    link = zipfile.ZipInfo("link.jpg")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    assert [member.name for member in members(pack_zip(tmp_path / "a.zip", {link: b"ok.jpg", "ok.jpg": b"1"}))] == ["ok.jpg"]


def test_an_entry_that_is_not_there_is_named(tmp_path):
    for name, pack in PACKERS.items():
        container = pack(tmp_path / name, CONTENT)
        with pytest.raises(ArchiveError, match=f"{name} holds no folder/9.jpg"):
            list(read_members(container, ["folder/9.jpg"]))


def test_an_unknown_ending_and_an_unknown_method_are_named(tmp_path):
    with pytest.raises(ArchiveError, match=r"a.rar has none of the endings .*\.zip, \.tar"):
        members(str(tmp_path / "a.rar"))
    container = pack_zip(tmp_path / "a.zip", {"x.jpg": b"123"}, zipfile.ZIP_STORED)
    content = bytearray((tmp_path / "a.zip").read_bytes())
    for signature, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(signature) + place] = 9  # Deflate64, which Windows writes
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ArchiveError, match="stores x.jpg by a method that Python cannot read"):
        list(read_members(container, ["x.jpg"]))


def test_without_py7zr_the_sentence_says_what_to_install(tmp_path, monkeypatch):
    container = pack_seven(tmp_path / "a.7z", CONTENT)
    monkeypatch.setitem(sys.modules, "py7zr", None)
    with pytest.raises(ArchiveError, match=r'pip install "imaginet\[archives\]"'):
        members(container)


def test_no_space_for_the_index_is_a_warning(tmp_path, monkeypatch, caplog):
    container = pack_tar(tmp_path / "a.tgz", CONTENT)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(listings, "write_aside", full)
    assert len(members(container)) == len(CONTENT)
    assert "No space left on device" in caplog.text and "next time it is made again" in caplog.text


def test_a_compressed_tar_called_tar_is_read_for_what_it_is(tmp_path):
    plain = pack_tar(tmp_path / "x", CONTENT, "w")
    for name, compress in (("a.tar", gzip.compress), ("b.tar", bz2.compress)):
        (tmp_path / name).write_bytes(compress(open(plain, "rb").read()))
        assert read_all(str(tmp_path / name), list(CONTENT)) == CONTENT and is_stream(str(tmp_path / name))


@pytest.mark.parametrize("name", PACKERS)
def test_an_entry_larger_than_any_picture_costs_itself_alone(tmp_path, monkeypatch, name):
    monkeypatch.setattr(archives, "ENTRY_BYTES", 703)
    container = PACKERS[name](tmp_path / name, CONTENT)
    found = dict(read_members(container, list(CONTENT)))
    assert [found[index] for index in range(4)] == list(CONTENT.values())[:4]
    for index, entry in enumerate(list(CONTENT)[4:], start=4):
        assert isinstance(found[index], ArchiveError)
        assert f"{entry} with {700 + index} bytes, more than the 703" in str(found[index])


@pytest.mark.parametrize("ending", ["tar.gz", "tar.bz2", "tar.xz"])
def test_a_bomb_is_refused_at_its_beginning(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(tar_archives, "UNPACKED_BYTES", 1 << 18)
    container = pack_tar(tmp_path / f"a.{ending}", {"x.jpg": bytes(2 << 20), "y.jpg": b"1"}, f"w:{ending[4:]}")
    with pytest.raises(ArchiveError, match=f"a.{ending} unpacks to more than 200 times its size"):
        members(container)
    harmless = pack_tar(tmp_path / f"b.{ending}", {"x.jpg": os.urandom(2 << 20)}, f"w:{ending[4:]}")
    assert [each.name for each in members(harmless)] == ["x.jpg"]


@pytest.mark.parametrize("size", [10**7, 2**62])
@pytest.mark.parametrize("name, compress", [("a.tar", bytes), ("a.tar.gz", gzip.compress), ("a.tar.bz2", bz2.compress)])
def test_an_entry_that_says_it_is_longer_than_its_archive_is_damage_found_at_once(tmp_path, name, compress, size):
    content = bytearray(Path(pack_tar(tmp_path / "plain", CONTENT, "w")).read_bytes())
    content[124:136] = b"\x80" + size.to_bytes(11, "big")  # GNU's form for sizes of 8 GB and more
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    (tmp_path / name).write_bytes(compress(bytes(content)))
    start = time.process_time()
    with pytest.raises(ArchiveError, match="cut short, damaged or no tar archive|cut short within"):
        read_all(str(tmp_path / name), sorted(members(str(tmp_path / name))))
    assert time.process_time() - start < 2


def test_what_a_damaged_zip_holds_in_place_of_a_name_is_not_repeated_whole(tmp_path):
    file = Path(pack_zip(tmp_path / "a.zip", CONTENT, zipfile.ZIP_STORED))
    content = bytearray(file.read_bytes())
    content[26:28] = (600).to_bytes(2, "little")  # the length of the first entry's name in its own header
    file.write_bytes(content)
    entry = next(iter(CONTENT))
    with pytest.raises(ArchiveError) as raised:
        read_all(str(file), [entry])
    assert entry in str(raised.value) and len(str(raised.value)) < 700 and "\n" not in str(raised.value)
