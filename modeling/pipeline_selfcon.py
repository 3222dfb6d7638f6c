"""The task "synthetic-image-detection": one picture, one verdict with its reasons.

``pipeline("image-classification", ...)`` gives the plain two probabilities; this pipeline adds which threshold was used and what the
family and generator classifiers say, which no standard task has room for.
"""

import torch
from transformers import ImageClassificationPipeline


class SyntheticImageDetectionPipeline(ImageClassificationPipeline):
    """Answers each picture with a dict.

    Args (of the call):
        operating_point: name of one of the model's operating points (default "balanced").

    Returns:
        dict with ``label`` ("real" or "synthetic"), ``probability`` of "synthetic" (0..1, calibrated for equally many real
        and synthetic images), ``threshold`` and ``operating_point`` that led to the label, and ``family`` and ``generator``: names and
        probabilities given that the image is synthetic (None where the model has no such classifier).

    Raises:
        ValueError: if the model has no such operating point, or too few images were held out to set it.
    """

    def _sanitize_parameters(self, operating_point=None, timeout=None):
        preprocess, forward, _ = super()._sanitize_parameters(timeout=timeout)
        return preprocess, forward, {} if operating_point is None else {"operating_point": operating_point}

    def postprocess(self, model_outputs, operating_point="balanced"):
        """Turns one picture's outputs into the dict described above."""
        probability = torch.softmax(model_outputs["logits"][0].float(), 0)[1].item()
        threshold = self._threshold(operating_point)
        return {
            "label": "synthetic" if probability >= threshold else "real",
            "probability": probability,
            "threshold": threshold,
            "operating_point": operating_point,
            "family": self._named(self.model.config.families, model_outputs.get("family_logits")),
            "generator": self._named(self.model.config.generators, model_outputs.get("generator_logits")),
        }

    def _threshold(self, name: str) -> float:
        points = {point["name"]: point for point in self.model.config.operating_points}
        if not points and name == "balanced":
            return 0.5
        if name not in points:
            raise ValueError(f"This model has no operating point {name!r}; it has: {', '.join(points) or 'none'}.")
        if points[name]["threshold"] is None:
            raise ValueError(f"The operating point {name!r} of this model was never set: {points[name]['reason']}.")
        return points[name]["threshold"]

    @staticmethod
    def _named(names: list[str], logits: torch.Tensor | None) -> dict[str, float] | None:
        if logits is None:
            return None
        return dict(zip(names, torch.softmax(logits[0].float(), 0).tolist(), strict=True))
