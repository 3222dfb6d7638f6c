"""How long a browser takes to open a page of scores: headless Chromium, against an empty page in the same run.

    python -m benchmarks.explanations.score_page --folder PICTURES [--count 2000] [--runs 5] [--browser chromium]

Makes a page of COUNT pictures as `imaginet score --html` would (the files of PICTURES, again and again, mirrored and turned), opens it and
an empty page in turn, RUNS times each, and prints the median, least and greatest seconds from the start of the browser until it has
painted the loaded page into a file, what is left when the empty page's median is taken away, and what the browser itself says: milliseconds
from the beginning of the navigation to the load event (``performance.now``), of the page with pictures.
"""

import argparse
import io
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from imaginet_tools.inference.score_report.pictures import QUALITY, Shown  # noqa: E402
from imaginet_tools.inference.score_report.write_report import thumbnail_side, write_report  # noqa: E402

TURNS = (None, *Image.Transpose)


def write_page(place: Path, files: list[Path], count: int) -> None:
    """A page of ``count`` pictures."""
    rows, shown, side = [], [], thumbnail_side(count)
    for number in range(count):
        with Image.open(files[number % len(files)]) as image:
            turn, file = TURNS[number // len(files) % len(TURNS)], io.BytesIO()
            image = image.convert("RGB") if turn is None else image.convert("RGB").transpose(turn)
        image.thumbnail((side, side))
        image.save(file, "JPEG", quality=QUALITY, optimize=True)
        shown.append(Shown(number, file.getvalue(), {"entries": [], "worth": "The file states nothing about its origin."}))
        rows.append({
            "id": number, "path": f"photos/{number % 17}/{number:05}.jpg", "size": 30_000, "sha256": f"{number:064x}", "label": "real",
            "probability": 1 - number / count, "outcome": "real", "family": "GAN", "family_probability": 0.5, "generator": "waifu2x",
            "generator_probability": 0.4, "notes": [], "error": None,
        })
    write_report(place, rows, shown, [("model", "of the benchmark")], 0.5)


def seconds_to_open(browser: str, page: Path) -> float:
    """From the start of the browser to the painted page."""
    with tempfile.TemporaryDirectory() as profile:
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", f"--screenshot={profile}/page.png"]
        start = time.perf_counter()
        subprocess.run([browser, *options, page.as_uri()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        return time.perf_counter() - start


def seconds_to_load(browser: str, page: Path) -> float:
    """From the navigation to the load event, as the browser counts it: a copy of the page with a line of script writes it down."""
    line = "<script>addEventListener('load', () => { document.title = Math.round(performance.now()); });</script>"
    with tempfile.TemporaryDirectory() as folder:
        copy, text = Path(folder, "page.html"), page.read_text(encoding="utf-8")
        copy.write_text(re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text) + line, encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}", "--dump-dom"]
        done = subprocess.run([browser, *options, copy.as_uri()], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return int(re.search(r"<title>(\d+)</title>", done.stdout)[1]) / 1000


def main(arguments: list[str]) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", required=True, type=Path, help="JPEG files at any depth")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--browser", default="chromium")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as top:
        pages = {"empty": Path(top, "empty.html"), f"{options.count:,} pictures": Path(top, "page.html")}
        pages["empty"].write_text("<!doctype html><title>empty</title>", encoding="utf-8")
        write_page(pages[f"{options.count:,} pictures"], sorted(options.folder.rglob("*.jpg")), options.count)
        times = {name: [] for name in pages}
        for _ in range(options.runs):
            for name, page in pages.items():
                times[name].append(seconds_to_open(options.browser, page))
        for name, page in pages.items():
            found = times[name]
            print(f"{name}: {page.stat().st_size / 1e6:.1f} MB, {statistics.median(found):.2f} s ({min(found):.2f} to {max(found):.2f})")
        loads = [seconds_to_load(options.browser, page) for _ in range(options.runs)]
        print(f"load event after {statistics.median(loads):.2f} s ({min(loads):.2f} to {max(loads):.2f}), without the start of the browser")
    difference = statistics.median(found) - statistics.median(times["empty"])
    print(f"difference of the medians: {difference:.2f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
