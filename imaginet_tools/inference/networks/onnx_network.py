"""ONNX Runtime: a folder that ``imaginet export-model --format onnx`` wrote."""

from pathlib import Path

import numpy as np
import onnxruntime

from imaginet_tools.inference.networks.exported import open_tested, read_export, read_settings, refuse_torch_options
from imaginet_tools.inference.networks.network import Logits

INPUT = "pixels"
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
BATCH_SIZE = 8


class OnnxNetwork:
    """A detector in ONNX Runtime, see ``network.Network``.

    Args:
        place: folder of an export.
        revision, dtype, early_exit: refused; here so that every engine takes the same.
        device: "cpu" (default) or "cuda".
        threads: that compute one batch (default: as many as there are cores; ``open_network`` takes OMP_NUM_THREADS before that).

    Raises:
        ValueError: for a damaged folder, and for a device that is not there.
    """

    engine = "onnx"
    batch_size = BATCH_SIZE

    def __init__(
        self, place: str, revision: str | None = None, device: str | None = None, dtype: str | None = None, threads: int | None = None,
        early_exit: bool = False,
    ):
        refuse_torch_options(self.engine, revision=revision, dtype=dtype, early_exit=early_exit or None)
        provider = find_provider(device)
        folder = Path(place)
        export = read_export(folder)
        self.settings = read_settings(folder, export.fingerprint)
        self.graph, self.precision = open_tested(
            folder, export, self.settings.crop_size, lambda file, precision: OnnxGraph(file, provider, threads),
            f"onnxruntime {onnxruntime.__version__} {provider}",
        )

    def __call__(self, crops: np.ndarray) -> Logits:
        """See ``network.Network``."""
        return self.graph(crops)


class OnnxGraph:
    """One ONNX file, optimised, see ``exported.Graph``.

    Raises:
        ValueError: for a file that ONNX Runtime cannot open.
    """

    def __init__(self, file: Path, provider: str = PROVIDERS["cpu"], threads: int | None = None):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3  # errors alone
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            self.session = onnxruntime.InferenceSession(file, options, providers=[provider])
        except Exception as error:  # its many kinds of errors have no parent of their own
            raise ValueError(f"ONNX Runtime {onnxruntime.__version__} cannot open {file}") from error
        self.outputs = [output.name for output in self.session.get_outputs()]

    def __call__(self, crops: np.ndarray) -> Logits:
        """See ``exported.Graph``."""
        return Logits(**dict(zip(self.outputs, self.session.run(self.outputs, {INPUT: crops}), strict=True)))


def find_provider(device: str | None) -> str:
    """ONNX Runtime's name of what computes on a device; raises ValueError if it is not there."""
    there = [name for name, provider in PROVIDERS.items() if provider in onnxruntime.get_available_providers()]
    if (device or "cpu") not in there:
        raise ValueError(f"There is no device {device!r} here for ONNX Runtime; there is: {', '.join(there)}.")
    return PROVIDERS[device or "cpu"]
