"""Any image-classification model of transformers, from a folder or the Hub, as a detector."""

import hashlib
import os
from pathlib import Path

import torch
import transformers
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification

from imaginet_tools.evaluation.rivals.label_order import probability_of, synthetic_outputs
from imaginet_tools.inference.detector import Answers, Detector


class HubClassifier(Detector):
    """A classifier with its own image processor. Whoever unpickles it opens it again.

    Args:
        place: folder, or name on the Hub.
        name: in tables.
        label_map: name of a label -> 0 real, 1 synthetic, where the names do not say it.
        device: "cpu", "cuda", …
        revision: of a model on the Hub.

    Attributes:
        key: what its scores depend on.
        labels: how its labels were read, a sentence.

    Raises:
        ValueError: for labels that may mean either, with the sentence on --label_map.
        OSError: where there is no such model.
    """

    threshold = 0.5
    batch_size = 16

    def __init__(self, place: str, name: str, label_map: dict[str, int] | None = None, device: str | None = None, revision: str | None = None):
        given = {"revision": revision} if revision else {}
        self.name, self._arguments = name, (os.path.abspath(place) if os.path.exists(place) else place, name, label_map, device, revision)
        self.model = AutoModelForImageClassification.from_pretrained(place, **given).eval()
        self.processor = AutoImageProcessor.from_pretrained(place, **given)
        names = self.model.config.id2label
        labels = [names[number] for number in sorted(names, key=int)]
        self.synthetic, self.labels = synthetic_outputs(labels, f"the model {place}", label_map)
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.model.to(self.device)
        commit = getattr(self.model.config, "_commit_hash", None)
        self.key = {
            "model": weights_hash(self.model), "revision": commit, "synthetic": self.synthetic.tolist(), "engine": "transformers",
            "version": transformers.__version__, "precision": str(self.model.dtype).removeprefix("torch."),
            "processor": _processor_hash(self.processor),
            "place": str(place) if not Path(place).exists() else None,
        }

    def __reduce__(self):
        return type(self), self._arguments

    def scores(self, pictures) -> Answers:
        inputs = self.processor(images=[Image.fromarray(picture) for picture in pictures], return_tensors="pt")
        with torch.no_grad():
            logits = self.model(**{name: value.to(self.device) for name, value in inputs.items()}).logits
        return Answers(probability_of(logits.float().cpu().numpy(), self.synthetic))


def weights_hash(model: torch.nn.Module) -> str:
    """A hash of all parameters and buffers, by name."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        content = value.detach().cpu().contiguous().reshape(-1)
        digest.update(content.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:24]


def _processor_hash(processor) -> str:
    return hashlib.sha256(processor.to_json_string().encode()).hexdigest()[:16]
