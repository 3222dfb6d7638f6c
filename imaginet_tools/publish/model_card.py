"""The model card, written from the report alone."""

import json
import re
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

import imaginet
from imaginet_tools.evaluation.report import Report, audit_sentence, hub_name, split_lines
from imaginet_tools.evaluation.summary import false_alarm_sentences
from imaginet_tools.evaluation.tables import FIGURES, markdown_tables, track_tables
from imaginet_tools.publish.heat_map_section import TITLE

IN_INDEX = tuple(FIGURES)
"""Overall figures of the model that go into the card's metadata, for each condition."""
LICENCE = """Code and weights: Apache-2.0. The training images keep the terms of their sources; some of ImagiNet's are for
research and non-commercial use only (see the data set's card). Whether such terms reach a model trained on them is for you to
judge."""
OF_BACKBONE = """It holds the weights of the backbone `{backbone}`, or what was learned from them. They keep the licence of those who published
them, whatever the above says; timm names it: `timm.models.get_pretrained_cfg("{backbone}").license`."""
SCORES = """The score of "synthetic" is a probability among equally many real and synthetic pictures like those it was trained on,
calibrated on {images} held-out training images. Where synthetic pictures are rare, most alarms at 0.5 are false; choose a
threshold by the false alarms that you can bear."""


def usage_of(where: str) -> str:
    """The section "Use" of a model card: how to use a saved model; ``where``: its path or name on the Hub."""
    return f"""## Use

```python
from transformers import pipeline

detector = pipeline("image-classification", model="{where}", trust_remote_code=True)
detector("picture.jpg")  # [{{"label": "synthetic", "score": ...}}, {{"label": "real", "score": ...}}]

detector = pipeline("synthetic-image-detection", model="{where}", trust_remote_code=True)
detector("picture.jpg")  # with threshold, family and generator where the model has them
```

Give it the file as it was found: the detector looks at 256×256 pixels without resampling; resized copies lose traces. It sees
the centre of a larger picture, or as many crops as `preprocessor_config.json` says; `detector("picture.jpg", crops=5)` gives the
mean over the centre and the four corners.
"""


def card_of(report: Report, name: str, usage: str, pictures: list[str], heat_maps: str | None = None) -> ModelCard:
    """The card with its metadata.

    Args:
        report: the run's report; every figure and count of the card is taken from it.
        name: of the model.
        usage: the section "Use" with its heading, Markdown; the model's code knows how it is used.
        pictures: file names of the report's pictures that lie beside the card.
        heat_maps: of ``heat_map_section``; None for a card without that section.
    """
    backbone = backbone_of_others(report)
    terms = {"license": "apache-2.0"}
    if backbone is not None:
        terms = {"license": "other", "license_name": "apache-2.0-and-that-of-the-backbone", "license_link": "README.md"}
    data = ModelCardData(
        library_name="transformers", pipeline_tag="image-classification", **terms,
        tags=["synthetic-image-detection", "selfcon", "imaginet"], model_name=name, eval_results=eval_results(report) or None,
    )
    sections = {
        "Limits": "\n".join(f"- {limit}" for limit in [*false_alarm_sentences(report.tracks), *report.limits]),
        None: usage.strip(),
        "What a score means": SCORES.format(images=report.calibration["images"]) + "\n\n" + operating_point_table(report),
        "Data": data_section(report),
        "Figures": figures_section(report, pictures),
        **({} if heat_maps is None else {TITLE: heat_maps}),
        "How it was made": made_section(report),
        "Licence": LICENCE if backbone is None else f"{LICENCE}\n\n{OF_BACKBONE.format(backbone=backbone)}",
        "Citation": f"```bibtex\n{imaginet.CITATION}\n```",
    }
    body = "\n\n".join(text if title is None else f"## {title}\n\n{text}" for title, text in sections.items())
    about = (
        "Tells real pictures from generated ones. Network and losses are those of ImagiNet (<https://arxiv.org/abs/2407.20020>); "
        f"trained with `train_selfcon.py` on `{hub_name(report.data['name'])}`, configuration `{report.data['config']}`."
    )
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n# SelfCon detector of synthetic images\n\n{about}\n\n{body}\n")


def backbone_of_others(report: Report) -> str | None:
    """Name in timm of the backbone whose weights the model started from; None without one, and where it started from random weights."""
    return None if report.options.get("initial_weights") == "none" else report.options.get("backbone")


def eval_results(report: Report) -> list[EvalResult]:
    """The model's overall figures under each condition, for the card's ``model-index``."""
    overall = [row for row in report.figures if not row.baseline and row.kind == "overall"]
    return [
        EvalResult(
            task_type="image-classification", dataset_type=hub_name(report.data['name']),
            dataset_name=f"{hub_name(report.data['name'])} ({report.data['config']})", dataset_config=row.condition, dataset_split="test",
            metric_type=metric, metric_name=f"{FIGURES[metric]}, {row.condition}",
            metric_value=round(getattr(row.metrics, metric).value, 4),
        )
        for row in overall for metric in IN_INDEX
    ]


def operating_point_table(report: Report) -> str:
    """The thresholds with what they do on held-out training images, and on how many; or why there is none."""
    lines = ["| operating point | threshold | real flagged (held out) | synthetic found (held out) |", "|" + " --- |" * 4]
    for point in report.operating_points:
        if point["threshold"] is None:
            lines.append(f"| {point['name']} | none: {point['reason']} | | |")
        else:
            lines.append(
                f"| {point['name']}{_confidence(point)} | {point['threshold']:.3f} | {point['false_alarm_rate']:.1%} of {point['n_real']} | "
                f"{point['recall']:.1%} of {point['n_synthetic']} |"
            )
    return "\n".join(lines)


def _confidence(point: dict) -> str:
    """That the rate is kept on further images; thresholds of older reports have none."""
    return f" or fewer, {point['confidence']:.0%} confidence" if point.get("confidence") else ""


def data_section(report: Report) -> str:
    """Splits with counts and fingerprints, what is in the training images, and which shortcuts they offer."""
    train = report.data["splits"]["train"]
    counted = lambda name: ", ".join(f"{value} {count}" for value, count in train[name].items())
    return "\n".join([
        *split_lines(report.data), "",
        f"Training images by content: {counted('content')}; by generator: {counted('generator')}.", "",
        f"Shortcuts of the training images: {audit_sentence(report.data.get('audit'))}",
    ])


def figures_section(report: Report, pictures: list[str]) -> str:
    """All tables, and the pictures that may be passed on."""
    if not report.figures:
        return "Nothing was scored."
    deeper = lambda text: re.sub("^## ", "### ", text, flags=re.MULTILINE)
    titles = {picture["file"]: picture["title"] for picture in report.pictures}
    shown = [f"![{titles.get(name, Path(name).stem)}]({name})" for name in pictures]
    tracks = [deeper(track_tables(report.tracks))] if report.tracks else []
    return "\n\n".join([deeper(markdown_tables(report.figures)), *tracks, *shown])


def made_section(report: Report) -> str:
    """When, with which versions, on what, how long, with which options."""
    training, versions = report.training, ", ".join(f"{name} {number}" for name, number in report.versions.items())
    options = {name: value for name, value in report.options.items() if value is not None}
    return (
        f"{report.created}, seed {report.options['seed']}, {training['processes']} process(es) on {training['device']}, "
        f"{training['seconds'] / 60:.1f} minutes of training on {training['images_seen']:,} views. Versions: {versions}.\n\n"
        f"```json\n{json.dumps(options, indent=1, ensure_ascii=False)}\n```\n\n"
        "The same with every epoch's losses, all counts, confusion matrices and the whole audit: `report.json`."
    )
