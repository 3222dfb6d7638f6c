"""How benchmarks label their images: the table of what is known, a map given by the user, and what is refused.

Words are those of ``imaginet_core.label_words``. Numbers without names mean nothing by themselves: among published sets 0 is real
in most and synthetic in others.
"""

import json
import re
from collections.abc import Iterable

from imaginet_core.label_words import NAMES, LabelReading, label_of_word, read_labels

REVERSED_SETS = {"rofid": "ROFID", "real-vs-ai-art": "Real-VS-AI-Art"}
"""Part of a set's name, in small letters with "-" for "_" and spaces -> the set, whose 0 means AI and 1 means real."""
HOW = 'say what they mean with a label map, e.g. --label_map "0=real,1=synthetic"'


def parse_label_map(text: str) -> dict[str, int]:
    """A label map as it is written on a command line: ``0=real,1=synthetic``, or a JSON object ``{"LABEL_0": "real", …}``.

    Args:
        text: the set's own labels, each with real, synthetic or another word for one of them.

    Returns:
        label of the set -> 0 real, 1 synthetic.

    Raises:
        ValueError: for anything else, a label given twice, or a map to one class only.
    """
    try:
        pairs = list(json.loads(text).items()) if text.lstrip().startswith("{") else [part.split("=") for part in text.split(",")]
        pairs = [(str(label).strip(), str(meaning).strip()) for label, meaning in pairs]
    except ValueError as error:
        raise ValueError(f"The label map {text!r} is not of the form label=real,label=synthetic ({error}).") from error
    labels = {}
    for label, meaning in pairs:
        if (value := label_of_word(meaning)) is None:
            raise ValueError(
                f"The label map {text!r} must map the set's labels to real or synthetic, as in 0=real; {meaning!r} is neither."
            )
        if label in labels:
            raise ValueError(f"The label map {text!r} gives the label {label!r} twice; give it once.")
        labels[label] = value
    if set(labels.values()) != {0, 1}:
        raise ValueError(f"The label map {text!r} names no {NAMES[1 - min(labels.values())]} label; detection needs both.")
    return labels


def understand_labels(
    values: Iterable[str], what: str, label_map: dict[str, int] | None = None, stated: dict[str, int] | None = None,
    real: str | None = None, kinds: bool = False,
) -> LabelReading:
    """What the labels of a benchmark mean: as the user says, else as the set's authors state, else by their words.

    Args:
        values: of the label column, as text; class labels by their names.
        what: names the set in sentences.
        label_map: label -> 0 real, 1 synthetic, from the user.
        stated: the same from the page or repository of a known layout, for its numbers.
        real: the one value that means real; all others are then synthetic.
        kinds: beside one word for real the labels may be names of generators.

    Returns:
        the labels with a sentence that says how they were read, never empty.

    Raises:
        ValueError: for labels that the map lacks, and for those that could mean either: numbers without names, LABEL_0 and
            LABEL_1, words of no vocabulary.
    """
    found = sorted(set(values))
    if label_map is not None:
        if absent := [value for value in found if value not in label_map]:
            raise ValueError(f"{what} has the label {absent[0]!r}, which the label map ({_written(label_map)}) lacks; add it.")
        labels = {value: label_map[value] for value in found}
        return LabelReading(labels, f"Labels of {what} are read as given: {_written(labels)}.")
    if real is not None:
        return read_labels(found, what, real)._replace(guess=f"Of {what} the label {real} is real as given, all others are synthetic.")
    if stated is not None and set(found) <= set(stated):
        labels = {value: stated[value] for value in found}
        return LabelReading(labels, f"Labels of {what} are read as its authors state: {_written(labels)}.")
    if nameless := [value for value in found if re.fullmatch(r"(?i)-?\d+(\.0+)?|(label|class|category)[_ -]?\d+", value.strip())]:
        raise ValueError(_refusal(found, nameless, what))
    try:
        reading = read_labels(found, what, kinds=kinds)
    except ValueError as error:
        raise ValueError(f"{error} If they are others, {HOW}.") from error
    return reading._replace(guess=reading.guess or f"Labels of {what} are real and synthetic.")


def _refusal(found: list[str], nameless: list[str], what: str) -> str:
    named = re.sub(r"[\s_]+", "-", what.lower())
    for part, title in REVERSED_SETS.items():
        if part in named:
            return (
                f"{what} labels its images {', '.join(found[:10])}; {title}'s page says that 0 is AI and 1 is real. If this is that set, "
                f'give --label_map "0=synthetic,1=real".'
            )
    return (
        f"{what} labels its images {', '.join(nameless[:10])}, which may mean either (in ROFID 0 is AI, in OpenSDI 0 is real); {HOW}."
    )


def _written(labels: dict[str, int]) -> str:
    return ", ".join(f"{value} is {NAMES[label]}" for value, label in labels.items())
