"""The probe of pictures that no detector here was made for: drawn the same everywhere, told as out of scope."""

import numpy as np
import pytest
from scipy.stats import beta

from imaginet_tools.evaluation.robustness.drawn_pictures import DRAWN, drawn_picture
from imaginet_tools.evaluation.robustness.out_of_scope import draw_examples, drawn_images, out_of_scope_sentence, probe_out_of_scope
from imaginet_tools.inference.detector import Answers, Detector


class Bright(Detector):
    """Calls what is mostly white synthetic."""

    name, threshold = "bright", 0.5

    def scores(self, pictures):
        return Answers(np.array([float((picture > 230).all(-1).mean()) for picture in pictures]))


@pytest.mark.parametrize("kind", DRAWN)
def test_pictures_are_drawn_from_their_number_alone(kind):
    first = drawn_picture(kind, 0)
    assert first.dtype == np.uint8 and first.shape[2] == 3 and min(first.shape[:2]) >= 300
    np.testing.assert_array_equal(first, drawn_picture(kind, 0))
    assert len({drawn_picture(kind, number).tobytes() for number in range(3)}) == 3
    assert len(np.unique(first[..., 0])) > 2  # something is drawn


def test_the_share_called_synthetic_is_told_with_an_exact_interval():
    rows = probe_out_of_scope(Bright(), 0.5, 3)
    assert [row["kind"] for row in rows] == list(DRAWN)
    for row in rows:
        flagged = sum(Bright().scores([drawn_picture(row["kind"], number)]).probability[0] >= 0.5 for number in range(3))
        assert row["called_synthetic"] == flagged / 3 and row["pictures"] == 3
        low = 0 if flagged == 0 else beta.ppf(0.025, flagged, 3 - flagged + 1)
        assert row["low"] == pytest.approx(low, abs=1e-6) and row["high"] > row["called_synthetic"] - 1e-9
    documents = rows[0]["called_synthetic"]
    assert f"{documents:.0%} of 3 rendered documents" in out_of_scope_sentence(rows) and "Out of scope" in out_of_scope_sentence(rows)
    with pytest.raises(ValueError, match="at least 1 picture"):
        probe_out_of_scope(Bright(), 0.5, 0)


def test_drawn_pictures_are_images_like_others():
    images = drawn_images(2)
    assert len(images) == 6 and images.content.tolist() == [kind for kind in DRAWN for _ in range(2)]
    np.testing.assert_array_equal(images.pixels(3), drawn_picture("screenshots", 1))
    assert dict(images.read([5])) == {5: images.content_of(5)} and images.select(np.array([5])).content_of(0) == images.content_of(5)


def test_examples_are_shown():
    figure = draw_examples(2)
    assert sum(bool(axes.images) for axes in figure.axes) == 2 * len(DRAWN)
