"""Answers for many requests at once: each picture waits for a moment, so that those that come together share one pass."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from imaginet_tools.inference.detector import Answers
from imaginet_tools.inference.preparation import Prepared


class QueueFull(Exception):
    """So many pictures wait already that this one would wait too long."""


class _Waiting(NamedTuple):
    prepared: Prepared
    answered: asyncio.Future


class Batcher:
    """Collects prepared pictures into batches and scores them one batch after the other, in a thread of its own.

    Args:
        score: prepared pictures -> their answers, in their order; called from one thread at a time.
        most: pictures in a batch.
        queue: pictures that may wait beside the batch that is being scored.
        patience: seconds that the first of a batch waits for others.
        seen: is told the size of every batch.
    """

    def __init__(
        self, score: Callable[[Sequence[Prepared]], Answers], most: int, queue: int, patience: float = 0.005,
        seen: Callable[[int], None] = lambda size: None,
    ):
        self.score, self.most, self.patience, self.seen = score, most, patience, seen
        self.waiting: asyncio.Queue[_Waiting] = asyncio.Queue(queue)
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="score")
        self.work: asyncio.Task | None = None

    def start(self) -> None:
        """Begins to score; needs a running event loop."""
        self.work = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Scores what waits and ends."""
        await self.waiting.join()
        self.work.cancel()
        await asyncio.gather(self.work, return_exceptions=True)
        self.thread.shutdown()

    async def answer(self, prepared: Prepared) -> tuple[Answers, int]:
        """The answers of the picture's batch, and its number among them.

        Raises:
            QueueFull: if too many wait.
        """
        waiting = _Waiting(prepared, asyncio.get_running_loop().create_future())
        try:
            self.waiting.put_nowait(waiting)
        except asyncio.QueueFull:
            raise QueueFull from None
        return await waiting.answered

    async def _work(self) -> None:
        while True:
            batch = await self._batch()
            try:
                answers = await asyncio.get_running_loop().run_in_executor(self.thread, self.score, [each.prepared for each in batch])
            except Exception as error:  # it belongs to those who asked; the next batch may go well
                for each in batch:
                    if not each.answered.done():
                        each.answered.set_exception(error)
            else:
                for number, each in enumerate(batch):
                    if not each.answered.done():  # whoever asked may have gone
                        each.answered.set_result((answers, number))
            for _ in batch:
                self.waiting.task_done()

    async def _batch(self) -> list[_Waiting]:
        batch, loop = [await self.waiting.get()], asyncio.get_running_loop()
        end = loop.time() + self.patience
        while len(batch) < self.most:
            if self.waiting.empty() and loop.time() >= end:
                break
            try:
                batch.append(await asyncio.wait_for(self.waiting.get(), max(0.0, end - loop.time()) or 1e-4))
            except TimeoutError:
                break
        self.seen(len(batch))
        return batch
