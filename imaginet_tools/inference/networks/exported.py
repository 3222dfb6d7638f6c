"""The folder of an exported detector: what it says, whether its files are whole, and whether they compute here what they did."""

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from imaginet_tools.inference.networks.network import Logits, Settings

logger = logging.getLogger(__name__)

EXPORT = "export.json"
"""File of an exported folder; its ``format`` names the engine."""
CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"
EXACT = "fp32"
"""The precision that any other falls back to."""
PRECISIONS = (EXACT, "bf16", "int8")
LOGITS = ("origin", "sub", "family", "generator")
"""The outputs that are compared at load."""
SELF_TEST_PICTURES = 8
SELF_TEST_LIMITS = {"fp32": 1e-3, "bf16": 0.05, "int8": 0.05}
"""By precision: the largest difference from the stored logits, as a share of the largest of them."""


class Graph(Protocol):
    """One opened file of an export: crops, uint8 RGB (B, height, width, 3), in; logits out."""

    def __call__(self, crops: np.ndarray) -> Logits: ...


class Export(NamedTuple):
    """What ``export.json`` says.

    Attributes:
        format: name of the engine, "onnx" or "openvino".
        precision: that was asked for, one of PRECISIONS.
        graphs: precision -> the files of its graph below the folder; the first is opened. Holds fp32 always.
        sha256: file -> its checksum.
        expected: precision -> output -> its values for :func:`self_test_crops`.
        limits: precision -> how far they may be off, see SELF_TEST_LIMITS.
        source: name of the model that was exported, and its ``revision`` on the Hub.
        fingerprint: of its weights.
        input: what the graph takes, in words.
        versions: distribution -> version, of what wrote the export.
        cpu: what the processor that wrote it can do, see ``imaginet_tools.inference.processor``.
        parity: what was compared with PyTorch, see ``imaginet_tools.inference.export_model_parity.Parity``.
    """

    format: str
    precision: str
    graphs: dict[str, list[str]]
    sha256: dict[str, str]
    expected: dict[str, dict[str, list]]
    limits: dict[str, float]
    source: dict
    fingerprint: str
    input: str
    versions: dict[str, str]
    cpu: list[str]
    parity: dict | None = None


def read_export(folder: Path) -> Export:
    """What an exported folder says.

    Raises:
        ValueError: in one sentence, where that cannot be read.
    """
    try:
        export = Export(**json.loads((folder / EXPORT).read_text(encoding="utf-8")))
        if EXACT not in export.graphs or not all(export.graphs.values()):
            raise ValueError("no graph")
        return export
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder / EXPORT} is damaged; export the model again.") from error


def read_settings(folder: Path, fingerprint: str) -> Settings:
    """What the folder says of labels, calibration and crops.

    Raises:
        ValueError: in one sentence, where that cannot be read.
    """
    values = []
    for name in (CONFIG, PROCESSOR):
        try:
            values.append(json.loads((folder / name).read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise ValueError(f"{folder / name} is missing or damaged; export the model again.") from error
    try:
        return Settings.of(*values, fingerprint)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{folder} says nothing of {error} in {CONFIG} and {PROCESSOR}; export the model again.") from error


def open_tested(
    folder: Path, export: Export, size: tuple[int, int], open_graph: Callable[[Path, str], Graph]
) -> tuple[Graph, str]:
    """Opens the graph of an export and makes sure that it computes here what it computed where it was written.

    Where it does not, the fp32 graph beside it is taken instead, and a sentence says so.

    Args:
        folder: of the export.
        export: what it says.
        size: (height, width) of a crop.
        open_graph: (file, precision) -> the graph; raises ValueError with a sentence where this computer cannot compute it.

    Returns:
        the graph and its precision.

    Raises:
        ValueError: for a file that is not the one that was written, and where the fp32 graph computes something else here too.
    """
    for precision in dict.fromkeys((export.precision, EXACT)):
        check_files(folder, export, export.graphs[precision])
        try:
            graph = open_graph(folder / export.graphs[precision][0], precision)
            check_logits(graph, size, export.expected[precision], export.limits[precision])
            return graph, precision
        except ValueError as error:
            if precision == EXACT:
                raise ValueError(f"{folder} cannot be used here: {error}; export the model again on this computer.") from error
            logger.warning("%s is computed in fp32 instead of %s: %s.", folder, precision, error)
    raise AssertionError("fp32 was tried")


def check_files(folder: Path, export: Export, files: list[str]) -> None:
    """Raises ValueError unless these files are those that were written."""
    for name in files:
        if not (folder / name).is_file():
            raise ValueError(f"{folder / name} is missing; export the model again.")
        if checksum(folder / name) != export.sha256.get(name):
            raise ValueError(f"{folder / name} is damaged or of another export: its checksum is not that of {EXPORT}; export again.")


def checksum(file: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def self_test_crops(size: tuple[int, int]) -> np.ndarray:
    """The same pictures everywhere: uint8 (8, height, width, 3), from smooth colours to noise, made by whole numbers alone."""
    number, row, column, channel = (axis.astype(np.uint32) for axis in np.indices((SELF_TEST_PICTURES, *size, 3), dtype=np.uint32))
    noise = (number * 2654435761) ^ (row * 73856093) ^ (column * 19349663) ^ (channel * 83492791)
    for shift, factor in ((15, 2246822519), (13, 3266489917)):  # the mixing steps of xxHash
        noise = (noise ^ (noise >> np.uint32(shift))) * np.uint32(factor)
    noise = (noise >> np.uint32(24)).astype(np.int64)
    smooth = (row.astype(np.int64) * (number + 1) // 2 + column * (channel + 1) + number * 30) % 511
    smooth = np.abs(smooth - 255)
    share = number.astype(np.int64)  # of the noise, in sevenths
    return ((smooth * (SELF_TEST_PICTURES - 1 - share) + noise * share) // (SELF_TEST_PICTURES - 1)).astype(np.uint8)


def logits_of_self_test(graph: Graph, size: tuple[int, int]) -> dict[str, list]:
    """Output -> its values for :func:`self_test_crops`, as ``export.json`` stores them."""
    parts = [graph(crop[None]) for crop in self_test_crops(size)]
    found = {name: [getattr(part, name) for part in parts] for name in LOGITS}
    return {name: np.concatenate(values).astype(float).tolist() for name, values in found.items() if values[0] is not None}


def check_logits(graph: Graph, size: tuple[int, int], expected: dict[str, list], limit: float) -> None:
    """Raises ValueError, with the beginning of a sentence, where a graph's logits are further off than ``limit``."""
    found = logits_of_self_test(graph, size)
    if found.keys() != expected.keys():
        raise ValueError(f"its graph gives {', '.join(found)} and not {', '.join(expected)}")
    for name, values in expected.items():
        off = deviation(np.array(found[name]), np.array(values))
        if not off <= limit:  # NaN too
            raise ValueError(
                f"on this processor its {name} logits are {off:.2g} of their size away from those where it was exported "
                f"(at most {limit:.2g})"
            )


def deviation(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, as a share of the largest expected magnitude; infinite where the shapes differ."""
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-6))


def refuse_torch_options(engine: str, **options) -> None:
    """Raises ValueError for options, name -> value or None, that only the engine of PyTorch has."""
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"{name} is an option of the backend 'torch'; an export for {engine} has none, leave it out.")
