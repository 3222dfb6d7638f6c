"""What the Hub reads of a report, by its own library."""

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries

from imaginet_tools.evaluation.report import Report, rows_of
from imaginet_tools.metrics.attribution import make_track
from imaginet_tools.publish.benchmark_tasks import tasks_file
from imaginet_tools.publish.eval_results import result_files
from tests.imaginet_tools.evaluation.simulate import three_generators


def test_results_are_read_by_the_hub_s_library_and_name_the_tasks_of_the_data_set():
    scores = three_generators()
    rows = [*rows_of("pixel statistics", "clean", scores, 0.5, 10, baseline=True), *rows_of("ours", "jpeg70", scores, 0.5, 10)]
    rows += rows_of("ours", "clean", scores, 0.4, 10)
    track = make_track("generator", "clean", scores.generator, scores.generator, ["real", "A", "B", "C"], scores.source_image, resamples=10)
    report = Report("2026-11-28T00:00:00+00:00", {}, {}, {"name": "x", "splits": {}}, None, None, [], rows, tracks=[track])
    [(path, text)] = result_files(report, "me/imaginet", "0" * 40).items()
    origin, generator = parse_eval_result_entries(yaml.safe_load(text))
    overall = rows[-6].metrics if rows[-6].kind == "overall" else next(row.metrics for row in rows if row.condition == "clean" and not row.baseline)
    assert path == ".eval_results/imaginet.yaml" and (origin.dataset_id, origin.dataset_revision) == ("me/imaginet", "0" * 40)
    assert origin.value == round(overall.auc.value, 4) and str(overall.auc) in origin.notes and generator.value == 1.0
    told = yaml.safe_load(tasks_file("ImagiNet", "all"))
    tasks = told["tasks"]
    assert list(told) == ["name", "description", "evaluation_framework", "tasks"]  # as the Hub documents it
    assert all(task == {"id": task["id"], "config": "all", "split": "test"} and f"{task['id']}: " in told["description"] for task in tasks)
    assert {task["id"] for task in tasks} == {origin.task_id, generator.task_id} == {"origin", "generator"}
    with pytest.raises(ValueError, match="owner/name; imaginet is none"):
        result_files(report, "imaginet")
    with pytest.raises(ValueError, match="no figures of undegraded"):
        result_files(Report("", {}, {}, {}, None, None, [], []), "me/imaginet")
