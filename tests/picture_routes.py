"""Every way on which a picture's file becomes pixels and a score in this project, and a table of how far they are apart.

``python -m tests.picture_routes`` prints the table; with ``--write`` it goes into docs/reading_pictures.md.
"""

import argparse
import base64
import http.server
import io
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import datasets
import numpy as np
import torch
from PIL import Image

from imaginet_core.pictures.decode import decode, read_picture
from imaginet_core.pictures.partial_decode import PictureFile
from imaginet_core.pictures.sources import Limits
from imaginet_core.pictures.window import Window
from imaginet_tools.images.image_set import ImageSet
from modeling import SelfConImageClassificationPipeline, SelfConImageProcessor
from tests.modeling.helpers import small_model
from tests.picture_fixtures import Fixture, fixtures
from training.views.picture_files import PictureFiles

HERE = Limits(private_addresses=True)
SUFFIXES = {"JPEG": "jpg", "MPO": "jpg", "GIF": "gif", "BMP": "bmp", "TIFF": "tif", "WebP": "webp", "AVIF": "avif"}
DOC = Path(__file__).resolve().parents[1] / "docs" / "reading_pictures.md"
BEGIN, END = "<!-- routes: begin (python -m tests.picture_routes --write) -->", "<!-- routes: end -->"


class Routes:
    """All fixtures on all routes.

    Attributes:
        pixels: route -> function of a fixture's name -> uint8 (H, W, 3).
        scores: route -> function of a fixture's name -> probability of "synthetic" by a small random network.
    """

    def __init__(self, folder: Path, address: str):
        self.files = {name: folder / "pictures" / file_name(number, name) for number, name in enumerate(fixtures())}
        for name, file in self.files.items():
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(fixtures()[name].content)
        self.address = address
        self.images = build(folder, self.files)
        self.place = {Path(path).name: index for index, path in enumerate(self.images.path)}
        self.training = PictureFiles(self.images)
        self.processor = SelfConImageProcessor(crop_size={"height": 64, "width": 64})
        self.pipeline = SelfConImageClassificationPipeline(
            model=small_model(), image_processor=self.processor, task="image-classification"
        )
        self.pixels = {name: self._reading(source) for name, source in self._sources().items()} | {
            "decode": lambda name: decode(fixtures()[name].content), "windows": self._by_windows,
            "training": lambda name: self._opened(self.training.open(self._index(name))),
            "held-out, report": lambda name: self.images.pixels(self._index(name)),
        }
        self.scores = {f"pipeline, {route}": self._scoring(source) for route, source in self._sources().items()}
        self.scores["report"] = lambda name: self.score_of(self.images.pixels(self._index(name)))

    def _sources(self) -> dict[str, Callable[[str], object]]:
        content = lambda name: fixtures()[name].content
        text = lambda name: base64.b64encode(content(name)).decode()
        return {
            "path": lambda name: str(self.files[name]), "Path": lambda name: self.files[name], "bytes": content,
            "file": lambda name: io.BytesIO(content(name)), "base64": text, "data URL": lambda name: f"data:image/png;base64,{text(name)}",
            "URL": lambda name: f"{self.address}/{self.files[name].name}", "PIL": lambda name: Image.open(io.BytesIO(content(name))),
            "array": lambda name: fixtures()[name].pixels,
        }

    def _index(self, name: str) -> int:
        return self.place[self.files[name].name]

    @staticmethod
    def _reading(source: Callable[[str], object]) -> Callable[[str], np.ndarray]:
        return lambda name: read_picture(source(name), limits=HERE, notes=False).pixels

    @staticmethod
    def _opened(picture: PictureFile) -> np.ndarray:
        with picture:
            return picture.read()

    @staticmethod
    def _by_windows(name: str) -> np.ndarray:
        """The whole, put together out of four windows."""
        record = {"bytes": fixtures()[name].content, "path": None}
        with PictureFile(record, name) as picture:
            height, width = picture.height, picture.width
        whole = np.empty((height, width, 3), np.uint8)
        rows, columns = (0, height // 3, height), (0, width // 2, width)
        for top, bottom in zip(rows, rows[1:], strict=False):
            for left, right in zip(columns, columns[1:], strict=False):
                if bottom > top and right > left:
                    with PictureFile(record, name) as picture:
                        whole[top:bottom, left:right] = picture.read(Window.at(top, left, bottom - top, right - left))
        return whole

    def _scoring(self, source: Callable[[str], object]) -> Callable[[str], float]:
        return lambda name: synthetic(self.pipeline(source(name), limits=HERE))

    def score_of(self, pixels: np.ndarray) -> float:
        """What the report says of pixels: processor and network without the pipeline."""
        with torch.no_grad():
            logits = self.pipeline.model(**self.processor(pixels, return_tensors="pt")).logits
        return logits.softmax(1)[0, 1].item()


def file_name(number: int, name: str) -> str:
    """A name for a fixture's file, with the suffix of its format."""
    return f"{number:03}.{SUFFIXES.get(name.split(',')[0], 'png')}"


def build(folder: Path, files: dict[str, Path]) -> ImageSet:
    """The fixtures as the builder prepares them, and as training and report see its data set."""
    for number, file in enumerate(files.values()):
        place = folder / "raw" / "train" / ("real", "synthetic/generator")[number % 2] / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.read_bytes())
    datasets.disable_progress_bars()
    rows = datasets.load_dataset("imaginet", data_dir=str(folder / "raw"), cache_dir=str(folder / "cache"), split="train")
    return ImageSet.from_rows(rows, "the fixtures")


def synthetic(answer: list[dict]) -> float:
    """The score of "synthetic" in an answer of the pipeline."""
    return next(each["score"] for each in answer if each["label"] == "synthetic")


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a server of this machine that gives the files of a folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def routes() -> Iterator[Routes]:
    """All routes, while their files and their server last."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for so small a network more only wait for each other
    try:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "pictures").mkdir()
            with serving(Path(folder) / "pictures") as address:
                yield Routes(Path(folder), address)
    finally:
        torch.set_num_threads(threads)


def difference(found: np.ndarray, fixture: Fixture) -> int:
    """The largest difference of any value, 0 to 255; 256 where the sizes differ."""
    if found.shape != fixture.pixels.shape:
        return 256
    return 0 if np.array_equal(found, fixture.pixels) else int(np.abs(found.astype(np.int16) - fixture.pixels).max())


def table() -> str:
    """Fixtures × routes in Markdown: the largest difference of a value from what is expected, and of a score from the report's."""
    with routes() as made:
        lines = [
            f"| file | size | notes | {' | '.join(made.pixels)} | {' | '.join(made.scores)} |",
            "|" + " --- |" * (3 + len(made.pixels) + len(made.scores)),
        ]
        largest = {}
        for name, fixture in fixtures().items():
            expected = made.score_of(fixture.pixels)
            cells = {route: difference(read(name), fixture) for route, read in made.pixels.items()}
            scores = {route: abs(score(name) - expected) for route, score in made.scores.items()}
            height, width = fixture.pixels.shape[:2]
            shown = [*map(str, cells.values()), *(f"{score:.0e}" if score else "0" for score in scores.values())]
            lines.append(f"| {name} | {height} × {width} | {', '.join(sorted(fixture.notes))} | {' | '.join(shown)} |")
            largest = {route: max(largest.get(route, 0), value) for route, value in {**cells, **scores}.items()}
        ends = [f"{value:.0e}" if value else "0" for value in largest.values()]
        lines.append(f"| **largest** | | | {' | '.join(ends)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"into {DOC.name}")
    made = table()
    if parser.parse_args().write:
        before, _, rest = DOC.read_text(encoding="utf-8").partition(BEGIN)
        DOC.write_text(f"{before}{BEGIN}\n{made}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    print(made)
