"""The page: all figures in it, names as text, no request, and looked at in a browser where there is one."""

import base64
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from imaginet_core.pictures.degradation_grid.conditions import condition_title
from imaginet_tools.evaluation.charts import save_figure
from imaginet_tools.evaluation.html.page import render, write_page
from imaginet_tools.evaluation.report import Report, rows_of
from imaginet_tools.evaluation.robustness.report_part import Degraded, Probes, degradations_of, pictures_of
from imaginet_tools.metrics.attribution import make_track
from tests.imaginet_tools.evaluation.simulate import three_generators

HOSTILE = '<img src=x onerror="window.hacked=1">'
NAMES = ("ours", HOSTILE, "pixel statistics")
CONDITIONS = {"clean": 0, "jpeg_90": 0.02, "jpeg_50": 0.1, "hard_noisy": 0.3, "resize_bicubic_0.5": 0.05}
LOOK = """<script>
addEventListener("load", () => {
  const button = [...document.querySelectorAll("table.sortable th button")].filter(each => each.textContent === "AUC")[0];
  button.click();
  const at = [...button.closest("tr").cells].indexOf(button.parentElement);
  const rows = [...button.closest("table").tBodies[0].rows];
  document.body.dataset.sorted = rows.map(row => row.cells[at].dataset.value).join(" ");
  document.body.dataset.hacked = String(window.hacked);
  document.body.dataset.wide = String(document.documentElement.scrollWidth - innerWidth);
  document.body.dataset.requests = performance.getEntriesByType("resource").filter(each => !each.name.startsWith("data:")).length;
  document.body.dataset.broken = [...document.images].filter(each => !each.complete || !each.naturalWidth).length;
});
</script>"""


def thumbnail(colour: int) -> str:
    content = io.BytesIO()
    Image.fromarray(np.full((80, 80, 3), colour, dtype=np.uint8)).save(content, "JPEG")
    return base64.b64encode(content.getvalue()).decode()


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> tuple[dict, object]:
    """A finished report with its folder: three detectors, degradations, hostile names wherever data has names."""
    folder, clean, rng = tmp_path_factory.mktemp("report"), three_generators(300), np.random.default_rng(0)
    clean = replace(clean, generator=np.where(clean.generator == "B", f"B{HOSTILE}", clean.generator))
    rows, degraded = [], []
    for number, name in enumerate(NAMES):
        scores = {
            condition: replace(clean, probability=np.clip(clean.probability + shift + 0.08 * number * rng.standard_normal(300), 0, 1))
            for condition, shift in CONDITIONS.items()
        }
        for condition, each in scores.items():
            rows += rows_of(name, condition, each, 0.5, 20, baseline=number == 2)
        scope = [{"kind": "screenshots", "pictures": 4, "called_synthetic": 0.5, "low": 0.07, "high": 0.93, "median": 0.4}]
        degraded.append(Degraded(name, scores, 0.5, clean.source_image, number == 2, Probes(scope) if number == 0 else Probes()))
    degradations = degradations_of(degraded, 20)
    pictures = []
    for file, title, figure in pictures_of(degradations):
        save_figure(figure, folder / file)
        pictures.append({"file": file, "title": title})
    answers = np.where(clean.probability >= 0.5, "synthetic", "real")
    track = make_track("origin", "clean", np.array(["real", "synthetic"])[clean.label], answers, ["real", "synthetic"], source_image=clean.source_image, resamples=20)
    tracks = [replace(track, detector=name, condition=condition) for name in NAMES[:2] for condition in ("clean", "jpeg_50")]
    made = Report(
        created="2026-11-28T00:00:00+00:00", versions={"python": "3.11", HOSTILE: "1"}, options={"seed": 0, "title": "</script>"}, training=None,
        data={"name": "simulated <b>pictures</b>", "description": "", "splits": {"test": {
            "images": 300, "real": 150, "synthetic": 150, "source_images": 150, "fingerprint": "0123456789abcdef"}}},
        calibration=None, operating_points=[], figures=rows, limits=[f"A limit {HOSTILE}"], tracks=tracks, pictures=pictures,
    ).to_json()
    made |= {
        "degradations": degradations, "command": "imaginet evaluate --model https://user:secret@host/m",
        "gains": [{"first": "ours", "second": "pixel statistics", "condition": "clean", "figure": "auc",
                   "value": {"value": 0.031, "low": 0.01, "high": 0.05, "reason": None}},
                  {"first": "ours", "second": "pixel statistics", "condition": "jpeg_50", "figure": "auc",
                   "value": {"value": -0.222, "low": None, "high": None, "reason": "few"}}],
        "ranks": [{"detector": "ours", "condition": "clean", "figure": "auc", "best": 0.9,
                   "rank": {"value": 1, "low": 1, "high": 2, "reason": None}}],
        "open_set": [{"detector": "ours", "condition": "clean", "known": 71, "unknown": 53, "auc": {"value": 0.613, "low": 0.5, "high": 0.7,
                      "reason": None}, "recall_at_5": {"value": 0.127, "low": None, "high": None, "reason": "few"}}],
        "pairs": [{"detector": "ours", "condition": "clean", "column": f"id {HOSTILE}", "pairs": 37, "share": {"value": 0.784, "low": 0.7,
                   "high": 0.9, "reason": None}}],
        "mistakes": [
            {"detector": "ours", "condition": "clean", "path": f"{HOSTILE}.png", "label": "synthetic", "generator": "A", "content": "faces",
             "probability": 0.01, "thumbnail": thumbnail(90), "heat_map": thumbnail(200)},
            {"detector": "ours", "condition": "clean", "path": "b.png", "label": "real", "generator": "real", "content": "faces",
             "probability": 0.99, "thumbnail": '"><script>window.hacked=1</script>'},
        ],
    }
    return json.loads(json.dumps(made)), folder


@pytest.fixture(scope="module")
def page(report) -> str:
    return write_page(*report).read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Every element with its attributes, and all text outside scripts and styles."""

    def __init__(self, text: str):
        super().__init__()
        self.elements, self.text, self._inside = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._inside = tag

    def handle_data(self, data):
        if self._inside not in ("script", "style"):
            self.text.append(data)


def test_every_figure_and_fact_is_on_the_page(report, page):
    values, _ = report
    text = " ".join(Elements(page).text)
    for row in values["figures"]:
        assert f"{row['metrics']['auc']['value']:.3f}" in text
    for wanted in ("0123456789abcdef", "+0.031 AUC, 95 % interval +0.010 to +0.050", "One AUC pooled", "Worst cells", "Shift of the scores of real",
                   "One picture at several sizes", "Out of scope", "JPEG 50", "python 3.11", "synthetic, A; ours says 0.010", "--model https://***@host/m"):
        assert wanted in text, wanted
    assert "-0.222 AUC" not in text and "-0.222" in text  # the headline is of undegraded images
    assert "Ranks, with their uncertainty" in text and "1 to 2" in text and "secret" not in page
    sources = [attributes["src"] for tag, attributes in Elements(page).elements if tag == "img"]
    assert len(sources) == len(values["pictures"]) + 2 == 5  # a thumbnail that is no base64 is left out
    assert f"data:image/jpeg;base64,{thumbnail(200)}" in sources and "weaker evidence" in text


def test_classes_unknown_generators_and_pairs_have_tables(report, page):
    values, _ = report
    text = " ".join(" ".join(Elements(page).text).split())
    for wanted in ("By class: origin", "Generators that the detector does not know", "71", "53", "0.613", "0.127", "Images that belong together",
                   "37", "0.784", f"id {HOSTILE}", "By origin, clean, ours", f"By origin, clean, {HOSTILE}"):
        assert wanted in text, wanted
    for each in values["tracks"][0]["classes"]:
        assert text.count(f"{each['accuracy']['value']:.3f}") >= 4  # both detectors, both conditions
    older = [{name: value for name, value in track.items() if name != "detector"} for track in values["tracks"][:2]]
    assert "By origin, clean<" in render({**values, "tracks": older, "open_set": [], "pairs": []})


def test_other_conditions_open_one_by_one(report, page):
    values, _ = report
    folds = [(title, int(count)) for title, count in re.findall(r"<summary>([^<]*): (\d+) rows</summary>", page)]
    for kind in ("content", "generator"):
        groups = {row["name"] for row in values["figures"] if row["kind"] == kind}
        expected = [(condition_title(name), len(groups) * len(NAMES)) for name in CONDITIONS if name != "clean"]
        assert [fold for fold in folds if fold in expected][: len(expected)] == expected, kind


def test_the_best_detector_is_bold_and_ties_are_too(report, page):
    values, _ = report
    own = [row for row in values["figures"] if (row["kind"], row["name"], row["condition"]) == ("overall", "all", "clean")]
    best = max(own, key=lambda row: row["metrics"]["auc"]["value"])
    bold = re.findall(r'class="best">([\d.]+)<', page)
    assert f"{best['metrics']['auc']['value']:.3f}" in bold
    alone = {**values, "figures": [row for row in values["figures"] if row["detector"] == "ours"]}
    assert 'class="best"' not in render(alone)  # there is no best of one
    twice = {**values, "figures": [*alone["figures"], *({**row, "detector": "copy"} for row in alone["figures"])]}
    assert render(twice).count('class="best"') == 9 * len(twice["figures"])


def test_names_are_text_and_nothing_is_requested(page):
    elements = Elements(page).elements
    assert HOSTILE in "".join(Elements(page).text)
    for tag, attributes in elements:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        assert tag not in ("link", "iframe", "object", "base", "form")
        for name in ("src", "href", "action", "srcset"):
            assert attributes.get(name, "#").startswith(("#", "data:image/")), (tag, attributes)
    assert sum(tag == "script" for tag, _ in elements) == 1 and "@import" not in page and "url(" not in page
    [policy] = [attributes["content"] for tag, attributes in elements if attributes.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")


def test_reports_of_training_runs_have_a_page_too(report):
    values, _ = report
    old = {name: value for name, value in values.items() if name not in ("degradations", "command", "gains", "ranks", "mistakes", "detectors")}
    text = render({**old, "schema": "imaginet-report/2"})
    assert "All images" in text and "Degradations," not in text and "Command" not in text


@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_the_page(page, width, tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium here; on Debian: apt-get install chromium")
    frame = f'<iframe src="page.html" width="{width}" height="900"></iframe>'  # a window narrower than 500 pixels there is not
    (tmp_path / "page.html").write_text(page.replace("</body>", f"{LOOK}</body>"), encoding="utf-8")
    (tmp_path / "frame.html").write_text(
        f"<!doctype html>{frame}<script>addEventListener('load', () => document.title = JSON.stringify(document.querySelector('iframe').contentDocument.body.dataset))</script>",
        encoding="utf-8",
    )
    command = [
        browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
        "--allow-file-access-from-files", f"--user-data-dir={tmp_path}/profile", "--virtual-time-budget=5000", "--dump-dom",
        f"file://{tmp_path}/frame.html",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    found = re.search(r"<title>(.*?)</title>", done.stdout)
    assert found, done.stderr[-2000:]
    seen = json.loads(found[1].replace("&quot;", '"'))
    values = [float(value) for value in seen["sorted"].split()]
    assert len(values) == 15 and values == sorted(values, reverse=True)
    assert (seen["hacked"], seen["requests"], seen["broken"]) == ("undefined", "0", "0")
    assert int(seen["wide"]) <= 0  # nothing has to be scrolled sideways but tables, in their own place
