"""The model card, and the way to the Hub."""

import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

from huggingface_hub import EvalResult, HfApi, ModelCard, ModelCardData
from huggingface_hub.errors import HFValidationError, HfHubHTTPError, HTTPError  # HTTPError: of the client that it uses

from evaluation.report import Report
from evaluation.tables import markdown_tables
from modeling import usage

UPLOADED_PICTURES = ("roc.png", "scores.png")
"""Pictures without images of the data set, which we may not be allowed to pass on."""


def check_hub_access(repository: str, private: bool) -> None:
    """Makes sure, before hours of training, that the model can be uploaded: makes the repository if it is not there.

    Args:
        repository: "me/detector".
        private: for a new repository.

    Raises:
        ConnectionError: if there is no token, no right to write or no connection; one sentence with what to do.
    """
    try:
        HfApi().create_repo(repository, private=private, exist_ok=True)
        HfApi().auth_check(repository, write=True)  # a repository that exists passes the line above even where we may only read
    except (HfHubHTTPError, HFValidationError, HTTPError, OSError) as error:
        raise ConnectionError(
            f"Cannot write to {repository} on the Hub ({_reason(error)}). Log in with `hf auth login` using a token that may "
            "write, or leave out --push_to_hub."
        ) from error


def push_to_hub(folder: Path, repository: str) -> str:
    """Uploads the whole model folder in one commit and returns the commit's address.

    Raises:
        ConnectionError: if that fails; the sentence says where the model lies and how to upload it later.
    """
    try:
        message = "SelfCon detector with report and card"
        commit = HfApi().upload_folder(repo_id=repository, folder_path=folder, commit_message=message)
    except (HfHubHTTPError, HTTPError, OSError, RuntimeError, ValueError) as error:  # the last two: large files, the card
        raise ConnectionError(
            f"The upload to {repository} failed ({_reason(error)}). The model is safe in {folder}; upload it later with "
            f"`hf upload {repository} {shlex.quote(str(folder))}`."
        ) from error
    return str(commit.commit_url)


def write_model_card(folder: Path, report: Report, pictures: list[Path], repository: str | None = None) -> None:
    """Writes README.md, report.json and the pictures that may be passed on into the model's folder.

    Args:
        folder: of the saved model.
        report: the run's report; every figure of the card is taken from it.
        pictures: of the report; only ROC curves and score histograms go along.
        repository: its name on the Hub, for the usage lines.
    """
    name = repository or folder.name
    kept = [picture for picture in pictures if picture.name in UPLOADED_PICTURES]
    for picture in kept:
        shutil.copy(picture, folder / picture.name)
    _without_places(report).write_json(folder)
    data = ModelCardData(
        library_name="transformers", pipeline_tag="image-classification", license="apache-2.0",
        tags=["synthetic-image-detection", "selfcon", "imaginet"], model_name=name, eval_results=_eval_results(report) or None,
    )
    card = ModelCard(f"---\n{data.to_yaml()}\n---\n\n{_body(report, repository, kept)}")
    (folder / "README.md").write_text(str(card), encoding="utf-8")


def _eval_results(report: Report) -> list[EvalResult]:
    results = []
    for row in report.figures:
        if row.detector == "model" and row.kind == "overall":
            for metric in ("balanced_accuracy", "auc", "average_precision"):
                results.append(EvalResult(
                    task_type="image-classification", dataset_type=_data_name(report),
                    dataset_name=f"{_data_name(report)} ({report.data['config']})", dataset_config=row.condition,
                    dataset_split="test", metric_type=metric, metric_name=f"{metric}, {row.condition}",
                    metric_value=round(getattr(row.metrics, metric).value, 4),
                ))
    return results


def _body(report: Report, repository: str | None, pictures: list[Path]) -> str:
    limits = "\n".join(f"- {limit}" for limit in report.limits)
    thresholds = "\n".join(
        f"| {point['name']} | " + (
            f"{point['threshold']:.3f} | {point['false_alarm_rate']:.1%} | {point['recall']:.1%} |"
            if point["threshold"] is not None else f"none: {point['reason']} | | |"
        )
        for point in report.operating_points
    )
    figures = markdown_tables(report.figures) if report.figures else "Nothing was scored."
    return f"""# SelfCon detector of synthetic images

Tells real pictures from generated ones. Network and losses are those of ImagiNet (<https://arxiv.org/abs/2407.20020>);
trained with `train_selfcon.py` on `{_data_name(report)}`, configuration `{report.data["config"]}`.

## Limits

{limits}

{usage(repository or "FOLDER")}
## What a score means

The score of "synthetic" is a probability among equally many real and synthetic pictures like those it was trained on,
calibrated on {report.calibration["images"]} held-out training images. Where synthetic pictures are rare, most alarms at 0.5
are false; choose a threshold by the false alarms that you can bear.

| operating point | threshold | real flagged (held out) | synthetic found (held out) |
| --- | --- | --- | --- |
{thresholds}

## Figures

{figures}

{" ".join(f"![{picture.stem}]({picture.name})" for picture in pictures)}

All options, counts and fingerprints of the data: `report.json`.
"""


def _data_name(report: Report) -> str:
    """Name of the data set as the Hub accepts it in a card; of a folder only its last part, its place is nobody's business."""
    name = report.data["name"]
    if re.fullmatch(r"(?:[\w-]+/)?[\w.-]+", name) and not Path(name).exists():
        return name
    return re.sub(r"[^\w.-]+", "-", Path(name).name).strip("-.") or "local"


def _without_places(report: Report) -> Report:
    """The report without paths of the machine that made it: what was given as a path keeps its last part only."""
    def last_part(value):
        return Path(value).name if isinstance(value, str) and (Path(value).is_absolute() or Path(value).exists()) else value

    options = {name: last_part(value) for name, value in report.options.items()}
    return replace(report, options=options, data={**report.data, "name": _data_name(report)})


def _reason(error: BaseException) -> str:
    """The error in one line, with what the Hub answered."""
    lines = [line.strip().rstrip(".:") for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if not isinstance(error, HfHubHTTPError):
        parts = [" ".join(lines), *([_reason(error.__cause__)] if isinstance(error, RuntimeError) and error.__cause__ else [])]
    elif error.server_message and error.server_message not in lines[0]:
        parts = [lines[0], " ".join(error.server_message.split())]
    else:
        parts = lines[:1]
    return ": ".join(part.rstrip(".") for part in parts)
