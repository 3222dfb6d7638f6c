"""Where listed images are found: publishers' archives and folders, any spelling of a name, URLs; and what is not mixed up."""

import os
import random
import socket
import time
import unicodedata

import pytest

import imaginet
from imaginet import SOURCES, Place
from imaginet_core.storage import archives, files, listings
from imaginet_core.storage.archives import ArchiveError
from imaginet_core.storage.match_paths import archive_stem, match, names_part
from imaginet_core.storage.spellings import find_names, keys
from tests.imaginet_core.storage.packing import as_nobody, locate, pack_seven, pack_tar, pack_zip, served, split


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Indexes of this test only."""
    monkeypatch.setattr(listings, "index_folder", lambda: tmp_path / "indexes")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "raw").mkdir()
    return tmp_path / "raw"


def read(place: Place) -> bytes:
    if place.container:
        return next(archives.read_members(place.container, [place.member]))[1]
    with open(place.member, "rb") as file:
        return file.read()


def contents(root, wanted: dict, locations: dict | None = None, sources: dict = SOURCES) -> dict[str, bytes]:
    """listed path -> bytes of those found; checks that size and stamp are told."""
    found = locate(wanted, str(root), locations or {}, sources)
    read_back = {path: read(place) for path, place in found.items()}
    assert all(found[path].size == len(data) and found[path].stamp for path, data in read_back.items())
    return read_back


PUBLISHED = {  # publisher's archive -> (its content, source, listed path -> entry)
    "val2017.zip": ({"val2017/1.jpg": b"v"}, "coco", {"val2017/1.jpg": "val2017/1.jpg"}),
    "train2017.zip": ({"train2017/2.jpg": b"t"}, "coco", {"train2017/2.jpg": "train2017/2.jpg"}),
    "imagenet-object-localization-challenge.zip": (
        {
            "ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_1.JPEG": b"iv", "ILSVRC/Data/CLS-LOC/train/n01/n01_1.JPEG": b"it",
            "ILSVRC/Annotations/CLS-LOC/val/ILSVRC2012_val_1.xml": b"<>",
        },
        "imagenet", {
            "imagenet/ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_1.JPEG": "ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_1.JPEG",
            "imagenet/ILSVRC/Data/CLS-LOC/train/n01/n01_1.JPEG": "ILSVRC/Data/CLS-LOC/train/n01/n01_1.JPEG",
        },
    ),
    "000.tgz": ({"./000/u-u.jpg": b"j"}, "journeydb", {"journeydb/u-u.jpg": "./000/u-u.jpg"}),
    "photozilla.zip": (
        {"dataset/aerial/5.jpg": b"p5", "other_dataset/portrait/7.jpg": b"p7"}, "photozilla",
        {
            "photozilla/dataset/aerial/5.jpg": "dataset/aerial/5.jpg",
            "photozilla/other_dataset/portrait/7.jpg": "other_dataset/portrait/7.jpg",
        },
    ),
    "wikiart.zip": ({"wikiart/Realism/a_b.jpg": b"w"}, "wikiart", {"wikiart/Realism/a_b.jpg": "wikiart/Realism/a_b.jpg"}),
    "progan_val.zip": ({"airplane/1_fake/1.png": b"g"}, "progan", {"progan_val/airplane/1_fake/1.png": "airplane/1_fake/1.png"}),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_publishers_archives_in_the_root_and_by_the_users_word_under_another_name(root, tmp_path, name):
    content, source, expected = PUBLISHED[name]
    pack = pack_tar if name.endswith("tgz") else pack_zip
    pack(root / name, content)
    found = locate({source: list(expected)}, str(root), {}, SOURCES)
    assert {path: (place.container, place.member) for path, place in found.items()} == {
        path: (f"{root}/{name}", entry) for path, entry in expected.items()
    }
    assert {path: read(place) for path, place in found.items()} == {path: content[entry] for path, entry in expected.items()}
    if source != "progan":  # whose content could as well be progan_train's
        renamed = str(tmp_path / f"mine{name[name.index('.'):]}")
        os.rename(root / name, renamed)
        assert contents(root, {source: list(expected)}) == {}
        given = contents(root, {source: list(expected)}, {source: [renamed]})
        assert given == {path: content[entry] for path, entry in expected.items()}


LISTED = {
    "coco": ["val2017/1.jpg"], "lsun": ["progan_val/cat/0_real/1.png", "progan_train/cat/0_real/1.png"],
    "sd_faces": ["sd_faces_fake/a.webp"], "dalle3_addition": ["dalle3_addition2/b.png"], "own": ["x/y/z.jpg"],
}
REFERENCE_LAYOUT = {path: path.encode() for paths in LISTED.values() for path in paths}


@pytest.mark.parametrize("wrapper", ["", "imaginet/", "./", "Backup 2024/raw/"])
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "7z", "7z.001"])
def test_any_archive_in_the_reference_layout(root, kind, wrapper):
    content = {wrapper + path: data for path, data in REFERENCE_LAYOUT.items()}
    if kind == "zip":
        pack_zip(root / "any.zip", content)
    elif kind.startswith("tar"):
        pack_tar(root / f"any.{kind}", content, "w" if kind == "tar" else "w:gz")
    else:
        pack_seven(root / "imaginet.7z", {name.removeprefix("./"): data for name, data in content.items()})
        if kind == "7z.001":
            split(root / "imaginet.7z", 150)
    assert contents(root, LISTED) == REFERENCE_LAYOUT


def test_folder_and_archive_give_equal_bytes(root, tmp_path):
    other = tmp_path / "folder"
    for path, data in REFERENCE_LAYOUT.items():
        (other / path).parent.mkdir(parents=True, exist_ok=True)
        (other / path).write_bytes(data)
    pack_zip(root / "any.zip", REFERENCE_LAYOUT)
    known = {name: paths for name, paths in LISTED.items() if name in SOURCES}
    assert contents(root, known) == contents(root, known, {name: [str(other)] for name in known})


def test_equal_names_of_train_and_val_are_never_mixed(root):
    """progan_train and progan_val hold the same names; an archive of one never serves the other."""
    wanted = {"lsun": ["progan_val/cat/0_real/1.png", "progan_train/cat/0_real/1.png"]}
    for name, content, found in (
        ("progan_train.zip", {"cat/0_real/1.png": b"t"}, {"progan_train/cat/0_real/1.png": b"t"}),
        ("progan_val.7z", {"cat/0_real/1.png": b"v"}, {"progan_val/cat/0_real/1.png": b"v"}),
        ("progan_val_again.zip", {"progan_train/cat/0_real/1.png": b"t"}, {"progan_train/cat/0_real/1.png": b"t"}),
    ):
        file = root / name
        (pack_seven if name.endswith("7z") else pack_zip)(file, content)
        assert contents(root, wanted) == found
        file.unlink()
    mine = pack_zip(root.parent / "mine.zip", {"cat/0_real/1.png": b"?"})
    assert contents(root, wanted, {"lsun": [mine]}) == {}
    mine = pack_zip(root.parent / "lsun-val.zip", {"cat/0_real/1.png": b"v"})
    assert contents(root, wanted, {"lsun": [mine]}) == {"progan_val/cat/0_real/1.png": b"v"}


def test_numbers_in_another_sources_folder_are_not_taken(root):
    packed = pack_zip(root.parent / "mine.zip", {"photozilla/dataset/aerial/12.jpg": b"p", "danbooru2021/13.jpg": b"d"})
    wanted = {"danbooru": ["danbooru2021/12.jpg", "danbooru2021/13.jpg"]}
    assert contents(root, wanted, {"danbooru": [packed]}) == {"danbooru2021/13.jpg": b"d"}
    packed = pack_zip(root.parent / "photozilla.zip", {"dataset/portrait/7.jpg": b"7"})
    assert contents(root, {"photozilla": ["photozilla/other_dataset/portrait/7.jpg"]}, {"photozilla": [packed]}) == {}


@pytest.mark.parametrize("stem, part, rivals, expected", [
    ("progan_val", "progan_val", ["progan_train"], True), ("progan_val", "progan_train", ["progan_val"], False),
    ("lsun-val", "progan_val", ["progan_train"], True), ("other_dataset", "dataset", ["other_dataset"], False),
    ("other_dataset", "other_dataset", ["dataset"], True), ("progan_train_progan_val", "progan_val", ["progan_train"], False),
    ("progan", "progan_val", ["progan_train"], False), ("mine", "dataset", ["other_dataset"], False),
])
def test_what_an_archives_name_tells(stem, part, rivals, expected):
    assert names_part(stem, part, rivals) is expected


def test_the_first_folder_may_be_the_archives_name(root):
    pack_zip(root / "wikiart_stylegan.zip", {"seed1.png": b"1"})
    pack_tar(root / "sd_faces_fake.tar.gz", {"inner/a.webp": b"2"})
    pack_zip(root / "other.zip", {"b.png": b"3"})
    wanted = {
        "stylegan3_paintings": ["wikiart_stylegan/seed1.png"], "sd_faces": ["sd_faces_fake/a.webp"], "dalle3": ["dalle3/b.png"],
    }
    assert contents(root, wanted) == {"wikiart_stylegan/seed1.png": b"1", "sd_faces_fake/a.webp": b"2"}


def test_upstreams_one_zip_of_generated_images_serves_several_sources(root):
    content = {"generated/sd_faces_fake/a.webp": b"a", "generated/dalle3/b.png": b"b", "generated/x.txt": b""}
    place = pack_zip(root.parent / "generated.zip", content)
    wanted = {"sd_faces": ["sd_faces_fake/a.webp"], "dalle3": ["dalle3/b.png", "dalle3/gone.png"], "coco": ["val2017/1.jpg"]}
    given = {"sd_faces": [place], "dalle3": [place]}
    assert contents(root, wanted, given) == {"sd_faces_fake/a.webp": b"a", "dalle3/b.png": b"b"}


def test_two_entries_that_fit_are_an_error_that_names_both_unless_they_are_equal(root):
    wanted = {"dalle3": ["dalle3/b.png"]}
    pack_zip(root / "any.zip", {"one/dalle3/b.png": b"b", "two/dalle3/b.png": b"c"})
    with pytest.raises(ValueError, match=r"Two files of .*any.zip fit dalle3/b.png: 'one/dalle3/b.png' and 'two/dalle3/b.png'"):
        locate(wanted, str(root), {}, SOURCES)
    pack_zip(root / "any.zip", {"one/dalle3/b.png": b"b", "two/dalle3/b.png": b"b"})
    assert contents(root, wanted) == {"dalle3/b.png": b"b"}
    pack_zip(root / "any.zip", {"one/b.png": b"1", "dalle3/b.png": b"2"})
    assert contents(root, wanted, {"dalle3": [str(root / "any.zip")]}) == {"dalle3/b.png": b"2"}  # the longer match counts


DANBOORU = {"danbooru": ["danbooru2021/1516181.jpg", "danbooru2021/5181.jpg", "danbooru2021/42.jpg"]}


@pytest.mark.parametrize("where", ["root", "danbooru2021", "location", "zip", "plain zip"])
def test_danboorus_own_layout(root, caplog, where):
    content = {
        "original/0181/1516181.jpg": b"a", "512px/0181/1516181.jpg": b"small", "original/0181/5181.jpg": b"b",
        "original/0042/42.png": b"c",
    }
    if "zip" in where:
        before = "danbooru2021/" if where == "plain zip" else ""
        place = pack_zip(root / "some.zip", {before + name: data for name, data in content.items()})
    else:
        place = {"root": root, "danbooru2021": root / "danbooru2021", "location": root.parent / "d"}[where]
        for name, data in content.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(data)
    given = {"danbooru": [str(place)]} if where in ("location", "zip") else {}
    assert contents(root, DANBOORU, given) == {"danbooru2021/1516181.jpg": b"a", "danbooru2021/5181.jpg": b"b"}
    if where != "plain zip":
        assert "1 of the missing Danbooru images in another format" in caplog.text
        assert "42.png where" in caplog.text
        assert "the list wants danbooru2021/42.jpg" in caplog.text


def test_folders_as_publishers_call_them(root, tmp_path):
    for path in ("000/u.jpg", "ILSVRC/Data/CLS-LOC/val/v.JPEG"):
        (root / path).parent.mkdir(parents=True)
        (root / path).write_bytes(path.encode())
    wanted = {"journeydb": ["journeydb/u.jpg"], "imagenet": ["imagenet/ILSVRC/Data/CLS-LOC/val/v.JPEG"]}
    assert contents(root, wanted) == {
        "journeydb/u.jpg": b"000/u.jpg", "imagenet/ILSVRC/Data/CLS-LOC/val/v.JPEG": b"ILSVRC/Data/CLS-LOC/val/v.JPEG",
    }
    deep = tmp_path / "disk" / "JourneyDB" / "data" / "000"
    deep.mkdir(parents=True)
    (deep / "w.jpg").write_bytes(b"w")
    (deep / "above").symlink_to(tmp_path / "disk")  # a loop
    given = {"journeydb": [str(tmp_path / "disk")]}
    assert contents(root, {"journeydb": ["journeydb/w.jpg"]}, given) == {"journeydb/w.jpg": b"w"}


SOROLLA = "wikiart/Impressionism/joaquã\u00adn-sorolla_the-net-1893.jpg"
BOCKLIN = "wikiart/Romanticism/arnold-bã¶cklin_the-muse-of-anacreon-1873.jpg"
TRUE = {
    SOROLLA: "wikiart/Impressionism/joaquín-sorolla_the-net-1893.jpg",
    BOCKLIN: "wikiart/Romanticism/arnold-böcklin_the-muse-of-anacreon-1873.jpg",
}
SPELLINGS = {
    "as listed": lambda listed, true: listed,
    "composed": lambda listed, true: unicodedata.normalize("NFC", true),
    "decomposed": lambda listed, true: unicodedata.normalize("NFD", true),
    "as listed, decomposed": lambda listed, true: unicodedata.normalize("NFD", listed),
    "UTF-8 read as Latin-1": lambda listed, true: true.encode().decode("latin-1"),
    "UTF-8 read as code page 437": lambda listed, true: true.encode().decode("cp437"),
    "decomposed UTF-8 read as code page 437": lambda listed, true: unicodedata.normalize("NFD", true).encode().decode("cp437"),
    "as listed, read as code page 437": lambda listed, true: listed.encode().decode("cp437"),
    "twice misread": lambda listed, true: true.encode().decode("latin-1").encode().decode("cp437"),
    "Latin-1 read as code page 437": lambda listed, true: true.encode("latin-1").decode("cp437"),
    "UTF-8 read as GBK": lambda listed, true: true.encode().decode("gbk"),
    "unzip in a plain locale": lambda listed, true: "".join(c if c.isascii() else f"#U{ord(c):04x}" for c in true),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_wikiart_names_in_every_spelling_in_zip_and_folder(root, spelling):
    names = {listed: SPELLINGS[spelling](listed, true) for listed, true in TRUE.items()}
    pack_zip(root / "wikiart.zip", {name.removeprefix("wikiart/"): listed.encode() for listed, name in names.items()})
    wanted = {"wikiart": [SOROLLA, BOCKLIN, "wikiart/Realism/other.jpg"]}
    expected = {listed: listed.encode() for listed in names}
    assert contents(root, wanted) == expected
    (root / "wikiart.zip").unlink()
    for listed, name in names.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(listed.encode())
    assert contents(root, wanted) == expected
    assert find_names(str(root), [SOROLLA, "wikiart/Realism/other.jpg"]) == {SOROLLA: names[SOROLLA]}


def test_a_zip_without_the_utf8_flag(root):
    """Info-ZIP on Linux writes UTF-8 without saying so, and zipfile then reads code page 437."""
    pack_zip(root / "wikiart.zip", {TRUE[SOROLLA]: b"s"})
    content = bytearray((root / "wikiart.zip").read_bytes())
    for signature, place in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        content[content.index(signature) + place] &= ~8
    (root / "wikiart.zip").write_bytes(content)
    assert contents(root, {"wikiart": [SOROLLA]}) == {SOROLLA: b"s"}


def test_names_on_a_disk_that_are_no_unicode(root):
    folder = os.fsencode(str(root / "wikiart" / "Impressionism"))
    os.makedirs(folder)
    for page in ("latin-1", "cp437"):
        name = os.path.join(folder, "joaquín-sorolla_the-net-1893.jpg".encode(page))
        with open(name, "wb") as file:
            file.write(page.encode())
        assert contents(root, {"wikiart": [SOROLLA]}) == {SOROLLA: page.encode()}
        os.unlink(name)


def test_two_spellings_with_different_content_are_an_error_unless_one_is_the_lists(root):
    pack_zip(root / "wikiart.zip", {TRUE[SOROLLA]: b"1", unicodedata.normalize("NFD", TRUE[SOROLLA]): b"2"})
    with pytest.raises(ValueError, match="Two files of .*wikiart.zip fit wikiart/Impressionism/joaqu"):
        locate({"wikiart": [SOROLLA]}, str(root), {}, SOURCES)
    pack_zip(root / "wikiart.zip", {TRUE[SOROLLA]: b"1", SOROLLA: b"2"})
    assert contents(root, {"wikiart": [SOROLLA]}) == {SOROLLA: b"2"}
    (root / "wikiart.zip").unlink()
    for number, name in enumerate((TRUE[SOROLLA], TRUE[SOROLLA].encode().decode("cp437"))):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x" * (number + 1))
    with pytest.raises(ValueError, match="Two files in .* fit wikiart/Impressionism/joaqu"):
        locate({"wikiart": [SOROLLA]}, str(root), {}, SOURCES)


def test_all_official_names_have_their_own_key(shared):
    """No two listed images may be taken for each other, and every odd name reads as a true one."""
    text = (shared / "annotations" / "test_annotations.txt").read_text(encoding="utf-8")
    paths = [line.rsplit(",", 4)[0].removeprefix("./") for line in text.splitlines()]
    assert len({key for path in paths for key in keys(path)}) == len(paths) == 40_000
    odd = [path for path in paths if not path.isascii()]
    readable = {key for path in odd for key in keys(path)}
    assert len(odd) == 14 and all(any(letter in key for letter in "íöèó") for key in readable)
    assert not any(letter in key for key in readable for letter in "ã\u00ad¶³¨")


def test_urls_of_archives_and_folders(root, tmp_path):
    store = tmp_path / "store"
    (store / "journey").mkdir(parents=True)
    (store / "journey" / "u.jpg").write_bytes(b"u")
    pack_zip(store / "val2017.zip", {"val2017/1.jpg": b"v"})
    wanted = {"coco": ["val2017/1.jpg"], "journeydb": ["journeydb/u.jpg"]}
    with served(store) as (url, _):
        found = locate(wanted, str(root), {"coco": [f"{url}/val2017.zip"], "journeydb": [f"{url}/journey/"]}, SOURCES)
        assert found["journeydb/u.jpg"][:3] == ("", f"{url}/journey/u.jpg", 1)
        assert read(found["val2017/1.jpg"]) == b"v"


def test_a_folder_of_an_fsspec_file_system(root):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/disk/000/u.jpg", b"u")
    try:
        found = locate({"journeydb": ["journeydb/u.jpg"]}, str(root), {"journeydb": ["memory://disk"]}, SOURCES)
    finally:
        memory.rm("/disk", recursive=True)
    assert found == {"journeydb/u.jpg": Place("", "memory:///disk/000/u.jpg", 1, found["journeydb/u.jpg"].stamp)}


def test_empty_files_are_not_found(root, tmp_path):
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "1.jpg").write_bytes(b"")
    pack_zip(root / "val2017.zip", {"val2017/1.jpg": b""})
    for given in ({}, {"coco": [str(tmp_path / "v")]}):
        assert locate({"coco": ["val2017/1.jpg"]}, str(root), given, SOURCES) == {}


def test_a_folder_without_permission_is_named():
    wanted = {"coco": ["val2017/1.jpg"], "wikiart": [SOROLLA]}
    with as_nobody() as (folder, give_rights_up):
        for name in ("above/below", "raw/wikiart/Impressionism"):
            (folder / name).mkdir(parents=True)
        for name in ("above/below", "raw/wikiart/Impressionism"):
            os.chmod(folder / name, 0)
        give_rights_up()
        for place in ("above", "above/below", "above/below/v"):
            with pytest.raises(PermissionError, match="above/below.* may not be read by this user"):
                locate(wanted, str(folder / "raw"), {"coco": [str(folder / place)]}, SOURCES)
        with pytest.raises(PermissionError, match="raw/wikiart/Impressionism/? may not be read by this user"):
            locate(wanted, str(folder / "raw"), {}, SOURCES)


def test_relative_locations_are_below_the_root(root):
    (root / "zips").mkdir()
    pack_zip(root / "zips" / "val2017.zip", {"val2017/1.jpg": b"v"})
    assert contents(root, {"coco": ["val2017/1.jpg"]}, {"coco": ["zips/val2017.zip"]}) == {"val2017/1.jpg": b"v"}


def test_wrong_locations_are_named(root):
    wanted = {"coco": ["val2017/1.jpg"]}
    with pytest.raises(FileNotFoundError, match="nowhere, given for coco, does not exist"):
        locate(wanted, str(root), {"coco": ["nowhere"]}, SOURCES)
    with pytest.raises(FileNotFoundError, match="gone.zip does not exist"):
        locate(wanted, str(root), {"coco": ["gone.zip"]}, SOURCES)
    (root / "x.rar").write_bytes(b"Rar!")
    with pytest.raises(ArchiveError, match=r"x.rar, given for coco, is no folder and ends with none of \.zip"):
        locate(wanted, str(root), {"coco": ["x.rar"]}, SOURCES)
    with pytest.raises(ValueError, match="locations names the source 'cocoa', which is none of imagenet, coco"):
        locate(wanted, str(root), {"cocoa": ["x.rar"]}, SOURCES)
    with pytest.raises(OSError, match="http://127.0.0.1:9/val2017 cannot be reached"):
        locate(wanted, str(root), {"coco": ["http://127.0.0.1:9/val2017"]}, SOURCES)


def test_a_broken_archive_matters_where_it_could_hold_what_is_missing(root):
    (root / "val2017.zip").write_bytes(b"PK cut")
    with pytest.raises(ArchiveError, match="val2017.zip is cut short"):
        locate({"coco": ["val2017/1.jpg"]}, str(root), {}, SOURCES)
    (root / "val2017.zip").unlink()
    (root / "backup.zip").write_bytes(b"PK cut")
    pack_zip(root / "zzz.zip", {"dalle3/1.png": b"1"})
    assert contents(root, {"dalle3": ["dalle3/1.png"]}) == {"dalle3/1.png": b"1"}
    with pytest.raises(ArchiveError, match="backup.zip is cut short"):
        locate({"dalle3": ["dalle3/1.png", "dalle3/2.png"]}, str(root), {}, SOURCES)


def test_a_tar_of_another_publisher_is_not_read_through(root, monkeypatch):
    """000.tgz of JourneyDB is 20 GB; it is listed for JourneyDB only."""
    pack_tar(root / "000.tgz", {"000/u.jpg": b"u"})
    monkeypatch.setattr(archives.tar_archives, "_make_index", lambda *arguments: pytest.fail("read through"))
    assert contents(root, {"dalle3": ["dalle3/1.png"]}) == {}


def test_sources_of_ones_own(root):
    source = imaginet.Source("flux", ("flux/*",), "Flux", "https://example.org", "CC0", archives=("flux_*.zip",), depth=2)
    pack_zip(root / "flux_2026.zip", {"pack/city/1.png": b"1"})
    assert contents(root, {"flux": ["flux/city/1.png"]}, sources={"flux": source}) == {"flux/city/1.png": b"1"}


def test_40_000_listed_paths_are_found_among_200_000_entries_in_seconds():
    """Most names are numbers that occur in many classes, as in ProGAN's packages."""
    classes = [f"class{number}" for number in range(20)]
    entries = [
        (f"{kind}/{number:05d}.png", 1 + number, f"{kind} {number}")
        for kind in [f"{name}/{label}" for name in classes for label in ("0_real", "1_fake")] for number in range(4000)
    ] + [(f"other/{number}.jpg", 1 + number, str(number)) for number in range(40_000)]
    chosen = random.Random(0).sample(range(4000), 1000)
    wanted = {
        source: [f"progan_train/{name}/{label}/{number:05d}.png" for name in classes for number in chosen]
        for source, label in (("lsun", "0_real"), ("progan", "1_fake"))
    }
    start = time.process_time()
    found = match(wanted, entries, SOURCES, ("lsun", "progan"), "progan_train.7z.001")
    seconds = time.process_time() - start
    assert len(found) == 40_000 and len(entries) == 200_000
    assert all(path.endswith(f"/{entry[0]}") for path, entry in found.items())
    assert seconds < 5, f"took {seconds:.1f} s"


def test_a_long_name_of_endings_is_read_at_once():
    start = time.monotonic()
    assert archive_stem("x" + ".zip" * 50_000 + ".no") == "x" + ".zip" * 50_000 + ".no"
    assert archive_stem("http://h/a/WikiArt.Part.tar.gz?x=1#y") == "wikiart.part" and archive_stem("/d/x.7z.001") == "x"
    assert time.monotonic() - start < 1


def test_a_server_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(files, "ANSWER_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:  # accepts, and says nothing
        started = time.monotonic()
        with pytest.raises(OSError, match="wikiart.zip cannot be reached"):
            files.file_state(f"http://127.0.0.1:{server.getsockname()[1]}/wikiart.zip")
        assert time.monotonic() - started < 20
