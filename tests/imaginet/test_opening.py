"""Opening data that is prepared: its lists are not understood again, and no change of lists or files goes unnoticed."""

import os
import shutil
import time
import zipfile
from pathlib import Path

import pytest

import imaginet
from tests.imaginet.trees import OFFICIAL_LINES, write_image, write_tree

LIST, PICTURE = "annotations/test_annotations.txt", "journeydb/h.jpg"
OWN_LABELS = "contents: [photos, textures]\nfamilies: [CNN, real]\ngenerators: [a, b, real]\n"
CALIBRATION = OFFICIAL_LINES["test"][2] + "\n"


def config_of(root: Path, name: str = "all", **keywords) -> imaginet.ImagiNetConfig:
    return imaginet.ImagiNetConfig(name=name, data_dir=str(root), **keywords)


def fingerprint(root: Path, name: str = "all", **keywords) -> str:
    """Of what is opened, which is that of what is read wholly."""
    opened = config_of(root, name, **keywords).opened.fingerprint
    assert config_of(root, name, **keywords).raw.fingerprint == opened == config_of(root, name, **keywords).opened.fingerprint
    return opened


def is_quick(root: Path, name: str = "all", **keywords) -> bool:
    return isinstance(config_of(root, name, **keywords).opened, imaginet.Opened)


def test_the_lists_of_prepared_data_are_not_understood_again(raw, tmp_path, monkeypatch):
    def open_all() -> list:
        builders = [imaginet.ImagiNet(config_name=name, data_dir=str(raw), cache_dir=str(tmp_path / "cache")) for name in ("all", "faces")]
        for builder in builders:
            builder.download_and_prepare()
        return [(builder.as_dataset("test").cache_files, builder.as_dataset("test")["path"]) for builder in builders]

    (raw / "annotations" / "calibration.txt").write_text(CALIBRATION)
    prepared = open_all()
    monkeypatch.setattr(imaginet, "_record", lambda *_: pytest.fail("a list was read"))
    assert open_all() == prepared and prepared[1][1] == ["ffhq/d.png", "ffhq_stylegan/e.png"]


@pytest.mark.parametrize(
    "name, keywords",
    [("all", {}), ("faces", {}), ("all", {"track": "generator"}), ("perturbed", {}), ("perturbed_photos", {}), ("sample", {"data_dir": None})],
)
def test_what_is_opened_becomes_what_is_read_without_it(raw, name, keywords):
    config = imaginet.ImagiNetConfig(**{"name": name, "data_dir": str(raw), **keywords})
    opened = config.opened
    assert isinstance(opened, imaginet.Opened)
    read = imaginet.read_raw(config, opened=opened._replace(states=None, fingerprint=None))  # every record looked up by itself
    assert config.raw == read._replace(fingerprint=opened.fingerprint) and not read.missing
    assert len(opened.states) == len(read.places)


def test_a_list_in_any_spelling_leads_to_the_same_files(tmp_path):
    lines = [".//ffhq/./a,b.png,0,2,4,8", "ffhq/d.png, 0,2 ,4,8", "./wikiart/Impressionism/joaquã\u00adn\u2028.jpg,0,1,4,8"]
    root = write_tree(tmp_path / "raw", {"test": lines})
    (root / LIST).write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n\r\n")
    assert is_quick(root)
    raw = config_of(root).raw
    assert list(raw.places) == ["ffhq/a,b.png", "ffhq/d.png", "wikiart/Impressionism/joaquã\u00adn\u2028.jpg"]
    assert [place.size for place in raw.places.values()] == [(root / path).stat().st_size for path in raw.places]
    (root / LIST).write_text("\n".join([lines[0], " \t", *lines[1:]]))  # a line for read_list to judge
    assert not is_quick(root) and len(config_of(root).raw.places) == 3


def rewrite_with_its_times(root: Path) -> None:
    before, content = (root / PICTURE).stat(), bytearray((root / PICTURE).read_bytes())
    content[-10] ^= 1
    (root / PICTURE).write_bytes(content)
    os.utime(root / PICTURE, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_by_a_link(root: Path) -> None:
    (root / PICTURE).rename(root / "elsewhere.jpg")
    (root / PICTURE).symlink_to(root / "elsewhere.jpg")


def replace_by_a_folder(root: Path) -> None:
    (root / PICTURE).unlink()
    (root / PICTURE).mkdir()


def move_into_an_archive(root: Path) -> None:
    with zipfile.ZipFile(root / "journeydb.zip", "w") as archive:
        archive.write(root / PICTURE, PICTURE)
    (root / PICTURE).unlink()


def edit_list_with_its_times(root: Path) -> None:
    before = (root / LIST).stat()
    (root / LIST).write_text((root / LIST).read_text(encoding="utf-8").replace("h.jpg,1,3,2,6", "h.jpg,1,1,2,6"), encoding="utf-8")
    os.utime(root / LIST, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (root / LIST).stat().st_size == before.st_size


def swap_two_lines(root: Path) -> None:
    lines = OFFICIAL_LINES["test"]
    (root / LIST).write_text("\n".join([lines[1], lines[0], *lines[2:]]) + "\n", encoding="utf-8")


def swap_two_files(root: Path) -> None:
    for one, other in (("ffhq/d.png", "x"), ("ffhq_stylegan/e.png", "ffhq/d.png"), ("x", "ffhq_stylegan/e.png")):
        (root / one).rename(root / other)


CHANGES = {
    "rewritten": lambda root: write_image(root / PICTURE, 40_000), "rewritten, with its times": rewrite_with_its_times,
    "a link": replace_by_a_link, "a folder": replace_by_a_folder, "removed": lambda root: (root / PICTURE).unlink(),
    "empty": lambda root: (root / PICTURE).write_bytes(b""), "in an archive": move_into_an_archive,
    "swapped files": swap_two_files, "edited list": edit_list_with_its_times, "swapped lines": swap_two_lines,
    "a list less": lambda root: (root / "annotations/train_annotations.txt").unlink(),
    "a line less": lambda root: (root / LIST).write_text("\n".join(OFFICIAL_LINES["test"][:-1]) + "\n", encoding="utf-8"),
    "a calibration list": lambda root: (root / "annotations/calibration.txt").write_text(CALIBRATION),
    "another root": lambda root: root.rename(root.with_name("moved")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_noticed(change, raw):
    before = fingerprint(raw)
    assert is_quick(raw) and fingerprint(raw) == before
    time.sleep(0.02)  # the system's clock of files goes by steps
    CHANGES[change](raw)
    assert fingerprint(raw if raw.exists() else raw.with_name("moved")) != before


def test_changed_names_of_own_labels_are_noticed(tmp_path):
    root = write_tree(tmp_path / "raw", {"test": ["./x/cat_0.jpg,0,0,1,2", "./y/cat_1.jpg,1,0,0,0", "./y/dog.jpg,1,1,0,1"]})
    (root / "labels.yaml").write_text(OWN_LABELS)
    before = fingerprint(root)
    assert is_quick(root)
    (root / "labels.yaml").write_text(OWN_LABELS.replace("[a, b", "[b, a"))
    swapped = fingerprint(root)
    (root / "labels.yaml").write_text(OWN_LABELS + "sources: {cat: {}}\n")  # the two cats are one picture now
    assert len({before, swapped, fingerprint(root)}) == 3


def test_an_archive_does_not_matter_while_the_file_is_there_and_does_when_it_is_gone(raw):
    before, picture = fingerprint(raw), (raw / PICTURE).read_bytes()
    with zipfile.ZipFile(raw / "journeydb.zip", "w") as archive:
        archive.writestr(PICTURE, picture)
    assert fingerprint(raw) == before
    assert fingerprint(raw, locations={"journeydb": "journeydb.zip"}) != before  # where the user says so, it comes first
    (raw / PICTURE).unlink()
    packed = config_of(raw)
    assert not is_quick(raw) and packed.raw.places[PICTURE].container.endswith("journeydb.zip") and packed.opened.fingerprint != before
    (raw / PICTURE).write_bytes(picture)
    assert is_quick(raw) and fingerprint(raw) not in (before, packed.opened.fingerprint)


def test_other_images_than_the_configuration_s_do_not_matter_to_it(raw):
    faces, uncategorized = fingerprint(raw, "faces"), fingerprint(raw, "uncategorized")
    synthetic = fingerprint(raw, track="generator")
    assert is_quick(raw, "faces") and not is_quick(raw, "uncategorized")  # there the train list has none, which is told
    time.sleep(0.02)
    write_image(raw / "ffhq/d.png", 40_000)
    assert fingerprint(raw, "faces") != faces and fingerprint(raw, "uncategorized") == uncategorized
    assert fingerprint(raw, track="generator") == synthetic
    shutil.rmtree(raw / "journeydb")
    assert is_quick(raw, "faces") and not is_quick(raw)


def test_what_is_read_is_what_was_opened_whatever_has_changed_since(raw):
    config = config_of(raw)
    opened = config.opened
    time.sleep(0.02)
    (raw / LIST).write_text(OFFICIAL_LINES["test"][0], encoding="utf-8")
    (raw / "annotations/calibration.txt").write_text(CALIBRATION)
    write_image(raw / PICTURE, 40_000)
    read = config.raw
    assert read.fingerprint == opened.fingerprint and len(read.splits["test"]) == 9 and read.calibration is None
    listed = [line.rsplit(",", 4)[0].removeprefix("./") for line in OFFICIAL_LINES["train"] + OFFICIAL_LINES["test"]]
    state, place = opened.states[listed.index(PICTURE)], read.places[PICTURE]
    assert (place.size, place.stamp) == (state.st_size, f"{state.st_mtime_ns} {state.st_ctime_ns}")
    assert place.stamp.split()[1] != str((raw / PICTURE).stat().st_ctime_ns)


def test_faults_of_lists_are_told_where_data_is_opened_prepared_or_not(raw, tmp_path):
    given = {"data_dir": str(raw), "cache_dir": str(tmp_path / "cache")}
    imaginet.ImagiNet(**given).download_and_prepare()
    for line, sentence in (("ffhq/d.png", "test_annotations.txt, line 10: expected path,origin"), ("./ffhq/d.png,0,2,4,8", "stands in line 3 already")):
        (raw / LIST).write_text("\n".join([*OFFICIAL_LINES["test"], line]), encoding="utf-8")
        with pytest.raises(ValueError, match=sentence):
            imaginet.ImagiNet(**given)


def test_a_file_of_a_far_future_is_read_with_its_time(raw):
    before, future = fingerprint(raw), 330 * 365 * 86_400 * 10**9
    os.utime(raw / PICTURE, ns=(future, future))
    if (raw / PICTURE).stat().st_mtime_ns != future:
        pytest.skip("this file system has no such times")
    assert config_of(raw).raw.places[PICTURE].stamp.split()[0] == str(future) and fingerprint(raw) != before


def test_states_are_those_of_os_stat_with_what_is_not_there_left_out(tmp_path):
    files = [str(tmp_path / f"{number}.jpg") for number in range(12)]
    for number in (1, 2, 5, 6, 10):
        Path(files[number]).write_bytes(bytes(number))
    files.append(str(tmp_path / "nul\0.jpg"))
    states = imaginet._states_of(files)
    assert [None if state is None else state.st_size for state in states] == [
        number if number in (1, 2, 5, 6, 10) else None for number in range(13)
    ]
