"""The small plot of a picture's score under compression and shrinking."""

import io
from collections.abc import Sequence

from matplotlib.figure import Figure

from imaginet_tools.inference.app.judge import CURVES, Point

AXES = {"jpeg": "JPEG quality", "resize": "scale of both sides"}


def chart_of(points: Sequence[Point], probability: float, threshold: float) -> bytes:
    """An SVG file: a curve of each kind over its strength, the milder the further left, and the threshold.

    Args:
        points: as ``Judge.degraded`` gives them.
        probability: of the picture as it is.
        threshold: of the scores.
    """
    figure = Figure(figsize=(7.2, 2.9), layout="constrained")
    for axes, (name, (title, _)) in zip(figure.subplots(1, len(CURVES), sharey=True), CURVES.items(), strict=True):
        own = [(point.strength, point.probability) for point in points if point.curve == name and point.probability is not None]
        if name == "resize":
            own.insert(0, (1.0, probability))
        axes.plot(*(zip(*own, strict=True) if own else ([], [])), color="#1f5fa8", marker="o", markersize=4)
        axes.axhline(probability, color="#444444", linewidth=1, linestyle=":", label="as it is")
        axes.axhline(threshold, color="#b03a00", linewidth=1, linestyle="--", label="threshold")
        axes.set(title=title, xlabel=AXES[name], ylim=(-0.03, 1.03))
        axes.invert_xaxis()
        axes.grid(alpha=0.25)
    figure.axes[0].set_ylabel("score")
    figure.axes[-1].legend(fontsize="small")
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def change_sentence(points: Sequence[Point], probability: float, threshold: float) -> str:
    """How far the scores went, and on how many points they crossed the threshold."""
    scores = [point.probability for point in points if point.probability is not None]
    if not scores:
        return "This picture cannot be degraded so: it is too long for JPEG."
    crossed = sum((score >= threshold) != (probability >= threshold) for score in scores)
    told = f"in {crossed} of {len(scores)} cases it changed sides of the threshold" if crossed else "it stayed on its side of the threshold"
    return f"As it is the picture has {probability:.3f}; degraded, from {min(scores):.3f} to {max(scores):.3f}, and {told}."
