"""What a reader of the report must know of how its scores came about: model, versions, threshold and how well that is known."""

import importlib.metadata
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import PIL

from imaginet_tools.inference.saved_detector import SavedDetector
from imaginet_tools.inference.scoring.made_by import made_by


def facts_of(detector: SavedDetector) -> list[tuple[str, str]]:
    """(name, value) of each, for people."""
    made = made_by(detector)
    return [
        ("model", f"{public_name(detector.name)}, fingerprint {made['model']}, settings {made['settings']}"),
        ("computed by", f"{made['engine']} in {made['precision']}, crops: {made['crops']}"),
        ("threshold", threshold_sentence(detector)),
        ("called uncertain", uncertain_sentence(detector)),
        ("versions", f"imaginet {_version('imaginet')}, Python {platform.python_version()}, Pillow {PIL.__version__}, "
                     f"torch {_version('torch')}; reader of pictures {made['reader'].partition(' ')[0]}"),
        ("written", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
    ]


def threshold_sentence(detector: SavedDetector) -> str:
    """The threshold, and on how many pictures it was set."""
    return point_sentence(detector.network.settings.operating_points, detector.operating_point, detector.threshold)


def point_sentence(points: Sequence[dict], name: str | None, threshold: float) -> str:
    """The same for one of a model's operating points; ``name``: None without one, where ``threshold`` was not set on pictures."""
    point = {each["name"]: each for each in points}.get(name)
    if point is None:
        return f"{threshold:.3f}; the model has no threshold that was set on pictures, so nothing is known of its errors"
    parts = [f"{threshold:.3f} (operating point “{name}”)"]
    if "n_real" in point and "n_synthetic" in point:
        parts.append(f"set on {point['n_real']} real and {point['n_synthetic']} synthetic pictures")
    if point.get("fitted_on"):
        parts.append(str(point["fitted_on"]))
    if point.get("false_alarm_rate") is not None and point.get("recall") is not None:
        alarms, recall = (f"{point[name]:.0%}".replace("%", " %") for name in ("false_alarm_rate", "recall"))
        parts.append(f"of those real ones {alarms} were called synthetic, of the synthetic ones {recall} were found")
    return "; ".join(parts)


def uncertain_sentence(detector: SavedDetector) -> str:
    """When the outcome is "uncertain"."""
    band = detector.network.settings.uncertain
    found = "pictures with too little detail, or more than half padding"
    if band is None:
        return found
    return f"scores from {band['low']:.3f} to {band['high']:.3f}, where a label would be a guess, as held-out pictures show; and {found}"


def public_name(name: str) -> str:
    """The name of a model without the folders that lead to it on this machine."""
    return Path(name).resolve().name if Path(name).exists() else name


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
