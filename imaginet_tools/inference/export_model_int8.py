"""An ONNX graph in whole numbers of 8 bits: each channel by its own scale, activations by what training crops make of them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from imaginet_tools.inference.export_model_graph import INPUT

QUANTISED = ("Conv", "Add", "MaxPool")
"""Kinds of nodes; classifiers stay in float, they cost nothing."""


def write_int8(source: Path, crops: Iterator[np.ndarray], file: Path) -> None:
    """Writes the int8 graph of an fp32 one.

    Weights have 7 bits: with 8 the sums of processors without VNNI overflow, and answers would differ from one processor to the
    next (onnxruntime #14642). What lies before the first convolution, the fixed front end, stays in float; so does what gives an
    output, such as the sum with the log-odds of pixel statistics.

    Args:
        source: ONNX file in fp32.
        crops: of training pictures, uint8 RGB (height, width, 3).
        file: to be made.
    """
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        graph = onnx.load(prepared).graph
        outputs = {each.name for each in graph.output}
        last = [node.name for node in graph.node if not outputs.isdisjoint(node.output)]
        quantize_static(
            prepared, file, _Crops(crops), quant_format=QuantFormat.QDQ, per_channel=True, reduce_range=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, op_types_to_quantize=list(QUANTISED),
            nodes_to_exclude=nodes_before_convolutions(graph) + last, extra_options={"ActivationSymmetric": False},
        )


def nodes_before_convolutions(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes that no convolution precedes."""
    behind: set[str] = set()  # values that a convolution has a part in
    names = []
    for node in graph.node:  # in the order of computation
        if node.op_type == "Conv" or not behind.isdisjoint(node.input):
            behind.update(node.output)
        else:
            names.append(node.name)
    return names


class _Crops(CalibrationDataReader):
    """Crops one by one, as ONNX Runtime's calibration asks for them: four at a time take 21 GB with ResNet-50, and set the same scales."""

    def __init__(self, crops: Iterator[np.ndarray]):
        self.crops = iter(crops)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next crop as a batch; None at the end."""
        crop = next(self.crops, None)
        return None if crop is None else {INPUT: crop[None]}
