"""The page's tables of the second track: accuracy by class, confusion, generators that are not known; and of images that belong together."""

from collections.abc import Iterable, Sequence

from imaginet_core.pictures.degradation_grid.conditions import condition_title
from imaginet_tools.evaluation.html.page_tables import Cell, Table, estimate_cell

OPEN_SET = "Synthetic images alone, by one minus the probability of the likeliest generator: a high value should mean an unknown one."


def class_tables(tracks: Sequence[dict]) -> list[Table]:
    """A table for each track: how images of each class are answered, by every detector; under other conditions in parts to open."""
    first = tracks[0]["condition"] if tracks else ""
    found = []
    for name in dict.fromkeys(track["name"] for track in tracks):
        lines, folds = [], {}
        for track in (track for track in tracks if track["name"] == name):
            into = lines if track["condition"] == first else folds.setdefault(condition_title(track["condition"]), [])
            into += _lines(track)
        columns = ["condition", "detector", name, "images", "accuracy", "if known to be synthetic", "AUC against the rest"]
        found.append(Table(f"By class: {name}", columns, lines, folds=list(folds.items())))
    return found


def _lines(track: dict) -> list[list[Cell]]:
    start = [Cell(condition_title(track["condition"])), Cell(track.get("detector") or "")]
    lines = [
        [*start, Cell(each["name"], note="" if each["known"] else "never seen"), Cell(str(each["images"]), each["images"]),
         *(estimate_cell(each.get(figure)) for figure in ("accuracy", "accuracy_if_synthetic", "auc"))]
        for each in track["classes"]
    ]
    means = (estimate_cell(track.get(figure)) for figure in ("accuracy", "accuracy_if_synthetic"))
    return [*lines, [*start, Cell("mean over classes"), Cell(""), *means, Cell("")]]


def other_tables(report: dict) -> list[Table]:
    """Generators that a detector does not know, and images that belong together, where a report tells of them."""
    unknown = [
        [Cell(condition_title(each["condition"])), Cell(each["detector"]), Cell(str(each["known"]), each["known"]),
         Cell(str(each["unknown"]), each["unknown"]), estimate_cell(each["auc"]), estimate_cell(each["recall_at_5"])]
        for each in report.get("open_set") or ()
    ]
    pairs = [
        [Cell(condition_title(each["condition"])), Cell(each["detector"]), Cell(each["column"]), Cell(str(each["pairs"]), each["pairs"]),
         estimate_cell(each["share"])]
        for each in report.get("pairs") or ()
    ]
    tables = [
        Table(
            "Generators that the detector does not know",
            ["condition", "detector", "of known generators", "of unknown ones", "AUC", "unknown rejected where 5 % of the known are"], unknown,
            about=OPEN_SET,
        ),
        Table("Images that belong together", ["condition", "detector", "together by", "groups", "synthetic one scores higher"], pairs),
    ]
    return [table for table in tables if table.rows]


def confusion_tables(tracks: Iterable[dict]) -> list[dict]:
    """Of each detector's tracks without degradation: title, answers, and a line per class with counts and shares of its images."""
    tracks = list(tracks)
    first, several = tracks[0]["condition"] if tracks else "", len({track.get("detector") for track in tracks}) > 1
    found = []
    for track in (track for track in tracks if track["condition"] == first):
        lines = [
            {"name": each["name"], "cells": [{"count": count, "share": count / max(1, sum(counts))} for count in counts]}
            for each, counts in zip(track["classes"], track["counts"], strict=True)
        ]
        whose = f", {track['detector']}" if several else ""
        found.append({"title": f"{track['name']}, {condition_title(track['condition'])}{whose}", "answers": track["answers"], "lines": lines})
    return found
