"""Pictures of many requests in common batches: each gets its own answer, errors stay with their batch, a full queue is told."""

import asyncio
import time

import numpy as np
import pytest

from imaginet_tools.inference.detector import Answers
from imaginet_tools.inference.preparation import Prepared
from imaginet_tools.inference.service.batches import Batcher, QueueFull


def prepared(number: int) -> Prepared:
    return Prepared(np.full((1, 2, 2, 3), number, np.uint8))


def score(pictures) -> Answers:
    """The picture's number over 100; slow enough that others come meanwhile."""
    time.sleep(0.01)
    if any(each.crops[0, 0, 0, 0] == 99 for each in pictures):
        raise MemoryError("no memory")
    return Answers(np.array([each.crops[0, 0, 0, 0] / 100 for each in pictures]))


def run(count: int, **options) -> tuple[list, list[int]]:
    sizes = []

    async def all_at_once():
        batcher = Batcher(score, **{"most": 8, "queue": 100, "seen": sizes.append, **options})
        batcher.start()
        answers = await asyncio.gather(*(batcher.answer(prepared(number)) for number in range(count)), return_exceptions=True)
        await batcher.stop()
        return answers

    return asyncio.run(all_at_once()), sizes


def test_each_gets_its_own_answer_in_full_batches():
    answers, sizes = run(50)
    assert [answer.probability[place] for answer, place in answers] == [number / 100 for number in range(50)]
    assert sum(sizes) == 50 and max(sizes) == 8 and len(sizes) <= 9


def test_an_error_belongs_to_its_batch():
    answers, _ = run(100, queue=200)
    failed = [isinstance(answer, MemoryError) for answer in answers]
    assert 1 <= sum(failed) <= 8 and failed[99]


def test_who_comes_when_too_many_wait_is_told_at_once():
    answers, _ = run(40, queue=10)
    full = [isinstance(answer, QueueFull) for answer in answers]
    assert full == [False] * 10 + [True] * 30


def test_one_alone_does_not_wait_for_others():
    async def alone():
        batcher = Batcher(score, most=8, queue=4, patience=0.005)
        batcher.start()
        start = time.perf_counter()
        await batcher.answer(prepared(1))
        await batcher.stop()
        return time.perf_counter() - start

    assert asyncio.run(alone()) == pytest.approx(0.02, abs=0.2)
