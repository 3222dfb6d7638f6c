"""A PyTorch or timm module by an import path, as a detector."""

import hashlib
import inspect
import pkgutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from imaginet_tools.evaluation.rivals.hub_classifier import weights_hash
from imaginet_tools.evaluation.rivals.label_order import probability_of, synthetic_outputs
from imaginet_tools.inference.detector import Answers, Detector


class ImportedModule(Detector):
    """What ``package.module:name`` gives: a module, a pair (module, transform), or a function without arguments that returns either.

    The transform takes a PIL image (RGB) and gives a tensor; a module of timm needs none, as it says how its pictures are prepared.
    One output is the logit of "synthetic"; of several the softmax is taken, and ``label_map`` says which mean what, by number. Whoever
    unpickles it imports it again.

    Args:
        path: of the import.
        name: in tables.
        label_map: number of an output -> 0 real, 1 synthetic.
        device: "cpu", "cuda", …

    Attributes:
        key: what its scores depend on.
        labels: how its outputs were read, a sentence.

    Raises:
        ValueError: in one sentence, for a path that leads nowhere, what is no module, a module without transform, and several
            outputs without ``label_map``.
    """

    threshold = 0.5
    batch_size = 16

    def __init__(self, path: str, name: str, label_map: dict[str, int] | None = None, device: str | None = None):
        self.name, self.path, self.label_map, self._arguments = name, path, label_map, (path, name, label_map, device)
        found = _imported(path)
        given = found() if callable(found) and not isinstance(found, torch.nn.Module) else found
        self.module, self.transform = given if isinstance(given, tuple) else (given, None)
        if not isinstance(self.module, torch.nn.Module):
            raise ValueError(f"{path} gives {type(self.module).__name__}, no torch.nn.Module; name a module or a function that returns one.")
        self.transform = self.transform or _transform_of_timm(self.module, path)
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.module.eval().to(self.device)
        self.synthetic, self.labels = None, "Its one output is the logit of synthetic."
        self.key = {
            "model": weights_hash(self.module), "import": path, "code": _code_hash(found), "engine": "torch", "version": torch.__version__,
            "precision": "fp32", "label_map": label_map,
        }

    def __reduce__(self):
        return type(self), self._arguments

    def scores(self, pictures) -> Answers:
        batch = torch.stack([self.transform(Image.fromarray(picture)) for picture in pictures]).to(self.device)
        with torch.no_grad():
            output = self.module(batch)
        output = getattr(output, "logits", output)
        logits = output.float().cpu().numpy().astype(np.float64).reshape(len(pictures), -1)
        if logits.shape[1] == 1:
            return Answers(1 / (1 + np.exp(-logits[:, 0])))
        if self.synthetic is None:
            numbers = [str(number) for number in range(logits.shape[1])]
            self.synthetic, self.labels = synthetic_outputs(numbers, f"the outputs of {self.path}", self.label_map)
        return Answers(probability_of(logits, self.synthetic))


def _imported(path: str) -> object:
    try:
        return pkgutil.resolve_name(path)  # of the user's own code
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{path} cannot be imported ({error}); write package.module:name, and set PYTHONPATH to the folder that holds the package."
        ) from error


def _transform_of_timm(module: torch.nn.Module, path: str) -> Callable:
    if not getattr(module, "pretrained_cfg", None):
        raise ValueError(f"{path} gives a module without a transform; return a pair (module, transform from a PIL image to a tensor).")
    try:
        from timm.data import create_transform, resolve_model_data_config
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f'{path} gives a module of timm; run pip install "imaginet[timm]".', name="timm") from error
    return create_transform(**resolve_model_data_config(module), is_training=False)


def _code_hash(found: object) -> str | None:
    """Of the file that the import leads to, so that a changed transform has scores of its own."""
    try:
        file = inspect.getsourcefile(found if inspect.isfunction(found) or inspect.isclass(found) else type(found))
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16] if file else None
    except (TypeError, OSError):
        return None
