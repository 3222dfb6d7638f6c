"""What is told of one picture, as JSON."""

import hashlib

from imaginet_tools.inference.detector import Answers, rank
from imaginet_tools.inference.saved_detector import SavedDetector


def answer_of(detector: SavedDetector, answers: Answers, number: int) -> dict:
    """The whole answer for picture ``number`` of ``answers``, which could be read.

    Returns:
        dict with ``probability`` of "synthetic" (0..1) and its ``log_odds``, ``label``, ``outcome`` (the label or "uncertain"),
        ``threshold`` and ``operating_point``, ``families`` and ``generators`` (lists of {"name", "probability"} given that the
        picture is synthetic, the likeliest first), ``notes`` (lists of {"name", "detail", "share"}), and ``model``: name,
        fingerprint of its weights, engine and precision.
    """
    settings, network = detector.network.settings, detector.network
    probability = float(answers.probability[number])
    return {
        "probability": probability,
        "log_odds": float(answers.log_odds[number]),
        "label": detector.label_of(probability),
        "outcome": str(answers.outcome[number]),
        "threshold": detector.threshold,
        "operating_point": detector.operating_point,
        "families": _ranked(settings.families, answers.family, number),
        "generators": _ranked(settings.generators, answers.generator, number),
        "notes": [note._asdict() for note in answers.notes[number]],
        "model": {
            "name": detector.name, "fingerprint": settings.fingerprint, "engine": network.engine, "precision": network.precision,
        },
    }


def hash_of(content: bytes) -> dict:
    """By which a picture's file is known again: {"sha256", "bytes"}."""
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _ranked(names, logits, number: int) -> list[dict]:
    ranked = [] if logits is None else rank(names, logits[number])
    return [{"name": name, "probability": probability} for name, probability in ranked]
