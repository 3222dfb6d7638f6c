"""What a reader of a report must know first, in sentences: how good the detector is, and where its alarms cannot be trusted."""

from collections.abc import Sequence

from imaginet_core.pictures.degradation_grid.conditions import condition_title
from imaginet_tools.metrics.attribution import REAL, Track

FALSE_ALARMS = 0.2
"""Share of real images called synthetic after a degradation from which on it is said in a sentence."""


def summary_of(rows: list) -> str:
    """The overall figures of undegraded images, the baseline beside them: a sentence per detector; "" where nothing was scored."""
    clean = [row for row in rows if row.kind == "overall" and row.condition == "clean"]
    return " ".join(
        f"On {row.metrics.n_real} real and {row.metrics.n_synthetic} synthetic images without degradation, "
        f"{'the baseline ' if row.baseline else ''}{row.detector} has a balanced accuracy of {row.metrics.balanced_accuracy} "
        f"and an AUC of {row.metrics.auc}."
        for row in clean
    )


def false_alarm_sentences(tracks: Sequence[Track]) -> list[str]:
    """One sentence for each detector and degradation after which many more real images are called synthetic than before it.

    Args:
        tracks: of a report, of which those named "origin" tell.
    """
    detectors = list(dict.fromkeys(track.detector for track in tracks))
    return [
        sentence if len(detectors) == 1 else f"{name}: {sentence}"
        for name in detectors for sentence in _of_one([track for track in tracks if track.detector == name])
    ]


def _of_one(tracks: Sequence[Track]) -> list[str]:
    shares = {track.condition: counts for track in tracks if track.name == "origin" and (counts := _false_alarms(track))}
    clean = shares.get("clean")
    told = f", of undegraded ones {_share(*clean)}" if clean else ""
    return [
        f"False alarms: {condition_title(condition)}, {_share(wrong, real)} of the real images are called synthetic{told}; "
        "an alarm says little about such a picture."
        for condition, (wrong, real) in shares.items()
        if condition != "clean" and wrong / real >= FALSE_ALARMS and (clean is None or wrong / real > clean[0] / clean[1])
    ]


def _false_alarms(track: Track) -> tuple[int, int] | None:
    """(real images called synthetic, real images) of a track by origin."""
    for each, counts in zip(track.classes, track.counts, strict=True):
        if each.name == REAL and sum(counts):
            return sum(counts) - counts[track.answers.index(REAL)], sum(counts)
    return None


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%} ({part} of {whole})"
