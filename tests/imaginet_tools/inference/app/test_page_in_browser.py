"""The page in headless Chromium: real uploads, no other host, nothing kept, usable by keyboard and screen reader, readable on a phone."""

import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from imaginet_core.pictures.sources import LIMITS
from imaginet_tools.commands import main
from imaginet_tools.inference.app.examples import examples_of_sample
from imaginet_tools.inference.app.sessions import Sessions
from imaginet_tools.inference.saved_detector import open_detector
from tests.picture_fixtures import fixtures, photo

KINDS = (
    "JPEG, chroma 4:2:0", "JPEG, grey", "JPEG, CMYK of Adobe", "PNG, alpha", "PNG, 16 bits", "PNG, palette", "WebP", "GIF", "BMP", "TIFF", "AVIF",
)
HOSTILE = "{{7*7}} ${7*7} <img src=x onerror=window.hacked=1>.png"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
MOST_BYTES = 2**19
WAIT = 120_000
PASTE = """([name, hex]) => {
  const bytes = Uint8Array.from(hex.match(/../g), (each) => parseInt(each, 16)), carrier = new DataTransfer();
  carrier.items.add(new File([bytes], name, { type: "image/png" }));
  document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: carrier, bubbles: true, cancelable: true }));
}"""

WHERE = """() => {
  const at = document.activeElement;
  return `${at.closest("[id]:not([id^=component])")?.id} ${at.textContent.trim()}`;
}"""

pytest.importorskip("gradio", reason="needs gradio, which is not in the environment of the other tests; see `make test-app`")
sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright; see `make test-app`")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; on Debian: apt-get install chromium")


@pytest.fixture(scope="module")
def seen() -> dict[str, set]:
    """What happened on the server: hashes of files that the scorer saw, and addresses that were connected to."""
    return {"hashes": set(), "connected": set()}


@pytest.fixture(scope="module")
def uploads(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def sessions() -> Sessions:
    return Sessions()


@pytest.fixture(scope="module")
def address(model, seen, uploads, sessions):
    from imaginet_tools.inference.app import page as of_page
    from imaginet_tools.inference.app.page import PageOptions, launch_page, make_page

    detector = open_detector(str(model), limits=replace(LIMITS, bytes=MOST_BYTES))
    prepare, connect = detector.prepare, socket.socket.connect

    def watched_prepare(picture, name=None):
        if isinstance(picture, bytes):
            seen["hashes"].add(hashlib.sha256(picture).hexdigest())
        return prepare(picture, name)

    def watched_connect(self, place):
        seen["connected"].add(str(place[0]) if isinstance(place, tuple) else "a file")
        return connect(self, place)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(uploads))
        patch.setattr(socket.socket, "connect", watched_connect)
        patch.setattr(of_page, "Sessions", lambda: sessions)
        detector.prepare = watched_prepare
        page = make_page(detector, PageOptions(("It fails on everything new.",), examples_of_sample()))
        _, url, _ = launch_page(page, MOST_BYTES, "127.0.0.1", free_port(), wait=False)
        yield url
        page.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """Name -> file: ten kinds and more, one that cannot be read, one with a hostile name."""
    folder, found = tmp_path_factory.mktemp("files"), {}
    for number, kind in enumerate(KINDS):
        found[kind] = folder / f"{number:02} {kind.replace(':', ' ')}.bin"
        found[kind].write_bytes(fixtures()[kind].content)
    found["broken"], found["hostile"] = folder / "broken.jpg", folder / HOSTILE
    found["broken"].write_bytes(b"nothing")
    found["hostile"].write_bytes(fixtures()["PNG"].content)
    return found


@pytest.fixture(scope="module")
def page(browser, address):
    """The page, opened once; asks that leave this computer are collected in ``page.outside``."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.outside, page.faults = [], []
    page.on("request", lambda asked: page.outside.append(asked.url) if not re.match(r"(http://127\.0\.0\.1[:/]|data:|blob:)", asked.url) else None)
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.set_default_timeout(WAIT)
    page.goto(address)
    page.wait_for_selector("#pictures input[type=file]", state="attached")
    return page


@pytest.fixture(scope="module")
def uploaded(page, files):
    """After all files were uploaded at once."""
    page.set_input_files("#pictures input[type=file]", [str(file) for file in files.values()])
    page.wait_for_selector("#sha256")
    return page


def choose(page, number: int) -> str:
    """The answer of one of the uploaded pictures, as text."""
    name = page.locator("#chooser label").nth(number).inner_text().partition(". ")[2].rpartition(": ")[0]
    page.locator("#chooser label").nth(number).click()
    page.wait_for_function("name => document.querySelector('#answer h2')?.textContent === name", arg=name)
    return page.inner_text("#answer")


def test_every_kind_of_file_is_scored_as_it_was_uploaded(uploaded, files, seen):
    for number, (kind, file) in enumerate(files.items()):
        text, digest = choose(uploaded, number), hashlib.sha256(file.read_bytes()).hexdigest()
        assert digest in text and digest in seen["hashes"], kind
        if kind == "broken":
            assert "broken.jpg cannot be read as an image" in text and "Called" not in text
        else:
            assert re.search(r"(Called (real|synthetic)|Uncertain)\. The score is [01]\.\d{3}", text), kind
            assert "Provenance" in text and "smooth" in text
    assert "transparent" in choose(uploaded, list(files).index("PNG, alpha")) and "16 bits" in choose(uploaded, list(files).index("PNG, 16 bits"))


def test_nothing_lies_on_the_disk_afterwards(uploaded, uploads):
    assert [file for file in uploads.rglob("*") if file.is_file()] == []
    assert not [folder for folder in uploads.iterdir() if re.fullmatch("[0-9a-f]{20,}", folder.name)]


def test_names_of_strangers_are_text(uploaded, files):
    assert choose(uploaded, list(files).index("hostile")).startswith(HOSTILE)
    assert uploaded.evaluate("window.hacked") is None


def test_the_operating_point_and_the_limits_are_told(uploaded):
    assert "balanced (of 4 real pictures" in uploaded.inner_text("#operating-point")
    assert "It fails on everything new." in uploaded.inner_text("#limits") and "a rate of 1% needs 300" in uploaded.inner_text("#limits")


def test_maps_that_were_found_good_come_by_themselves(model, browser, files, tmp_path, monkeypatch):
    from imaginet_tools.inference.app.page import PageOptions, launch_page, make_page

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    page = make_page(open_detector(str(model)), PageOptions(show_maps=True))
    _, url, _ = launch_page(page, MOST_BYTES, "127.0.0.1", free_port(), wait=False)
    try:
        shown = browser.new_page()
        shown.goto(url)
        shown.wait_for_selector("#pictures input[type=file]", state="attached")
        shown.set_input_files("#pictures input[type=file]", [str(files["WebP"])])
        shown.wait_for_selector("#opacity", timeout=WAIT)
        assert shown.locator("#ask-heat-map").count() == 0 or not shown.locator("#ask-heat-map").is_visible()
        shown.close()
    finally:
        page.close()


def test_heat_map_and_curves_come_on_demand(uploaded):
    choose(uploaded, 0)
    assert uploaded.locator("#opacity").count() == 0 and uploaded.locator("#curves img").count() == 0
    uploaded.click("#ask-heat-map")
    uploaded.wait_for_selector("#opacity")
    uploaded.locator("#opacity").focus()
    for _ in range(10):
        uploaded.keyboard.press("ArrowLeft")
    assert uploaded.evaluate("document.querySelector('.im-overlay').style.opacity") == "0.5"
    assert "no proof of manipulation" in uploaded.inner_text("#heat-map")
    uploaded.click("#ask-curves")
    uploaded.wait_for_selector("#curves img")
    assert uploaded.evaluate("document.querySelector('#curves img').naturalWidth") > 100
    assert "changed sides" in uploaded.inner_text("#curves") or "stayed on its side" in uploaded.inner_text("#curves")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault(uploaded, scheme):
    from axe_playwright_python.sync_playwright import Axe

    uploaded.emulate_media(color_scheme=scheme)
    uploaded.evaluate("dark => document.body.classList.toggle('dark', dark)", scheme == "dark")
    uploaded.wait_for_timeout(400)  # colours fade into each other
    found = Axe().run(uploaded).response
    assert len(found["passes"]) > 20
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]] == []


def test_a_phone_scrolls_down_only(uploaded):
    uploaded.set_viewport_size({"width": 390, "height": 844})
    assert uploaded.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert float(uploaded.evaluate("parseFloat(getComputedStyle(document.querySelector('#answer p')).fontSize)")) >= 14
    uploaded.set_viewport_size({"width": 1280, "height": 900})


def test_the_keyboard_reaches_everything(uploaded):
    uploaded.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    reached = []
    for _ in range(40):
        uploaded.keyboard.press("Tab")
        reached.append(uploaded.evaluate(WHERE))
    text = "\n".join(reached)
    for wanted in ("pictures", "operating-point", "Score: real", "chooser", "ask-heat-map", "ask-curves", "opacity"):
        assert wanted in text, (wanted, text)


def test_new_answers_are_read_out(uploaded):
    assert [uploaded.get_attribute(f"#{part}", "aria-live") for part in ("answer", "heat-map", "curves")] == ["polite"] * 3


def test_a_pasted_picture_is_scored(uploaded, seen):
    content = fixtures()["PNG, grey"].content
    uploaded.evaluate(PASTE, ["pasted.png", content.hex()])
    uploaded.wait_for_function("() => document.querySelector('#answer h2')?.textContent === 'pasted.png'")
    assert hashlib.sha256(content).hexdigest() == uploaded.inner_text("#sha256")


def test_an_example_is_scored(uploaded):
    uploaded.click("#examples button >> nth=1")
    uploaded.wait_for_function("() => document.querySelector('#answer h2')?.textContent.startsWith('synthetic (')")
    assert hashlib.sha256(examples_of_sample()[1].content).hexdigest() == uploaded.inner_text("#sha256")


def test_too_large_a_file_gets_a_sentence(uploaded, address, tmp_path, uploads):
    (tmp_path / "large.jpg").write_bytes(b"\xff\xd8\xff" + b"\0" * MOST_BYTES)
    uploaded.set_input_files("#pictures input[type=file]", [str(tmp_path / "large.jpg")])
    uploaded.wait_for_selector("text=/maximum allowed size .*large.jpg/i")
    file = {"name": "large.jpg", "mimeType": "image/jpeg", "buffer": (tmp_path / "large.jpg").read_bytes()}
    answer = uploaded.request.post(f"{address}gradio_api/upload", multipart={"files": file})  # past the browser's own check
    assert answer.status == 413 and [file for file in uploads.rglob("*") if file.is_file()] == []


def test_a_heic_picture_is_scored_or_refused_in_a_sentence(uploaded, seen, tmp_path, monkeypatch):
    pillow_heif = pytest.importorskip("pillow_heif", reason="needs pillow-heif to write a HEIC file")
    file = tmp_path / "IMG_0001.HEIC"
    pillow_heif.from_pillow(photo()).save(file, quality=90)
    uploaded.set_input_files("#pictures input[type=file]", [str(file)])
    uploaded.wait_for_function("() => document.querySelector('#answer h2')?.textContent === 'IMG_0001.HEIC'")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert uploaded.inner_text("#sha256") == digest and digest in seen["hashes"] and "The score is" in uploaded.inner_text("#answer")
    assert uploaded.evaluate("document.querySelector('#answer img').naturalWidth") == photo().width  # shown as JPEG, as browsers read no HEIC
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as where it is not installed
    uploaded.set_input_files("#pictures input[type=file]", [str(file)])
    uploaded.wait_for_selector("#answer >> text=IMG_0001.HEIC cannot be read as an image (it is a HEIC picture, which takes pillow-heif to read)")


@pytest.fixture
def busy_page(model, address):
    """(address, "go on") of another page, whose network waits until it is told to go on; one request may wait for it."""
    from imaginet_tools.inference.app.page import PageOptions, launch_page, make_page

    detector, go_on = open_detector(str(model)), threading.Event()
    score = detector.scores_of_prepared
    detector.scores_of_prepared = lambda prepared: score(prepared) if go_on.wait(WAIT / 1000) else None
    page = make_page(detector, PageOptions((), examples_of_sample()[:1], queue=1))
    _, url, _ = launch_page(page, MOST_BYTES, "127.0.0.1", free_port(), wait=False)
    yield url, go_on
    go_on.set()
    page.close()


def test_a_full_queue_turns_others_away_with_a_sentence(browser, busy_page):
    url, go_on = busy_page
    tabs = [browser.new_page() for _ in range(3)]
    for tab, told in zip(tabs, ("processing", "queue: 1/1", "This application is currently busy. Please try again."), strict=True):
        tab.set_default_timeout(WAIT)
        tab.goto(url)
        tab.click("#examples button")
        tab.wait_for_selector(f"text={told}")
    go_on.set()
    for tab in tabs[:2]:
        tab.wait_for_selector("#sha256")
    assert not tabs[2].locator("#sha256").count()
    tabs[2].click("#examples button")
    tabs[2].wait_for_selector("#sha256")
    for tab in tabs:
        tab.close()


def test_a_session_sees_its_own_pictures_alone_and_is_forgotten_when_it_is_closed(uploaded, browser, address, sessions):
    before, other = sessions.bytes(), browser.new_page()
    other.set_default_timeout(WAIT)
    other.goto(address)
    other.wait_for_selector("#examples button")
    assert not other.locator("#sha256").count()
    other.click("#examples button >> nth=0")
    other.wait_for_selector("#sha256")
    assert sessions.bytes() > before
    other.close()
    for _ in range(120):
        if sessions.bytes() == before:
            break
        time.sleep(0.5)
    assert sessions.bytes() == before > 0


def test_no_other_host_was_asked(uploaded, seen):
    assert uploaded.outside == [] and uploaded.faults == []
    assert seen["connected"] <= {"127.0.0.1", "localhost", "::1", "a file"}


@pytest.mark.slow
def test_a_space_runs_where_it_was_written(model, tmp_path, browser):
    assert main.main(["app", "--model", str(model), "--export", str(tmp_path / "space")]) == 0
    port = free_port()
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(tmp_path / "uploads"), "PYTHONPATH": ""}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=tmp_path / "space", env=environment)
    try:
        for _ in range(240):
            time.sleep(0.5)
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, "app.py ended"
        page = browser.new_page()
        page.set_default_timeout(WAIT)
        page.goto(f"http://127.0.0.1:{port}/")
        page.click("#examples button >> nth=0")
        page.wait_for_selector("#sha256")
        assert "The score is" in page.inner_text("#answer")
        page.close()
    finally:
        process.terminate()
        process.wait(30)
