"""The audit finds the shortcuts that were planted, nothing where nothing was, and what is left after alignment."""

import io
import json

import datasets
import numpy as np
import pytest
from PIL import Image, ImageFilter
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

import imaginet
from imaginet_tools.audit import audit
from imaginet_tools.audit.classifier import _is_shortcut, _widened, folds_of, out_of_fold
from imaginet_tools.audit.findings import SETS
from imaginet_tools.commands.main import main
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.metrics.detection import Scores, measure
from imaginet_tools.metrics.estimate import Estimate
from tests.imaginet_core.pictures.test_compression_traces import picture
from tests.imaginet_tools.audit import audit_trees


@pytest.fixture(autouse=True)
def fewer_trees(request, monkeypatch):
    """What is planted is found by a few trees as by all of them; the slow tests have all."""
    if "slow" not in request.keywords:
        monkeypatch.setattr("imaginet_tools.audit.classifier.TREES", 10)


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def planted(real, synthetic, count: int = 24) -> ImageSet:
    """Images of two functions of a number, which give a file's content."""
    contents = [real(number) for number in range(count)] + [synthetic(1000 + number) for number in range(count)]
    names = [f"{number}.png" for number in range(2 * count)]
    columns = {
        "image": [{"bytes": content, "path": None} for content in contents], "label": [0] * count + [1] * count, "path": names,
        "content": ["photos"] * (2 * count), "generator": ["real"] * count + ["a generator"] * count,
    }
    rows = datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image(decode=False))
    return ImageSet.from_rows(rows, "planted")


def aucs(found: audit.Audit) -> dict:
    return {name: examination.groups[0].auc.value for name, examination in found.sets.items()}


def verdicts(found: audit.Audit) -> dict:
    return {name: examination.groups[0].is_shortcut for name, examination in found.sets.items()}


def plain(number: int) -> bytes:
    return saved(picture(number))


@pytest.mark.slow
def test_no_shortcut_is_found_where_there_is_none():
    found = audit.audit(planted(plain, plain, count=40))
    assert not any(verdicts(found).values())
    for examination in found.sets.values():
        auc = examination.groups[0].auc
        assert auc.value == 0.5 if auc.low is None else auc.low <= 0.5 <= auc.high
    assert found.sentence.startswith("No shortcut was found in metadata (AUC 0.")


def test_a_container_is_found_and_not_mistaken_for_pixels():
    found = audit.audit(planted(plain, lambda number: saved(picture(number), "WEBP", lossless=True)))
    assert verdicts(found) == {"metadata": True, "container": True, "traces": False, "statistics": False}
    assert aucs(found)["container"] == 1
    assert found.sets["container"].features[0].name == "format"
    assert "metadata without bytes per pixel (balanced accuracy 1.000, AUC 1.000; mostly format (1.00 alone))" in found.sentence


def test_a_size_between_others_is_found():
    """Real images of many sizes, synthetic ones of one in the middle: no single threshold tells them apart."""
    def real(number):
        return saved(picture(number, 64 + number % 16 * 4 + (2 if number % 2 else 0)))

    found = audit.audit(planted(real, lambda number: saved(picture(number, 96))))
    assert verdicts(found)["container"] and aucs(found)["container"] > 0.9


def test_a_former_compression_is_found_in_the_pixels():
    def formerly_jpeg(number):
        return saved(Image.open(io.BytesIO(saved(picture(number), "JPEG", quality=85))))

    found = audit.audit(planted(formerly_jpeg, plain))
    assert aucs(found)["traces"] > 0.98 and verdicts(found)["container"] is False


def test_plain_statistics_are_found_and_belong_to_no_container():
    found = audit.audit(planted(plain, lambda number: saved(picture(number).filter(ImageFilter.GaussianBlur(0.6)))))
    assert aucs(found)["statistics"] > 0.98 and verdicts(found)["container"] is False


def test_intervals_know_the_chance_in_what_was_learnt_from():
    """Labels at random: about 95 % of the intervals hold 0.5; of those over the tested images alone it is far fewer."""
    rng, narrow, wide = np.random.default_rng(0), 0, 0
    for _ in range(RUNS := 60):
        label, table = np.arange(120) % 2, rng.standard_normal((120, 8))
        probability = out_of_fold(LinearDiscriminantAnalysis(), table, label, folds_of(label, np.arange(120)))
        scores = Scores(label, probability, *np.full((2, 120), "x"), np.arange(120))
        auc = measure(scores, 0.5, resamples=200).auc
        narrow += auc.low <= 0.5 <= auc.high
        wide += (widened := _widened(auc)).low <= 0.5 <= widened.high
        assert 0 <= widened.low < auc.low < auc.high < widened.high <= 1
    assert narrow < 0.9 * RUNS < 0.92 * RUNS <= wide


@pytest.mark.parametrize("value, low, verdict", [(0.47, 0.42, False), (0.53, 0.49, False), (0.55, 0.51, True)])
def test_an_interval_that_holds_one_half_is_not_called_a_shortcut(value, low, verdict):
    assert _is_shortcut(Estimate(value, low, 2 * value - low), scores=None) is verdict


# the official list, the lab

def test_the_official_lists_formats_alone_give_what_jpeg_means_real_gives(shared):
    """Counted by hand: (14,000 / 20,000 real as JPEG + 17,500 / 20,000 synthetic otherwise) / 2."""
    records = imaginet.read_list(str(shared / "annotations" / "test_annotations.txt"), imaginet.OFFICIAL)
    formats = np.array([{"jpeg": "jpg"}.get(suffix := record.path.rpartition(".")[2].lower(), suffix) for record in records])
    label = np.array([int(record.label == "synthetic") for record in records])
    table = np.stack([formats == name for name in ("jpg", "png", "webp")], axis=1).astype(float)
    forest = ExtraTreesClassifier(10, min_samples_leaf=3, class_weight="balanced", random_state=0)
    probability = out_of_fold(forest, table, label, np.random.default_rng(0).integers(0, 5, len(label)))
    assert balanced_accuracy_score(label, probability >= 0.5) == pytest.approx(0.7875, abs=1e-12)


@pytest.mark.slow
def test_alignment_removes_what_formats_and_sizes_of_the_official_list_tell(shared, tmp_path):
    """Of random pixels nothing else can be told; their traces are looked at as well."""
    root = audit_trees.random_pixels(tmp_path / "raw", shared / "annotations" / "test_annotations.txt", one_in=160)
    images = ImageSet.from_raw("all", data_dir=str(root))
    indices = list(range(len(images)))
    label = images.label
    folds = np.random.default_rng(0).integers(0, 5, len(label))
    forest = ExtraTreesClassifier(50, max_features=None, min_impurity_decrease=2 / len(label), random_state=0)
    auc = {}
    for view in ("raw", "aligned"):
        found, left_out = audit.measure_images(images, indices, view, 1)
        assert list(found) == indices and not left_out
        for name in ("metadata", "traces"):
            table = np.array([list(found[index][name].values()) for index in indices])
            auc[name, view] = roc_auc_score(label, out_of_fold(forest, table, label, folds))
    assert auc["metadata", "raw"] > 0.85 and auc["traces", "raw"] > 0.8
    # 0.5 but for chance: the standard error with 125 images of each class is 0.037
    assert auc["metadata", "aligned"] < 0.6 and auc["traces", "aligned"] < 0.6


@pytest.mark.slow
def test_alignment_removes_a_bias_of_codecs_from_the_lab(shared, tmp_path):
    images = ImageSet.from_raw("all", data_dir=str(audit_trees.biased_lab(tmp_path / "raw", shared / "lab", one_in=6)))
    before, after = (audit.audit(images, view) for view in ("raw", "aligned"))
    assert aucs(before)["container"] == 1 and aucs(before)["traces"] > 0.98
    assert verdicts(after)["container"] is False and aucs(after)["traces"] < 0.9  # what is left are the generators' own traces


def write_folder(root, count=12):
    for label, kind in (("real", "JPEG"), ("synthetic/a network", "PNG")):
        (root / label).mkdir(parents=True)
        for number in range(count):
            (root / label / f"{number}.{kind.lower()}").write_bytes(saved(picture(number, 40), kind))
    return root


def test_several_processes_measure_the_same():
    images = planted(plain, plain, count=15)
    one, two = (audit.measure_images(images, list(range(30)), "aligned", processes)[0] for processes in (1, 2))
    assert list(one) == list(two) and one == two


# the command

def run(*arguments) -> int:
    return main(["audit", *map(str, arguments), "--num_proc", "1"])


def test_the_command_writes_a_report_names_what_it_left_out_and_overwrites_nothing(tmp_path, capsys):
    root = write_folder(tmp_path / "images")
    (root / "real" / "broken.jpg").write_bytes(saved(picture(1, 40), "JPEG")[:500])
    assert run("--folder", root, "--output", tmp_path / "report") == 0
    said = capsys.readouterr().out
    report = json.loads((tmp_path / "report" / "audit.json").read_text(encoding="utf-8"))
    assert report["schema"] == "imaginet-audit/1" and report["images"] == {"real": 12, "synthetic": 12}
    assert list(report["left_out"]) == ["real/broken.jpg"] and "real/broken.jpg" in said
    assert set(report["sets"]) == set(SETS) and report["sets"]["container"]["groups"][0]["is_shortcut"] is True
    text = (tmp_path / "report" / "audit.md").read_text(encoding="utf-8")
    assert report["sentence"] in text and report["sentence"] in said
    assert "| metadata | generator: a network | 12 + 12 |" in text
    with Image.open(tmp_path / "report" / "audit.png") as drawn:
        assert drawn.format == "PNG" and min(drawn.size) > 300 and len(drawn.convert("RGB").getcolors(1 << 20)) > 50
    with pytest.raises(SystemExit, match="audit.json exists; choose another folder"):
        run("--folder", root, "--output", tmp_path / "report")


@pytest.mark.parametrize("change, message", [
    (lambda root: (root / "real").rename(root / "things"), "must hold folders real and synthetic with images; real has none"),
    (lambda root: [file.unlink() for file in (root / "real").glob("1*")], "at least 10 real source images; there are 9"),
])
def test_folders_that_cannot_be_audited_are_said(tmp_path, change, message):
    root = write_folder(tmp_path / "images")
    change(root)
    with pytest.raises(SystemExit, match=message):
        run("--folder", root)
