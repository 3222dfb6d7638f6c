"""Two reports beside each other: the differences of their detectors on the same images, with paired intervals."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from imaginet_tools.evaluation.comparison.differences import Draws
from imaginet_tools.evaluation.figures import Scored
from imaginet_tools.evaluation.report import Report
from imaginet_tools.evaluation.report_parts import Difference
from imaginet_tools.evaluation.stored.score_files import RecordedScores, ScoreFile, images_of, read_all_scores
from imaginet_tools.inference.detector import Answers

SCORES = "scores.csv"


def compare_reports(first: str | Path, second: str | Path, resamples: int = 1000, seed: int = 0) -> list[Difference]:
    """Every detector of the first report against that of the same name in the second, or, where each has one, these two.

    Baselines are not compared. Detectors are called by their reports' folders too, where both have one name.

    Args:
        first, second: folders with report.json and scores.csv.
        resamples, seed: of the bootstrap.

    Raises:
        ValueError: in one sentence, for reports on other images (by their fingerprints), or without detectors or conditions in common.
        FileNotFoundError: for a folder without report or scores.
    """
    folders = Path(first), Path(second)
    reports = [Report.read(folder / "report.json") for folder in folders]
    scores = [_scores(folder) for folder in folders]
    prints = [_fingerprint(next(iter(each.values()))) for each in scores]
    if prints[0] != prints[1]:
        told = ", ".join(
            f"{folder} on {report.data['name']} ({report.data['splits']['test']['images']} images, fingerprint {mark})"
            for folder, report, mark in zip(folders, reports, prints, strict=True)
        )
        raise ValueError(f"The reports are on other images, so their figures cannot be compared: {told}.")
    pairs = _pairs(*reports)
    conditions = [
        condition for condition in dict.fromkeys(row.condition for row in reports[0].figures)
        if all((names[side], condition) in scores[side] for side in (0, 1) for names in pairs)
    ]
    if not conditions:
        raise ValueError(f"{first} and {second} have no condition in common under which all of their detectors were scored.")
    found = []
    for condition in conditions:
        for names in pairs:
            titles = names if names[0] != names[1] else tuple(f"{name} ({folder.name})" for name, folder in zip(names, folders, strict=True))
            sides = [
                _scored(scores[side][names[side], condition], titles[side], condition, _threshold(reports[side], names[side])) for side in (0, 1)
            ]
            found += Draws([sides[0], _in_order_of(sides[1], sides[0])], resamples, seed).difference(*titles)
    return found


def _pairs(first: Report, second: Report) -> list[tuple[str, str]]:
    own = [list(dict.fromkeys(row.detector for row in report.figures if not row.baseline)) for report in (first, second)]
    if len(own[0]) == len(own[1]) == 1:
        return [(own[0][0], own[1][0])]
    common = [(name, name) for name in own[0] if name in own[1]]
    if not common:
        raise ValueError(f"The reports have no detector in common: {', '.join(own[0])} in the first, {', '.join(own[1])} in the second.")
    return common


def _scores(folder: Path) -> dict[tuple[str, str], ScoreFile]:
    if not (folder / SCORES).is_file():
        raise FileNotFoundError(f"{folder} has no {SCORES}, which imaginet evaluate leaves beside report.json; evaluate again.")
    return read_all_scores(str(folder / SCORES))


def _fingerprint(file: ScoreFile) -> str:
    """Of paths, labels and generators, whatever their order."""
    images = images_of(file)
    return images.select(np.argsort(images.path, kind="stable")).fingerprint()


def _threshold(report: Report, name: str) -> float:
    return next(row.metrics.threshold for row in report.figures if row.detector == name)


def _scored(file: ScoreFile, name: str, condition: str, threshold: float) -> Scored:
    return Scored(RecordedScores(name, threshold, [], []), condition, images_of(file), Answers(file.probability), threshold)


def _in_order_of(scored: Scored, other: Scored) -> Scored:
    """The same scores in the order of other ones of the same images."""
    place = {path: number for number, path in enumerate(scored.images.path.tolist())}
    order = np.array([place[path] for path in other.images.path.tolist()])
    return replace(scored, images=scored.images.select(order), answers=Answers(scored.answers.probability[order]))
