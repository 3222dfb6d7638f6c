"""A manifest names images without their labels; a receiver's own copies join it, and every copy that does not fit is named."""

import functools
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import imaginet
from imaginet_core.storage import manifest, parquet_shards
from imaginet_tools.publish.export import export
from imaginet_tools.publish.hub import push_data_set
from tests.hub_stand_in import hub  # noqa: F401
from tests.imaginet.trees import OFFICIAL_LINES, write_image, write_tree

FREE = {
    "sdxl_faces_fake/c.webp",
    "animaginexl_paintings_fake/2.webp",
    "sd_photos_fake/1.webp",
    "ffhq_stylegan/e.png",
    "wikiart_stylegan/f.png",
    "dalle3_addition2/i.png",
}
LISTED = [line.removeprefix("./").rsplit(",", 4)[0] for lines in OFFICIAL_LINES.values() for line in lines]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The publisher's raw tree and what it exported of it."""
    folder = tmp_path_factory.mktemp("publisher")
    raw = write_tree(folder / "raw")
    export(str(folder / "imaginet"), data_dir=str(raw), redistributable=True)
    return raw, str(folder / "imaginet")


@pytest.fixture
def load(tmp_path):
    """load_dataset("imaginet", ...) with a cache of the test's own."""
    return functools.partial(datasets.load_dataset, "imaginet", cache_dir=str(tmp_path / "cache"))


@pytest.fixture
def own(tmp_path):
    """A receiver's tree: lists, and copies of what may not be passed on only."""
    root = write_tree(tmp_path / "own")
    for path in FREE:
        (root / path).unlink()
    return root


def joined(folder, own, **keywords):
    raw = imaginet.add_published_images(imaginet.ImagiNetConfig(name="all", data_dir=str(own), **keywords).raw, folder)
    return raw, imaginet.compare_copies(raw, folder)


def message(problems, raw):
    homes = {source.name: source.home for source in raw.names.sources}
    return manifest.message(problems, sum(map(len, raw.splits.values())), raw.root, homes)


def contents_of(raw):
    """Path -> bytes of all images that a data set was joined from."""
    found = {}
    by_container = {}
    for path, place in raw.places.items():
        by_container.setdefault(place.container, []).append(place.member)
        if not place.container:
            with open(place.member, "rb") as file:
                found[path] = file.read()
    for container, members in by_container.items():
        if container.endswith(".parquet"):
            found.update((members[index], content) for index, content in parquet_shards.read_members(container, members))
    return found


def test_a_manifest_has_path_source_size_and_hash_and_no_label(published):
    raw, folder = published
    table = pq.read_table(f"{folder}/manifest.parquet")
    assert table.schema.names == ["path", "source", "size", "sha256"]
    rows = table.to_pylist()
    assert [row["path"] for row in rows] == sorted(set(LISTED) - FREE)
    for row in rows:
        content = (raw / row["path"]).read_bytes()
        assert (row["size"], row["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert row["source"] == imaginet.source_of(row["path"])


def test_own_copies_and_published_shards_make_the_whole(published, own):
    publisher, folder = published
    raw, problems = joined(folder, own)
    assert problems == [] and raw.missing == []
    assert contents_of(raw) == {path: (publisher / path).read_bytes() for path in LISTED}
    assert {record.path for records in raw.splits.values() for record in records if record.label == "real"} <= set(LISTED) - FREE
    before = imaginet.ImagiNetConfig(name="all", data_dir=str(own)).raw
    assert raw.fingerprint != before.fingerprint


def test_published_images_are_preferred_to_copies_that_nobody_checked(published, own):
    publisher, folder = published
    write_image(own / "ffhq_stylegan/e.png", 99_999)
    raw, problems = joined(folder, own)
    assert problems == []
    assert contents_of(raw)["ffhq_stylegan/e.png"] == (publisher / "ffhq_stylegan/e.png").read_bytes()


def test_everything_missing_or_different_is_told_at_once(published, own):
    _, folder = published
    (own / "journeydb/h.jpg").unlink()
    right = (own / "ffhq/d.png").read_bytes()
    (own / "ffhq/d.png").write_bytes(right[:-20] + bytes([right[-20] ^ 1]) + right[-19:])  # of the same size
    with (own / "ffhq/a,b.png").open("ab") as file:
        file.write(b"more")
    raw, problems = joined(folder, own)
    assert [(problem.path, problem.source, problem.kind) for problem in problems] == [
        ("ffhq/a,b.png", "ffhq", "different"),
        ("ffhq/d.png", "ffhq", "different"),
        ("journeydb/h.jpg", "journeydb", "missing"),
    ]
    text = message(problems, raw)
    assert (
        "3 of 15 listed images" in text and "journeydb: 1 are missing" in text and "ffhq: 2 differ from the publisher's" in text
    )
    assert imaginet.SOURCES["journeydb"].home in text
    assert hashlib.sha256((own / "ffhq/d.png").read_bytes()).hexdigest()[:16] in text
    rest = imaginet.check_copies(raw, folder, allow_missing=True)
    assert {record.path for record in rest.missing} == {problem.path for problem in problems} and len(rest.places) == 12


def test_copies_in_their_publishers_archive_are_checked_where_they_lie(published, own):
    _, folder = published
    with zipfile.ZipFile(own / "wikiart.zip", "w") as archive:
        for file in sorted((own / "wikiart").rglob("*.jpg")):
            archive.write(file, str(file.relative_to(own)))
            file.unlink()
    raw, problems = joined(folder, own)
    assert problems == [] and any(place.container.endswith("wikiart.zip") for place in raw.places.values())


def test_listed_images_that_were_never_published_are_named(published, own, tmp_path):
    _, folder = published
    more = own / "annotations" / "test_annotations.txt"
    more.write_text(more.read_text(encoding="utf-8") + "./ffhq/new.png,0,2,4,8\n", encoding="utf-8")
    write_image(own / "ffhq/new.png")
    raw, problems = joined(folder, own)
    assert [(problem.path, problem.kind) for problem in problems] == [("ffhq/new.png", "unpublished")]
    assert "are in your lists but not in the published data set: ffhq/new.png" in message(problems, raw)


def test_a_lone_manifest_checks_a_whole_tree(published, tmp_path):
    publisher, folder = published
    alone = tmp_path / "alone.parquet"
    alone.write_bytes(open(f"{folder}/manifest.parquet", "rb").read())
    raw, problems = joined(str(alone), publisher)
    assert {problem.path for problem in problems} == FREE and {problem.kind for problem in problems} == {"unpublished"}


def test_a_wrong_manifest_is_one_sentence(published, own, tmp_path):
    with pytest.raises(FileNotFoundError, match="no manifest.parquet in .*exported with --redistributable"):
        manifest.read(str(own))
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 cut short")
    with pytest.raises(ValueError, match="cut.parquet is no Parquet file, or cut short"):
        manifest.read(str(tmp_path / "cut.parquet"))
    pq.write_table(pa.table({"path": ["a"], "label": [0]}), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match="other.parquet is no manifest: its columns are path, label"):
        manifest.read(str(tmp_path / "other.parquet"))


def test_a_shard_that_changed_is_named(published):
    _, folder = published
    shard = f"{folder}/faces/test-00000-of-00001.parquet"
    with pytest.raises(ValueError, match="faces/test-00000-of-00001.parquet no longer holds gone.png"):
        list(parquet_shards.read_members(shard, ["ffhq_stylegan/e.png", "gone.png"]))


def copied(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    return tmp_path / "copy"


def with_another_picture(shard, path):
    """The shard with another picture under this path, as long as the one before, and all else as it was."""
    rows = pq.read_table(shard).to_pylist()
    for row in rows:
        if row["path"] == path:
            content = row["image"]["bytes"]
            row["image"] = {**row["image"], "bytes": content[:-20] + bytes([content[-20] ^ 1]) + content[-19:]}
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(shard)), shard)


def test_another_picture_under_the_same_path_in_a_published_shard_is_refused(published, own, tmp_path, load):
    folder = copied(published[1], tmp_path)
    with_another_picture(folder / "faces/test-00000-of-00001.parquet", "ffhq_stylegan/e.png")
    sentence = r"1 of \d+ listed images .*(?s:.*)stylegan_xl_faces: 1 differ from the publisher's .*ffhq_stylegan/e.png \(its shard .*SHA-256"
    for keywords in ({}, {"streaming": True}):
        with pytest.raises(ValueError, match=sentence):
            load("faces", data_dir=str(own), manifest=str(folder), **keywords)
    rest = load("faces", data_dir=str(own), manifest=str(folder), allow_missing=True)
    assert rest["test"]["path"] == ["ffhq/d.png"]


def test_a_shard_with_a_picture_of_the_manifest_is_checked_by_it(published, own, tmp_path):
    """However the shard and its hash came about: the manifest's publisher knew the picture."""
    folder = copied(published[1], tmp_path)
    shard = folder / "faces/test-00000-of-00001.parquet"
    rows = pq.read_table(shard).to_pylist()
    pq.write_table(pa.Table.from_pylist([*rows, {**rows[0], "path": "ffhq/d.png"}], schema=pq.read_schema(shard)), shard)
    text = (folder / "croissant.json").read_text(encoding="utf-8")
    before = json.loads((folder / "croissant.json").read_bytes())["distribution"]
    digest = next(each["sha256"] for each in before if each["name"] == "faces/test-00000-of-00001.parquet")
    (folder / "croissant.json").write_text(text.replace(digest, hashlib.sha256(shard.read_bytes()).hexdigest()), encoding="utf-8")
    _, problems = joined(str(folder), own)
    assert [(problem.path, problem.kind) for problem in problems] == [("ffhq/d.png", "different")]


def test_shards_that_nothing_vouches_for_are_refused(published, own, tmp_path):
    folder = copied(published[1], tmp_path)
    shutil.copyfile(folder / "faces/test-00000-of-00001.parquet", folder / "faces/more.parquet")
    with pytest.raises(ValueError, match="test-00000-of-00001.parquet holds .* as .*more.parquet does"):
        joined(str(folder), own)
    (folder / "faces/test-00000-of-00001.parquet").unlink()
    _, problems = joined(str(folder), own)
    assert {problem.detail for problem in problems} == {f"its shard {folder}/faces/more.parquet is not named in croissant.json"}
    (folder / "croissant.json").unlink()
    with pytest.raises(ValueError, match="croissant.json, which tells the SHA-256 of the shards .* take the data set whole"):
        joined(str(folder), own)
    (folder / "faces/more.parquet").write_bytes(b"PAR1 cut short")
    with pytest.raises(ValueError, match="more.parquet is no shard of images, or cut short"):
        joined(str(folder), own)


def test_load_dataset_joins_own_copies_with_a_published_data_set(published, own, load):
    publisher, folder = published
    whole = load(data_dir=str(publisher))
    for keywords in ({}, {"num_proc": 2}, {"streaming": True}):
        data = load(data_dir=str(own), manifest=folder, **keywords)
        for split, rows in data.items():
            rows, wanted = (each.cast_column("image", datasets.Image(decode=False)) for each in (rows, whole[split]))
            by_path = {row["path"]: row for row in wanted}
            assert {row["path"]: row for row in rows} == by_path
    (own / "ffhq/d.png").unlink()
    with pytest.raises(ValueError, match="ffhq: 1 are missing"):
        load("faces", data_dir=str(own), manifest=folder)
    assert load("faces", data_dir=str(own), manifest=folder, allow_missing=True)["test"]["path"] == ["ffhq_stylegan/e.png"]
    write_image(own / "ffhq/d.png", 77_777)
    with pytest.raises(ValueError, match=r"ffhq: 1 differ from the publisher's .*ffhq/d.png \(SHA-256"):
        load("faces", data_dir=str(own), manifest=folder, streaming=True)


def test_a_received_data_set_can_be_exported_whole(published, own, tmp_path):
    _, folder = published
    assert imaginet.main(["export", "--data_dir", str(own), "--manifest", folder, "--output", str(tmp_path / "imaginet")]) == 0
    assert sorted(parquet_shards.image_locations(str(tmp_path / "imaginet"))) == sorted(LISTED)


def test_a_published_data_set_is_joined_by_its_name_on_the_hub(published, own, tmp_path, repository, hub, monkeypatch):  # noqa: F811
    code = (
        "import imaginet, sys, datasets\nfor name in sys.argv[2:]:\n"
        "    print(len(datasets.load_dataset('imaginet', 'faces', data_dir=sys.argv[1], manifest=name, split='test')), flush=True)\n"
    )
    hub.speak_to(monkeypatch, tmp_path)
    push_data_set(published[1], "me/open", public=True)
    environment = {**hub.environment(tmp_path / "home", token=None), "PYTHONPATH": str(repository)}
    found = subprocess.run(
        [sys.executable, "-c", code, own, "me/open", "me/other"], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=90
    )
    assert found.stdout == "2\n", found.stderr
    assert "ConnectionError: me/other is no folder here, and the data set of this name could not be fetched" in found.stderr


def test_an_export_records_copies_that_differ_as_missing(published, own, tmp_path):
    write_image(own / "ffhq/d.png", 77_777)
    made = export(str(tmp_path / "imaginet"), data_dir=str(own), manifest=published[1], allow_missing=True)
    assert [tuple(each) for each in made.left_out] == [("ffhq/d.png", "ffhq", "missing")]
