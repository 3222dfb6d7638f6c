"""Other benchmarks' layouts, each from a tiny tree or Parquet file of its form: labels, generators, other columns, and what is refused."""

import io

import datasets
import numpy as np
import pytest
from PIL import Image

from imaginet_tools.images.layouts.conventions import parse_label_map, understand_labels
from imaginet_tools.images.layouts.lists import CORVI_GENERATORS, generator_of, is_list, match_line
from imaginet_tools.images.layouts.read_benchmark import LAYOUTS, read_benchmark


def png(number: int) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.full((8, 9, 3), number % 256, dtype=np.uint8)).save(content, "PNG")
    return content.getvalue()


def write(root, *paths: str):
    for number, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(png(number))
    return str(root)


def table(root, file: str, features=None, **columns) -> str:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    rows = datasets.Dataset.from_dict(columns, features=features)
    rows.to_parquet(str(root / file))
    return str(root)


def image_column(count: int, start: int = 0) -> list[dict]:
    return [{"bytes": png(start + number), "path": f"{number}.png"} for number in range(count)]


TREES = {  # layout: paths, and what each becomes: label, generator
    "aigibench": {
        "test/Infinite-ID/0_real/a.png": (0, "real"), "test/Infinite-ID/1_fake/b.png": (1, "Infinite-ID"),
        "test/SD3/0_real/c.png": (0, "real"), "test/SD3/1_fake/d.png": (1, "SD3"),
    },
    "forensynths": {
        "progan/cat/0_real/a.png": (0, "real"), "progan/cat/1_fake/b.png": (1, "progan"), "progan/dog/1_fake/b.png": (1, "progan"),
        "deepfake/0_real/c.png": (0, "real"), "deepfake/1_fake/d.png": (1, "deepfake"),
    },
    "genimage": {
        "BigGAN/val/nature/a.png": (0, "real"), "BigGAN/val/ai/b.png": (1, "BigGAN"),
        "VQDM/imagenet_ai_0419_vqdm/val/ai/c.png": (1, "VQDM"), "VQDM/imagenet_ai_0419_vqdm/val/nature/c.png": (0, "real"),
    },
    "raid": {
        "original/real/a.png": (0, "real"), "original/gen_0/b.png": (1, "0"), "original/gen_sdxl/c.png": (1, "sdxl"),
        "epsilon32/real/a.png": (0, "real"), "epsilon32/gen_0/b.png": (1, "0"),
    },
    "community_forensics": {
        "flux/real/a.png": (0, "real"), "flux/fake/b.png": (1, "flux"), "imagen, v3/fake/c d.png": (1, "imagen, v3"),
    },
    "folder": {
        "human/a.png": (0, "real"), "human/deep/er/b.png": (0, "real"), "AI-generated/x/c.png": (1, "x"), "AI-generated/d.png": (1, "unknown"),
    },
}


@pytest.mark.parametrize("layout", TREES)
def test_a_tree_is_recognised_and_read(layout, tmp_path):
    wanted = TREES[layout]
    place = write(tmp_path / "set", *wanted, "README.md")
    images, description = read_benchmark(place)
    assert description.layout == layout and LAYOUTS[layout].partition(":")[0] in description.sentence
    assert {path: (label, generator) for path, label, generator in zip(images.path.tolist(), images.label, images.generator, strict=True)} == wanted
    assert images.content_of(1) == (tmp_path / "set" / images.path[1]).read_bytes()
    forced, _ = read_benchmark(place, layout)
    assert forced.fingerprint() == images.fingerprint()


def test_what_trees_say_besides_is_kept(tmp_path):
    raid, _ = read_benchmark(write(tmp_path / "raid", *TREES["raid"]))
    pairs = dict(zip(raid.path.tolist(), raid.source_image.tolist(), strict=True))
    assert pairs["original/gen_0/b.png"] == pairs["epsilon32/gen_0/b.png"] != pairs["original/real/a.png"]
    assert set(raid.extra["attack"]) == {"original", "epsilon32"}
    synths, _ = read_benchmark(write(tmp_path / "synths", *TREES["forensynths"]))
    assert set(synths.extra["class"]) == {"", "cat", "dog"} and set(synths.extra["benchmark"]) == {"progan", "deepfake"}


def test_of_several_splits_the_test_images_are_read_and_that_is_said(tmp_path):
    place = write(tmp_path / "set", *[f"SD/{split}/{label}/{split}.png" for split in ("train", "val") for label in ("ai", "nature")])
    images, description = read_benchmark(place)
    assert len(images) == 2 and all("/val/" in path for path in images.path) and "Read is val (2 images); 2 images of other" in str(description)
    other, _ = read_benchmark(place, split="train")
    assert all("/train/" in path for path in other.path)
    with pytest.raises(ValueError, match="no split test, only val, train"):
        read_benchmark(place, split="test")


@pytest.mark.parametrize("paths, message", [
    (["real/real/a.png", "real/fake/b.png", "fake/real/c.png", "fake/fake/d.png"], r"community_forensics .* folder .*--layout NAME"),
    (["x/a.png", "y/b.png"], "layout of no known benchmark, e.g. x/a.png. Known are aigibench"),
    (["SD/0_real/a.png", "SD/1_fake/b.png", "preview.png"], "1 of 3 images do not lie in .*preview.png; .* --layout forensynths"),
    (["real/a.png", "real/b.png"], "holds no synthetic images"),
    ([], "holds no image"),
])
def test_trees_that_are_refused(paths, message, tmp_path):
    (tmp_path / "set").mkdir()
    with pytest.raises(ValueError, match=message):
        read_benchmark(write(tmp_path / "set", *paths))


def test_a_forced_layout_says_what_it_leaves_out(tmp_path):
    place = write(tmp_path / "set", "SD/0_real/a.png", "SD/1_fake/b.png", "preview.png")
    images, description = read_benchmark(place, "forensynths")
    assert len(images) == 2 and "1 image(s) that lie elsewhere are left out, e.g. preview.png." in description.notes
    with pytest.raises(ValueError, match="no image in original"):
        read_benchmark(place, "raid")
    with pytest.raises(ValueError, match="no layout 'imagenet'; known are aigibench"):
        read_benchmark(place, "imagenet")
    with pytest.raises(ValueError, match="is not there"):
        read_benchmark(f"{place}/not/there")
    with pytest.raises(ValueError, match="label map is for Parquet"):
        read_benchmark(place, "forensynths", {"0": 0})


# Parquet files

def test_openfake_is_read_with_its_columns(tmp_path):
    place = table(
        tmp_path / "openfake", "core/test-00000-of-00001.parquet", image=image_column(3), prompt=["a cat", None, "a dog"],
        label=["fake", "real", "fake"], model=["flux-dev", "real", "gpt-image-1"], type=["base", "real", "base"],
        release_date=["2024-08", None, "2025-04"],
    )
    images, description = read_benchmark(place)
    assert description.layout == "openfake" and images.label.tolist() == [1, 0, 1]
    assert images.generator.tolist() == ["flux-dev", "real", "gpt-image-1"]
    assert images.extra["release_date"].tolist() == ["2024-08", "", "2025-04"] and images.extra["prompt"][0] == "a cat"
    assert images.content_of(2) == png(2) and "fake as synthetic" in description.labels and "release_date" in description.columns


def test_opensdi_is_read_by_generator_and_keeps_its_masks(tmp_path):
    features = datasets.Features(
        key=datasets.Value("string"), image=datasets.Image(), mask=datasets.Image(), label=datasets.Value("int64"),
    )
    for start, name in enumerate(("sd15", "flux")):
        table(
            tmp_path / "sdi", f"data/{name}-00000-of-00001.parquet", features, key=[f"{name}/a", f"{name}/b"], image=image_column(2, start),
            mask=[None, {"bytes": png(90 + start), "path": None}], label=[0, 1],
        )
    images, description = read_benchmark(str(tmp_path / "sdi"))
    assert description.layout == "opensdi" and "0 is real, 1 is synthetic" in description.labels
    assert images.generator.tolist() == ["real", "flux", "real", "sd15"] and images.path.tolist() == ["flux/a", "flux/b", "sd15/a", "sd15/b"]
    synthetic = images.select(images.label == 1)
    assert [content for _, content in synthetic.masks.read([0, 1])] == [png(91), png(90)]
    one, _ = read_benchmark(str(tmp_path / "sdi"), split="sd15")
    assert one.path.tolist() == ["sd15/a", "sd15/b"]


def test_community_forensics_parquet_holds_files_as_bytes(tmp_path):
    place = table(
        tmp_path / "cf", "data/eval-00000.parquet", image_name=["a.png", "b.png"], image_data=[png(0), png(1)], label=[0, 1],
        model_name=["LAION", "DALL·E 3"], architecture=["real", "Commercial"],
    )
    images, description = read_benchmark(place)
    assert description.layout == "community_forensics_parquet" and images.generator.tolist() == ["real", "DALL·E 3"]
    assert images.pixels(1).shape == (8, 9, 3) and images.path.tolist() == ["a.png", "b.png"]
    assert images.extra["architecture"].tolist() == ["real", "Commercial"]


def test_any_other_table_needs_labels_that_say_what_they_mean(tmp_path):
    place = table(tmp_path / "set", "a.parquet", image=image_column(4), label=[0, 1, 1, 0], platform=["x", "telegram", "x", "x"])
    with pytest.raises(ValueError, match='may mean either .* --label_map "0=real,1=synthetic"'):
        read_benchmark(place)
    images, description = read_benchmark(place, label_map=parse_label_map("0=synthetic,1=real"))
    assert images.label.tolist() == [1, 0, 0, 1] and "0 is synthetic, 1 is real" in description.labels and description.layout == "table"
    assert images.extra["platform"].tolist() == ["x", "telegram", "x", "x"]
    named = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["AI", "human"]))
    reversed_, _ = read_benchmark(table(tmp_path / "named", "a.parquet", named, image=image_column(2), label=[0, 1]))
    assert reversed_.label.tolist() == [1, 0]
    kinds, _ = read_benchmark(table(tmp_path / "kinds", "a.parquet", image=image_column(3), label=["real", "dalle", "sdxl"]))
    assert kinds.label.tolist() == [0, 1, 1] and kinds.generator.tolist() == ["real", "dalle", "sdxl"]


@pytest.mark.parametrize("columns, message", [
    ({"label": ["LABEL_0", "LABEL_1"]}, "LABEL_0, LABEL_1, which may mean either"),
    ({"label": ["cat", "dog"]}, "If they are others, say what they mean with a label map"),
    ({"label": ["real", "real"]}, "holds only real images"),
    ({"label": ["real", None]}, "1 of 2 images .* have no label"),
    ({"kind": ["real", "fake"]}, "has no column 'label'"),
])
def test_tables_that_are_refused(columns, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read_benchmark(table(tmp_path / "set", "a.parquet", image=image_column(2), **columns))


def test_sets_known_to_be_reversed_are_refused_by_name(tmp_path):
    place = table(tmp_path / "ROFID", "a.parquet", image=image_column(2), label=[0, 1])
    with pytest.raises(ValueError, match='ROFID\'s page says that 0 is AI .* "0=synthetic,1=real"'):
        read_benchmark(place)


def test_parquet_files_beside_images_and_broken_ones_are_refused(tmp_path):
    place = table(tmp_path / "set", "a.parquet", image=image_column(2), label=["real", "fake"])
    write(tmp_path / "set", "real/a.png", "fake/b.png")
    with pytest.raises(ValueError, match="holds Parquet files and images; choose with --layout"):
        read_benchmark(place)
    assert read_benchmark(place, "table")[1].layout == "table" and read_benchmark(place, "folder")[1].layout == "folder"
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no table")
    with pytest.raises(ValueError, match="broken.parquet cannot be read .*check that they are whole"):
        read_benchmark(str(tmp_path / "broken.parquet"))
    saved = str(tmp_path / "saved")
    datasets.Dataset.from_parquet(str(tmp_path / "set" / "a.parquet")).save_to_disk(saved)
    assert read_benchmark(saved)[0].label.tolist() == [0, 1]


# lists and CSV files

def test_the_paper_s_lists_are_read_with_their_commas_and_spaces(tmp_path):
    names = ["dalle_2/DALL·E - a lizard, digital art.png", "real_coco_valid/a b.png", "biggan_256/x.png"]
    write(tmp_path, *names)
    (tmp_path / "corvi.txt").write_text(f"{names[0]},1,7\n{names[1]},0,0\n{names[2]},1,3\nprogan_lsun/gone.png,1,0\n", encoding="utf-8")
    images, description = read_benchmark(str(tmp_path / "corvi.txt"))
    assert images.path.tolist() == names and images.generator.tolist() == ["DALL·E 2", "real", "BigGAN"] and images.missing == 1
    assert "1 of 4 listed images are not there, e.g. progan_lsun/gone.png" in str(description)
    write(tmp_path / "b", "AIDraw/Fake/Midjourney V5/0, 1.jpg", "AIDraw/Real/An Artist/1.jpg")
    (tmp_path / "practical.txt").write_text("AIDraw/Fake/Midjourney V5/0, 1.jpg 1\nAIDraw/Real/An Artist/1.jpg 0\n")
    images, _ = read_benchmark(str(tmp_path / "practical.txt"), root=str(tmp_path / "b"))
    assert images.generator.tolist() == ["Midjourney V5", "real"] and len(list(images.read([0, 1]))) == 2


@pytest.mark.parametrize("text, message", [
    ("a.png,1\nb.png,0\na.png,1\n", "names a.png more than once"), ("gone.png,1\n", "none lies below"), ("a.png,1\n", "only synthetic ones"),
    ("../a.png,1\n", "line 1 leads out of the folder"), ("./x/a.png,0,0,4,8\n", "--data_dir"), ("hello\n", "neither a CSV file"),
])
def test_lists_that_are_refused(text, message, tmp_path):
    write(tmp_path, "a.png", "b.png")
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_benchmark(str(tmp_path / "list.txt"))


def test_the_published_lists_are_understood_line_by_line(shared):
    for name in ("annotations_corvi.txt", "annotations_calib_corvi.txt", "annotations_calib_practical.txt", "Test_MidjourneyV5_num2000.txt"):
        assert is_list((shared / "annotations" / name).read_text(encoding="utf-8")), name
    lines = [match_line(line) for line in (shared / "annotations" / "annotations_corvi.txt").read_text(encoding="utf-8").splitlines()]
    by_number = {(int(line["number"]), generator_of(line["path"])) for line in lines if line["label"] == "1"}
    assert by_number == set(enumerate(CORVI_GENERATORS.values()))  # the folder says what the list's number says
    assert sum("," in line["path"] for line in lines) == 6
    assert not is_list((shared / "annotations" / "test_calibration.txt").read_text(encoding="utf-8"))


def test_a_csv_file_keeps_its_other_columns(tmp_path):
    write(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "list.csv").write_text("path,label,platform,generator\na.png,human,x,\nb.png,ai,,flux\nc.png,ai,telegram,flux\n")
    images, description = read_benchmark(str(tmp_path / "list.csv"))
    assert description.layout == "csv" and description.columns == ("platform",)
    assert images.extra["platform"].tolist() == ["x", "", "telegram"] and images.generator.tolist() == ["real", "flux", "flux"]
    assert images.select(np.array([2])).extra["platform"].tolist() == ["telegram"]


# label maps

@pytest.mark.parametrize("text, labels", [
    ("0=real,1=synthetic", {"0": 0, "1": 1}), (" LABEL_0 = ai , LABEL_1=human", {"LABEL_0": 1, "LABEL_1": 0}),
    ('{"0": "fake", "1": "real"}', {"0": 1, "1": 0}),
])
def test_label_maps_are_read(text, labels):
    assert parse_label_map(text) == labels


@pytest.mark.parametrize("text, message", [
    ("0=real", "names no synthetic label"), ("real=0,fake=1", "'0' is neither"), ("0:real,1:fake", "not of the form"),
    ("0=real,0=fake", "'0' twice"), ('{"0": ', "not of the form"), ("", "not of the form"),
])
def test_label_maps_that_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_label_map(text)


def test_a_map_must_hold_every_label():
    with pytest.raises(ValueError, match="has the label '2', which the label map .* lacks"):
        understand_labels(["0", "1", "2"], "the set", {"0": 0, "1": 1})
    assert understand_labels(["0", "1"], "the set", stated={"0": 0, "1": 1}).labels == {"0": 0, "1": 1}
    assert understand_labels(["a", "b", "c"], "the set", real="b").labels == {"a": 1, "b": 0, "c": 1}
