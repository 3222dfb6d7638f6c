"""A report's headline figures as the Hub's evaluation results.

``.eval_results/*.yaml`` in a model's repository names data set, task (``benchmark_tasks.TASKS``) and value
(https://huggingface.co/docs/hub/eval-results; a beta, shown for data sets on the Hub's list alone).
"""

import re

import yaml
from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

from imaginet_tools.evaluation.report import Report

FOLDER = ".eval_results"


def result_files(report: Report, dataset_id: str, dataset_revision: str | None = None) -> dict[str, str]:
    """Path in a model's repository -> YAML, with the figures of the first detector that is no baseline.

    Args:
        report: of an evaluation on that data set's test split.
        dataset_id: "owner/name" on the Hub.
        dataset_revision: commit of the data set.

    Raises:
        ValueError: for a data set without owner, which the Hub cannot find, or a report without figures.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", dataset_id):
        raise ValueError(f"Results are told by a data set's name on the Hub, owner/name; {dataset_id} is none.")
    overall = [row for row in report.figures if not row.baseline and row.kind == "overall" and row.condition == "clean"]
    if not overall:
        raise ValueError("The report has no figures of undegraded images, so there is no result to tell.")
    common = {"dataset_id": dataset_id, "dataset_revision": dataset_revision, "date": report.created}
    row = overall[0]
    entries = [EvalResultEntry(task_id="origin", value=round(row.metrics.auc.value, 4), notes=f"AUC {row.metrics.auc}", **common)]
    for track in report.tracks:
        own = track.detector in ("", row.detector)
        if own and (track.name, track.condition) == ("generator", "clean") and track.accuracy is not None:
            entries.append(EvalResultEntry(
                task_id="generator", value=round(track.accuracy.value, 4), notes=f"mean accuracy over classes {track.accuracy}", **common,
            ))
    name = dataset_id.partition("/")[2]
    return {f"{FOLDER}/{name}.yaml": yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True)}
