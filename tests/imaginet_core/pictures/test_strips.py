"""Pictures one pixel wide and millions high, which are small until somebody pads them whole."""

import tracemalloc

import numpy as np
import pytest

from imaginet_core.detection.crops import cut_crops
from imaginet_core.pictures import degradations
from imaginet_core.pictures.compression_traces import traces
from imaginet_core.pictures.degradations import pad_to, perturb, rng_for


def crops(image: np.ndarray, number: int) -> list[np.ndarray]:
    return cut_crops(image.transpose(2, 0, 1), (256, 256), number)


@pytest.mark.parametrize("work", [lambda image: perturb(image, rng_for("a", "b")), traces, lambda image: crops(image, 5)])
@pytest.mark.parametrize("shape", [(3_000_000, 1, 3), (1, 3_000_000, 3)])
def test_a_strip_takes_no_more_memory_than_a_square(work, shape):
    strip = np.zeros(shape, np.uint8)
    work(np.zeros((600, 600, 3), np.uint8))  # imports
    tracemalloc.start()
    work(strip)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 << 20


@pytest.mark.parametrize("shape", [(40, 700), (700, 200), (255, 256), (256, 300), (30, 50), (400, 500)])
def test_padding_what_is_seen_is_cutting_from_what_was_padded(shape):
    image = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8)
    padded = pad_to(image, 256)
    seen, drawn = perturb(image, rng_for("a", "b"))
    square = padded[drawn.top : drawn.top + drawn.side, drawn.left : drawn.left + drawn.side]
    square = degradations.resize(square, (256, 256), "opencv_lanczos")
    assert np.array_equal(seen, degradations.Compression(drawn.codec, drawn.quality)(square) if drawn.codec else square)
    spare = np.array(padded.shape[:2]) - 256
    centre, *corners = crops(image, 5)
    assert np.array_equal(centre, padded.transpose(2, 0, 1)[:, spare[0] // 2 :, spare[1] // 2 :][:, :256, :256])
    if corners:
        assert np.array_equal(corners[-1], padded.transpose(2, 0, 1)[:, -256:, -256:])
