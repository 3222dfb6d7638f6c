"""AUC on the generator left out against how many generators are known, or simulated, as a picture."""

from matplotlib.figure import Figure

from benchmarks.unseen.figures import Figures
from benchmarks.unseen.rows import CURVES
from benchmarks.unseen.scores import CONDITIONS


def curves_of(figures: dict[str, dict[str, Figures]]) -> dict[str, dict[str, dict[int, dict[str, Figures]]]]:
    """``rows.CURVES`` with the figures of the rows that are there, and without curves of fewer than two of them."""
    found = {}
    for axis, curves in CURVES.items():
        present = {name: {count: figures[row] for count, row in sorted(rows.items()) if row in figures} for name, rows in curves.items()}
        if drawn := {name: points for name, points in present.items() if len(points) > 1}:
            found[axis] = drawn
    return found


def draw_curves(curves: dict[str, dict[str, dict[int, dict[str, Figures]]]]) -> Figure:
    """A row of plots for each thing counted, a plot for each curve: mean AUC with its 95 % interval, a colour per condition; dotted, the
    worst generator of clean pictures."""
    width = max(map(len, curves.values()))
    figure = Figure(figsize=(1 + 3.4 * width, 3.4 * len(curves)), layout="constrained")
    for places, (axis, named) in zip(figure.subplots(len(curves), width, sharey=True, squeeze=False), curves.items(), strict=True):
        for axes, (name, points) in zip(places, named.items(), strict=False):
            _draw(axes, points)
            axes.set(title=name, xlabel=axis, xticks=list(points))
        places[0].set_ylabel("AUC, generator left out")
        for unused in places[len(named) :]:
            unused.set_axis_off()
    figure.axes[0].legend(fontsize=8)
    return figure


def _draw(axes, points: dict[int, dict[str, Figures]]) -> None:
    counts = list(points)
    if counts[-1] > 2 * len(counts):
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
    for number, column in enumerate(CONDITIONS):
        means = [points[count][column].mean for count in counts]
        axes.plot(counts, [mean.value for mean in means], "o-", color=f"C{number}", label=column)
        if all(mean.low is not None for mean in means):
            axes.fill_between(counts, [mean.low for mean in means], [mean.high for mean in means], color=f"C{number}", alpha=0.12)
    axes.plot(counts, [points[count]["clean"].worst.value for count in counts], "x:", color="C0", label="worst, clean")
    axes.axhline(0.5, color="grey", linewidth=1)
