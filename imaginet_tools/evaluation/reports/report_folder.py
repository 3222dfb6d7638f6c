"""A report as a folder: report.json, report.md, report.html, every score, the main table for a paper, and charts."""

import base64
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

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
from imaginet_tools.inference.detector import Detector

SCORES, TABLE = "scores.csv", "table.tex"
SIDE = 160
"""Of a thumbnail, in pixels, at most."""


def write_report_folder(report: Report, scored: Sequence[Scored], folder: Path, heat_maps: bool = False) -> Report:
    """Writes each file whole or not at all; returns the report as it was written, with its pictures.

    Args:
        report: as ``build_report`` made it.
        scored: what it is of.
        folder: made where it is not there.
        heat_maps: whether mistakes are shown with a heat map too, of detectors that give one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {
        "roc.png": charts.draw_roc(report.curves), "det.png": charts.draw_det(report.curves),
        "reliability.png": charts.draw_reliability(report.curves),
    }
    first = report.tracks[0] if report.tracks else None
    clean = [track for track in report.tracks if (track.detector, track.condition) == (first.detector, first.condition)]
    if clean:
        drawn["confusion.png"] = charts.draw_confusion(clean)
    if report.embedding_map is not None:
        drawn["map.png"] = charts.draw_map(report.embedding_map)
    titles = {name: TITLES[name] for name in drawn}
    if clean and len({track.detector for track in report.tracks}) > 1:
        titles["confusion.png"] += f", {first.detector}"
    for name, title, figure in pictures_of(report.degradations) if report.degradations else ():
        drawn[name], titles[name] = figure, title
    for name, figure in drawn.items():
        charts.save_figure(figure, folder / name)
    report = _with_thumbnails(report, scored, heat_maps)
    report = replace(report, pictures=[{"file": name, "title": title} for name, title in titles.items()])
    write_scores(list(scored), folder / SCORES)
    with write_aside(folder / TABLE) as aside:
        aside.write_text(mask_secrets(latex_table(report)), encoding="utf-8")
    report.write(folder)
    write_page(report.without_paths().to_json(), folder)
    return report


def _with_thumbnails(report: Report, scored: Sequence[Scored], heat_maps: bool) -> Report:
    """The report whose mistakes have small pictures, where there are pictures and not scores alone."""
    images = scored[0].images
    if isinstance(images.files, NoFiles):
        return report
    place = {path: index for index, path in enumerate(images.path.tolist())}
    detectors = {each.detector.name: each.detector for each in scored}
    found, without = [], {}
    for each in tqdm(report.mistakes, desc="Mistakes", unit="image", delay=2):
        pixels, shown = images.pixels(place[each.path]), None
        if heat_maps and each.detector not in without:
            try:
                shown = _heat_map(detectors[each.detector], pixels)
            except ValueError as error:
                without[each.detector] = f"{each.detector} shows no heat maps: {str(error).rstrip('.')}."
        found.append(replace(each, thumbnail=_thumbnail(Image.fromarray(pixels)), heat_map=shown and _thumbnail(shown)))
    return replace(report, mistakes=found, limits=[*report.limits, *without.values()])


def _heat_map(detector: Detector, pixels: np.ndarray) -> Image.Image:
    """The picture with the detector's heat map over it. Raises ValueError, in one sentence, for a detector without."""
    if not hasattr(detector, "heat_map"):
        raise ValueError("only saved models of ours have them")
    return Image.alpha_composite(Image.fromarray(pixels).convert("RGBA"), detector.heat_map(pixels).overlay()).convert("RGB")


def _thumbnail(picture: Image.Image) -> str:
    picture.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return base64.b64encode(file.getvalue()).decode()
