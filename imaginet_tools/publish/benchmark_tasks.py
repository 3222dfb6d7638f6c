"""``eval.yaml`` of a data set: the tasks that detectors are measured by (https://huggingface.co/docs/hub/eval-results, a beta).

The Hub reads a name, a description, the framework that evaluates, and of each task its id, configuration and split; it checks the file when
it is pushed. Frameworks are on a list of the Hub's (packages/tasks/src/eval.ts of huggingface.js), which this one is to be put on, and a data
set shows results once it is on another; neither was tried.
"""

import yaml

TASKS_FILE = "eval.yaml"
FRAMEWORK = "imaginet"
TASKS = {
    "origin": ("auc", "Is a picture real or synthetic? AUC over all images, undegraded."),
    "generator": ("accuracy", "Which generator made it, if any? Mean accuracy over the classes, real among them, undegraded."),
}
"""Task -> (figure, what is asked); the results of models name them (``publish.eval_results``)."""


def tasks_file(name: str, config_name: str) -> str:
    """YAML with the tasks' ids, configuration and split; what each asks stands in the description, since tasks have no field for it."""
    asked = " ".join(f"{task}: {question}" for task, (_, question) in TASKS.items())
    tasks = [{"id": task, "config": config_name, "split": "test"} for task in TASKS]
    return yaml.safe_dump(
        {"name": name, "description": f"Detection of synthetic images. {asked}", "evaluation_framework": FRAMEWORK, "tasks": tasks},
        sort_keys=False, allow_unicode=True, width=120,
    )
