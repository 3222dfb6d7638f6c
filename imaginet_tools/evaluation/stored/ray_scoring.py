"""Scoring an evaluation's images on a cluster with Ray: tasks on CPUs decode, degrade and prepare, actors ask the detector.

The machine that starts it reads the files and writes the store, as with the engine for one machine: what is stored is not computed
again by either, and a killed run goes on. Only the detector is opened on every machine, and must be the same on all.
"""

import itertools
import pickle
import platform
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import ray
from ray.exceptions import RayError

from imaginet_core.errors import first_line
from imaginet_core.parallel import in_processes
from imaginet_tools.evaluation.stored.score_images import Failure, ImageScorer, Job, Part, PreparedImage, Preparing, ask, unreadable_of
from imaginet_tools.inference.scoring.ray_engine import Shares, connected, last_line, shares_of_cluster

COPIES = 16
"""Pictures of one task at least, each condition counted; of a detector with larger batches as many as its batch. An image is never cut."""


def prepare(preparing: Preparing, jobs: list[Job]) -> list[PreparedImage]:
    """What a task does."""
    return list(in_processes(preparing, jobs, 1))


def parts_of(scorer: ImageScorer, images: list[PreparedImage]) -> list[Part]:
    """What a scorer says to images that were prepared."""
    return [unreadable_of(images), *ask(scorer, [copy for each in images for copy in each.copies])]


class AskingActor:
    """A detector of its own on some machine, opened when it is first asked; a copy that Ray starts anew opens it again.

    Args:
        pickled: a scorer.
        key: that its rows are stored by.
    """

    def __init__(self, pickled: bytes, key: dict):
        self._pickled, self._key, self._scorer = pickled, key, None

    def ask(self, images: list[PreparedImage]) -> list[Part]:
        """Rows of what tasks prepared. A detector that cannot be opened, or is another one than on the machine that asks, fails."""
        try:
            self._scorer = self._scorer or self._open()
        except Exception as error:  # whatever a detector of others raises
            return [Part(failure=Failure(None, f"{platform.node()} of the cluster", first_line(error)))]
        return parts_of(self._scorer, images)

    def _open(self) -> ImageScorer:
        scorer = pickle.loads(self._pickled)
        here = scorer.key("clean")
        if other := [f"{name} {here.get(name)!r} in place of {value!r}" for name, value in self._key.items() if here.get(name) != value]:
            raise ValueError(f"it would give other scores: it has {', '.join(other)}; the same model and versions are needed everywhere")
        return scorer


class RayEngine:
    """An engine of ``score_images.score_images``. Connects when there is something to compute; to be used in a ``with`` statement.

    Args:
        address: of the cluster's head, such as "ray://head:10001" or "auto"; None for this machine alone.
        actors: most copies of a network (default: one a GPU, or one a CPU where there is no GPU).
        device: of the networks; "cpu" leaves GPUs alone.

    Raises:
        ConnectionError: when it connects, where there is no such cluster.
        ValueError: in one sentence where Ray gives up.
    """

    def __init__(self, address: str | None = None, actors: int | None = None, device: str | None = None):
        self.address, self.actors, self.device, self._stack, self._shares = address, actors, device, ExitStack(), None

    def __enter__(self) -> "RayEngine":
        return self

    def __exit__(self, *error) -> None:
        self._stack.close()

    def __call__(self, scorer: ImageScorer, preparing: Preparing, jobs: Iterable[Job]) -> Iterator[Part]:
        batches = batches_of(jobs, max(COPIES, scorer.batch_size))
        for first in batches:  # without one everything is stored, and no cluster is needed
            if self._shares is None:
                self._stack.enter_context(connected(self.address))
                self._shares = shares_of_cluster(self.actors, self.device)
            yield from self._compute(scorer, preparing, itertools.chain([first], batches))

    def _compute(self, scorer: ImageScorer, preparing: Preparing, batches: Iterable[list[Job]]) -> Iterator[Part]:
        run = _Run(scorer, preparing, self._shares)
        try:
            for batch in batches:
                yield from run.start(batch)
            yield from run.finish()
        except RayError as error:
            raise ValueError(
                f"Ray gave up on {scorer.name} ({last_line(error)}); what came back is kept, and the same command goes on where it was."
            ) from error
        finally:
            run.close()


def batches_of(jobs: Iterable[Job], copies: int) -> Iterator[list[Job]]:
    """Jobs with at least so many conditions together, the last ones with fewer."""
    batch: list[Job] = []
    for job in jobs:
        batch.append(job)
        if sum(len(each.conditions) for each in batch) >= copies:
            yield batch
            batch = []
    if batch:
        yield batch


class _Run:
    """One scorer's batches on their way through the cluster: as many as keep it busy, so that files do not pile up."""

    def __init__(self, scorer: ImageScorer, preparing: Preparing, shares: Shares):
        self.scorer, self.shares, self.preparing = scorer, shares, ray.put(preparing)
        self.alone = getattr(scorer, "only_prepares", False)
        self.prepare = ray.remote(**({"num_cpus": 1} if self.alone else shares.reading))(prepare)
        self.actor = ray.remote(max_restarts=-1, max_task_retries=3, **shares.asking)(AskingActor)
        self.pickled = None if self.alone else pickle.dumps(scorer)
        self.busy: list[tuple[object, int]] = []  # actors, and how many batches each has in hand
        self.waiting: dict[object, int | None] = {}
        self.most = 2 * shares.cpus if self.alone else shares.cpus + 2 * shares.actors

    def start(self, batch: list[Job]) -> Iterator[Part]:
        """Sends a batch out, after what is back was taken where there is no room for more."""
        while len(self.waiting) >= self.most:
            yield from self._take()
        prepared = self.prepare.remote(self.preparing, batch)
        if self.alone:
            self.waiting[prepared] = None
            return
        number = self._idlest()
        actor, held = self.busy[number]
        self.waiting[actor.ask.remote(prepared)] = number
        self.busy[number] = actor, held + 1

    def _idlest(self) -> int:
        """The number of the actor with the fewest batches; a new one where all have some and there may be more."""
        if len(self.busy) < self.shares.actors and all(held for _, held in self.busy):
            self.busy.append((self.actor.remote(self.pickled, self.scorer.key("clean")), 0))
        return min(range(len(self.busy)), key=lambda number: self.busy[number][1])

    def _take(self) -> Iterator[Part]:
        (done, *_), _ = ray.wait(list(self.waiting), num_returns=1)
        number = self.waiting.pop(done)
        if number is None:
            yield from parts_of(self.scorer, ray.get(done))
            return
        self.busy[number] = self.busy[number][0], self.busy[number][1] - 1
        yield from ray.get(done)

    def finish(self) -> Iterator[Part]:
        """What is still out."""
        while self.waiting:
            yield from self._take()

    def close(self) -> None:
        """Ends the actors, whose machines the next detector needs."""
        for actor, _ in self.busy:
            ray.kill(actor)
