"""What the page tells, without the page: sentences, what is scored, what is kept, what a Space is made of."""

import ast
import base64
import hashlib
import io
import re
import socket
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import RepoCard

from imaginet_core.pictures.decode import read_picture
from imaginet_core.pictures.degradations import jpeg
from imaginet_core.pictures.notes import Note
from imaginet_core.pictures.sources import LIMITS
from imaginet_tools.commands import main
from imaginet_tools.inference.app import html, space
from imaginet_tools.inference.app.card_limits import NONE, limits_of_card, limits_of_model
from imaginet_tools.inference.app.curve_chart import change_sentence, chart_of
from imaginet_tools.inference.app.examples import examples_of_folder, examples_of_sample
from imaginet_tools.inference.app.judge import COUNT, CURVES, Judge, Judged, Point
from imaginet_tools.inference.app.outcomes import choices_of, label_in_list, meaning_of, outcome_of
from imaginet_tools.inference.app.sessions import Sessions
from imaginet_tools.inference.app.uploads import MOST_FILES, take_uploads
from imaginet_tools.inference.saved_detector import open_detector
from tests.imaginet_tools.inference.conftest import SAVED
from tests.picture_fixtures import fixtures, photo
from tests.read_imports import imports_of
from tests.test_requirements import DISTRIBUTIONS, normal, parsed

KINDS = (
    "JPEG, chroma 4:2:0", "JPEG, grey", "JPEG, CMYK of Adobe", "JPEG, orientation 6", "PNG, alpha", "PNG, 16 bits", "PNG, palette", "WebP",
    "GIF", "BMP", "TIFF", "AVIF",
)
HOSTILE = "<img src=x onerror=alert(1)>{{ 7*7 }}.png"


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(open_detector(str(SAVED), limits=replace(LIMITS, bytes=2**20)))


@pytest.fixture(scope="module")
def judged(judge) -> list[Judged]:
    files = [(f"{kind}.bin", fixtures()[kind].content) for kind in KINDS]
    return judge.judge([*files, ("broken.jpg", b"nothing"), (HOSTILE, files[0][1])])


class Page(HTMLParser):
    """Elements with their attributes, and the text."""

    def __init__(self, text: str):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


# what is scored


def test_the_file_is_scored_as_it_was_uploaded(judge, judged):
    for kind, each in zip(KINDS, judged, strict=False):
        content = fixtures()[kind].content
        assert each.content == content and each.sha256 == hashlib.sha256(content).hexdigest(), kind
        alone = judge.detector.scores([content])
        assert each.answer["probability"] == pytest.approx(alone.probability[0], abs=1e-6), kind
        assert {note.name for note in each.notes} - {"padded"} == fixtures()[kind].notes, kind
        height, width = fixtures()[kind].pixels.shape[:2]
        assert each.size == (width, height), kind


def test_a_file_that_cannot_be_read_costs_only_itself(judged):
    broken = judged[len(KINDS)]
    assert broken.answer is None and re.fullmatch(r"broken\.jpg cannot be read as an image \(.*\); .*\.", broken.error)
    assert all(each.answer for each in judged if each is not broken)


def test_a_heic_picture_is_scored_or_refused_in_a_sentence(judge, monkeypatch):
    pillow_heif = pytest.importorskip("pillow_heif", reason="needs pillow-heif to write a HEIC file")
    file = io.BytesIO()
    pillow_heif.from_pillow(photo()).save(file, quality=90)
    [found] = judge.judge([("IMG_0001.HEIC", file.getvalue())])
    assert found.error is None and found.sha256 == hashlib.sha256(file.getvalue()).hexdigest() and found.size == photo().size
    assert Page(html.answer_html(found, outcome_of(judge.settings, found.answer["probability"], found.notes, "balanced"))).text.count("The score is") == 1
    assert read_picture(found.shown).format == "JPEG"  # browsers but Safari show no HEIC
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as where it is not installed
    [refused] = judge.judge([("IMG_0001.HEIC", file.getvalue())])
    sentence = "IMG_0001.HEIC cannot be read as an image (it is a HEIC picture, which takes pillow-heif to read); pip install pillow-heif."
    assert refused.error == sentence and sentence in Page(html.answer_html(refused, None)).text


def test_the_network_is_asked_through_what_the_host_lends(judge):
    called = []

    def lend(function):
        return lambda *arguments: called.append(len(arguments)) or function(*arguments)

    one = Judge(judge.detector, lend).judge([("a.jpg", fixtures()["JPEG, grey"].content)])[0]
    assert called == [1] and one.answer["probability"] == pytest.approx(judge.judge([("a", one.content)])[0].answer["probability"])


def test_degraded_scores_are_those_of_degraded_pixels(judge, judged):
    points = list(judge.degraded(judged[0]))
    assert len(points) == COUNT and [point.curve for point in points] == [name for name, (_, each) in CURVES.items() for _ in each]
    pixels = read_picture(judged[0].content).pixels
    [fifty] = [point for point in points if (point.curve, point.strength) == ("jpeg", 50)]
    assert fifty.probability == pytest.approx(judge.detector.scores([jpeg(pixels, 50)]).probability[0], abs=1e-6)
    assert len({round(point.probability, 6) for point in points}) > 3


# what is said


def settings(judge, **changes):
    return judge.settings._replace(**changes)


def point(name: str, threshold: float | None, **more) -> dict:
    known = {"n_real": 200, "n_synthetic": 100, "false_alarm_rate": 0.05, "recall": 0.8, "reason": None}
    return {"name": name, "threshold": threshold, **known, **more}


def test_the_outcome_is_that_of_the_chosen_operating_point(judge):
    points = [point("balanced", 0.5), point("false alarms 1%", 0.9, false_alarm_rate=0.01)]
    own = settings(judge, operating_points=points, uncertain=None)
    lax, strict = (outcome_of(own, 0.7, (), name) for name in ("balanced", "false alarms 1%"))
    assert (lax.word, strict.word) == ("synthetic", "real")
    assert lax.sentence == "Called synthetic. The score is 0.700 on a scale from 0 to 1, at or above the threshold of 0.500."
    assert "below the threshold of 0.900" in strict.sentence and "set on 200 real and 100 synthetic" in strict.known and "1 % were called" in strict.known
    assert outcome_of(own, 0.5, (), "balanced").word == "synthetic"  # at the threshold
    with pytest.raises(ValueError, match="no operating point"):
        outcome_of(own, 0.5, (), "none")


def test_doubt_is_said_with_its_reason(judge):
    own = settings(judge, operating_points=[point("balanced", 0.5)], uncertain={"low": 0.4, "high": 0.6})
    inside, outside = outcome_of(own, 0.55, (), "balanced"), outcome_of(own, 0.7, (), "balanced")
    assert inside.word == "uncertain" and "between 0.400 and 0.600 a label would be a guess" in inside.sentence and outside.word == "synthetic"
    flat = outcome_of(own, 0.99, (Note("flat", "too little detail to judge"),), "balanced")
    assert flat.word == "uncertain" and "too little of the picture" in flat.sentence
    none = outcome_of(settings(judge, operating_points=[], uncertain=None), 0.51, (), "")
    assert none.word == "synthetic" and "nothing is known of its errors" in none.known


def test_only_thresholds_that_were_set_are_offered():
    choices = choices_of([point("a", 0.3), point("balanced", 0.5), point("b", None, reason="4 held-out real images; a rate of 1% needs 300")], "balanced")
    assert [name for _, name in choices.offered] == ["balanced", "a"] and "200 real pictures" in choices.offered[0][0]
    assert choices.missing == ["“b” is not offered: 4 held-out real images; a rate of 1% needs 300."]
    assert choices_of([], None).offered == [("no threshold that was set on pictures", "")]


@pytest.mark.parametrize(("probability", "words"), [(0.9312, "about 93 in 100"), (0.001, "fewer than 1 in 100"), (0.999, "more than 99 in 100")])
def test_the_meaning_of_a_score(probability, words):
    assert words in meaning_of(probability) and "not proof" in meaning_of(probability)


def test_curves_are_told_in_a_sentence_and_drawn():
    points = [Point("jpeg", 90, "JPEG 90", 0.6), Point("jpeg", 30, "JPEG 30", 0.2), Point("resize", 0.5, "half", None)]
    assert "from 0.200 to 0.600" in change_sentence(points, 0.7, 0.5) and "in 1 of 2 cases it changed sides" in change_sentence(points, 0.7, 0.5)
    assert "stayed on its side" in change_sentence(points, 0.7, 0.1) and "cannot be degraded" in change_sentence(points[2:], 0.7, 0.5)
    assert b"<svg" in chart_of(points, 0.7, 0.5)[:1000]


def test_what_strangers_wrote_is_text(judge, judged):
    entry = {"states": HOSTILE, "where": HOSTILE, "worth": "w"}
    hostile = judged[-1]._replace(provenance={"entries": [entry], "worth": None, "broken": HOSTILE})
    outcome = outcome_of(judge.settings, 0.7, (), "balanced")
    for text in (html.answer_html(hostile, outcome), html.limits_html(HOSTILE, [HOSTILE], choices_of([], None)), html.sentence_html(HOSTILE)):
        page = Page(text)
        assert HOSTILE in page.text and not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
        assert all(attributes["src"].startswith("data:image/") for tag, attributes in page.elements if tag == "img")


def test_the_answer_shows_hash_ranks_notes_and_provenance_apart(judge, judged):
    each = judged[KINDS.index("PNG, alpha")]
    page = Page(html.answer_html(each, outcome_of(judge.settings, each.answer["probability"], each.notes, "balanced")))
    assert each.sha256 in page.text and "transparent: " in page.text and "No part of the score" in page.text and "That proves nothing" in page.text
    ranked = [kind["name"] for kind in each.answer["generators"]]
    assert sorted(ranked) == ["chequered", "smooth"] and page.text.index(ranked[0]) < page.text.index(ranked[1])
    assert str(SAVED.parent) not in page.text  # folders of this computer are nobody's business
    refused = Page(html.answer_html(judged[len(KINDS)], None))
    assert judged[len(KINDS)].error in refused.text and "Provenance" not in refused.text
    assert label_in_list("a", None, None) == "a: could not be scored"


def test_a_heat_map_lies_over_the_picture_as_it_is_shown(model, judged):
    local = Judge(open_detector(str(model))).heat_map(judged[3], 0.5)
    text = html.heat_map_html(judged[3], local)
    [shown, overlay] = [base64.b64decode(each) for each in re.findall(r'src="data:image/\w+;base64,([^"]+)"', text)]
    assert read_picture(shown).pixels.shape == read_picture(overlay).pixels.shape == fixtures()["JPEG, orientation 6"].pixels.shape
    assert "no proof of manipulation" in text and 'type="range"' in text and '<label for="opacity">' in text


def test_a_model_without_heat_maps_says_so(judge, judged):
    with pytest.raises(ValueError, match="save it anew"):
        judge.heat_map(judged[0], 0.5)


def test_the_worth_of_heat_maps_is_that_of_the_docs(repository):
    page = (repository / "docs" / "heat_maps.md").read_text(encoding="utf-8")
    found = re.search(r"strongest place lies in it in (\d+) % of the pictures, where chance would be (\d+) %", page)
    assert f"in {found[1]} of 100 pictures, where chance would be {found[2]}." in html.WORTH_OF_MAPS


def test_the_limits_are_those_of_the_card(tmp_path, repository):
    text = "# Model\n\n## Limits\n\n- It misses **new** ones, see [docs](http://a/b).\n  And more.\n- Second `x`.\n\n## Use\n\n- no limit\n"
    assert limits_of_card(text) == ["It misses new ones, see docs. And more.", "Second x."]
    (tmp_path / "README.md").write_text(text)
    assert limits_of_model(str(tmp_path)) == limits_of_card(text) and limits_of_model(str(SAVED)) == [NONE]
    assert '"Limits": ' in (repository / "imaginet_tools" / "publish" / "model_card.py").read_text(encoding="utf-8")  # a section of our own cards


# what is kept


def test_uploads_are_read_and_deleted_and_nothing_else_is(tmp_path):
    folder, outside = tmp_path / "uploads", tmp_path / "secret.jpg"
    outside.write_bytes(b"secret")
    places = []
    for number in range(MOST_FILES + 1):
        place = folder / f"{number:03}" / "a.jpg"
        place.parent.mkdir(parents=True)
        place.write_bytes(b"x" * (1000 if number == 1 else 10))
        places.append({"path": str(place), "orig_name": f"{number}\u202e\n.jpg"})
    taken = take_uploads([*places, {"path": str(outside)}, {"path": f"{folder}/../secret.jpg", "orig_name": "b"}], folder, 100)
    assert taken[0] == ("0 .jpg", b"x" * 10) and len(taken) == len(places) + 2
    errors = [each.error for each in taken if isinstance(each, Judged)]
    assert "1 .jpg" in errors[0] and "limit of 100 bytes" in errors[0] and f"at most {MOST_FILES} pictures" in errors[1]
    assert [error for error in errors if "not uploaded here" in error] == errors[2:] and len(errors) == 4
    assert "upload it again" in take_uploads([{"path": f"{folder}/gone"}], folder, 100)[0].error
    assert outside.read_bytes() == b"secret" and list(folder.iterdir()) == []


def test_sessions_see_their_own_pictures_and_old_ones_go_first():
    sessions = Sessions(most_bytes=25)
    for name in "abc":
        sessions.put(name, [Judged(name, b"x" * 10, "")])
    assert sessions.get("a") == () and sessions.get("b")[0].name == "b" and sessions.get("c", 1) == () and sessions.bytes() == 20
    sessions.get("b")
    sessions.put("d", [Judged("d", b"x" * 10, "")])
    assert sessions.get("c") == () and sessions.get("b")
    sessions.forget("b")
    assert sessions.get("b") == ()


# examples, a Space, the command


def test_examples_are_of_the_sample_one_of_each_kind(repository):
    found = examples_of_sample()
    networks = {file.name for file in (repository / "sample" / "images" / "synthetic").iterdir()}
    assert {each.title for each in found} == {"real", *(f"synthetic ({name})" for name in networks)}
    own = {file.read_bytes() for file in (repository / "sample" / "images").rglob("*.jpg")}
    assert all(each.content in own for each in found)


def test_a_space_holds_all_that_it_needs(tmp_path, repository):
    assert main.main(["app", "--model", str(SAVED), "--export", str(tmp_path / "space")]) == 0
    folder = tmp_path / "space"
    header = RepoCard.load(folder / "README.md", ignore_metadata_errors=False).data.to_dict()
    assert header["sdk"] == "gradio" and header["sdk_version"] == space.SDK and header["python_version"] == "3.12" and header["app_file"] == "app.py"
    assert {"title", "emoji", "colorFrom", "colorTo", "license", "short_description"} <= header.keys() and len(header["short_description"]) <= 60
    assert (folder / "model" / "model.safetensors").read_bytes() == (SAVED / "model.safetensors").read_bytes()
    assert len(examples_of_folder(folder / "examples")) == 5 and (folder / "examples" / "LICENSES.md").is_file()
    required = parsed((folder / "requirements.txt").read_text().splitlines()).keys() | {"gradio", "spaces"}  # which a Space brings
    for distribution, file in closure(folder, [folder / "app.py", folder / "imaginet_tools" / "inference" / "networks" / "torch_network.py"]).items():
        assert distribution in required, f"{file} imports {distribution}, which the Space does not bring"
    with pytest.raises(SystemExit, match="is not empty; choose another"):
        main.main(["app", "--model", str(SAVED), "--export", str(folder)])


def closure(root: Path, starts: list[Path]) -> dict[str, str]:
    """Distribution -> a file that imports it, of all files of ours that ``starts`` import, and those in turn, outside functions."""
    waiting, seen, found = list(starts), set(), {}
    while waiting:
        file = waiting.pop()
        seen.add(file)
        for each in imports_of(file, root):
            parts, top = each.module.split("."), each.module.partition(".")[0]
            own = [place for place in (root.joinpath(*parts).with_suffix(".py"), root.joinpath(*parts[:-1]).with_suffix(".py")) if place.is_file()]
            own += [root.joinpath(*parts[:length], "__init__.py") for length in range(1, len(parts) + 1)]
            if each.function is None and (root / top).is_dir():
                waiting += [place for place in own if place.is_file() and place not in seen]
            elif each.function is None and top not in sys.stdlib_module_names:
                found[normal(DISTRIBUTIONS.get(top, top))] = str(file)
    return found


def test_a_space_agrees_with_what_is_declared(repository):
    import tomllib

    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = {**parsed(project["dependencies"]), **{n: v for each in project["optional-dependencies"].values() for n, v in parsed(each).items()}}
    narrower = {"torch": ">=2.6,<2.12", "pillow": ">=12.3,<13", "safetensors": ">=0.4"}
    assert parsed(space.REQUIREMENTS) == {name: narrower.get(name, known.get(name)) for name in parsed(space.REQUIREMENTS)}
    assert known["gradio"] == f">={space.SDK.rpartition('.')[0]},<7" and f"Python :: {space.PYTHON}" in str(project["classifiers"])
    ast.parse((space.TEMPLATES / "space_app.txt").read_text(encoding="utf-8"))


def test_bad_input_gets_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match=r"imaginet app: .*nowhere"):
        main.main(["app", "--model", str(tmp_path / "nowhere"), "--export", str(tmp_path / "space")])
    with pytest.raises(SystemExit, match="holds no picture"):
        main.main(["app", "--model", str(SAVED), "--examples", str(tmp_path)])
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.delitem(sys.modules, "imaginet_tools.inference.app.page", raising=False)
    with pytest.raises(SystemExit, match=r"imaginet app: The page needs gradio.*pip install \"imaginet\[app\]\""):
        main.main(["app", "--model", str(SAVED)])


def test_a_port_in_use_is_told_before_the_model_is_opened(monkeypatch):
    from imaginet_tools.commands.serving import app

    monkeypatch.setattr(app, "open_detector", lambda *args, **options: pytest.fail("the model was opened"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = app.parse(["--model", "m", "--port", str(taken.getsockname()[1])])
        with pytest.raises(OSError, match=f"Port {options.port} of 127.0.0.1 cannot be had .*choose another with --port"):
            app._serve(options, (), None, None, None)


def test_scores_do_not_depend_on_what_is_shown(judge, judged):
    """The picture on the page is a copy; the score is the file's."""
    shown = judge.detector.scores([judged[0].shown]).probability[0]
    assert np.isfinite(shown) and judged[0].shown != judged[0].content
