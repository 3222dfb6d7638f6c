"""PyTorch: a model folder, or a name on the Hub, by the code that travels with it."""

import hashlib

import numpy as np
import torch
from transformers import PreTrainedConfig
from transformers.dynamic_module_utils import get_class_from_dynamic_module
from transformers.image_processing_base import ImageProcessingMixin

from imaginet_core.detection.heat_map import LocalLogits, local_logits
from imaginet_tools.inference.networks.early_exit import check_early_exit, early_logits
from imaginet_tools.inference.networks.folding import make_quicker
from imaginet_tools.inference.networks.network import Logits, Settings

BATCH_SIZE, CPU_BATCH_SIZE = 32, 4
"""Crops at a time on a GPU, and on a CPU, whose caches feature maps of more would leave."""


class TorchNetwork:
    """A detector in PyTorch, see ``network.Network``.

    The code in the folder is run, as with Transformers' ``trust_remote_code=True``.

    Args:
        place: folder of a saved model, or name on the Hub.
        revision: commit, branch or tag on the Hub.
        device: "cpu", "cuda", "cuda:1", …; by default a GPU where there is one.
        dtype: of the weights, such as "bfloat16"; by default as they were saved.
        early_exit: let the sub-network answer alone where it is sure; the later layers see the other crops alone. Then the operating
            points are those that were fitted with it.

    Raises:
        ValueError: for a device that is not there, and for early exit where the model has none.
        OSError: where there is no such model.
    """

    engine = "torch"

    def __init__(
        self, place: str, revision: str | None = None, device: str | None = None, dtype: str | None = None, early_exit: bool = False
    ):
        self.device = find_device(device)
        self.batch_size = batch_size_on(self.device)
        model_class, processor_class = classes_of(place, revision)
        model = model_class.from_pretrained(place, revision=revision, **({"dtype": dtype} if dtype else {}))
        processor = processor_class.from_pretrained(place, revision=revision)
        self.model, self.processor = model.eval().to(self.device), processor
        self.precision = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}.get(model.dtype, str(model.dtype))
        self.settings = Settings.of(model.config.to_dict(), processor.to_dict(), fingerprint_of(model))
        self.early_exit = check_early_exit(place, self.settings, model) if early_exit else None
        if self.device.type == "cpu" and model.config.backbone is None:
            make_quicker(model.encoder)  # after the fingerprint, which is of the saved weights
        if self.early_exit is not None:
            self.settings = self.settings._replace(operating_points=self.early_exit["operating_points"])
        self.scale, self.mean, self.std = (
            torch.tensor(values, dtype=torch.float32, device=self.device)
            for values in (processor.rescale_factor, processor.image_mean, processor.image_std)
        )

    def __call__(self, crops: np.ndarray) -> Logits:
        """See ``network.Network``. On a CPU crops go one by one: together they take no less time, and their number would change the
        last bit of an answer."""
        if self.device.type != "cpu":
            return self._of_batch(crops)
        parts = [self._of_batch(crops[number : number + 1]) for number in range(len(crops))]
        return Logits(*(None if values[0] is None else np.concatenate(values) for values in zip(*parts, strict=True)))

    def _of_batch(self, crops: np.ndarray) -> Logits:
        with torch.inference_mode():
            if self.early_exit is not None:
                return early_logits(self.model, self._normalise(crops), self.early_exit)
            said = self.model(self._normalise(crops))
        values = (said.origin_logit, said.sub_logit, said.family_logits, said.generator_logits, said.feature)
        return Logits(*(None if each is None else each.float().cpu().numpy() for each in values))

    def local_logits(self, pixels: np.ndarray, window: int) -> LocalLogits:
        """See ``heat_maps.local_scores.LocalNetwork``; raises ValueError for a model whose code gives no feature maps."""
        with torch.inference_mode():
            seen = self.model.encoder(self._normalise(pixels[None]))
            if not getattr(seen, "maps", None):
                raise ValueError("Heat maps need a model whose code gives feature maps; load this one with this version and save it anew.")
            features = seen.maps[-1][0].float().cpu().numpy()
            return local_logits(features, self._classify, pixels.shape[:2], window, halves=self.model.config.backbone is None)

    def _classify(self, features: np.ndarray) -> np.ndarray:
        """float32 (N, C) -> the classifier's logits, float32 (N,)."""
        classifier = self.model.classifier
        return classifier(torch.from_numpy(features).to(next(classifier.parameters())))[:, 0].float().cpu().numpy()

    def _normalise(self, pictures: np.ndarray) -> torch.Tensor:
        """uint8 (B, H, W, 3) -> float (B, 3, H, W), in the image processor's order of operations, so that the numbers are its numbers."""
        pixels = torch.from_numpy(np.ascontiguousarray(pictures)).to(self.device).permute(0, 3, 1, 2).contiguous()
        return (pixels * self.scale - self.mean[:, None, None]) / self.std[:, None, None]


def classes_of(place: str, revision: str | None = None) -> tuple[type, type]:
    """Model class and image processor class that a model folder brings.

    Not by Transformers' Auto classes: they give a second folder with the same configuration code the first one's model code.

    Raises:
        OSError: where there is no such model.
        ValueError: for a model that brings no such code.
    """
    config, _ = PreTrainedConfig.get_config_dict(place, revision=revision)
    processor, _ = ImageProcessingMixin.get_image_processor_dict(place, revision=revision)
    found = []
    for values, task in ((config, "AutoModelForImageClassification"), (processor, "AutoImageProcessor")):
        reference = values.get("auto_map", {}).get(task)
        if reference is None:
            raise ValueError(f"{place} is no detector of this project: it brings no code for {task}.")
        reference = reference[0] if isinstance(reference, list) else reference
        found.append(get_class_from_dynamic_module(reference, place, revision=revision))
    return found[0], found[1]


def fingerprint_of(model: torch.nn.Module) -> str:
    """Sixteen hexadecimal digits that change with any weight or statistic of the model, whatever file they lie in."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        value = value.detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def batch_size_on(device: torch.device) -> int:
    """How many crops at a time cost least there."""
    return CPU_BATCH_SIZE if device.type == "cpu" else BATCH_SIZE


def find_device(device: str | None) -> torch.device:
    """The device of that name; None for a GPU where there is one, else the CPU.

    Raises:
        ValueError: if there is no such device.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
        return torch.device(device)
    except (RuntimeError, AssertionError) as error:
        there = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
        raise ValueError(f"There is no device {device!r} here; there is: {', '.join(there)}.") from error
