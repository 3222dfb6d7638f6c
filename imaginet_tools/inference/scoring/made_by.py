"""What a score depends on beside the picture, stored with every output so that different ones are never mixed."""

import hashlib
import json
from pathlib import Path

import PIL

from imaginet_core.detection import crops, early_exit, verdict, windows
from imaginet_core.pictures import decode, notes, sources
from imaginet_tools.inference.saved_detector import SavedDetector

FORM = 2
"""Of the rows; raised when what is written changes."""
WORDS = {
    "form": "the form of the rows",
    "model": "the model",
    "settings": "the model's settings (calibration, thresholds, classes)",
    "engine": "the backend",
    "precision": "the precision",
    "crops": "the number of crops",
    "window_rule": "the rule for windows",
    "early_exit": "early exit",
    "operating_point": "the operating point",
    "threshold": "the threshold",
    "reader": "the version of the reader of pictures",
    "limits": "the limits of pictures",
    "provenance": "whether provenance is read",
}


def made_by(detector: SavedDetector) -> dict:
    """Everything that two outputs must share to hold comparable rows; values of JSON."""
    settings = {name: value for name, value in detector.network.settings._asdict().items() if name != "fingerprint"}
    return {
        "form": FORM,
        "model": detector.network.settings.fingerprint or detector.name,
        "settings": _digest(json.dumps(settings, sort_keys=True).encode()),
        "engine": detector.network.engine,
        "precision": detector.network.precision,
        "crops": detector.crops,
        "window_rule": detector.window_rule,
        "early_exit": detector.early_exit,
        "operating_point": detector.operating_point,
        "threshold": detector.threshold,
        "reader": reader_version(),
        "limits": [detector.limits.pixels, detector.limits.bytes],
    }


def reader_version() -> str:
    """Changes with the code that makes crops of a file and answers of logits, and with Pillow."""
    code = b"".join(Path(module.__file__).read_bytes() for module in (crops, decode, early_exit, notes, sources, verdict, windows))
    return f"{_digest(code)} with Pillow {PIL.__version__}"


def check_same(output: str, before: dict, now: dict) -> None:
    """Raises ValueError in one sentence where an output was made otherwise than this run would go on with it."""
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            raise ValueError(
                f"{output} was made otherwise: {WORDS.get(name, name)} was {before.get(name)} and is {now.get(name)} now; "
                "give what it was made with, or another --output."
            )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
