"""The folder of an exported detector: what it says, whether its files are whole, and whether they compute here what they did."""

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from imaginet_tools.inference.networks.network import Settings
from imaginet_tools.inference.networks.self_test import Graph, SelfTest

logger = logging.getLogger(__name__)

EXPORT = "export.json"
"""File of an exported folder; its ``format`` names the engine."""
CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"
EXACT = "fp32"
"""The precision that any other falls back to."""
PRECISIONS = (EXACT, "bf16", "int8")


class Export(NamedTuple):
    """What ``export.json`` says.

    Attributes:
        format: name of the engine, "onnx" or "openvino".
        precision: that was asked for, one of PRECISIONS.
        graphs: precision -> the files of its graph below the folder; the first is opened. Holds fp32 always.
        sha256: file -> its checksum.
        expected: precision -> output -> its values for the pictures of ``self_test``.
        limits: precision -> how far they may be off, see ``self_test.SELF_TEST_LIMITS``.
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
    folder: Path, export: Export, size: tuple[int, int], open_graph: Callable[[Path, str], Graph], engine: str
) -> tuple[Graph, str]:
    """Opens the graph of an export and makes sure that it computes here what it computed where it was written.

    Where it does not, the fp32 graph beside it is taken instead, and a sentence says so.

    Args:
        folder: of the export.
        export: what it says.
        size: (height, width) of a crop.
        open_graph: (file, precision) -> the graph; raises ValueError with a sentence where this computer cannot compute it.
        engine: name, version and device of what computes.

    Returns:
        the graph and its precision.

    Raises:
        ValueError: for a file that is not the one that was written, and where the fp32 graph computes something else here too.
    """
    for precision in dict.fromkeys((export.precision, EXACT)):
        check_files(folder, export, export.graphs[precision])
        try:
            graph = open_graph(folder / export.graphs[precision][0], precision)
            sums = [export.sha256[file] for file in export.graphs[precision]]
            expected, limit = export.expected[precision], export.limits[precision]
            SelfTest(engine, precision, sums, expected, limit).check(graph, size, expected, limit)
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


def refuse_torch_options(engine: str, **options) -> None:
    """Raises ValueError for options, name -> value or None, that only the engine of PyTorch has."""
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"{name} is an option of the backend 'torch'; an export for {engine} has none, leave it out.")
