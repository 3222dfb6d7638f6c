"""Scores in files: those that others computed, and every score of a report. Needs no PyTorch.

A file has columns ``path`` and ``probability`` (or ``score``), 0 to 1 of "synthetic"; ``imaginet score`` writes such files, too.
Classes of synthetic pictures are columns ``family:NAME`` and ``generator:NAME``, with the probability of each.
"""

import csv
import io
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from imaginet_core.label_words import NAMES
from imaginet_core.storage.safe_writes import write_aside
from imaginet_tools.evaluation.figures import Scored
from imaginet_tools.evaluation.stored.score_rows import read_rows, read_threshold
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.images.layouts.conventions import understand_labels
from imaginet_tools.inference.detector import Answers, Detector

PROBABILITY = ("probability", "score")
OF_SCORING = {"sha256", "outcome", "label"}
"""Columns of what ``imaginet score`` writes; the label there is the detector's answer, not the truth."""
OF_IMAGES = ("content", "family", "generator", "source_image")
SMALLEST = 1e-12
"""Stands for a class's probability of 0, whose logarithm there is not."""


@dataclass(frozen=True)
class ScoreFile:
    """What a file of scores holds.

    Attributes:
        file: its name.
        path: str (N,), no two of them alike.
        probability: float64 (N,), 0 to 1.
        columns: str (N,) each, all other columns by name.
        threshold: (threshold, name of the operating point) of the model that gave them; None where the file does not tell.
    """

    file: str
    path: np.ndarray
    probability: np.ndarray
    columns: dict[str, np.ndarray]
    threshold: tuple[float, str] | None = None


class RecordedScores(Detector):
    """A detector whose scores are in a file; it can answer for no other picture."""

    def __init__(self, name: str, threshold: float, families: list[str], generators: list[str]):
        self.name, self.threshold, self.families, self.generators = name, threshold, families, generators

    def scores(self, pictures):
        raise ValueError(f"The scores of {self.name} are read from a file, so it cannot answer for other pictures; give it as a --model.")


class NoFiles:
    """The files of images of which only scores are known."""

    def item(self, index: int):
        raise ValueError("There are only scores, no pictures; name the pictures too, e.g. with --folder.")

    def read(self, indices, on_error=None):
        return self.item(0)

    def select(self, indices) -> "NoFiles":
        return self


def read_scores(file: str) -> ScoreFile:
    """Reads a file or folder (see ``score_rows.read_rows``) with the scores of one detector.

    Raises:
        ValueError: in one sentence, for columns that are missing, a path that stands there twice, a score that is no number from 0
            to 1, with its line, and for scores of several detectors or conditions.
    """
    found = read_all_scores(file)
    if len(found) > 1:
        which = "; ".join(" ".join(filter(None, each)) for each in list(found)[:4])
        raise ValueError(f"{file} holds scores of {len(found)} detectors and conditions ({which}, …); keep the lines of one in a file.")
    return replace(next(iter(found.values())), threshold=read_threshold(file))


def read_all_scores(file: str) -> dict[tuple[str, str], ScoreFile]:
    """(detector, condition) -> its scores, of a file as a report leaves it; both are "" where there are no such columns.

    Raises ValueError as :func:`read_scores`.
    """
    rows, names = read_rows(file)
    column = next((name for name in PROBABILITY if name in names), None)
    if "path" not in names or column is None:
        raise ValueError(f"{file} needs a header with the columns path and probability (it has {', '.join(names) or 'none'}).")
    if not rows:
        raise ValueError(f"{file} holds no score.")
    values = [_probability(file, number, row, column) for number, row in enumerate(rows, start=2)]
    parts: dict[tuple[str, str], list[int]] = {}
    for number, row in enumerate(rows):
        parts.setdefault((row.get("detector") or "", row.get("condition") or ""), []).append(number)
    return {which: _score_file(file, [rows[number] for number in own], [values[number] for number in own], names, column)
            for which, own in parts.items()}


def _score_file(file: str, rows: list[dict], values: list[float], names: list[str], column: str) -> ScoreFile:
    paths = [row["path"] or "" for row in rows]
    if twice := [path for path, times in Counter(paths).items() if times > 1]:
        raise ValueError(f"{file} has {len(twice)} path(s) more than once, e.g. {twice[0]}; keep one line of each.")
    columns = {
        name: np.array([row[name] or "" for row in rows], dtype=str) for name in names if name not in ("path", column, "detector", "condition")
    }
    return ScoreFile(file, np.array(paths, dtype=str), np.array(values), columns)


def _probability(file: str, line: int, row: dict, column: str) -> float:
    if row.get("error"):
        raise ValueError(f"{file}, line {line}: {row['path']} has no score ({row['error']}); score it again, or leave its line out.")
    try:
        value = float(row[column])
    except (TypeError, ValueError):
        raise ValueError(f"{file}, line {line}: the {column} of {row['path']} is {row[column]!r}, no number from 0 to 1.") from None
    if not 0 <= value <= 1:  # not-a-number too
        raise ValueError(
            f"{file}, line {line}: the {column} of {row['path']} is {value}, not from 0 to 1; logits become probabilities by 1 / (1 + exp(-x))."
        )
    return value


def images_of(scores: ScoreFile, label_map: dict[str, int] | None = None) -> ImageSet:
    """The images that a file with a column ``label`` tells of, without their pictures. Raises ValueError where it has none, or its
    labels may mean either."""
    if "label" not in scores.columns:
        raise ValueError(
            f"{scores.file} has no column label; add it, or name the images that were scored with --folder, --csv, --dataset or --data_dir."
        )
    if OF_SCORING <= scores.columns.keys():
        raise ValueError(
            f"{scores.file} was written by imaginet score, so its labels are answers and not the truth; name the images that were scored with "
            "--folder, --csv, --dataset or --data_dir."
        )
    words = scores.columns["label"].tolist()
    stated = {"0": 0, "1": 1}  # of this project's own CSV files
    reading = understand_labels(words, scores.file, label_map, stated)
    label = np.array([reading.labels[word] for word in words], dtype=np.int64)
    of = lambda name, default: np.where((found := scores.columns.get(name, np.full(len(label), ""))) == "", default, found)
    of_synthetic = lambda name: np.where(label == 0, "real", of(name, "unknown"))
    known = {"label", *OF_IMAGES, "path", "calibration"}
    return ImageSet(
        NoFiles(), label, of("content", "uncategorized"), of_synthetic("family"), of_synthetic("generator"),
        of("source_image", scores.path), scores.path, np.zeros(len(label), dtype=bool), title=scores.file,
        extra={name: column for name, column in scores.columns.items() if name not in known and ":" not in name},
    )


def match_scores(scores: ScoreFile, images: ImageSet) -> np.ndarray:
    """int (N,): the place in the file of each image's score, by its path, or by the end of it where the file has longer ones.

    Raises:
        ValueError: in one sentence with an example, for images without a score and scores without an image.
    """
    place, paths = {path: number for number, path in enumerate(scores.path.tolist())}, images.path.tolist()
    if not place.keys() & set(paths):
        place = _by_ending(place, {path.count("/") + 1 for path in paths})
    if absent := [path for path in paths if path not in place]:
        raise ValueError(f"{scores.file} has no score of {len(absent)} of {len(paths)} images, e.g. {absent[0]}; score them, or leave them out.")
    found = np.array([place[path] for path in paths])
    if left := set(range(len(scores.path))) - set(found.tolist()):
        raise ValueError(
            f"{scores.file} names {len(left)} image(s) that are not among those of {images.title}, e.g. {scores.path[min(left)]}; "
            "take these lines out."
        )
    return found


def _by_ending(place: dict[str, int], depths: set[int]) -> dict[str, int]:
    endings = Counter()
    found = {}
    for path, number in place.items():
        parts = path.split("/")
        for depth in depths:
            ending = "/".join(parts[-depth:])
            endings[ending] += 1
            found[ending] = number
    return {ending: number for ending, number in found.items() if endings[ending] == 1}


def recorded(name: str, scores: ScoreFile, images: ImageSet) -> tuple[RecordedScores, Answers]:
    """A file's scores as a detector and its answers for the images, in their order. Raises ValueError as :func:`match_scores`.

    Its threshold is that of the model, where the file tells it, else 0.5.
    """
    threshold = 0.5 if scores.threshold is None else scores.threshold[0]
    place = match_scores(scores, images)
    kinds = {}
    for kind in ("family", "generator"):
        names = [column.partition(":")[2] for column in scores.columns if column.startswith(f"{kind}:")]
        kinds[kind] = names, _log_chances(scores, [f"{kind}:{each}" for each in names], place)
    detector = RecordedScores(name, threshold, kinds["family"][0], kinds["generator"][0])
    return detector, Answers(scores.probability[place], kinds["family"][1], kinds["generator"][1])


def _log_chances(scores: ScoreFile, names: list[str], place: np.ndarray) -> np.ndarray | None:
    if not names:
        return None
    try:
        chances = np.column_stack([scores.columns[name][place].astype(float) for name in names])
    except ValueError as error:
        raise ValueError(f"{scores.file}: the columns {names[0]}, … must hold probabilities ({error}).") from error
    if not ((chances >= 0) & (chances <= 1)).all():
        raise ValueError(f"{scores.file}: the columns {names[0]}, … must hold probabilities from 0 to 1; some do not.")
    return np.log(np.maximum(chances, SMALLEST))


def write_scores(scored: list[Scored], file: Path) -> None:
    """Every score of a report: a line for each detector, condition and image."""
    header = ["detector", "condition", "path", "label", *OF_IMAGES, "probability", "threshold"]
    with write_aside(file) as aside, io.open(aside, "w", encoding="utf-8", newline="", errors="surrogateescape") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        for each in scored:
            images = each.images
            labels = np.array(NAMES)[images.label].tolist()
            columns = [images.path.tolist(), labels, *(getattr(images, name).tolist() for name in OF_IMAGES)]
            values = (repr(float(value)) for value in each.answers.probability)
            writer.writerows(
                [each.detector.name, each.condition, *row, value, each.threshold]
                for *row, value in zip(*columns, values, strict=True)
            )
