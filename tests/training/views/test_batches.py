"""Order and composition of batches: every image once an epoch, the same for any number of processes, an image with its
reconstruction, resumable."""

import numpy as np
import pytest

from training.views.batches import BatchOrder, check_batch_size


def batches(order: BatchOrder, number: int = 0, skip: int = 0) -> list[list[int]]:
    order.set_epoch(number, skip)
    return list(order)


def test_an_epoch_has_each_image_at_most_once_in_an_order_of_its_own():
    order = BatchOrder(np.zeros(50, dtype=bool), 8, seed=1)
    first, second = batches(order, 0), batches(order, 1)
    assert len(first) == len(order) == order.steps == 6 and all(len(batch) == 8 for batch in first)
    images = sum(first, [])
    assert len(set(images)) == 48 and set(images) <= set(range(50))
    assert first != second and batches(order, 0) == first
    assert batches(BatchOrder(np.zeros(50, dtype=bool), 8, seed=2), 0) != first


def test_the_rest_of_an_epoch_is_what_a_resumed_run_gets():
    order = BatchOrder(np.arange(40) % 3 == 0, 8, seed=1)
    whole = batches(order, 5)
    for skip in range(order.steps + 1):
        assert batches(order, 5, skip) == whole[skip:]


def test_processes_share_the_batches_of_one():
    has_reconstruction = np.arange(60) % 2 == 0
    one = batches(BatchOrder(has_reconstruction, 12, seed=3), 2)
    parts = [batches(BatchOrder(has_reconstruction, 12, 3, process, 3), 2) for process in range(3)]
    assert [sum(pieces, []) for pieces in zip(*parts, strict=True)] == one


@pytest.mark.parametrize("singles, pairs, batch_size", [(30, 30, 8), (31, 17, 6), (0, 20, 8), (5, 40, 4), (40, 1, 10), (1, 9, 4)])
def test_a_reconstruction_is_always_in_the_batch_of_its_image(singles, pairs, batch_size):
    has_reconstruction = np.random.default_rng(0).permutation(np.arange(singles + pairs) < pairs)
    order = BatchOrder(has_reconstruction, batch_size, seed=4)
    for epoch in range(5):
        seen = batches(order, epoch)
        assert len(seen) == order.steps > 0
        for batch in seen:
            assert len(batch) == batch_size
            reals = [i for i in batch if i < len(has_reconstruction) and has_reconstruction[i]]
            assert sorted(i - len(has_reconstruction) for i in batch if i >= len(has_reconstruction)) == sorted(reals)
        images = sum(seen, [])
        assert len(set(images)) == len(images)


def test_reconstructions_need_an_even_batch():
    with pytest.raises(ValueError, match="even batch size, got 7"):
        BatchOrder(np.ones(20, dtype=bool), 7, seed=0)


@pytest.mark.parametrize("size, processes, said", [
    (1000, 1, "fewer than the batch size 1000"), (9, 2, "cannot be divided"), (2, 2, "at least 2"),
])
def test_a_batch_that_cannot_be_is_refused(size, processes, said):
    with pytest.raises(ValueError, match=said):
        check_batch_size(size, 100, processes)
