"""The Hub and ``datasets`` read the card's metadata, its figures are the data's, and the committed example is what comes out."""

import hashlib
import json
import re
from collections import Counter

import datasets
import mlcroissant
import pytest
import yaml
from huggingface_hub import DatasetCard
from PIL import Image

import imaginet
from imaginet_tools.audit.findings import SETS
from imaginet_tools.metrics.estimate import Estimate
from imaginet_tools.publish import audit_section, dataset_card
from imaginet_tools.publish.export import export
from imaginet_tools.publish.summary import Facts, format_rule
from tests.hub_stand_in import card_errors
from tests.imaginet.trees import OFFICIAL_LINES, write_tree


@pytest.fixture(scope="module")
def sample(tmp_path_factory, repository):
    folder = tmp_path_factory.mktemp("sample") / "imaginet"
    return folder, export(str(folder), config_name="sample", audit=str(repository / "dataset_card" / "audit.sample.json"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder / "imaginet", export(str(folder / "imaginet"), data_dir=str(write_tree(folder / "raw")))


@pytest.fixture(scope="module")
def part(tmp_path_factory):
    folder = tmp_path_factory.mktemp("part")
    raw = write_tree(folder / "raw")
    return folder / "imaginet", export(str(folder / "imaginet"), data_dir=str(raw), redistributable=True, repo_id="me/open")


def text_of(made) -> str:
    return (made[0] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("made", ["sample", "whole", "part"])
def test_the_hub_and_datasets_read_the_metadata(made, request):
    folder, description = request.getfixturevalue(made)
    text = text_of((folder, description))
    data = DatasetCard(text).data
    assert card_errors(text) == []
    assert data.license == "other" and data.license_name and (folder / data.license_link).is_file()
    assert data.task_categories == ["image-classification"] and data.size_categories == ["n<1K"] and data.language is None
    configs = datasets.utils.metadata.MetadataConfigs.from_dataset_card_data(data)
    infos = datasets.info.DatasetInfosDict.from_dataset_card_data(data)
    assert configs.get_default_config_name() == description.first_config and set(configs) == set(infos)
    for name, info in infos.items():
        assert info.features == description.features
        chosen = {} if name == description.first_config else {"content": name}
        assert {split: each.num_examples for split, each in info.splits.items()} == {
            split: n for split in ("train", "test") if (n := description.total(split=split, stored=True, **chosen))
        }
        every = {file for files in configs[name]["data_files"] for pattern in files["path"] for file in folder.glob(pattern)}
        assert info.download_size == sum(file.stat().st_size for file in every)
    assert f"]({dataset_card.PREVIEW})" in text and not re.search(r"\$[a-z]", text)


def test_figures_are_the_datas(whole):
    text = text_of(whole)
    numbers = {split: [[int(n) for n in line.rsplit(",", 4)[1:]] for line in lines] for split, lines in OFFICIAL_LINES.items()}
    for content, name in enumerate(imaginet.CONTENTS):
        cells = [
            sum(of == content and label == wanted for label, of, _, _ in numbers[split])
            for split in ("train", "test")
            for wanted in (0, 1)
        ]
        assert f"| `{name}` | " + " | ".join(str(n) if n else "–" for n in [*cells, sum(cells)]) + " |" in text
    for source in imaginet.SOURCES.values():
        paths = [line for lines in OFFICIAL_LINES.values() for line in lines if imaginet.source_of(line[2:]) == source.name]
        row = re.search(rf"^\| `{source.name}` \|.*$", text, re.MULTILINE)
        assert bool(row) == bool(paths)
        if row:
            assert (
                source.licence in row[0]
                and source.home in row[0]
                and ("| yes |" if source.redistributable else "| no |") in row[0]
            )
    assert imaginet.CITATION in text and "Keep this copy private: the terms of imagenet, lsun, progan," in text
    assert "Nothing: every image of the lists is here." in text


def test_a_part_says_that_it_is_one_and_how_to_complete_it(part):
    text = text_of(part)
    assert "the 6 images whose terms allow passing them on.** The other 9" in text
    assert 'load_dataset("imaginet", data_dir="OWN", manifest="me/open")' in text
    assert "Counted over all 15 images, 6 of them stored here" in text
    assert re.search(r"^\| `ffhq` .*\| hashes in the manifest \|$", text, re.MULTILINE)
    assert re.search(r"^\| `sd_photos` .*\| images \|$", text, re.MULTILINE)


def test_no_figure_is_typed_by_hand(repository):
    texts = [file for file in (repository / "dataset_card").glob("*.md") if not file.name.startswith("README")]
    assert len(texts) == 4
    for file in texts:
        assert not re.search(r"\d", file.read_text(encoding="utf-8")), file.name


def test_the_format_alone_gives_the_official_test_list_away(shared):
    """0.7875 by hand: 14,000 of 20,000 real images are JPEG, 17,500 of 20,000 synthetic ones are not."""
    images = Counter()
    kinds = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "webp": "WEBP"}
    for record in imaginet.read_list(str(shared / "annotations" / "test_annotations.txt"), imaginet.OFFICIAL):
        suffix = record.path.rpartition(".")[2].lower()
        images[Facts("test", record.content, record.label, record.generator, record.source, kinds[suffix], "", True)] += 1
    rule = format_rule(images)
    assert rule == (("JPEG",), ("PNG", "WEBP"), pytest.approx((14_000 / 20_000 + 17_500 / 20_000) / 2))
    paintings = format_rule(Counter({facts: n for facts, n in images.items() if facts.content == "paintings"}))
    assert paintings.balanced_accuracy == 1


def test_the_bias_is_measured_on_the_exported_images(whole):
    text = text_of(whole)
    # test: real JPEG 2, PNG 2; synthetic JPEG 1, PNG 3, WEBP 1
    assert "| test | all | JPEG 2, PNG 2 | JPEG 1, PNG 3, WEBP 1 | 0.6500 | 2 / 2 |" in text
    assert (
        "On the test split the file format alone gives the label away: “JPEG means real, PNG or WEBP means synthetic” has a "
        "balanced accuracy of 0.6500" in text
    )
    assert format_rule(Counter({Facts("test", "faces", "real", "real", "ffhq", "PNG", "", True): 3})) is None


def test_the_committed_example_is_what_comes_out(sample, repository):
    folder, description = sample

    def comparable(text):
        return re.sub(r"download_size: \d+", "", text)  # what Parquet compresses to changes with its library's version

    committed = (repository / "dataset_card" / "README.sample.md").read_text(encoding="utf-8")
    assert comparable(text_of(sample)) == comparable(committed), "run `python -m scripts.update_sample_card` and commit its files"
    assert "not ImagiNet" in committed and imaginet.SAMPLE_LIMITS in committed
    assert f"{description.total()} crops of 256×256 pixels" in committed
    assert (folder / "LICENSES.md").read_bytes() == (repository / "sample" / "LICENSES.md").read_bytes()
    sizes = []
    for file in (folder / "preview.png", repository / "dataset_card" / "preview.png"):
        with Image.open(file) as picture:
            picture.load()
            assert picture.format == "PNG" and picture.mode == "RGB" and len(picture.getcolors(1 << 24)) > 10_000
            sizes.append(picture.size)
    assert sizes[0] == sizes[1]


def test_the_card_shows_the_audits_answer_and_figures(sample, repository):
    values = json.loads((repository / "dataset_card" / "audit.sample.json").read_text(encoding="utf-8"))
    assert values["listed"] == sum(values["images"].values()) == sample[1].total(), "audit of another sample"
    shown = text_of(sample).partition("\n## Shortcuts\n")[2].partition("\n## ")[0]
    assert values["sentence"] in shown and f"on {values['created'][:10]}, view raw: " in shown
    rows = [line.strip("| ").split(" | ") for line in shown.splitlines() if line.startswith("| ")]
    for row, name in zip(rows[2:], SETS, strict=True):
        overall = values["sets"][name]["groups"][0]
        figures = [Estimate(**overall[key]) for key in ("balanced_accuracy", "auc")]
        assert row == [SETS[name], "all", "96 + 96", *map(str, figures), "yes" if overall["is_shortcut"] else "no"]


def test_the_card_names_view_and_unused_images_but_no_places(repository):
    values = json.loads((repository / "dataset_card" / "audit.sample.json").read_text(encoding="utf-8"))
    values |= {"title": "/home/me/secret (sample)", "view": "aligned", "left_out": {"missing": "5 are not", "/home/me/a.jpg": "odd"}}
    shown = audit_section.section(values)
    assert "view aligned: " in shown and "not the files as they are here" in shown and "/home" not in shown
    assert " 1 of those chosen could not be used." in shown


def test_without_an_audit_there_is_no_section(whole):
    assert "Shortcuts" not in text_of(whole)


@pytest.mark.parametrize("made", ["sample", "part"])
def test_mlcroissant_validates_the_description_and_reads_the_images_by_it(made, request):
    folder, _ = request.getfixturevalue(made)
    data = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    assert not data.metadata.ctx.issues.errors
    records = list(data.records("faces-test"))
    loaded = datasets.load_dataset(
        "parquet", data_files=str(folder / "faces" / "test-*.parquet"), split="train", cache_dir=str(folder.parent / "cache")
    )
    assert len(records) == len(loaded) > 0
    for record, row in zip(records, loaded, strict=True):
        assert record["faces-test/image"].tobytes() == row["image"].tobytes()
        assert record["faces-test/label"] == row["label"] and record["faces-test/path"].decode() == row["path"]
    document = json.loads((folder / "croissant.json").read_text(encoding="utf-8"))
    shards = {entry["@id"]: entry["sha256"] for entry in document["distribution"] if entry["@type"] == "cr:FileObject"}
    assert shards == {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.glob("*/*.parquet")
    }


def test_sources_that_are_extended_are_named(whole):
    front = text_of(whole).split("---\n")[1]
    assert yaml.safe_load(front)["source_datasets"] == sorted(
        {"original"}
        | {
            f"extended|other-{name}"
            for name in ("coco", "danbooru", "ffhq", "imagenet", "journeydb", "lsun", "photozilla", "progan", "wikiart")
            if any(imaginet.source_of(line[2:]) == name for lines in OFFICIAL_LINES.values() for line in lines)
        }
    )
