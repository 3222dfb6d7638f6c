"""``eval.yaml`` of a data set: the tasks that detectors are measured by (https://huggingface.co/docs/hub/eval-results, a beta)."""

import yaml

TASKS_FILE = "eval.yaml"
TASKS = {
    "origin": ("auc", "Is a picture real or synthetic? AUC over all images, undegraded."),
    "generator": ("accuracy", "Which generator made it, if any? Mean accuracy over the classes, real among them, undegraded."),
}
"""Task -> (figure, what is asked); the results of models name them (``publish.eval_results``)."""


def tasks_file(name: str, config_name: str) -> str:
    """YAML with each task's configuration, split, metric and question."""
    tasks = [
        {"id": task, "config": config_name, "split": "test", "metric": metric, "description": asked} for task, (metric, asked) in TASKS.items()
    ]
    return yaml.safe_dump({"name": name, "description": "Detection of synthetic images.", "tasks": tasks}, sort_keys=False, allow_unicode=True)
