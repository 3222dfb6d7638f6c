"""Reading lists, label names and sources: what is in them arrives, what is wrong with them is named."""

import os
import threading
import time

import pytest

import imaginet
from imaginet import OFFICIAL, SOURCES, find_lists, read_label_names, read_list, source_of
from tests.imaginet.trees import OFFICIAL_LINES, write_image

LABELS_YAML = """
contents: {0: photos, 3: textures}
families: [CNN, real]
generators: {0: upscaler, 8: real}
sources: {cat: {licence: CC0}}
"""


def write(file, *lines, encoding="utf-8"):
    file.write_text("\n".join(lines) + "\n", encoding=encoding)
    return str(file)


def test_lines_become_records(tmp_path):
    records = {record.path: record for record in read_list(write(tmp_path / "list.txt", *OFFICIAL_LINES["test"]), OFFICIAL)}
    assert len(records) == 9
    assert records["dalle3_addition2/i.png"][1:] == (
        "synthetic", "uncategorized", "DALL·E 3", "DALL·E 3", "dalle3_addition", "dalle3_addition2/i.png"
    )
    assert records["wikiart/Impressionism/joaquã\u00adn-sorolla_the-net-1893.jpg"].source == "wikiart"
    assert records["progan_val/cat/0_real/1.png"].source == "lsun"


@pytest.mark.parametrize("encoding, end", [("utf-8", "\r\n"), ("utf-8-sig", "\n"), ("utf-8-sig", "\r\n")])
def test_byte_order_mark_windows_lines_and_blank_lines_change_nothing(tmp_path, encoding, end):
    plain = read_list(write(tmp_path / "plain.txt", *OFFICIAL_LINES["train"]), OFFICIAL)
    (tmp_path / "odd.txt").write_bytes((end.join(OFFICIAL_LINES["train"]) + end + end).encode(encoding))
    assert read_list(str(tmp_path / "odd.txt"), OFFICIAL) == plain
    assert plain[2].path == "ffhq/a,b.png"


@pytest.mark.parametrize("line, sentence", [
    ("./ffhq/a.png,0,2,4", "line 2: expected path,origin,content,family,generator"),
    ("./ffhq/a.png,2,2,4,8", "line 2: the origin '2'"),
    ("./ffhq/a.png,0,4,4,8", r"content '4' of ffhq/a.png is none of 0 \(photos\)"),
    ("./ffhq/a.png,0,2,5,8", "family '5'"),
    ("./ffhq/a.png,0,2,4,-1", "generator '-1'"),
    ("./ffhq/a.png,0,2,4,x", "generator 'x'"),
    ("./ffhq/a.png,0,2,4,7", "called real, but its family is real and its generator DALL·E 3"),
    ("./ffhq/a.png,1,2,4,8", "called synthetic, but its family is real"),
    ("./ffhq/../../b.png,0,2,4,8", "not a relative path inside the root"),
    ("/etc/b.png,0,2,4,8", "not a relative path inside the root"),
    ("C:/b.png,0,2,4,8", "not a relative path inside the root"),
    (r".\ffhq\b.png,0,2,4,8", "not a relative path inside the root"),
    (",0,2,4,8", "not a relative path inside the root"),
    ("./ffhq/first.png,0,2,4,8", "line 2: ffhq/first.png stands in line 1 already"),
    ("./flux/a.png,1,2,0,2", "lies in no folder of ImagiNet's sources.*labels.yaml"),
    ("./ffhqx/a.png,0,2,4,8", "lies in no folder"),
    ("./progan_val/cat/2_other/a.png,1,0,0,0", "lies in no folder"),
])
def test_a_wrong_line_is_named_with_file_and_number(tmp_path, line, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        read_list(write(tmp_path / "list.txt", "./ffhq/first.png,0,2,4,8", line), OFFICIAL)
    assert "list.txt" in str(caught.value)


@pytest.mark.parametrize("names", [OFFICIAL, imaginet.LabelNames({0: "photos"}, {0: "real"}, {0: "real"})], ids=["official", "own"])
@pytest.mark.parametrize("lines, sentence", [
    (["path,origin,content,family,generator"], "line 1: 'path,origin,content,family,generator' looks like a header.*take this line out"),
    (["path,label"], "line 1: 'path,label' looks like a header"),
    (['"path","origin","content","family","generator"'], "line 1: .* looks like a header"),
    (["", "file_name,label,content,family,generator"], "line 2: .* looks like a header"),
    (['"./ffhq/a.png",0,0,0,0'], "line 1: .* is quoted; write path,origin,content,family,generator without quotation marks"),
    (["'./ffhq/a.png',0,0,0,0"], "line 1: .* is quoted"),
    (['"./ffhq/a.png,0,0,0,0"'], "line 1: .* is quoted"),
    (['./ffhq/a.png,"0","0","0","0"'], "line 1: .* is quoted"),
    ([r"ffhq\a.png,0,0,0,0"], r"line 1: .* holds backslashes and is not a relative path inside the root; separate folders with /"),
    ([r"C:\raw\ffhq\a.png,0,0,0,0"], r"line 1: .* holds backslashes"),
    (["./ffhq/a.png;0;0;0;0"], "line 1: .* are separated by semicolons; separate them with commas"),
    (["./ffhq/a.png\t0\t0\t0\t0"], "line 1: .* are separated by tabs"),
])
def test_a_list_in_another_program_s_writing_is_told_how_to_write_it(tmp_path, names, lines, sentence):
    with pytest.raises(ValueError, match=f"list.txt, {sentence}"):
        read_list(write(tmp_path / "list.txt", *lines), names)


def test_a_header_s_words_in_a_later_line_and_quotes_inside_a_name_are_no_such_thing(tmp_path):
    with pytest.raises(ValueError, match="line 2: the origin 'origin' of path"):
        own = imaginet.LabelNames({0: "photos"}, {0: "real"}, {0: "real"})
        read_list(write(tmp_path / "list.txt", './x/"a" and \'b\'.png,0,0,0,0', "path,origin,content,family,generator"), own)


@pytest.mark.parametrize("line, sentence", [('"ffhq/a.png"', "is quoted"), (r"ffhq\a.png,0,0,0,0", "holds backslashes")])
def test_a_calibration_list_in_another_program_s_writing_is_told_so(tmp_path, line, sentence):
    with pytest.raises(ValueError, match=f"calibration.txt, line 2: .*{sentence}"):
        imaginet.listed_paths(write(tmp_path / "calibration.txt", "./ffhq/b.png", line))


def test_lists_that_are_empty_or_no_text_are_named(tmp_path):
    with pytest.raises(ValueError, match="empty.txt names no image"):
        read_list(write(tmp_path / "empty.txt", ""), OFFICIAL)
    (tmp_path / "picture.txt").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ValueError, match="picture.txt is not a UTF-8 text file"):
        read_list(str(tmp_path / "picture.txt"), OFFICIAL)


def test_own_label_names_and_source_pictures(tmp_path):
    names = read_label_names(write(tmp_path / "labels.yaml", LABELS_YAML))
    features = names.features()
    assert features["content"].names == ["photos", "textures"] and features["generator"].names == ["upscaler", "real"]
    records = read_list(write(tmp_path / "l.txt", "./x/cat_0.jpg,0,0,1,8", "./y/cat_12.jpg,1,3,0,0", "./y/dog_1.jpg,1,3,0,0"), names)
    assert [record.source_image for record in records] == ["cat", "cat", "y/dog_1.jpg"]
    assert [record.content for record in records] == ["photos", "textures", "textures"]
    assert [record.source for record in records] == ["x", "y", "y"]


def test_source_pictures_come_from_a_table_beside_the_labels_where_they_name_none(tmp_path):
    write(tmp_path / "SOURCES.tsv", "key\tlicence", "cat\tCC0")
    names = read_label_names(write(tmp_path / "labels.yaml", LABELS_YAML.replace("sources", "credits")))
    assert names.source_images == {"cat": "CC0"}


@pytest.mark.parametrize("text, sentence", [
    ("contents: [photos]\nfamilies: [real]", "generators must be a list of names"),
    ("contents: photos\nfamilies: [real]\ngenerators: [real]", "contents must be a list"),
    ("contents: [photos]\nfamilies: [CNN]\ngenerators: [x, real]", "families must name the number of real images 'real'"),
    ("contents: [a, a]\nfamilies: [real]\ngenerators: [real]", "contents gives one name to two numbers"),
    ("contents: [", "cannot be read as YAML"),
    ("- 1", "contents must be"),
])
def test_wrong_label_names_are_named(tmp_path, text, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        read_label_names(write(tmp_path / "labels.yaml", text))
    assert "labels.yaml" in str(caught.value)


def test_lists_are_found_in_annotations_then_at_the_root_then_where_the_user_says(tmp_path):
    write(tmp_path / "annotations_test.txt", "x")
    root = str(tmp_path)
    assert find_lists(root) == {"test": f"{root}/annotations_test.txt"}
    (tmp_path / "annotations").mkdir()
    write(tmp_path / "annotations" / "train_annotations.txt", "x")
    assert find_lists(root) == {"train": f"{root}/annotations/train_annotations.txt"}
    other = tmp_path / "other"
    other.mkdir()
    mine = write(other / "mine.txt", "x")
    assert find_lists(root, {"test": mine}) == {"test": mine}
    with pytest.raises(FileNotFoundError, match="holds none of the lists train_annotations.txt"):
        find_lists(root, str(other))
    with pytest.raises(FileNotFoundError, match="absent.txt"):
        find_lists(root, {"test": str(other / "absent.txt")})
    with pytest.raises(ValueError, match="train and/or test"):
        find_lists(root, {"validation": mine})
    with pytest.raises(FileNotFoundError, match="folder with lists or a mapping"):
        find_lists(root, mine)


def test_every_source_has_a_home_and_terms_and_upstreams_own_images_may_be_passed_on():
    assert len(SOURCES) == 21
    for source in SOURCES.values():
        assert source.home.startswith("http") and source.licence and source.what
        assert source.redistributable == (source.home == imaginet.UPSTREAM_IMAGES)
        for pattern in source.folders:
            assert source_of(pattern.replace("*", "some class") + "/x/y.png") == source.name


def test_paths_of_the_official_lists_have_the_sources_counted_by_hand(shared):
    """Counts of REFERENCE.md's table."""
    records = read_list(str(shared / "annotations" / "test_annotations.txt"), OFFICIAL)
    counts = {name: sum(record.source == name for record in records) for name in SOURCES}
    assert counts == {
        "imagenet": 1500, "coco": 3000, "lsun": 1500, "progan": 1500, "stylegan_xl_photos": 1500, "sd_photos": 1521,
        "sdxl_photos": 1479, "wikiart": 2250, "danbooru": 2250, "stylegan3_paintings": 2250, "sd_paintings": 548,
        "sdxl_paintings": 577, "animagine_paintings": 1125, "ffhq": 4500, "stylegan_xl_faces": 2250, "sd_faces": 1128,
        "sdxl_faces": 1122, "photozilla": 5000, "journeydb": 2500, "dalle3": 2371, "dalle3_addition": 129,
    }


@pytest.mark.parametrize("other", ["./ffhq//b.png", "./ffhq/./b.png", ".//ffhq/b.png"])
def test_two_spellings_of_one_place_are_one_image(tmp_path, other):
    train, test = tmp_path / "train_annotations.txt", tmp_path / "test_annotations.txt"
    train.write_text(f"./ffhq/b.png,0,2,4,8\n{other},0,2,4,8\n")
    with pytest.raises(ValueError, match=r"train_annotations.txt, line 2: ffhq/b.png stands in line 1 already"):
        imaginet.read_list(str(train), imaginet.OFFICIAL)
    train.write_text("./ffhq/b.png,0,2,4,8\n")
    test.write_text(f"{other},1,2,0,1\n")
    write_image(tmp_path / "ffhq" / "b.png")
    with pytest.raises(ValueError, match="stand in the train and in the test list, e.g. ffhq/b.png"):
        imaginet.read_raw(imaginet.ImagiNetConfig(name="all", data_dir=str(tmp_path)))


def test_an_accent_written_in_two_ways_is_one_image(tmp_path):
    (tmp_path / "train_annotations.txt").write_text("./wikiart/caf\u00e9.png,0,1,4,8\n", encoding="utf-8")
    (tmp_path / "test_annotations.txt").write_text("./wikiart/cafe\u0301.png,0,1,4,8\n", encoding="utf-8")
    with pytest.raises(ValueError, match="stand in the train and in the test list"):
        imaginet.read_raw(imaginet.ImagiNetConfig(name="all", data_dir=str(tmp_path)))


def test_a_slow_disk_is_asked_by_threads_and_gives_the_same_states(tmp_path, monkeypatch):
    files = [str(tmp_path / f"{number}.jpg") for number in range(250)]
    for number, file in enumerate(files[::2]):
        (tmp_path / file).write_bytes(bytes(number))
    asked = set()

    def state_of(file):
        asked.add(threading.get_ident())
        time.sleep(0.002)
        return os.stat(file) if os.path.exists(file) else None

    monkeypatch.setattr(imaginet, "_state_of", state_of)
    monkeypatch.setattr(imaginet, "STATES_AT_ONCE", 50)
    states = list(imaginet._states_of(files))
    assert [state and state.st_size for state in states] == [None if number % 2 else number // 2 for number in range(250)]
    assert len(asked) > 5
