"""Answers as HTML, in which all that strangers wrote is text."""

from collections.abc import Sequence
from pathlib import Path

import jinja2

from imaginet_tools.inference.app.curve_chart import change_sentence, chart_of
from imaginet_tools.inference.app.judge import CURVES, Judged, Local, Point
from imaginet_tools.inference.app.outcomes import Choices, Outcome
from imaginet_tools.inference.score_report.facts import public_name
from imaginet_tools.inference.score_report.page import data_address

FOLDER = Path(__file__).parent / "templates"
MOST_RANKED = 5
WORTH_OF_MAPS = (
    "A heat map says where to look, not what was changed: it is no mask, and no proof of manipulation. In our trial its strongest place lay in a "
    "pasted synthetic region in 61 of 100 pictures, where chance would be 13. Local scores do not average to the picture's score."
)
"""docs/heat_maps.md has the figures and how they were measured."""

_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
)


def about_html(bytes: int, pixels: int) -> str:
    """What stands on the page before any picture: what it does, and what a picture may cost."""
    return _environment.get_template("about.html.jinja").render(megabytes=bytes // 2**20, megapixels=pixels // 10**6)


def limits_html(name: str, limits: Sequence[str], choices: Choices) -> str:
    """What the model cannot do; ``name``: of the model, ``limits``: of its card."""
    return _environment.get_template("limits.html.jinja").render(name=name, limits=limits, missing=choices.missing)


def answer_html(judged: Judged, outcome: Outcome | None) -> str:
    """All that is told of a picture but heat map and curves; ``outcome``: None for what could not be scored."""
    ranked = [] if judged.answer is None else [
        (title, judged.answer[key][:MOST_RANKED]) for title, key in (("Family", "families"), ("Generator", "generators")) if judged.answer[key]
    ]
    return _environment.get_template("answer.html.jinja").render(
        judged=judged, outcome=outcome, ranked=ranked, picture=data_address(judged.shown, "jpeg"), bytes=len(judged.content),
        model=None if judged.answer is None else public_name(judged.answer["model"]["name"]),
    )


def heat_map_html(judged: Judged, local: Local) -> str:
    """The heat map over the picture, with a slider for its opacity."""
    return _environment.get_template("heat_map.html.jinja").render(
        judged=judged, picture=data_address(judged.shown, "jpeg"), overlay=data_address(local.overlay, "webp"),
        regions=local.regions, worth=WORTH_OF_MAPS,
    )


def curves_html(judged: Judged, points: Sequence[Point], threshold: float) -> str:
    """The plot of scores under degradations, and the same as a table."""
    probability = judged.answer["probability"]
    return _environment.get_template("curves.html.jinja").render(
        judged=judged, chart=data_address(chart_of(points, probability, threshold), "svg+xml"),
        change=change_sentence(points, probability, threshold),
        tables=[(title, [point for point in points if point.curve == name]) for name, (title, _) in CURVES.items()],
    )


def sentence_html(sentence: str) -> str:
    """One sentence."""
    return str(_environment.from_string("<p class='im-plain'>{{ sentence }}</p>").render(sentence=sentence))


def example_html(picture: bytes, title: str) -> str:
    """A picture to try."""
    return str(_environment.from_string("<img class='im-example' src='{{ source }}' alt='{{ title }}'>").render(
        source=data_address(picture, "jpeg"), title=f"Example: {title}"
    ))
