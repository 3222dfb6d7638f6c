"""What version 0.1 left on a disk is still read, and gives the numbers that it gave then: see data/version_0_1/README.md."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from imaginet_tools.evaluation.report import Report
from imaginet_tools.images.splits import load_splits
from modeling import SelfConForImageClassification, SelfConImageProcessor
from tests.modeling.helpers import in_fresh_process
from training.options import TrainingOptions
from training.views.crop_cache import CropCache
from training.views.random_views import margin_for, view_of_stage
from training.views.recipes import TURNED_UPRIGHT

OLD = Path(__file__).parent / "data" / "version_0_1"
EXPECTED = json.loads((OLD / "expected.json").read_text(encoding="utf-8"))
WITH_ITS_OWN_CODE = """
import json, sys
from transformers import pipeline
model, *pictures = sys.argv[1:]
tasks = "image-classification", "synthetic-image-detection"
print(json.dumps({task: pipeline(task, model=model, trust_remote_code=True)(pictures) for task in tasks}))
"""


@pytest.fixture(scope="module")
def pictures(repository) -> list[Path]:
    return [repository / "sample" / "images" / name for name in EXPECTED["pictures"]]


def assert_close(answer, expected) -> None:
    """Equal where they are no numbers, and to 1e-5 where they are; of dicts what is expected, new entries are allowed."""
    if isinstance(expected, dict):
        for name, value in expected.items():
            assert_close(answer[name], value)
    elif isinstance(expected, list):
        assert len(answer) == len(expected)
        for one, value in zip(answer, expected, strict=True):
            assert_close(one, value)
    else:
        assert answer == (pytest.approx(expected, abs=1e-5) if isinstance(expected, float) else expected)


def test_an_old_model_answers_as_then_with_its_own_code(pictures, tmp_path):
    """As whoever downloads it sees it, where nothing of this project is installed."""
    shutil.copytree(OLD / "model", tmp_path / "model_of_0_1")
    answers = in_fresh_process(WITH_ITS_OWN_CODE, ["model_of_0_1", *pictures], tmp_path)
    for task, answer in answers.items():
        assert_close(answer, EXPECTED[task])


def test_an_old_model_answers_as_then_with_the_code_of_today(pictures):
    model = SelfConForImageClassification.from_pretrained(OLD / "model").eval()
    processor = SelfConImageProcessor.from_pretrained(OLD / "model")
    with torch.inference_mode():
        outputs = model(**processor([Image.open(picture) for picture in pictures], return_tensors="pt"))
    assert_close({name: outputs[name].tolist() for name in EXPECTED["outputs"]}, EXPECTED["outputs"])
    points = json.loads((OLD / "model" / "config.json").read_text(encoding="utf-8"))["operating_points"]
    assert_close([dict(point) for point in model.config.operating_points], points)


def rows_of(markdown: str) -> list[list[str]]:
    """The cells of all tables' lines but their headings."""
    lines, found = markdown.splitlines(), []
    for before, line in zip(lines, lines[1:], strict=False):
        if line.startswith("| ") and before.startswith("|") and not line.startswith("| ---"):
            found.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


def is_within(cells: list[str], row: list[str]) -> bool:
    """Whether the row has these cells in this order, perhaps with further ones between them."""
    rest = iter(row)
    return all(cell in rest for cell in cells)


def test_an_old_report_is_read_and_written_with_the_same_figures():
    report = Report.read(OLD / "report.json")
    baseline = next(
        row for row in report.figures
        if (row.detector, row.condition, row.kind) == ("pixel statistics", "jpeg70", "overall")
    )
    accuracy = baseline.metrics.balanced_accuracy
    assert (accuracy.value, accuracy.low, accuracy.high) == pytest.approx((11 / 12, 19 / 24, 1.0))
    assert (len(report.figures), len(report.tracks), len(report.operating_points)) == (30, 9, 3)
    then, today = (rows_of(text) for text in ((OLD / "report.md").read_text(encoding="utf-8"), report.to_markdown()))
    assert len(then) == 63
    lost = [cells for cells in then if not any(is_within(cells, row) for row in today)]
    assert not lost, f"{len(lost)} lines are not in the tables of today, e.g. {lost[0]}"


def test_an_old_crop_cache_is_used_and_not_written_anew(tmp_path, capsys):
    shutil.copytree(OLD / "cache", tmp_path / "cache")
    stored = json.loads((OLD / "report.json").read_text(encoding="utf-8"))["options"]
    given = {name: value for name, value in stored.items() if value is not None}
    options = TrainingOptions.of(**given).replace(dataset=str(OLD / "data"), crop_cache=str(tmp_path / "cache"))
    train = load_splits(options.data, options.run.seed).as_seen(TURNED_UPRIGHT[options.views.views]).train
    view, degraded = view_of_stage(1, options)
    cache = CropCache(
        Path(options.views.crop_cache), train, view, options.run.seed, options.views.crop_cache_windows,
        options.views.crop_cache_epochs, int(options.views.crop_cache_gb * 1e9), margin=margin_for(view, degraded),
    )
    assert cache.folder.name == EXPECTED["cache"]["folder"]
    file = next(cache.folder.rglob("*.windows"))
    before = file.stat()
    cache.prepare(0)
    assert capsys.readouterr().out == "" and (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    places = {path: index for index, path in enumerate(train.path)}
    for then in EXPECTED["cache"]["windows"]:
        index = places[then["path"]]
        pixels, window = cache.window(index, then["epoch"])
        assert train.label[index] == then["label"] and [*window[:8], window.kind] == then["window"]
        assert hashlib.sha256(pixels.tobytes()).hexdigest() == then["sha256"]
