"""The page of scores: whole, in order, offline, and deaf to whatever names and metadata try to say to a browser."""

import base64
import hashlib
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from imaginet_tools.commands import main
from imaginet_tools.inference.saved_detector import open_detector
from imaginet_tools.inference.score_report import write_report
from imaginet_tools.inference.score_report.facts import facts_of, threshold_sentence, uncertain_sentence
from imaginet_tools.inference.score_report.page import NO_SCORE, TOGETHER, WHOLE
from imaginet_tools.inference.score_report.pictures import Shown
from tests.imaginet_core.provenance.signed_pictures import STEPS, picture, saved, texts
from tests.modeling.helpers import pixels

HOSTILE = ["<script>alert(1)<.png", "\"><img src=x onerror=alert(2)>.jpg", "'];alert(3)-- {{ 7*7 }} ${1}.jpg", "\u202egpj.exe\x1b[31m.jpg"]
CLOSING = "</noscript><img src=x onerror=alert(5)>"
ATTACK = "</script><script>document.title='stolen'</script><img src=//evil.example/x onerror=alert(4)>"


class Page(HTMLParser):
    """What a browser would take of a page: elements with their attributes, and its scripts' texts."""

    def __init__(self, text: str):
        super().__init__()
        self.elements, self.scripts, self.inside = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.inside = tag == "script"
        if self.inside:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.inside = self.inside and tag != "script"

    def handle_data(self, data):
        if self.inside:
            self.scripts[-1] += data

    def addresses(self) -> list[str]:
        return [value for _, attributes in self.elements for name, value in attributes.items() if name in ("src", "href", "action", "data")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    top = tmp_path_factory.mktemp("pictures")
    for number, name in enumerate(HOSTILE):
        place = top / "a" / name
        place.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels(80 + 10 * number, 120, number)).save(place, "PNG")
    (top / "b").mkdir()
    (top / "b" / "stated.png").write_bytes(saved("PNG", picture(4), pnginfo=texts(parameters=f"{ATTACK}\n{STEPS}")))
    (top / "b" / "broken.jpg").write_bytes(b"nothing")
    return top


@pytest.fixture(scope="module")
def written(folder, saved_models, tmp_path_factory) -> tuple[Path, list[dict]]:
    """(the page, the rows) of a run with heat maps."""
    out = tmp_path_factory.mktemp("out")
    command = ["score", str(folder), "--model", str(saved_models["laptop"]), "--output", str(out / "s.jsonl"), "--workers", "1"]
    assert main.main([*command, "--html", str(out / "r.html"), "--heatmaps"]) == 0
    return out / "r.html", [json.loads(line) for line in (out / "s.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def page(written):
    return Page(written[0].read_text(encoding="utf-8"))


def details(page: Page) -> list[dict]:
    return json.loads(next(script for script in page.scripts if script.startswith("[")))


def test_every_row_is_on_the_page_the_highest_score_first(written, page):
    rows, shown = written[1], details(page)
    assert len(shown) == len(rows) == len(HOSTILE) + 2
    scores = [each["probability"] for each in shown]
    assert scores[:-1] == sorted(scores[:-1], reverse=True) and scores[-1] is None and shown[-1]["outcome"] == NO_SCORE
    by_digest = {row["sha256"]: row for row in rows}
    for each in shown:
        row = by_digest[each["sha256"]]
        assert each["probability"] == row["probability"] and each["size"] == row["size"] and each["label"] == row["label"]
    assert "no JPEG, PNG" in shown[-1]["error"] and sorted({Path(each["folder"]).name for each in shown}) == ["a", "b"]


def test_names_and_metadata_are_text(written, page):
    text = written[0].read_text(encoding="utf-8")
    assert [tag for tag, _ in page.elements].count("script") == 3 and "alert" not in page.scripts[1]
    assert not any(name.startswith("on") or name == "style" for _, attributes in page.elements for name in attributes)
    assert all(address.startswith(("#picture-", "data:image/")) for address in page.addresses())
    assert "<script>alert" not in text and "7*7" in text and "49" not in re.findall(r"-- (\S+)", text)
    shown = details(page)
    names = " ".join(each["name"] for each in shown)
    assert "<script>alert(1)<" in names and "onerror=alert(2)" in names and "\x1b" not in names and "\u202e" not in names
    stated = next(each for each in shown if each["name"].endswith("stated.png"))
    assert stated["entries"][0]["kind"] == "generator" and "stolen" in stated["entries"][0]["states"]
    assert "evil.example" not in "".join(page.addresses())


def test_the_browser_is_told_to_run_our_script_alone_and_ask_nobody(page):
    (policy,) = [each["content"] for tag, each in page.elements if tag == "meta" and each.get("http-equiv") == "Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(page.scripts[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy and "unsafe" not in policy


def test_thumbnails_and_heat_maps_lie_in_the_page(page):
    assert not [tag for tag, _ in page.elements if tag == "img"]  # thousands of them at once would keep a browser for seconds
    sources = [source for images in json.loads(page.scripts[2]) for source in images if source]
    assert len([each for each in sources if each.startswith("data:image/jpeg;base64,")]) == len(HOSTILE) + 1
    assert len([each for each in sources if each.startswith("data:image/webp;base64,")]) == len(HOSTILE) + 1
    with Image.open(io.BytesIO(base64.b64decode(sources[1].partition(",")[2]))) as image:
        assert image.mode == "RGBA"


def test_the_page_says_how_the_scores_came_about(written, saved_models):
    text = written[0].read_text(encoding="utf-8")
    detector = open_detector(str(saved_models["laptop"]))
    assert detector.network.settings.fingerprint in text and "no threshold that was set on pictures" in text
    assert str(saved_models["laptop"].parent) not in "".join(value for name, value in facts_of(detector))


def test_the_threshold_is_told_with_the_pictures_that_it_was_set_on(repository):
    detector = open_detector(str(repository / "tests" / "data" / "version_0_1" / "model"))
    point = next(each for each in detector.network.settings.operating_points if each["name"] == "balanced")
    told = threshold_sentence(detector)
    assert f"{point['threshold']:.3f}" in told and "balanced" in told
    if "n_real" in point:
        assert f"set on {point['n_real']} real and {point['n_synthetic']} synthetic pictures" in told
    settings = detector.network.settings._replace(uncertain={"low": 0.4, "high": 0.6})
    detector.network.settings = settings
    assert "from 0.400 to 0.600" in uncertain_sentence(detector)


def rows(count: int) -> list[dict]:
    made = {"raw_path": None, "size": 1, "sha256": "0" * 64, "label": "real", "outcome": "real", "family": None, "generator": None,
            "notes": [], "error": None}
    return [{**made, "id": number, "path": f"p/{number:05}.jpg", "probability": 1 - number / count} for number in range(count)]


def test_many_pictures_become_a_folder_of_pages(tmp_path, monkeypatch):
    monkeypatch.setattr(write_report, "MOST", 10)
    shown = [Shown(number - 2**63 if number == 3 else number, saved("JPEG", picture(number, 16))) for number in (*range(25), 77)]
    scored = rows(25)
    scored[3]["id"] = 3 - 2**63
    start = write_report.write_report(tmp_path / "r.html", scored, shown, [("model", "m")], 0.5)
    assert start == tmp_path / "r" / "index.html" and not (tmp_path / "r.html").exists()
    assert len(list((tmp_path / "r" / "thumbnails").iterdir())) == 25
    seen = []
    for file in ("index.html", "page-2.html", "page-3.html"):
        page = Page((tmp_path / "r" / file).read_text(encoding="utf-8"))
        seen += [each["name"] for each in details(page)]
        for address in page.addresses():
            assert address.startswith("#") or (tmp_path / "r" / address).is_file()
    assert seen == [row["path"] for row in scored]
    with pytest.raises(FileExistsError, match="not empty"):
        write_report.write_report(tmp_path / "r.html", scored, [], [], 0.5)


@pytest.fixture(scope="module")
def long_page(tmp_path_factory) -> Path:
    """A page of 150 pictures, the last of which has a hostile name and note."""
    place, scored = tmp_path_factory.mktemp("long") / "r.html", rows(150)
    scored[-1] |= {"path": f"p/{HOSTILE[0]}", "notes": [CLOSING]}
    thumbnails = [saved("JPEG", picture(number, 16)) for number in range(3)]
    return write_report.write_report(place, scored, [Shown(number, thumbnails[number % 3]) for number in range(150)], [("model", "m")], 0.5)


def test_cards_below_the_first_view_wait_as_texts_which_a_browser_without_scripts_shows(long_page):
    text = long_page.read_text(encoding="utf-8")
    every, at_once = Page(text), Page(re.sub(r"<noscript.*?</noscript>", "", text, flags=re.DOTALL))
    links = [[attributes["href"] for tag, attributes in page.elements if tag == "a"] for page in (every, at_once)]
    assert links == [[f"#picture-{number}" for number in range(count)] for count in (150, WHOLE)]
    assert all(f">{row['path'].rpartition('/')[2]}</bdi>" in text for row in rows(149))
    images = [json.loads(script) for script in every.scripts[2:]]
    assert [len(block) for block in images] == [TOGETHER, 150 - TOGETHER] and all(thumbnail for block in images for thumbnail, _ in block)
    assert text.count("</noscript>") == 2 and "onerror=alert" not in str(every.elements)  # notes do not end a text


def test_what_is_there_is_kept_and_other_endings_are_refused_before_any_work(tmp_path, saved_models, folder):
    (tmp_path / "r.html").write_text("mine")
    command = ["score", str(folder), "--model", str(saved_models["laptop"]), "--output", str(tmp_path / "s.csv")]
    for place, words in (("r.html", "exists"), ("r.pdf", "must end with .html")):
        with pytest.raises(SystemExit, match=words):
            main.main([*command, "--html", str(tmp_path / place)])
    assert (tmp_path / "r.html").read_text() == "mine" and not (tmp_path / "s.csv").exists()
    with pytest.raises(SystemExit) as end:
        main.main([*command, "--heatmaps"])
    assert end.value.code == 2


def in_browser(page: str, profile: Path) -> str:
    """A page's HTML after its scripts have run."""
    return subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--dump-dom", f"file://{page}"],
        capture_output=True, text=True, timeout=120,
    ).stdout


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_a_browser_shows_the_page_and_runs_nothing_of_strangers(written, tmp_path):
    shown_page = in_browser(f"{written[0]}#picture-0", tmp_path)
    page = Page(shown_page)
    assert "stolen" not in re.search(r"<title>(.*?)</title>", shown_page)[1]
    dialog = next(each for tag, each in page.elements if tag == "dialog")
    assert "open" in dialog and "SHA-256 of the file" in shown_page.partition("<dialog")[2]
    assert "alert" not in page.scripts[1]
    shown = [each for tag, each in page.elements if tag == "img"]  # every card is near, and the dialog has the picture, and it under its map
    assert len(shown) == 2 * (len(HOSTILE) + 1) + 3 and all(each["src"].startswith("data:image/") for each in shown)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_a_browser_finds_a_picture_far_down_a_long_page(long_page, tmp_path):
    shown_page = in_browser(f"{long_page}#picture-149", tmp_path)
    listed = shown_page[shown_page.index('<ul id="cards"') :]
    page, dialog = Page(listed.partition("</ul>")[0]), Page(shown_page.partition("<dialog")[2].partition("</dialog>")[0])
    assert [attributes["href"] for tag, attributes in page.elements if tag == "a"] == [f"#picture-{number}" for number in range(150)]
    assert "noscript" not in [tag for tag, _ in page.elements] and not any("onerror" in attributes for _, attributes in page.elements + dialog.elements)
    [shown] = [attributes for tag, attributes in dialog.elements if tag == "img"]
    assert shown["src"] == json.loads(Page(long_page.read_text(encoding="utf-8")).scripts[3])[49][0]
