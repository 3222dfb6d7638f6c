"""A saved detector as a folder that ONNX Runtime or OpenVINO computes, compared with PyTorch before it is kept."""

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from imaginet_core.storage.safe_writes import check_new_folder, new_folder
from imaginet_tools.inference.networks.exported import CONFIG, EXACT, EXPORT, PRECISIONS, PROCESSOR, Export, checksum
from imaginet_tools.inference.networks.self_test import SELF_TEST_LIMITS, Graph, logits_of_self_test
from imaginet_tools.inference.processor import processor_flags
from imaginet_tools.inference.saved_detector import SavedDetector, open_detector

FORMATS = ("onnx", "openvino")
OF_BOTH = ("torch", "transformers", "onnx", "onnxruntime", "onnxscript", "scikit-learn")
NEEDED = {"onnx": OF_BOTH, "openvino": (*OF_BOTH, "openvino")}
"""Format -> distributions that exporting needs."""
ONNX_FILES = {"fp32": "onnx/model.onnx", "int8": "onnx/model_int8.onnx"}
"""Where transformers.js looks for them."""
OPENVINO_FILES = {"fp32": "model.xml", "int8": "model_int8.xml"}
OF_CODE = ("auto_map", "custom_pipelines", "architectures")
"""Entries of a configuration that lead to code, which an export does not bring; its ``model_type`` is the one that transformers.js has
for graphs that it knows nothing of."""
COMPARED, CALIBRATED = 200, 128
"""Pictures at most."""


class Wish(NamedTuple):
    """What an export is to be.

    Attributes:
        format: one of FORMATS.
        precision: one of PRECISIONS.
        pictures: folder to compare on; None for the sample's test split.
        calibration: folder of training pictures that the scales of int8 are set by; None for the sample's training split.
        limit: the largest difference of a probability that is admitted; None for that of ``export_model_parity.LIMITS``.
    """

    format: str
    precision: str = EXACT
    pictures: str | None = None
    calibration: str | None = None
    limit: float | None = None


def export_model(place: str, output: str, wish: Wish, **options):
    """Exports a detector; the folder appears whole, or not at all.

    Args:
        place: folder of a saved model, or name on the Hub.
        output: folder to make.
        wish: format, precision and what they are compared on.
        options: ``revision`` and ``trust_remote_code`` for a model on the Hub.

    Returns:
        ``export_model_parity.Parity``: how it compares with PyTorch.

    Raises:
        ValueError: for a format or precision that there is not, a model that cannot be exported, and an export that is further
            from PyTorch than admitted; nothing is left then.
        FileNotFoundError: where there is no model.
        FileExistsError: where the output is something already.
        ModuleNotFoundError: for what is not installed, with what installs it.
    """
    check_wish(wish)
    check_new_folder(output)
    check_installed(wish.format)
    check_processor(wish)
    from imaginet_tools.inference import export_model_parity as parity

    detector = open_detector(place, "torch", device="cpu", crops=1, dtype="float32", **options)
    pictures = parity.load_pictures(detector, wish.pictures, "test", COMPARED)
    with new_folder(output) as folder:
        export = write_export(detector, wish, folder, options.get("revision"))
        limit = parity.LIMITS[wish.precision] if wish.limit is None else wish.limit
        found = parity.compare(open_detector(folder, wish.format, device="cpu", crops=1), detector, pictures, limit)
        found.check()
        _write_record(folder, export._replace(parity=found.as_dict()))
    return found


def check_wish(wish: Wish) -> None:
    """Raises ValueError for a format or a precision that there is not, or that do not go together."""
    if wish.format not in FORMATS:
        raise ValueError(f"There is no format {wish.format!r}; there is: {', '.join(FORMATS)}.")
    if wish.precision not in PRECISIONS:
        raise ValueError(f"There is no precision {wish.precision!r}; there is: {', '.join(PRECISIONS)}.")
    if (wish.format, wish.precision) == ("onnx", "bf16"):
        raise ValueError("ONNX Runtime computes no convolution in bf16 on a CPU; use --format openvino for bf16, or int8.")


def check_installed(format: str) -> None:
    """Raises ModuleNotFoundError, with what installs them, unless all packages that exporting needs are there."""
    missing = [package for package in NEEDED[format] if not _is_installed(package)]
    if missing:
        raise ModuleNotFoundError(f"Exporting to {format} needs {', '.join(missing)}; run pip install {' '.join(missing)}.")


def _is_installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def check_processor(wish: Wish) -> None:
    """Raises ValueError for bf16 where it cannot be compared with PyTorch, since the processor does not compute it."""
    if wish.precision == "bf16":
        import openvino

        if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise ValueError("This processor has no bf16, so such an export cannot be compared here; export on one that has, or as fp32.")


def write_export(detector: SavedDetector, wish: Wish, folder: Path, revision: str | None = None) -> Export:
    """Writes everything into an empty folder; what was compared is still to be added to the record, which is returned."""
    graphs = write_graphs(detector, wish, folder)
    config, processor = detector.network.model.config.to_dict() | {"model_type": "custom"}, detector.network.processor.to_dict()
    for name, values in ((CONFIG, config), (PROCESSOR, processor)):
        kept = {key: value for key, value in values.items() if key not in OF_CODE and not key.startswith("_")}
        (folder / name).write_text(json.dumps(kept, indent=2, default=str), encoding="utf-8")
    size = detector.network.settings.crop_size
    export = Export(
        format=wish.format, precision=wish.precision, graphs=graphs,
        sha256={file: checksum(folder / file) for files in graphs.values() for file in files},
        expected={
            precision: logits_of_self_test(_open_graph(wish.format, folder / files[0], precision), size)
            for precision, files in graphs.items()
        },
        limits={precision: SELF_TEST_LIMITS[precision] for precision in graphs},
        source={"model": Path(detector.name).name if Path(detector.name).exists() else detector.name, "revision": revision},
        fingerprint=detector.network.settings.fingerprint,
        input=f"pixels: uint8 RGB (batch, {size[0]}, {size[1]}, 3), crops of a picture that is not resampled; normalised inside",
        versions={package: version(package) for package in NEEDED[wish.format]}, cpu=processor_flags(),
    )
    _write_record(folder, export)
    return export


def write_graphs(detector: SavedDetector, wish: Wish, folder: Path) -> dict[str, list[str]]:
    """Writes the graph of fp32, and beside it that of the precision; precision -> its files, the first of which is opened."""
    from imaginet_tools.inference import export_model_graph as graph

    with TemporaryDirectory() as aside:
        at = folder if wish.format == "onnx" else Path(aside)
        graph.write_onnx(detector.network, at / ONNX_FILES[EXACT])
        written = [EXACT]
        if wish.precision == "int8":
            from imaginet_tools.inference import export_model_int8, export_model_parity

            crops = export_model_parity.load_pictures(detector, wish.calibration, "train", CALIBRATED).crops
            export_model_int8.write_int8(at / ONNX_FILES[EXACT], crops, at / ONNX_FILES["int8"])
            written.append("int8")
        if wish.format == "onnx":
            return {precision: [ONNX_FILES[precision]] for precision in written}
        for precision in written:
            graph.write_openvino(at / ONNX_FILES[precision], folder / OPENVINO_FILES[precision])
    graphs = {precision: [file, file.replace(".xml", ".bin")] for precision, file in OPENVINO_FILES.items() if precision in written}
    return graphs | ({"bf16": graphs[EXACT]} if wish.precision == "bf16" else {})


def _open_graph(format: str, file: Path, precision: str) -> Graph:
    if format == "onnx":
        from imaginet_tools.inference.networks.onnx_network import OnnxGraph

        return OnnxGraph(file)
    from imaginet_tools.inference.networks.openvino_network import OpenVinoGraph

    return OpenVinoGraph(file, precision)


def _write_record(folder: Path, export: Export) -> None:
    (folder / EXPORT).write_text(json.dumps(export._asdict(), indent=1), encoding="utf-8")
