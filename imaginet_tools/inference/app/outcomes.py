"""The answer for one picture as sentences, at the operating point that whoever looks at it chooses."""

from collections.abc import Sequence
from typing import NamedTuple

from imaginet_core.detection.verdict import UNCERTAIN, choose_threshold, is_uncertain
from imaginet_core.pictures.notes import Note
from imaginet_tools.inference.networks.network import Settings
from imaginet_tools.inference.score_report.facts import point_sentence

NO_POINT = "no threshold that was set on pictures"
"""What the one choice is called where a model has no operating points."""


class Outcome(NamedTuple):
    """What a score means at a threshold.

    Attributes:
        word: name of a class, or "uncertain".
        sentence: the score, the threshold and what follows, in one or two sentences.
        meaning: what the score itself means.
        known: on what the threshold was set, and how often it was wrong there.
        threshold: 0 to 1.
    """

    word: str
    sentence: str
    meaning: str
    known: str
    threshold: float


class Choices(NamedTuple):
    """The operating points of a model.

    Attributes:
        offered: (what it is called, its name; "" where the model has none), the model's own default first.
        missing: sentences on those that were never set.
    """

    offered: list[tuple[str, str]]
    missing: list[str]


def choices_of(points: Sequence[dict], default: str | None) -> Choices:
    """Operating points to choose among; see ``SelfConConfig`` for what they hold.

    ``default``: the name of the one that the detector was opened with; None where it has none.
    """
    there = [point for point in points if point["threshold"] is not None]
    there.sort(key=lambda point: point["name"] != default)
    missing = [f"“{point['name']}” is not offered: {point['reason']}." for point in points if point["threshold"] is None]
    return Choices([(_title(point), point["name"]) for point in there] or [(NO_POINT, "")], missing)


def outcome_of(settings: Settings, probability: float, notes: Sequence[Note], operating_point: str) -> Outcome:
    """What a score means.

    Args:
        settings: of the model.
        probability: of "synthetic", 0 to 1.
        notes: of the picture's reader.
        operating_point: a name that :func:`choices_of` offers.

    Raises:
        ValueError: for another operating point.
    """
    name, threshold = choose_threshold(settings.operating_points, operating_point or None)
    label, score = settings.id2label[int(probability >= threshold)], f"The score is {probability:.3f} on a scale from 0 to 1"
    side = "at or above" if probability >= threshold else "below"
    if is_uncertain(probability, settings.uncertain, notes):
        word = UNCERTAIN
        sentence = f"Uncertain. {score}, {side} the threshold of {threshold:.3f}, but {_doubt(settings.uncertain, probability, notes)}."
    else:
        word, sentence = label, f"Called {label}. {score}, {side} the threshold of {threshold:.3f}."
    known = point_sentence(settings.operating_points, name, threshold)
    return Outcome(word, sentence, meaning_of(probability), f"The threshold is {known}.", threshold)


def meaning_of(probability: float) -> str:
    """What a calibrated score means, in one sentence."""
    share = min(99, max(1, round(100 * probability)))
    about = f"fewer than {share}" if probability < 0.005 else f"more than {share}" if probability > 0.995 else f"about {share}"
    return (
        "Of pictures like those that this model was calibrated on, half of them real and half synthetic, "
        f"{about} in 100 with such a score were synthetic. It is evidence, not proof."
    )


def label_in_list(name: str, probability: float | None, outcome: Outcome | None) -> str:
    """A picture in the list of pictures to look at, such as "a.jpg: synthetic, 0.930"."""
    return f"{name}: could not be scored" if outcome is None else f"{name}: {outcome.word}, {probability:.3f}"


def _title(point: dict) -> str:
    if point.get("false_alarm_rate") is None or "n_real" not in point:
        return point["name"]
    rate = f"{point['false_alarm_rate']:.1%}".replace("%", " %")
    return f"{point['name']} (of {point['n_real']} real pictures that it was set on, {rate} were called synthetic)"


def _doubt(band: dict | None, probability: float, notes: Sequence[Note]) -> str:
    if band is not None and band["low"] <= probability <= band["high"]:
        return f"between {band['low']:.3f} and {band['high']:.3f} a label would be a guess, as pictures held out of its training show"
    return "there is too little of the picture to judge (see the notes)"
