"""A report as a folder: report.json, report.md, every score, the main table for a paper, and charts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from imaginet_core.safe_text import mask_secrets
from imaginet_core.storage.safe_writes import write_aside
from imaginet_tools.evaluation import charts
from imaginet_tools.evaluation.figures import Scored
from imaginet_tools.evaluation.picture_grids import TITLES
from imaginet_tools.evaluation.report import Report
from imaginet_tools.evaluation.reports.latex import latex_table
from imaginet_tools.evaluation.stored.score_files import write_scores

SCORES, TABLE = "scores.csv", "table.tex"


def write_report_folder(report: Report, scored: Sequence[Scored], folder: Path) -> Report:
    """Writes everything but the HTML page, each file whole or not at all; returns the report as it was written, with its pictures."""
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
    for name, figure in drawn.items():
        charts.save_figure(figure, folder / name)
    report = replace(report, pictures=[{"file": name, "title": TITLES[name]} for name in drawn])
    write_scores(list(scored), folder / SCORES)
    with write_aside(folder / TABLE) as aside:
        aside.write_text(mask_secrets(latex_table(report)), encoding="utf-8")
    report.write(folder)
    return report
