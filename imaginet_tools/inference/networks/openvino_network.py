"""OpenVINO: a folder that ``imaginet export-model --format openvino`` wrote."""

from pathlib import Path

import numpy as np
import openvino

from imaginet_tools.inference.networks.exported import open_tested, read_export, read_settings, refuse_torch_options
from imaginet_tools.inference.networks.network import Logits

BATCH_SIZE = 4
"""Crops at a time. A graph for so many is compiled, and one for a single crop: those for any number take twice as long."""
HINTS = {"fp32": "f32", "int8": "f32", "bf16": "bf16"}
"""Precision -> the one that is computed where nothing is quantised. Without it a CPU that has bf16 takes that for fp32 too."""


class OpenVinoNetwork:
    """A detector in OpenVINO, see ``network.Network``.

    Args:
        place: folder of an export.
        revision, dtype, early_exit: refused; here so that every engine takes the same.
        device: "cpu" (default), "gpu", "gpu.1", …
        threads: that compute one batch (default: as many as there are cores; ``open_network`` takes OMP_NUM_THREADS before that).

    Raises:
        ValueError: for a damaged folder, and for a device that is not there.
    """

    engine = "openvino"
    batch_size = BATCH_SIZE

    def __init__(
        self, place: str, revision: str | None = None, device: str | None = None, dtype: str | None = None, threads: int | None = None,
        early_exit: bool = False,
    ):
        refuse_torch_options(self.engine, revision=revision, dtype=dtype, early_exit=early_exit or None)
        device = find_device(device)
        folder = Path(place)
        export = read_export(folder)
        self.settings = read_settings(folder, export.fingerprint)
        self.graph, self.precision = open_tested(
            folder, export, self.settings.crop_size, lambda file, precision: OpenVinoGraph(file, precision, device, threads),
            f"openvino {openvino.__version__} {device}",
        )

    def __call__(self, crops: np.ndarray) -> Logits:
        """See ``network.Network``."""
        return self.graph(crops)


class OpenVinoGraph:
    """One graph of OpenVINO, compiled, see ``exported.Graph``.

    Raises:
        ValueError: for a file that OpenVINO cannot open, and for bf16 where the processor has none.
    """

    def __init__(self, file: Path, precision: str, device: str = "CPU", threads: int | None = None):
        core = openvino.Core()
        if precision == "bf16" and "BF16" not in core.get_property(device, "OPTIMIZATION_CAPABILITIES"):
            raise ValueError("this processor has no bf16")
        options = {"INFERENCE_PRECISION_HINT": HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
        if threads is not None:
            # not bound to certain cores, or several processes of few threads would all have the first ones
            options |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
        try:
            graph = core.read_model(file)
            self.models = {size: _compile(core, graph, size, device, options) for size in (1, BATCH_SIZE)}
        except RuntimeError as error:
            raise ValueError(f"OpenVINO {openvino.__version__} cannot open {file}") from error
        self.outputs = [output.get_any_name() for output in self.models[1].outputs]

    def __call__(self, crops: np.ndarray) -> Logits:
        """See ``exported.Graph``."""
        parts = [self._of_batch(crops[start : start + BATCH_SIZE]) for start in range(0, len(crops), BATCH_SIZE)]
        return Logits(**{name: np.concatenate(values) for name, values in zip(self.outputs, zip(*parts, strict=True), strict=True)})

    def _of_batch(self, crops: np.ndarray) -> list[np.ndarray]:
        """All outputs of up to BATCH_SIZE crops; where there are fewer, the last one fills the batch and is left out of the answer."""
        size = 1 if len(crops) == 1 else BATCH_SIZE
        filled = np.concatenate([crops, np.repeat(crops[-1:], size - len(crops), axis=0)])
        return [np.array(value[: len(crops)]) for value in self.models[size](filled).values()]


def _compile(core: openvino.Core, graph: openvino.Model, size: int, device: str, options: dict) -> openvino.CompiledModel:
    """For batches of ``size``, to which the graph is reshaped; what was compiled before stays as it was."""
    graph.reshape({0: [size, *list(graph.inputs[0].partial_shape)[1:]]})
    return core.compile_model(graph, device, options)


def find_device(device: str | None) -> str:
    """OpenVINO's name of a device; raises ValueError if it is not there."""
    there = openvino.Core().available_devices
    if (device or "cpu").upper() not in there:
        raise ValueError(f"There is no device {device!r} here for OpenVINO; there is: {', '.join(there).lower()}.")
    return (device or "cpu").upper()
