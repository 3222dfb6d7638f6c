"""Several lists as one benchmark: each image once, its list known, and what they say differently refused."""

import pytest
from PIL import Image

from imaginet_tools.commands.evaluation.evaluate import main
from imaginet_tools.evaluation.report import Report
from imaginet_tools.images.layouts.read_benchmark import read_several_lists


@pytest.fixture
def lists(tmp_path):
    """Two lists in a folder of their own, which share a real image; the images lie elsewhere."""
    for name in ("Set/Real/a, b.png", "Set/Real/c.png", "Set/Fake/X/1.png", "Set/Fake/Y/2.png"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32)).save(tmp_path / "images" / name)
    (tmp_path / "lists").mkdir()
    for name, lines in (("first", ["Set/Real/a, b.png 0", "Set/Fake/X/1.png 1", "Set/Fake/X/absent.png 1"]), ("second", ["Set/Real/a, b.png 0", "Set/Real/c.png 0", "Set/Fake/Y/2.png 1"])):
        (tmp_path / "lists" / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
    return [str(tmp_path / "lists" / f"{name}.txt") for name in ("first", "second")]


def test_each_image_counts_once_with_the_list_that_names_it_first(lists, tmp_path):
    images, described = read_several_lists(lists, str(tmp_path / "images"))
    assert dict(zip(images.path, zip(images.label, images.generator, images.extra["list"], strict=True), strict=True)) == {
        "Set/Real/a, b.png": (0, "real", "first"), "Set/Fake/X/1.png": (1, "X", "first"), "Set/Real/c.png": (0, "real", "second"), "Set/Fake/Y/2.png": (1, "Y", "second"),
    }
    assert images.missing == 1 and "1 of 5 listed images are not there, e.g. Set/Fake/X/absent.png" in str(described)
    assert "1 images are named by several lists and count once" in str(described)


def test_what_cannot_be_joined_is_refused(lists, tmp_path):
    with pytest.raises(ValueError, match="none lies below .*say where they are with --root"):
        read_several_lists(lists)
    other = tmp_path / "other.txt"
    other.write_text("Set/Real/c.png 1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="lie in 2 folders; say with --root"):
        read_several_lists([*lists, str(other)])
    with pytest.raises(ValueError, match="Set/Real/c.png is synthetic in .*other.txt and real in .*second.txt"):
        read_several_lists([*lists, str(other)], str(tmp_path / "images"))
    (tmp_path / "table.csv").write_text("path,label\nSet/Real/c.png,real\n", encoding="utf-8")
    with pytest.raises(ValueError, match="table.csv is read as csv. Name it alone"):
        read_several_lists([*lists, str(tmp_path / "table.csv")], str(tmp_path / "images"))


def test_the_command_takes_several_lists_and_slices_by_them(lists, tmp_path):
    (tmp_path / "scores.csv").write_text(
        'path,probability\n"Set/Real/a, b.png",0.1\nSet/Real/c.png,0.2\nSet/Fake/X/1.png,0.9\nSet/Fake/Y/2.png,0.15\n', encoding="utf-8",
    )
    main([
        "--scores", str(tmp_path / "scores.csv"), "--csv", *lists, "--root", str(tmp_path / "images"), "--by", "list", "--no_baselines",
        "--resamples", "5", "--output", str(tmp_path / "report"),
    ])
    report = Report.read(tmp_path / "report" / "report.json")
    found = {row.name: row.metrics.auc.value for row in report.figures if row.kind == "list"}
    assert found == {"first": 1.0, "second": 0.0} and report.data["name"] == "first.txt, second.txt"
