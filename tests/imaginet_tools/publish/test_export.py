"""Exported data loads without our code, whole and unchanged; what stops an export leaves nothing; what is pushed is private."""

import hashlib
import io
import json
import os
import random
import shutil

import datasets
import filelock
import pyarrow.parquet as pq
import pytest
from huggingface_hub import HfApi

import imaginet
from imaginet_core.storage.parquet_shards import shard_files
from imaginet_tools.commands.export import main
from imaginet_tools.publish import export as export_module
from imaginet_tools.publish.export import export
from imaginet_tools.publish.hub import push_data_set
from imaginet_tools.publish.preview import Candidates
from imaginet_tools.publish.shard_writer import HashedFile, ShardWriter
from tests import fresh_process
from tests.hub_stand_in import READER, hub  # noqa: F401
from tests.imaginet.trees import OFFICIAL_LINES, image_bytes, write_tree

LOAD = """
import hashlib, json, sys
from datasets import Image, get_dataset_config_names, load_dataset
names, found = json.loads(sys.argv[2]) or get_dataset_config_names(sys.argv[1]), {}
for name in names:
    data = load_dataset(sys.argv[1], name)
    found[name] = {}
    for split, rows in data.items():
        size = rows[0]["image"].size
        rows = rows.cast_column("image", Image(decode=False))
        found[name][split] = {
            row["path"]: [hashlib.sha256(row["image"]["bytes"]).hexdigest(), rows.features["label"].int2str(row["label"]),
                          rows.features["generator"].int2str(row["generator"])]
            for row in rows
        }
first = load_dataset(sys.argv[1], names[0], split="test", streaming=True)
found["streamed"] = [[row["path"], row["image"].size] for row in first]
found["processes"] = list(load_dataset(sys.argv[1], names[0], split="test", num_proc=2, download_mode="force_redownload")["path"])
assert not any(name.startswith("imaginet") for name in sys.modules)
print(json.dumps(found))
"""


def load_without_us(name, folder, environment, configs=()):
    """What a fresh process that runs in ``folder`` and knows nothing of this project loads under ``name``."""
    done = fresh_process.run(["-c", LOAD, name, json.dumps(configs)], folder, environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def clean_environment(home):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PYTHONPATH"))}
    return {**kept, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp("tree") / "raw")


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out" / "imaginet"


def expected(raw, content=None):
    """split -> path -> [hash, label, generator] of the tree's own files and lists."""
    found = {}
    for split, lines in OFFICIAL_LINES.items():
        for line in lines:
            path, label, of, _, generator = line.removeprefix("./").rsplit(",", 4)
            if content in (None, imaginet.CONTENTS[int(of)]):
                digest = hashlib.sha256((raw / path).read_bytes()).hexdigest()
                names = [imaginet.LABELS[int(label)], imaginet.OFFICIAL.generators[int(generator)]]
                found.setdefault(split, {})[path] = [digest, *names]
    return found


def test_a_fresh_process_loads_every_configuration_with_no_import_of_ours(raw, output, tmp_path):
    assert main(["--data_dir", str(raw), "--output", str(output)]) == 0
    assert os.listdir(output.parent) == ["imaginet"]
    found = load_without_us("imaginet", output.parent, clean_environment(tmp_path / "home"))
    streamed, processes = found.pop("streamed"), found.pop("processes")
    assert found == {"all": expected(raw), **{content: expected(raw, content) for content in imaginet.CONTENTS}}
    assert [path for path, _ in streamed] == processes and sorted(processes) == sorted(expected(raw)["test"])
    assert all(size == [2, 3] for _, size in streamed)


def test_rows_equal_the_builders_in_every_column(raw, output, tmp_path):
    export(str(output), data_dir=str(raw))
    built = datasets.load_dataset("imaginet", data_dir=str(raw), cache_dir=str(tmp_path / "built"))
    loaded = datasets.load_dataset(str(output), "all", cache_dir=str(tmp_path / "loaded"))
    for split, rows in built.items():
        assert loaded[split].features == rows.features
        rows, again = (each.cast_column("image", datasets.Image(decode=False)).sort("path") for each in (rows, loaded[split]))
        assert again.to_list() == rows.to_list()
    assert loaded["test"].info.splits["test"].num_examples == 9


def test_one_content_type_and_the_sample(raw, output, tmp_path):
    export(str(output), config_name="faces", data_dir=str(raw))
    assert os.path.isdir(output / "faces") and not os.path.exists(output / "photos")
    assert datasets.get_dataset_config_names(str(output)) == ["faces"]
    export(str(tmp_path / "sample"), config_name="sample")
    data = datasets.load_dataset(str(tmp_path / "sample"), "sample", cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in data.items()} == {"train": 128, "test": 64}


def test_row_groups_and_shards_are_short(tmp_path):
    features = datasets.Features({"image": datasets.Image(), "path": datasets.Value("string")})
    numbers = random.Random(0)
    rows = [{"image": {"bytes": numbers.randbytes(2000), "path": None}, "path": str(n)} for n in range(730)]
    writer = ShardWriter(str(tmp_path / "faces"), "train", features, shard_bytes=500_000)
    for row in rows:
        writer.write(row)
    digests = writer.close()
    files = list(digests)
    assert all(hashlib.sha256(open(file, "rb").read()).hexdigest() == digest for file, digest in digests.items())
    assert files == shard_files(str(tmp_path)) and files[0].endswith("/train-00000-of-00004.parquet") and len(files) == 4
    assert all(os.path.getsize(file) <= 500_000 for file in files)
    groups = [
        pq.ParquetFile(file).metadata.row_group(g).num_rows for file in files for g in range(pq.ParquetFile(file).num_row_groups)
    ]
    assert max(groups) <= 100 and sum(groups) == writer.rows == 730
    assert [row for file in files for row in pq.read_table(file).to_pylist()] == rows


def test_large_images_end_a_row_group_by_their_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("imaginet_tools.publish.shard_writer.GROUP_BYTES", 10_000)
    writer = ShardWriter(
        str(tmp_path / "x"), "test", datasets.Features({"image": datasets.Image(), "path": datasets.Value("string")})
    )
    for n in range(9):
        writer.write({"image": {"bytes": bytes(4000), "path": None}, "path": str(n)})
    (file,) = writer.close()
    assert [pq.ParquetFile(file).metadata.row_group(g).num_rows for g in range(3)] == [3, 3, 3]


def test_content_types_of_ones_own_become_folders_and_configurations(tmp_path, output):
    root = write_tree(tmp_path / "raw", {"test": ["./x/a.jpg,0,0,1,2", "./y/b.jpg,1,1,0,0", "./y/c.png,1,2,0,0"]}, lists_in=".")
    (root / "labels.yaml").write_text(
        "contents: [all, 'street/night *', 'street night']\nfamilies: [CNN, real]\ngenerators: [a, b, real]\n"
    )
    export(str(output), data_dir=str(root))
    found = {
        name: datasets.load_dataset(str(output), name, split="test", cache_dir=str(tmp_path / "cache"))["path"][:]
        for name in datasets.get_dataset_config_names(str(output))
    }
    one, two, three = (["x/a.jpg"], ["y/b.jpg"], ["y/c.png"])
    assert sorted(found["all"]) == one + two + three
    assert sorted(paths for name, paths in found.items() if name != "all") == [one, two, three]


def write_audit(repository, file, **changes):
    """The sample's audit with other values."""
    values = json.loads((repository / "dataset_card" / "audit.sample.json").read_text(encoding="utf-8"))
    file.write_text(json.dumps({**values, **changes}), encoding="utf-8")
    return str(file)


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "There is no file .*audit.json; give the audit.json that"),
        ("no json", "audit.json is no JSON; give"),
        ("[1]", "audit.json is no audit"),
        ('{"schema": "imaginet-report/1"}', "audit.json is no audit"),
        ('{"schema": "imaginet-audit/1"}', "audit.json is no whole audit"),
    ],
)
def test_what_is_no_audit_is_refused_before_any_image_is_read(raw, output, tmp_path, text, message):
    if text is not None:
        (tmp_path / "audit.json").write_text(text)
    with pytest.raises(SystemExit, match=message):
        main(["--data_dir", str(raw), "--output", str(output), "--audit", str(tmp_path / "audit.json")])
    assert not output.parent.exists()


def test_a_damaged_audit_is_refused(output, tmp_path, repository):
    changes = [{"title": None}, {"sets": {}}, {"view": "sideways"}, {"images": {"real": "many"}}, {"created": "today"}]
    for change in changes:
        with pytest.raises(ValueError, match="is no whole audit"):
            export(str(output), config_name="sample", audit=write_audit(repository, tmp_path / "audit.json", **change))


def test_an_audit_of_other_images_is_refused(raw, output, tmp_path, repository):
    file = tmp_path / "audit.json"
    arguments = ["--data_dir", str(raw), "--output", str(output), "--audit", str(file)]
    write_audit(repository, file)
    with pytest.raises(SystemExit, match="an audit of other images: it is of 192 images, the lists name 15; audit what you export"):
        main(arguments)
    write_audit(repository, file, listed=15)
    with pytest.raises(SystemExit, match="it is of the configuration sample, not all"):
        main(arguments)
    write_audit(repository, file, listed=15, title="a folder", images={"real": 8, "synthetic": 7})
    with pytest.raises(SystemExit, match="it has 8 images of the label real, the lists name 7"):
        main(arguments)
    write_audit(repository, file, listed=15, title="elsewhere (all)", images={"real": 7, "synthetic": 7})
    with pytest.raises(SystemExit, match="of the content faces, the lists name 4"):
        main(arguments)
    assert not output.parent.exists()


def test_an_audit_that_may_be_of_these_images_is_shown(raw, output, tmp_path, repository):
    """Of a split, or of a folder or table with names of its own: nothing says that it is of other images."""
    file = write_audit(repository, tmp_path / "audit.json", listed=14, title="photos/", images={"real": 7, "synthetic": 7})
    assert main(["--data_dir", str(raw), "--output", str(output), "--audit", file]) == 0
    assert "view raw: 7 real and 7 synthetic images of 14." in (output / "README.md").read_text(encoding="utf-8")


def test_no_written_export_is_pushed_without_the_audit_that_was_asked_for(
    raw, output, tmp_path, repository, hub, monkeypatch  # noqa: F811
):
    hub.speak_to(monkeypatch, tmp_path)
    export(str(output), data_dir=str(raw))
    file = write_audit(repository, tmp_path / "audit.json", listed=15, title="photos/", images={"real": 7, "synthetic": 7})
    with pytest.raises(SystemExit, match="exists and is not empty; choose another folder"):
        main(["--output", str(output), "--push_to_hub", "me/imaginet", "--audit", file])
    assert not [path for path in hub.files("datasets", "me/imaginet") if path != ".gitattributes"]


def test_a_full_output_is_refused_and_left_alone(raw, output):
    output.mkdir(parents=True)
    (output / "mine.txt").write_text("mine")
    with pytest.raises(SystemExit, match="exists and is not empty; choose another folder"):
        main(["--data_dir", str(raw), "--output", str(output)])
    assert os.listdir(output) == ["mine.txt"] and os.listdir(output.parent) == ["imaginet"]
    (output / "mine.txt").unlink()
    assert main(["--data_dir", str(raw), "--output", str(output)]) == 0  # an empty one is fine


def test_a_link_to_an_empty_folder_is_filled_and_keeps_its_name(tmp_path):
    (tmp_path / "disk" / "space").mkdir(parents=True)
    (tmp_path / "my_images").symlink_to(tmp_path / "disk" / "space")
    assert main(["--config_name", "sample", "--output", str(tmp_path / "my_images")]) == 0
    assert (tmp_path / "my_images").is_symlink() and sorted(os.listdir(tmp_path)) == ["disk", "my_images"]
    assert os.listdir(tmp_path / "disk") == ["space"] and (tmp_path / "disk" / "space" / "README.md").is_file()
    assert 'load_dataset("my_images"' in (tmp_path / "my_images" / "README.md").read_text(encoding="utf-8")


def test_a_mount_point_is_refused_before_any_image_is_read(raw, output, monkeypatch):
    output.mkdir(parents=True)
    monkeypatch.setattr(os.path, "ismount", lambda folder: str(folder) == str(output))
    monkeypatch.setattr(imaginet, "ImagiNet", None)
    with pytest.raises(SystemExit, match="imaginet is where a disk is mounted, .*give a new folder inside it"):
        main(["--data_dir", str(raw), "--output", str(output)])
    assert os.listdir(output) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("no card")])
def test_an_interrupted_export_leaves_nothing(raw, output, monkeypatch, error):
    def stop(*_):
        assert shard_files(f"{output.parent}/.imaginet.part")
        raise error

    monkeypatch.setattr(export_module, "write_card", stop)
    with pytest.raises(SystemExit):
        main(["--data_dir", str(raw), "--output", str(output)])
    assert os.listdir(output.parent) == []


def test_what_a_killed_export_left_is_replaced_but_not_a_running_one(raw, output):
    half = output.parent / ".imaginet.part" / "photos" / "train-00000.parquet"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    with filelock.FileLock(output.parent / ".imaginet.lock"):
        with pytest.raises(FileExistsError, match="Another process is writing .*imaginet right now"):
            export(str(output), data_dir=str(raw))
        assert half.read_bytes() == b"half"
    export(str(output), data_dir=str(raw))
    assert os.listdir(output.parent) == ["imaginet"] and not (output / "photos" / "train-00000.parquet").exists()
    assert sorted(os.listdir(output)) == sorted([*imaginet.CONTENTS, "README.md", "LICENSES.md", "croissant.json", "eval.yaml", "preview.png"])


def test_a_full_disk_is_one_sentence_and_leaves_nothing(raw, output, monkeypatch):
    monkeypatch.setattr("imaginet_tools.publish.shard_writer.open_shard", lambda file: HashedFile(io.FileIO("/dev/full", "w")))
    with pytest.raises(SystemExit, match=r"There is no space for the export at .*imaginet .*; nothing was left there"):
        main(["--data_dir", str(raw), "--output", str(output)])
    assert os.listdir(output.parent) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10, 0, 10))
    with pytest.raises(OSError, match=r"no space for the export .*0.0 MB are needed, 0.0 MB are free"):
        export(str(output), data_dir=str(raw))
    assert os.listdir(output.parent) == []


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs to run as root, to become a user who may not write"
)
def test_no_permission_is_one_sentence(raw):
    try:
        os.seteuid(65534)
        with pytest.raises(PermissionError, match="/usr/imaginet may not be written here .*choose another place"):
            export("/usr/imaginet", data_dir=str(raw))
    finally:
        os.seteuid(0)


def test_an_output_below_a_file_is_one_sentence(raw, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(SystemExit, match="imaginet cannot be written, as .*file is no folder; choose another place"):
        main(["--data_dir", str(raw), "--output", str(tmp_path / "file" / "imaginet")])


def test_missing_and_corrupt_images_stop_it_or_are_recorded(tmp_path, output):
    root = write_tree(tmp_path / "raw")
    (root / "ffhq/d.png").unlink()
    (root / "journeydb/h.jpg").write_bytes(b"no image at all")
    with pytest.raises(SystemExit, match="1 of 15 listed images are missing"):
        main(["--data_dir", str(root), "--output", str(output)])
    with pytest.raises(SystemExit, match="journeydb/h.jpg"):
        main(["--data_dir", str(root), "--output", str(output), "--allow_missing"])
    assert not output.exists() and not list(tmp_path.glob("out/*"))
    assert main(["--data_dir", str(root), "--output", str(output), "--allow_missing", "--on_corrupt", "skip"]) == 0
    lines = [json.loads(line) for line in (output / "left_out.jsonl").read_text().splitlines()]
    assert lines == [
        {"path": "ffhq/d.png", "source": "ffhq", "reason": "missing"},
        {"path": "journeydb/h.jpg", "source": "journeydb", "reason": "corrupt"},
    ]
    card = (output / "README.md").read_text()
    assert "| `ffhq` | missing | 1 | `ffhq/d.png` |" in card and "| `journeydb` | corrupt | 1 | `journeydb/h.jpg` |" in card
    assert "**Incomplete:** 2 listed images are not in it" in card
    assert len(datasets.load_dataset(str(output), "all", split="test", cache_dir=str(tmp_path / "cache"))) == 7


def test_pushed_data_is_private_and_loads_by_name(raw, output, tmp_path, hub, monkeypatch):  # noqa: F811
    hub.speak_to(monkeypatch, tmp_path)
    assert main(["--data_dir", str(raw), "--output", str(output), "--push_to_hub", "me/imaginet"]) == 0
    assert hub.repos["datasets", "me/imaginet"].private
    stored = hub.files("datasets", "me/imaginet")
    assert {path for path in stored if path != ".gitattributes"} == {
        str(file.relative_to(output)) for file in output.rglob("*") if file.is_file()
    }
    assert 'load_dataset("me/imaginet", "faces")' in (output / "README.md").read_text()
    found = load_without_us("me/imaginet", tmp_path, hub.environment(tmp_path / "home"), ["faces"])
    assert found["faces"] == expected(raw, "faces")
    # again, without building anew: how an interrupted upload goes on
    assert main(["--output", str(output), "--push_to_hub", "me/imaginet"]) == 0


def test_pushing_is_refused_before_anything_is_exported(raw, output, tmp_path, hub, monkeypatch):  # noqa: F811
    arguments = ["--data_dir", str(raw), "--output", str(output), "--push_to_hub", "me/imaginet"]
    hub.speak_to(monkeypatch, tmp_path)
    with pytest.raises(SystemExit, match="--public needs --redistributable"):
        main([*arguments, "--public"])
    with pytest.raises(SystemExit, match="--public says how to push"):
        main([*arguments[:4], "--public", "--redistributable"])
    HfApi().create_repo("me/imaginet", repo_type="dataset", private=False)
    with pytest.raises(SystemExit, match="me/imaginet exists on the Hub and is public; nothing was pushed"):
        main(arguments)
    hub.speak_to(monkeypatch, tmp_path, READER)
    with pytest.raises(SystemExit, match="Cannot write to the data set me/other .*hf auth login"):
        main([*arguments[:-1], "me/other"])
    assert not output.parent.exists()


def test_a_repository_with_other_files_is_left_alone(raw, output, tmp_path, hub, monkeypatch):  # noqa: F811
    hub.speak_to(monkeypatch, tmp_path)
    HfApi().create_repo("me/imaginet", repo_type="dataset", private=True)
    HfApi().upload_file(
        path_or_fileobj=b"mine", path_in_repo="photos/train-00007.parquet", repo_id="me/imaginet", repo_type="dataset"
    )
    export(str(output), data_dir=str(raw))
    with pytest.raises(ValueError, match="holds 1 file.* e.g. photos/train-00007.parquet; nothing was pushed"):
        push_data_set(str(output), "me/imaginet")
    assert set(hub.files("datasets", "me/imaginet")) == {".gitattributes", "photos/train-00007.parquet"}


def test_only_what_may_be_passed_on_becomes_public(raw, output, tmp_path, hub, monkeypatch):  # noqa: F811
    hub.speak_to(monkeypatch, tmp_path)
    offered, offer = set(), Candidates.offer
    monkeypatch.setattr(Candidates, "offer", lambda self, *image: (offered.add(image[2]), offer(self, *image)))
    assert (
        main(["--data_dir", str(raw), "--output", str(output), "--redistributable", "--push_to_hub", "me/open", "--public"]) == 0
    )
    assert not hub.repos["datasets", "me/open"].private
    free = {
        path for split in expected(raw).values() for path in split if imaginet.SOURCES[imaginet.source_of(path)].redistributable
    }
    stored = [
        path for file in shard_files(str(output)) for path in pq.read_table(file, columns=["path"]).column("path").to_pylist()
    ]
    assert sorted(stored) == sorted(free) and 0 < len(free) < 15
    everything = b"".join(hub.files("datasets", "me/open").values())
    assert all(((raw / path).read_bytes() in everything) == (path in free) for split in expected(raw).values() for path in split)
    assert offered == free  # nor does the preview show others


def test_a_folder_with_other_images_never_becomes_public(raw, output, tmp_path, hub, monkeypatch):  # noqa: F811
    hub.speak_to(monkeypatch, tmp_path)
    export(str(output), data_dir=str(raw))
    with pytest.raises(ValueError, match="was not exported with --redistributable"):
        push_data_set(str(output), "me/open", public=True)
    export(str(tmp_path / "open"), data_dir=str(raw), redistributable=True)
    shutil.copytree(output / "faces", tmp_path / "open" / "faces", dirs_exist_ok=True)
    with pytest.raises(ValueError, match="holds images of ffhq, which may not be passed on"):
        push_data_set(str(tmp_path / "open"), "me/open", public=True)
    assert not hub.repos


def test_images_of_unknown_terms_are_not_redistributable(tmp_path, output):
    for label in imaginet.LABELS:
        (tmp_path / "plain" / "train" / label).mkdir(parents=True)
        (tmp_path / "plain" / "train" / label / "a.png").write_bytes(image_bytes("PNG", 7))
    with pytest.raises(ValueError, match="Nothing is known of the terms"):
        export(str(output), data_dir=str(tmp_path / "plain"), redistributable=True)
    root = write_tree(tmp_path / "raw", {"test": OFFICIAL_LINES["test"][:1]})
    with pytest.raises(ValueError, match="nothing to publish but a manifest"):
        export(str(output), data_dir=str(root), redistributable=True)
    assert not output.exists()


def test_without_a_data_folder_the_sentence_offers_the_sample(output):
    with pytest.raises(SystemExit, match=r'imaginet export: To try things out now: load_dataset\("imaginet", "sample"\)'):
        main(["--output", str(output)])
