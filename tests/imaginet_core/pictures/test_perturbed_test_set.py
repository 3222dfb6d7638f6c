"""The perturbed test set's files: lossless, told by name alone, the same in any process."""

import hashlib
import io
import multiprocessing

import numpy as np
import pytest
from PIL import Image

from imaginet_core.pictures import degradations
from imaginet_core.pictures.decode import decode
from imaginet_core.pictures.perturbed_test_set import perturb

NAMES = [f"faces/{number:03}.png" for number in range(10)]


def file_of(name: str) -> bytes:
    """A picture of its own for each name."""
    rng = np.random.default_rng(int(hashlib.sha256(name.encode()).hexdigest()[:8], 16))
    picture = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((400, 300), Image.Resampling.BICUBIC)
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def perturbed(name: str) -> tuple:
    return name, *perturb(file_of(name), name)


def test_the_file_holds_exactly_the_perturbed_pixels_and_says_what_was_drawn():
    seen = set()
    for name in NAMES:
        content, columns = perturb(file_of(name), name)
        pixels, drawn = degradations.perturb(decode(file_of(name)), degradations.rng_for(name, "perturbed"))
        np.testing.assert_array_equal(decode(content), pixels)
        with Image.open(io.BytesIO(content)) as image:
            assert (image.format, image.size, image.mode) == ("WEBP", (256, 256), "RGB")
        assert columns == {
            "perturbed_side": drawn.side, "perturbed_codec": drawn.codec or "none", "perturbed_quality": drawn.quality or 0
        }
        seen.add(columns["perturbed_codec"])
    assert len(seen) == 3


def test_files_are_the_same_bit_for_bit_in_other_processes_another_order_and_a_subset():
    here = {name: (content, columns) for name, content, columns in map(perturbed, NAMES)}
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        there = list(pool.imap_unordered(perturbed, NAMES[::-3]))
    assert {name: (content, columns) for name, content, columns in there} == {name: here[name] for name in NAMES[::-3]}
    assert len({content for content, _ in here.values()}) == len(NAMES)


def test_the_name_decides_not_the_content():
    first, second = (perturb(file_of("a"), name)[1] for name in ("x.png", "y.png"))
    assert first != second and perturb(file_of("b"), "x.png")[1] == first


def test_pictures_of_other_modes_are_taken_as_training_takes_them():
    content = io.BytesIO()
    Image.open(io.BytesIO(file_of("a"))).convert("L").save(content, "PNG")
    assert decode(perturb(content.getvalue(), "a")[0]).shape == (256, 256, 3)


def test_a_broken_file_is_said_in_one_sentence():
    with pytest.raises(ValueError, match="it is (no JPEG|broken)"):
        perturb(b"nothing of the kind", "a.png")
    with pytest.raises(ValueError, match="it is (no JPEG|broken)"):
        perturb(file_of("a")[:3000], "a.png")
