"""A report as a folder: report.json, report.md, report.html, every score, the main table for a paper, and charts."""

import base64
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from imaginet_core.safe_text import mask_secrets
from imaginet_core.storage.safe_writes import write_aside
from imaginet_tools.evaluation import charts
from imaginet_tools.evaluation.figures import Scored
from imaginet_tools.evaluation.html.page import write_page
from imaginet_tools.evaluation.picture_grids import TITLES
from imaginet_tools.evaluation.report import Report
from imaginet_tools.evaluation.report_parts import Mistake
from imaginet_tools.evaluation.reports.latex import latex_table
from imaginet_tools.evaluation.robustness.report_part import pictures_of
from imaginet_tools.evaluation.stored.score_files import NoFiles, write_scores

SCORES, TABLE = "scores.csv", "table.tex"
SIDE = 160
"""Of a thumbnail, in pixels, at most."""


def write_report_folder(report: Report, scored: Sequence[Scored], folder: Path) -> Report:
    """Writes each file whole or not at all; returns the report as it was written, with its pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {
        "roc.png": charts.draw_roc(report.curves), "det.png": charts.draw_det(report.curves),
        "reliability.png": charts.draw_reliability(report.curves),
    }
    clean = [track for track in report.tracks if track.condition == report.tracks[0].condition]
    if clean:
        drawn["confusion.png"] = charts.draw_confusion(clean)
    if report.embedding_map is not None:
        drawn["map.png"] = charts.draw_map(report.embedding_map)
    titles = {name: TITLES[name] for name in drawn}
    for name, title, figure in pictures_of(report.degradations) if report.degradations else ():
        drawn[name], titles[name] = figure, title
    for name, figure in drawn.items():
        charts.save_figure(figure, folder / name)
    report = replace(report, pictures=[{"file": name, "title": title} for name, title in titles.items()], mistakes=_with_thumbnails(report, scored))
    write_scores(list(scored), folder / SCORES)
    with write_aside(folder / TABLE) as aside:
        aside.write_text(mask_secrets(latex_table(report)), encoding="utf-8")
    report.write(folder)
    write_page(report.without_paths().to_json(), folder)
    return report


def _with_thumbnails(report: Report, scored: Sequence[Scored]) -> list[Mistake]:
    """The mistakes with small pictures, where there are pictures and not scores alone."""
    images = scored[0].images
    if isinstance(images.files, NoFiles):
        return report.mistakes
    place = {path: index for index, path in enumerate(images.path.tolist())}
    return [replace(each, thumbnail=_thumbnail(images.pixels(place[each.path]))) for each in report.mistakes]


def _thumbnail(pixels: np.ndarray) -> str:
    picture = Image.fromarray(pixels)
    picture.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return base64.b64encode(file.getvalue()).decode()
