"""What data sets call real and synthetic images: one vocabulary for folders, CSV files, columns and lists.

Plain values only: 0 is real, 1 is synthetic.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

NAMES = ("real", "synthetic")
"""What we call them ourselves; the place is the label."""
WORDS = {
    **dict.fromkeys(("real", "human", "humans", "authentic", "natural", "nature", "genuine", "pristine"), 0),
    **dict.fromkeys(
        ("synthetic", "synth", "fake", "fakes", "ai", "generated", "ai_generated", "artificial", "deepfake", "aigc"), 1
    ),
}
"""Word, in small letters -> label. ``Real Images``, ``0_real`` and ``AI-generated`` are read as ``real``, ``real`` and
``ai_generated``."""


class LabelReading(NamedTuple):
    """How the values of a label column are understood.

    Attributes:
        labels: value -> 0 real, 1 synthetic.
        guess: a sentence on what was guessed; empty where the values are ``real`` and ``synthetic``.
    """

    labels: dict[str, int]
    guess: str


def label_of_word(word: str) -> int | None:
    """0 for a word for real images, 1 for one for synthetic images, None for any other, numbers too."""
    plain = re.sub(r"[\s\-_]+", "_", word.strip().lower())
    plain = re.sub(r"^\d+_|_(images?|pictures?|photos?)$", "", plain)  # 0_real, fake images
    return WORDS.get(plain)


def read_labels(values: Iterable[str], what: str, real: str | None = None, kinds: bool = False) -> LabelReading:
    """Understands the values of a label column.

    Words of the vocabulary are read as such, and 0 and 1 as real and synthetic. What is known only from the outside is given:

    Args:
        values: of the column, repeated or not; numbers as text.
        what: names the column's owner in sentences, e.g. "the train split of me/data".
        real: the value that means real; all others are then synthetic.
        kinds: the column may name kinds of synthetic images (generators) that are in no vocabulary, beside one value for real.

    Raises:
        ValueError: for a value that is in no vocabulary, words mixed with numbers, or a ``real`` that no image has.
    """
    found = sorted(set(values))
    if real is not None:
        if real not in found:
            there = ", ".join(found[:10])
            raise ValueError(f"No image of {what} has the label {real!r}; its labels are {there}. Say which is real with --real.")
        labels = {value: int(value != real) for value in found}
    elif all(_is_number(value) for value in found):
        labels = _labels_of_numbers(found, what, kinds)
    else:
        labels = _labels_of_words(found, what, kinds)
    said = not set(found) <= set(NAMES) and real is None
    return LabelReading(labels, _guess(labels, what) if said else "")


def _is_number(value: str) -> bool:
    return re.fullmatch(r"-?\d+(\.0+)?", value.strip()) is not None


def _labels_of_numbers(found: list[str], what: str, kinds: bool) -> dict[str, int]:
    labels = {value: min(int(float(value)), 1) for value in found}
    strange = [value for value in found if int(float(value)) not in (0, 1)]
    if any(float(value) < 0 for value in found) or (strange and (not kinds or 0 not in labels.values())):
        raise ValueError(f"{what} has the label {strange[0]!r}; labels must be real and synthetic, or 0 and 1.")
    return labels


def _labels_of_words(found: list[str], what: str, kinds: bool) -> dict[str, int]:
    labels = {value: label_of_word(value) for value in found}
    strange = [value for value, label in labels.items() if label is None]
    only_real_is_known = [label for label in labels.values() if label is not None] == [0]
    if strange and kinds and only_real_is_known and not any(map(_is_number, strange)):
        return {value: 1 if label is None else label for value, label in labels.items()}
    if strange:
        raise ValueError(
            f"{what} has the label {strange[0]!r}; labels must be real and synthetic, or words for them such as human and ai, "
            "nature and fake, or 0 and 1."
        )
    return labels


def _guess(labels: dict[str, int], what: str) -> str:
    """The sentence that says how labels were understood."""
    parts = [
        f"{', '.join(value for value, label in labels.items() if label == number)} as {name}"
        for number, name in enumerate(NAMES) if number in labels.values()
    ]
    return f"Labels of {what} are read so: {'; '.join(parts)}."
