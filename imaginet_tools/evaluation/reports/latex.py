"""The main table of a report for a paper: LaTeX with booktabs, a row for each group, a column pair for each detector."""

from imaginet_core.pictures.degradation_grid.conditions import condition_title
from imaginet_tools.evaluation.report import Report, hub_name
from imaginet_tools.evaluation.tables import FIGURES, TITLES
from imaginet_tools.metrics.estimate import Estimate

SHOWN = ("balanced_accuracy", "auc")
SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def latex_table(report: Report, condition: str | None = None) -> str:
    """Balanced accuracy and AUC with intervals, per content type and generator and over all; the best detector of a row in bold.

    Baselines are never bold. Needs ``\\usepackage{booktabs}``.

    Args:
        report: with figures.
        condition: by default the first that was scored.
    """
    condition = condition or report.figures[0].condition
    rows = [row for row in report.figures if row.condition == condition and row.kind in ("content", "generator", "overall")]
    detectors = list(dict.fromkeys(row.detector for row in rows))
    cells = {(row.kind, row.name, row.detector): row for row in rows}
    groups = sorted(dict.fromkeys((row.kind, row.name) for row in rows), key=lambda group: ("content", "generator", "overall").index(group[0]))
    lines, before = [], None
    for kind, name in groups:
        if before not in (None, kind):
            lines.append(r"\midrule")
        before = kind
        of_group = [cells.get((kind, name, detector)) for detector in detectors]
        best = {
            figure: max((round(getattr(row.metrics, figure).value, 3) for row in of_group if row and not row.baseline), default=None)
            for figure in SHOWN
        }
        texts = [
            "" if row is None else _cell(getattr(row.metrics, figure), not row.baseline and best[figure]) for row in of_group for figure in SHOWN
        ]
        lines.append(" & ".join([escape_latex("all images" if kind == "overall" else name), *texts]) + r" \\")
    heads = " & ".join(rf"\multicolumn{{2}}{{c}}{{{escape_latex(name)}}}" for name in detectors)
    shown = " & ".join(FIGURES[figure] for _ in detectors for figure in SHOWN)
    caption = (
        f"{escape_latex(hub_name(report.data['name']))}, {escape_latex(condition_title(condition))}: with 95\\,\\% intervals over source "
        "images; " + ("each generator against real images of its content types." if report.protocol == "content" else
                      "each generator against all real images, whatever they show.")
    )
    return "\n".join([
        "% needs \\usepackage{booktabs}", r"\begin{table}", r"\centering", rf"\begin{{tabular}}{{l{'cc' * len(detectors)}}}", r"\toprule",
        rf" & {heads} \\", rf"{escape_latex(TITLES['generator'])} & {shown} \\", r"\midrule", *lines, r"\bottomrule", r"\end{tabular}",
        rf"\caption{{{caption}}}", r"\end{table}", "",
    ])


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(SPECIAL.get(letter, letter) for letter in text)


def _cell(figure: Estimate, best) -> str:
    value = f"{figure.value:.3f}"
    shown = rf"\textbf{{{value}}}" if best is not False and best is not None and round(figure.value, 3) == best else value
    return shown if figure.low is None else rf"{shown} {{\scriptsize [{figure.low:.3f}, {figure.high:.3f}]}}"
