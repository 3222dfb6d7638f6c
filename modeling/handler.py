"""The entry of Hugging Face Inference Endpoints (https://huggingface.co/docs/inference-endpoints/guides/custom_handler)."""

import base64
import binascii

PARAMETERS = ("operating_point", "top_k", "crops", "heatmap")


class EndpointHandler:
    """Answers requests with the task "synthetic-image-detection".

    Args:
        path: folder of the model, which holds this file.
    """

    def __init__(self, path: str = ""):
        from transformers import pipeline  # here, since the model's code imports this file to have it saved with itself

        self.detector = pipeline("synthetic-image-detection", model=path, trust_remote_code=True)

    def __call__(self, data: dict) -> dict | list[dict]:
        """One answer, or a list of them.

        Args:
            data: ``inputs``, a picture as base64, http(s) address (never a private one), bytes or PIL image, or a list of these;
                and ``parameters``, a dict of those in PARAMETERS, see ``pipeline_selfcon``. Paths on the server are never read.

        Returns:
            as the task answers, a heat map as ``HeatMap.as_dict``; a picture that cannot be read, and a wrong request, have a sentence
            under "error".
        """
        inputs, parameters = data.get("inputs"), data.get("parameters") or {}
        several = isinstance(inputs, list)
        try:
            if not isinstance(parameters, dict) or set(parameters) - set(PARAMETERS):
                raise ValueError(f"parameters may be {', '.join(PARAMETERS)}.")
            pictures = [_picture(each) for each in (inputs if several else [inputs])]
            answers = self.detector(pictures, on_error="answer", **parameters)
        except ValueError as error:
            return {"error": str(error)}
        for answer in answers:
            if answer.get("heat_map") is not None:
                answer["heat_map"] = answer["heat_map"].as_dict()
        return answers if several else answers[0]


def _picture(given):
    """What the pipeline reads. Raises ValueError for what is no picture, and for text that is neither base64 nor an address."""
    if isinstance(given, str) and not given.lower().startswith(("http://", "https://")):
        try:
            return base64.b64decode(given.partition(",")[2] if given.startswith("data:") else given, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("inputs must be base64 or http(s) addresses; paths on the server are not read.") from None
    if given is None or isinstance(given, dict | list):
        raise ValueError("inputs must be a picture as base64, an http(s) address or an image, or a list of these.")
    return given
