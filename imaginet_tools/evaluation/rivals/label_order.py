"""Which outputs of a classifier mean "synthetic": by the names of its labels, or as the user says; never by a guess."""

from collections.abc import Sequence

import numpy as np

from imaginet_tools.images.layouts.conventions import understand_labels


def synthetic_outputs(labels: Sequence[str], what: str, label_map: dict[str, int] | None = None) -> tuple[np.ndarray, str]:
    """bool (labels,), true where an output means "synthetic", and the sentence that says how they were read.

    Args:
        labels: names of the outputs, in their order.
        what: names the classifier in sentences.
        label_map: name -> 0 real, 1 synthetic, from the user; also of some outputs by number where the names say nothing.

    Raises:
        ValueError: in one sentence naming --label_map, for labels such as LABEL_0 that may mean either, or that all mean the same.
    """
    if label_map is not None and not set(label_map) & set(labels) and set(label_map) == {str(n) for n in range(len(labels))}:
        label_map = {labels[int(number)]: value for number, value in label_map.items()}
    reading = understand_labels(labels, what, label_map)
    found = np.array([reading.labels[label] == 1 for label in labels])
    if found.all() or not found.any():
        raise ValueError(f"All labels of {what} ({', '.join(labels)}) mean the same; say what each means with --label_map.")
    return found, reading.guess


def probability_of(logits: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    """float64 (N,): the share of the outputs that mean "synthetic" in the softmax of logits (N, labels)."""
    powers = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return np.clip(powers[:, synthetic].sum(1) / powers.sum(1), 0, 1)
