"""Trackers: what is logged can be read back, and one that is not there is said before training."""

import json
from dataclasses import replace

import pytest
from accelerate import Accelerator
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker, register_tracker_class

from imaginet_tools.evaluation.report import Report, rows_of
from tests.imaginet_tools.evaluation.simulate import three_generators
from training.options import TrainingOptions
from training.run.trackers import installed_trackers, log_figures, log_row, plain_options, start_trackers, tracker_arguments

SIZE = {"seconds": 1.0, "images": 64}
ROWS = [
    {"stage": "contrastive", "epoch": 0, "learning_rate": 0.1, "loss": 2.5, "origin": 1.5, "family": 1.0, **SIZE},
    {"stage": "contrastive", "epoch": 1, "learning_rate": 0.2, "loss": 2.0, "origin": 1.25, "family": 0.75, **SIZE},
    {"stage": "classifiers", "epoch": 0, "learning_rate": 0.01, "loss": 0.5, **SIZE},
]


def report() -> Report:
    rows = rows_of("model", "clean", three_generators(), 0.5, resamples=20)
    return Report("", {}, {}, {}, {}, {}, [], rows)


def test_what_tensorboard_was_told_can_be_read_back(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accelerator = Accelerator(cpu=True, **tracker_arguments("tensorboard", tmp_path))
    start_trackers(accelerator, TrainingOptions.of(seed=7, tracker="tensorboard"))
    for step, row in enumerate(ROWS):
        log_row(accelerator, row, step)
    log_figures(accelerator, report(), 2)
    accelerator.get_tracker("tensorboard").finish()
    events = EventAccumulator(str(tmp_path / "tracking" / "imaginet"))
    events.Reload()
    read = lambda tag: [(event.step, pytest.approx(event.value)) for event in events.Scalars(tag)]
    for name in ("loss", "learning_rate", "origin", "family"):
        assert read(f"contrastive/{name}") == [(step, ROWS[step][name]) for step in (0, 1)]
    assert read("classifiers/loss") == [(2, 0.5)]
    auc = next(row.metrics.auc for row in report().figures if row.kind == "overall")
    assert read("test/model/clean/auc") == [(2, auc.value)] and read("test/model/clean/auc_low") == [(2, auc.low)]
    stored = next((tmp_path / "tracking" / "imaginet").rglob("hparams.yml")).read_text()
    assert "seed: 7" in stored and "widths: 64 128 256 512" in stored


def test_options_are_plain_for_every_tracker():
    values = plain_options(TrainingOptions.of(seed=3))
    assert values["seed"] == 3 and values["widths"] == "64 128 256 512" and "fold" not in values
    assert json.loads(json.dumps(values)) == values and not [value for value in values.values() if isinstance(value, list | dict)]


@pytest.mark.parametrize("name, said", [("tensorbord", "is not known"), ("aim", "is not installed")])
def test_a_tracker_that_is_not_there_is_named_with_those_that_are(tmp_path, monkeypatch, name, said):
    monkeypatch.setattr("training.run.trackers.installed_trackers", lambda: ["mine", "yours"])
    with pytest.raises(ValueError, match=f"--tracker {name} {said}") as refusal:
        tracker_arguments(name, tmp_path)
    assert "installed: mine, yours" in str(refusal.value)


def test_all_without_any_tracker_says_what_could_be_installed(tmp_path, monkeypatch):
    monkeypatch.setattr("training.run.trackers.installed_trackers", list)
    with pytest.raises(ValueError, match="none is installed; install one of aim, .*tensorboard"):
        tracker_arguments("all", tmp_path)


class Own(GeneralTracker):
    """A user's tracker, which remembers in memory; refuses to start when told so."""

    name, requires_logging_directory, broken, seen = "own", False, False, []

    def __init__(self, project: str, **_):
        super().__init__()
        if self.broken:
            raise RuntimeError("log in\nfirst")

    @property
    def tracker(self):
        return self

    def store_init_configuration(self, values):
        self.seen.append(values)

    def log(self, values, step, **_):
        self.seen.append((step, values))


@pytest.fixture
def own(monkeypatch):
    monkeypatch.setattr(Own, "seen", [])
    register_tracker_class(Own)
    yield Own
    del LOGGER_TYPE_TO_CLASS["own"]


def test_a_registered_tracker_works_by_name(own, tmp_path):
    assert "own" in installed_trackers()
    accelerator = Accelerator(cpu=True, **tracker_arguments("own", tmp_path))
    start_trackers(accelerator, TrainingOptions.of(tracker="own"))
    log_row(accelerator, ROWS[2], 9)
    values = {"classifiers/learning_rate": 0.01, "classifiers/loss": 0.5, "classifiers/seconds": 1.0, "classifiers/images": 64}
    assert own.seen[0]["tracker"] == "own" and own.seen[1:] == [(9, values)]


def test_a_tracker_that_cannot_start_is_said_in_one_sentence(own, tmp_path, monkeypatch):
    monkeypatch.setattr(own, "broken", True)
    accelerator = Accelerator(cpu=True, **tracker_arguments("own", tmp_path))
    with pytest.raises(ValueError, match="--tracker own could not start: log in first$"):
        start_trackers(accelerator, TrainingOptions.of(tracker="own"))


def test_without_a_tracker_nothing_happens(tmp_path):
    accelerator = Accelerator(cpu=True, **tracker_arguments(None, tmp_path))
    start_trackers(accelerator, TrainingOptions.of())
    log_row(accelerator, ROWS[0], 0)
    log_figures(accelerator, replace(report(), figures=[]), 1)
    assert not list(tmp_path.iterdir())
