"""From a detector in PyTorch to an ONNX graph that takes crops as they are, and from that to OpenVINO's files."""

import logging
import warnings
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from imaginet_tools.inference.networks.network import Logits
from imaginet_tools.inference.networks.torch_network import TorchNetwork

INPUT = "pixels"
EXAMPLE_BATCH = 2
"""An example of one picture would export a graph for one picture (pytorch #157621)."""


class CropsToLogits(nn.Module):
    """A detector with its normalisation: crops, uint8 RGB (B, height, width, 3), in; the logits that it gives, in order, out."""

    def __init__(self, network: TorchNetwork):
        super().__init__()
        self.model = network.model.float()
        for name in ("scale", "mean", "std"):
            self.register_buffer(name, getattr(network, name))

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        return tuple(each for each in self.all_logits(pixels) if each is not None)

    def all_logits(self, pixels: Tensor) -> Logits:
        """The same by name, with None for what the detector has not."""
        normalised = ((pixels * self.scale - self.mean) / self.std).permute(0, 3, 1, 2)
        found = self.model(normalised)
        return Logits(found.origin_logit, found.sub_logit, found.family_logits, found.generator_logits, found.feature)


def write_onnx(network: TorchNetwork, file: Path) -> None:
    """Writes a detector as one ONNX file for batches of any length.

    Args:
        network: in float32.
        file: to be made.

    Raises:
        ValueError: in one sentence, for a network that PyTorch cannot export.
    """
    module = CropsToLogits(network).eval()
    example = torch.randint(0, 256, (EXAMPLE_BATCH, *network.settings.crop_size, 3), dtype=torch.uint8)
    with torch.no_grad():
        names = [name for name, value in zip(Logits._fields, module.all_logits(example), strict=True) if value is not None]
    try:
        with _quiet():
            program = torch.onnx.export(
                module, (example,), dynamo=True, external_data=False, input_names=[INPUT], output_names=names,
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},), verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"This network cannot be exported: PyTorch {torch.__version__} says {reason}") from error
    file.parent.mkdir(parents=True, exist_ok=True)
    program.save(file, external_data=False)


def write_openvino(onnx_file: Path, file: Path) -> None:
    """Writes an ONNX file as OpenVINO's: ``file`` (.xml) and its weights beside it (.bin), in full precision."""
    import openvino

    file.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(openvino.convert_model(onnx_file), file, compress_to_fp16=False)


@contextmanager
def _quiet():
    """Without the warnings of the exporter about its own code."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
