"""Going over images once for a scorer, under all conditions: only what is not stored yet is decoded and computed."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
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
        only_prepares: whether the preparation is all the work; without the attribute it is not.
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


class Job(NamedTuple):
    """An image whose rows are missing: its number, path, file's bytes, and the conditions under which they are."""

    index: int
    path: str
    content: bytes
    conditions: tuple[str, ...]


class Copy(NamedTuple):
    """What a scorer needs of an image under one condition."""

    condition: str
    index: int
    prepared: object


class PreparedImage(NamedTuple):
    """An image under each condition that was asked for, or why it cannot be read."""

    index: int
    copies: list[Copy]
    reason: str | None = None


class Failure(NamedTuple):
    """What ends a pass: a scorer fails on an image under a condition (``place``), or it cannot be opened (index None) on a machine."""

    index: int | None
    place: str
    reason: str


class Part(NamedTuple):
    """What came of some jobs.

    Attributes:
        rows: (condition, index, row) of each that was computed.
        unreadable: (index, reason) of images that cannot be read.
        failure: what ends the pass.
    """

    rows: Sequence[tuple[str, int, dict]] = ()
    unreadable: Sequence[tuple[int, str]] = ()
    failure: Failure | None = None


class Preparing(NamedTuple):
    """The part of the work that needs no network: decode once, degrade and prepare for each condition."""

    preparation: Callable
    turn_upright: bool

    def __call__(self, job: Job) -> PreparedImage:
        try:
            pixels = decode(job.content, turn=self.turn_upright)
            degraded = degrade_all(pixels, job.path, job.conditions)
            copies = [Copy(name, job.index, self.preparation(job.content, np.ascontiguousarray(each), name)) for name, each in degraded]
            return PreparedImage(job.index, copies)
        except ValueError as error:
            return PreparedImage(job.index, [], first_line(error))


Engine = Callable[[ImageScorer, Preparing, Iterable[Job]], Iterator[Part]]
"""Computes jobs, in any order; each condition of an image once."""


def compute_here(scorer: ImageScorer, preparing: Preparing, jobs: Iterable[Job], workers: int = 1) -> Iterator[Part]:
    """The engine of one machine: ``workers`` processes prepare, this one asks the scorer."""
    waiting: list[Copy] = []
    for image in in_processes(preparing, jobs, workers):
        yield unreadable_of([image])
        waiting += image.copies
        whole = len(waiting) // scorer.batch_size * scorer.batch_size
        yield from ask(scorer, waiting[:whole])
        waiting = waiting[whole:]
    yield from ask(scorer, waiting)


def unreadable_of(images: Iterable[PreparedImage]) -> Part:
    """Those that cannot be read, as a part."""
    return Part(unreadable=[(each.index, each.reason) for each in images if each.reason is not None])


def ask(scorer: ImageScorer, copies: Sequence[Copy]) -> Iterator[Part]:
    """Rows of copies, ``batch_size`` at a time, up to the first that the scorer fails on."""
    for start in range(0, len(copies), scorer.batch_size):
        part = _ask(scorer, copies[start : start + scorer.batch_size])
        yield part
        if part.failure is not None:
            return


def _ask(scorer: ImageScorer, batch: Sequence[Copy]) -> Part:
    try:
        rows = scorer.rows([each.prepared for each in batch])
    except Exception as error:  # whatever a detector of others raises
        if len(batch) == 1:
            return Part(failure=Failure(batch[0].index, batch[0].condition, first_line(error)))
        found = []
        for each in batch:  # one by one: the others are kept, and the one that fails has a name
            part = _ask(scorer, [each])
            found += part.rows
            if part.failure is not None:
                return Part(found, failure=part.failure)
        return Part(found)
    return Part([(each.condition, each.index, row) for each, row in zip(batch, rows, strict=True)])


def score_images(
    scorer: ImageScorer, images: ImageSet, conditions: Sequence[str], store: Path, workers: int = 1, engine: Engine | None = None
) -> ScoredRows:
    """Rows of all images under all conditions, each image decoded once; what is computed is stored at once.

    Args:
        scorer: that computes.
        images: N images.
        conditions: of ``imaginet_core.pictures.degradation_grid.conditions``.
        store: folder of stored scores.
        workers: processes that read pictures, at least 1.
        engine: that computes instead of this machine, such as ``ray_scoring.RayEngine``; files and store stay with this one.

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
        preparing = Preparing(scorer.preparation, turn_upright)
        with tqdm(total=len(images), desc=f"{scorer.name}", unit=" images", smoothing=0.05) as bar:
            for part in (engine or partial(compute_here, workers=workers))(scorer, preparing, one_pass.jobs()):
                one_pass.take(part)
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
    """The state of one pass: what was seen, what was computed."""

    def __init__(self, scorer: ImageScorer, images: ImageSet, stores: dict[str, StoredScores]):
        self.scorer, self.images, self.stores = scorer, images, stores
        self.identities: dict[str, list[str]] = {name: [""] * len(images) for name in stores}
        self.broken: dict[int, str] = {}
        self.reasons: dict[str, str] = {}
        self.computed = self.seen = 0

    def jobs(self) -> Iterator[Job]:
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
                yield Job(index, str(self.images.path[index]), content, tuple(missing))

    def _note_unreadable(self, index: int, error: ValueError) -> None:
        self.seen += 1
        self.broken[index] = str(error)

    def take(self, part: Part) -> None:
        """Stores what was computed; raises ValueError where the scorer failed."""
        for index, reason in part.unreadable:
            self.reasons |= {identities[index]: reason for identities in self.identities.values()}
        for condition, index, row in part.rows:
            self.stores[condition].add({self.identities[condition][index]: row})
        self.computed += len(part.rows)
        if part.failure is None:
            return
        index, place, reason = part.failure
        where = f"cannot be opened on the machine {place}" if index is None else f"failed on {self.images.path[index]} ({place})"
        raise ValueError(
            f"{self.scorer.name} {where}: {reason.rstrip('.')}. The {self.computed} scores computed before are kept; the same command goes on "
            "from there."
        )

    def finish(self) -> None:
        """Names every image that could not be read."""
        for identities in self.identities.values():
            self.broken |= {
                index: f"{self.images.path[index]}: {self.reasons[identity]}" for index, identity in enumerate(identities) if identity in self.reasons
            }
