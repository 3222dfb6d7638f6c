"""Whether an exported graph computes here what it computed where it was written: the same eight pictures everywhere, their logits compared.

All eight are computed when a graph is opened on a computer for the first time. That it passed is kept in the user's cache, for
these files, this processor and this version of the engine; from then on one picture is compared at load.
"""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Protocol

import numpy as np

from imaginet_core.cache_folder import cache_folder
from imaginet_tools.inference.networks.network import Logits
from imaginet_tools.inference.processor import processor_flags

LOGITS = ("origin", "sub", "family", "generator")
"""The outputs that are compared at load."""
SELF_TEST_PICTURES = 8
SELF_TEST_LIMITS = {"fp32": 1e-3, "bf16": 0.05, "int8": 0.05}
"""By precision: the largest difference from the stored logits, as a share of the largest of them."""
ALL = tuple(range(SELF_TEST_PICTURES))
ONE = ALL[-1:]
"""The noise, which takes part in every sum."""


class Graph(Protocol):
    """One opened file of an export: crops, uint8 RGB (B, height, width, 3), in; logits out."""

    def __call__(self, crops: np.ndarray) -> Logits: ...


class SelfTest:
    """The test of one graph on this computer, and the memory that it passed.

    Args:
        what: everything that the result depends on, values of JSON: checksums, expected logits, limit, engine and its version, device.
    """

    def __init__(self, *what):
        key = hashlib.sha256(json.dumps([what, processor_flags()], sort_keys=True).encode()).hexdigest()[:32]
        self.mark = Path(cache_folder(), "self_tests", key)

    def check(self, graph: Graph, size: tuple[int, int], expected: dict[str, list], limit: float) -> None:
        """Raises ValueError as :func:`check_logits`, of all pictures or, where these were right before, of one."""
        passed = self.mark.is_file()
        check_logits(graph, size, expected, limit, ONE if passed else ALL)
        if not passed:
            with contextlib.suppress(OSError):  # where nothing can be kept, all are computed every time
                self.mark.parent.mkdir(parents=True, exist_ok=True)
                self.mark.touch()


def self_test_crops(size: tuple[int, int], numbers: tuple[int, ...] = ALL) -> np.ndarray:
    """The same pictures everywhere, those of some ``numbers``: uint8 (8, height, width, 3), from smooth colours to noise, made by
    whole numbers alone."""
    number, row, column, channel = np.ix_(numbers, *map(np.arange, (*size, 3)))
    number, row, column, channel = (axis.astype(np.uint32) for axis in (number, row, column, channel))
    noise = (number * 2654435761) ^ (row * 73856093) ^ (column * 19349663) ^ (channel * 83492791)
    for shift, factor in ((15, 2246822519), (13, 3266489917)):  # the mixing steps of xxHash
        noise = (noise ^ (noise >> np.uint32(shift))) * np.uint32(factor)
    noise = (noise >> np.uint32(24)).astype(np.int64)
    smooth = (row.astype(np.int64) * (number + 1) // 2 + column * (channel + 1) + number * 30) % 511
    smooth = np.abs(smooth - 255)
    share = number.astype(np.int64)  # of the noise, in sevenths
    return ((smooth * (SELF_TEST_PICTURES - 1 - share) + noise * share) // (SELF_TEST_PICTURES - 1)).astype(np.uint8)


def logits_of_self_test(graph: Graph, size: tuple[int, int], numbers: tuple[int, ...] = ALL) -> dict[str, list]:
    """Output -> its values for :func:`self_test_crops`, as ``export.json`` stores them."""
    parts = [graph(crop[None]) for crop in self_test_crops(size, numbers)]
    found = {name: [getattr(part, name) for part in parts] for name in LOGITS}
    return {name: np.concatenate(values).astype(float).tolist() for name, values in found.items() if values[0] is not None}


def check_logits(
    graph: Graph, size: tuple[int, int], expected: dict[str, list], limit: float, numbers: tuple[int, ...] = ALL
) -> None:
    """Raises ValueError, with the beginning of a sentence, where a graph's logits are further off than ``limit``."""
    found = logits_of_self_test(graph, size, numbers)
    if found.keys() != expected.keys():
        raise ValueError(f"its graph gives {', '.join(found)} and not {', '.join(expected)}")
    for name, values in expected.items():
        if len(values) != SELF_TEST_PICTURES:
            raise ValueError(f"{len(values)} expected {name} logits are stored and not {SELF_TEST_PICTURES}")
        values = np.array(values)
        off = deviation(np.array(found[name]), values[list(numbers)], np.abs(values).max())
        if not off <= limit:  # NaN too
            raise ValueError(
                f"on this processor its {name} logits are {off:.2g} of their size away from those where it was exported "
                f"(at most {limit:.2g})"
            )


def deviation(found: np.ndarray, expected: np.ndarray, magnitude: float | None = None) -> float:
    """The largest difference, as a share of ``magnitude`` (default: the largest expected one); infinite where the shapes differ."""
    if found.shape != expected.shape:
        return float("inf")
    magnitude = np.abs(expected).max() if magnitude is None else magnitude
    return float(np.abs(found - expected).max() / max(magnitude, 1e-6))
