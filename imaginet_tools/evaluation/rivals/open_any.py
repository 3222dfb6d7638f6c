"""From what a command line names to a detector: a model of ours, a classifier of transformers, a module, an address."""

import json
from pathlib import Path
from typing import NamedTuple

from imaginet_tools.evaluation.report_parts import DetectorFacts
from imaginet_tools.evaluation.stored.detector_scorer import DetectorScorer
from imaginet_tools.inference.networks.exported import EXPORT
from imaginet_tools.inference.saved_detector import open_detector


class Opened(NamedTuple):
    """A detector that is ready to score, and who it is."""

    scorer: DetectorScorer
    facts: DetectorFacts


class Choice(NamedTuple):
    """What holds for all detectors of a command line.

    Attributes:
        label_map: label -> 0 real, 1 synthetic, for detectors of others.
        device, backend, crops, operating_point, revision, trust_remote_code: as for ``open_detector``.
    """

    label_map: dict[str, int] | None = None
    device: str | None = None
    backend: str = "auto"
    crops: int | str | None = None
    operating_point: str | None = None
    revision: str | None = None
    trust_remote_code: bool = False


def split_name(text: str) -> tuple[str, str]:
    """(name in tables, place) of ``NAME=PLACE`` or ``PLACE``; a name holds no "/" and no ":"."""
    name, sign, place = text.partition("=")
    if sign and place and not set(name) & set("/:.?") and not Path(text).exists():
        return name, place
    parts = Path(text).parts
    short = "/".join(parts[-2:] if parts[-1:] == ("model",) else parts[-1:])
    return (short if Path(text).exists() else text), text


def open_any(text: str, choice: Choice) -> Opened:
    """Opens a detector.

    Args:
        text: ``NAME=PLACE`` or ``PLACE``: folder of a model of ours or of transformers, name on the Hub, ``package.module:name``, or
            http(s) address.
        choice: see :class:`Choice`.

    Raises:
        ValueError, OSError, ModuleNotFoundError: in one sentence, as each kind of detector raises them.
    """
    name, place = split_name(text)
    if place.startswith(("http://", "https://")):
        from imaginet_tools.evaluation.rivals.endpoint import Endpoint

        return _rival(Endpoint(place, name, choice.label_map), "HTTP endpoint", place)
    if ":" in place and not Path(place).exists():
        from imaginet_tools.evaluation.rivals.torch_module import ImportedModule

        return _rival(ImportedModule(place, name, choice.label_map, choice.device), "torch module", place)
    if _is_ours(place, choice):
        hub = {"revision": choice.revision} if choice.revision else {}
        detector = open_detector(
            place, choice.backend, choice.device, crops=choice.crops, operating_point=choice.operating_point, name=name,
            **({"trust_remote_code": True} if choice.trust_remote_code else {}), **hub,
        )
        scorer = DetectorScorer(detector)
        point = detector.operating_point
        told = f"its operating point {point}" if point else "0.5, as it has no operating points"
        return Opened(scorer, DetectorFacts(name, "imaginet", place, detector.threshold, told, key=scorer.facts))
    from imaginet_tools.evaluation.rivals.hub_classifier import HubClassifier

    return _rival(HubClassifier(place, name, choice.label_map, choice.device, choice.revision), "classifier of transformers", place)


def _rival(detector, kind: str, place: str) -> Opened:
    scorer = DetectorScorer(detector, detector.key)
    return Opened(scorer, DetectorFacts(
        detector.name, kind, place, detector.threshold, "0.5, as it has no operating points", key=scorer.facts, notes=[detector.labels],
    ))


def _is_ours(place: str, choice: Choice) -> bool:
    folder = Path(place)
    if (folder / EXPORT).is_file():
        return True
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise FileNotFoundError(f"There is no model in {place}: it has no config.json and no {EXPORT}.")
        return json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type") == "selfcon"
    if folder.exists() or place.startswith((".", "/")) or place.count("/") > 1:
        raise FileNotFoundError(f"There is no model in {place}: it is no folder, no name on the Hub, no import path and no address.")
    return choice.trust_remote_code
