"""Going over images once for a scorer, under all conditions: only what is not stored yet is decoded and computed."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from tqdm import tqdm

from imaginet_core.errors import first_line
from imaginet_core.parallel import in_processes
from imaginet_core.pictures.decode import decode
from imaginet_core.pictures.degradation_grid.conditions import GRID, degrade_all
from imaginet_core.pictures.degradations import CONDITIONS
from imaginet_tools.evaluation.stored.score_store import StoredScores
from imaginet_tools.images.image_set import ImageSet


class ImageScorer(Protocol):
    """Computes a row of plain values of each picture, in two steps.

    Attributes:
        name: in tables and progress bars.
        batch_size: prepared pictures at a time.
        preparation: (file's bytes, pixels uint8 RGB (H, W, 3), condition) -> what is needed of a picture; runs in other processes. Where
            it has an attribute ``turn_upright``, that says whether pixels are turned by their EXIF orientation, else the images do.
    """

    name: str
    batch_size: int
    preparation: Callable

    def key(self, condition: str) -> dict:
        """What its rows depend on beside the picture; values of JSON."""

    def rows(self, prepared: list) -> list[dict]:
        """A row of JSON for each prepared picture."""


class ScoredRows(NamedTuple):
    """What is known of N images after a pass.

    Attributes:
        rows: condition -> N rows, None for images that could not be read.
        broken: index -> why an image could not be read.
        computed: how many rows were not stored before.
    """

    rows: dict[str, list[dict | None]]
    broken: dict[int, str]
    computed: int


class Preparing(NamedTuple):
    """The part of the work that other processes do: decode once, degrade and prepare for each condition."""

    preparation: Callable
    turn_upright: bool

    def __call__(self, job: tuple[int, str, bytes, tuple[str, ...]]) -> tuple[int, list, str | None]:
        """(index, [(condition, prepared)], why not) of (index, path, file's bytes, conditions)."""
        index, path, content, conditions = job
        try:
            pixels = decode(content, turn=self.turn_upright)
            degraded = degrade_all(pixels, path, conditions)
            return index, [(name, self.preparation(content, np.ascontiguousarray(each), name)) for name, each in degraded], None
        except ValueError as error:
            return index, [], first_line(error)


def score_images(scorer: ImageScorer, images: ImageSet, conditions: Sequence[str], store: Path, workers: int = 1) -> ScoredRows:
    """Rows of all images under all conditions, each image decoded once; what is computed is stored at once.

    Args:
        scorer: that computes.
        images: N images.
        conditions: of ``imaginet_core.pictures.degradation_grid.conditions``.
        store: folder of stored scores.
        workers: processes that read pictures, at least 1.

    Raises:
        ValueError: in one sentence naming scorer and picture, where the scorer raises; what it computed before is kept. Also for a
            condition that there is not.
    """
    for name in conditions:
        if name not in GRID and name not in CONDITIONS:
            raise ValueError(f"There is no condition {name!r}; tiers and kinds become conditions by names_of.")
    with ExitStack() as stack:
        stores = {name: stack.enter_context(StoredScores(store, scorer.key(name))) for name in conditions}
        one_pass = _Pass(scorer, images, stores)
        turn_upright = getattr(scorer.preparation, "turn_upright", images.turn_upright)
        jobs = in_processes(Preparing(scorer.preparation, turn_upright), one_pass.jobs(), workers)
        with tqdm(total=len(images), desc=f"{scorer.name}", unit=" images", smoothing=0.05) as bar:
            for index, prepared, reason in jobs:
                one_pass.take(index, prepared, reason)
                bar.update(one_pass.seen - bar.n)
            one_pass.finish()
            bar.update(len(images) - bar.n)
        rows = {name: [stores[name].rows.get(identity) for identity in one_pass.identities[name]] for name in conditions}
    return ScoredRows(rows, one_pass.broken, one_pass.computed)


def identity_of(sha256: str, path: str, condition: str) -> str:
    """By which a row is stored: the content's hash; under a condition that draws by the image's name, a hash of both."""
    if condition in CONDITIONS:
        return sha256
    return hashlib.sha256(f"{sha256}/{path}".encode("utf-8", "surrogatepass")).hexdigest()


class _Pass:
    """The state of one pass: what was seen, what waits for the scorer."""

    def __init__(self, scorer: ImageScorer, images: ImageSet, stores: dict[str, StoredScores]):
        self.scorer, self.images, self.stores = scorer, images, stores
        self.identities: dict[str, list[str]] = {name: [""] * len(images) for name in stores}
        self.broken: dict[int, str] = {}
        self.reasons: dict[str, str] = {}
        self.waiting: list[tuple[str, int, object]] = []
        self.computed = self.seen = 0

    def jobs(self) -> Iterator[tuple[int, str, bytes, tuple[str, ...]]]:
        asked = set()  # two images of one content are computed once
        for index, content in self.images.read(range(len(self.images)), self._note_unreadable):
            self.seen += 1
            sha256, missing = hashlib.sha256(content).hexdigest(), []
            for name, stored in self.stores.items():
                identity = self.identities[name][index] = identity_of(sha256, str(self.images.path[index]), name)
                if identity not in stored.rows and (name, identity) not in asked:
                    asked.add((name, identity))
                    missing.append(name)
            if missing:
                yield index, str(self.images.path[index]), content, tuple(missing)

    def _note_unreadable(self, index: int, error: ValueError) -> None:
        self.seen += 1
        self.broken[index] = str(error)

    def take(self, index: int, prepared: list, reason: str | None) -> None:
        """One picture is prepared, or cannot be read."""
        if reason is not None:
            self.reasons |= {identities[index]: reason for identities in self.identities.values()}
        self.waiting += [(condition, index, each) for condition, each in prepared]
        while len(self.waiting) >= self.scorer.batch_size:
            self._compute(self.waiting[: self.scorer.batch_size])
            self.waiting = self.waiting[self.scorer.batch_size :]

    def finish(self) -> None:
        """Computes what still waits, and names every image that could not be read."""
        if self.waiting:
            self._compute(self.waiting)
        for identities in self.identities.values():
            self.broken |= {
                index: f"{self.images.path[index]}: {self.reasons[identity]}" for index, identity in enumerate(identities) if identity in self.reasons
            }

    def _compute(self, batch: list) -> None:
        try:
            rows = self.scorer.rows([prepared for _, _, prepared in batch])
        except Exception as error:  # whatever a detector of others raises
            if len(batch) == 1:
                condition, index, _ = batch[0]
                raise ValueError(
                    f"{self.scorer.name} failed on {self.images.path[index]} ({condition}): {first_line(error)}. The {self.computed} scores "
                    "computed before are kept; the same command goes on from there."
                ) from error
            for each in batch:  # one by one: the others are kept, and the one that fails has a name
                self._compute([each])
            return
        for (condition, index, _), row in zip(batch, rows, strict=True):
            self.stores[condition].add({self.identities[condition][index]: row})
        self.computed += len(batch)
