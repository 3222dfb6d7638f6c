"""A detector behind an HTTP address: a picture's file is sent, a probability comes back."""

import json
import os
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime

import numpy as np

from imaginet_core.errors import first_line
from imaginet_core.pictures.decode import lossless_webp
from imaginet_tools.evaluation.rivals.label_order import synthetic_outputs
from imaginet_tools.inference.detector import Answers, Detector

SECONDS = 60
WAITS = (1.0, 4.0)
"""Seconds before an address that is busy is asked again."""
TOKEN = "IMAGINET_TOKEN"


class Endpoint(Detector):
    """Posts each picture's file to an address.

    The answer is that of ``imaginet serve`` (``probability``), or that of Inference Endpoints: a list of ``label`` and ``score``.
    Degraded pictures go as lossless WebP. A token in the environment variable IMAGINET_TOKEN is sent along.

    Args:
        address: http(s)://…, where pictures are posted.
        name: in tables.
        label_map: label of an answer -> 0 real, 1 synthetic, where the names do not say it.

    Attributes:
        is_service: it is computed elsewhere, so that many machines of ours would only ask it at once.
        key: what its scores depend on; an address that does not tell its model (``fingerprint`` of its ``/health``) is asked anew each day.
        labels: how its labels were read, a sentence.
    """

    threshold = 0.5
    batch_size = 1
    reads_files = True
    is_service = True

    def __init__(self, address: str, name: str, label_map: dict[str, int] | None = None):
        self.address, self.name, self.label_map = address, name, label_map
        self.labels = "Its answers give the probability."
        model = _model_of(address)
        self.key = {"address": address, "label_map": label_map, "model": model, "day": None if model else datetime.now(UTC).date().isoformat()}

    def scores(self, pictures) -> Answers:
        return Answers(np.array([self._score(picture) for picture in pictures], dtype=np.float64))

    def _score(self, picture) -> float:
        content = picture if isinstance(picture, bytes) else lossless_webp(picture)
        answer = json.loads(_post(self.address, content))
        if isinstance(answer, dict) and isinstance(answer.get("probability"), (int, float)):
            return float(answer["probability"])
        if not isinstance(answer, list) or not answer or not all({"label", "score"} <= set(each) for each in answer):
            raise ValueError(f"{self.address} answered neither a probability nor a list of label and score")
        labels = [str(each["label"]) for each in answer]
        synthetic, self.labels = synthetic_outputs(labels, f"the answers of {self.address}", self.label_map)
        shares = np.array([float(each["score"]) for each in answer])
        return float(shares[synthetic].sum() / shares.sum())


def _post(address: str, content: bytes) -> bytes:
    headers = {"Content-Type": "application/octet-stream", "Accept": "application/json"}
    if token := os.environ.get(TOKEN):
        headers["Authorization"] = f"Bearer {token}"
    for wait in (*WAITS, None):
        try:
            with urllib.request.urlopen(urllib.request.Request(address, content, headers), timeout=SECONDS) as response:
                return response.read()
        except urllib.error.HTTPError as error:
            if error.code not in (429, 502, 503, 504) or wait is None:
                raise ValueError(f"{address} answered {error.code} {error.reason}: {error.read(300).decode(errors='replace')}") from error
        except OSError as error:
            if wait is None:
                raise ValueError(f"{address} does not answer ({first_line(error)})") from error
        time.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


def _model_of(address: str) -> object:
    """What ``/health`` beside the address says of its model; None where there is no such page."""
    try:
        with urllib.request.urlopen(f"{address.rpartition('/')[0]}/health", timeout=5) as response:
            told = json.loads(response.read())
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) and told.get("fingerprint") else None
