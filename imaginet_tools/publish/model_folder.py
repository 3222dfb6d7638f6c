"""The model folder's last files: card, report and pictures."""

import shutil
from dataclasses import replace
from pathlib import Path

from imaginet_core.safe_text import mask_secrets
from imaginet_core.storage.safe_writes import write_aside
from imaginet_tools.evaluation.picture_grids import TITLES
from imaginet_tools.evaluation.report import Report, hub_name
from imaginet_tools.publish.eval_results import result_files
from imaginet_tools.publish.heat_map_section import heat_map_section
from imaginet_tools.publish.model_card import card_of

UPLOADED_PICTURES = {name: TITLES[name] for name in ("roc.png", "scores.png", "confusion.png", "map.png", "training.png")}
"""Pictures without images of the data set, which we may not be allowed to pass on; file -> title."""


def write_model_card(folder: Path, report: Report, pictures: list[Path], usage: str, repository: str | None = None) -> None:
    """Writes README.md, report.json and the pictures that may be passed on into the model's folder.

    Where the data set has a name on the Hub, its results are told in ``.eval_results`` too, see ``publish.eval_results``.

    Args:
        folder: of the saved model.
        report: the run's report; every figure of the card is taken from it.
        pictures: of the report; only those in UPLOADED_PICTURES, which show no image, go along.
        usage: Markdown, how the model is used; see ``card_of``.
        repository: its name on the Hub, which names the model.
    """
    kept = [picture for picture in pictures if picture.name in UPLOADED_PICTURES]
    for picture in kept:
        shutil.copy(picture, folder / picture.name)
    listed = [{"file": picture.name, "title": UPLOADED_PICTURES[picture.name]} for picture in kept]
    public = replace(report.without_paths(), pictures=listed)
    public.write_json(folder)
    card = card_of(public, repository or folder.name, usage, [picture.name for picture in kept], heat_map_section(folder))
    with write_aside(folder / "README.md") as file:
        file.write_text(mask_secrets(str(card)), encoding="utf-8")
    name = report.data["name"]
    if "/" in name and hub_name(name) == name and any(row.condition == "clean" and not row.baseline for row in report.figures):
        for path, text in result_files(public, name).items():
            with write_aside(folder / path) as file:
                file.write_text(text, encoding="utf-8")
