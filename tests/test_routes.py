"""A picture gives the same pixels and the same score on every way through the project, and the reader that travels is this one."""

import logging

import numpy as np
import pytest
from PIL import Image

from imaginet_core.pictures.decode import read_picture
from modeling import SelfConImageClassificationPipeline, SelfConImageProcessor, SyntheticImageDetectionPipeline, picture_reader
from scripts.update_picture_reader import copies
from tests.picture_fixtures import exif, fixtures, photo, saved
from tests.picture_routes import difference, routes, synthetic

FIXTURES = fixtures()
LARGEST = "30000 × 200"  # test_every_route_gives_the_same_pixels has its pixels, the other pictures have the scores of equal pixels


@pytest.fixture(scope="module")
def made():
    with routes() as found:
        yield found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FIXTURES)
def test_every_route_gives_the_same_pixels(made, name):
    found = {route: difference(read(name), FIXTURES[name]) for route, read in made.pixels.items()}
    assert found == dict.fromkeys(made.pixels, 0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] if name == LARGEST else []) for name in FIXTURES])
def test_every_route_gives_the_same_score(made, name):
    expected = made.score_of(FIXTURES[name].pixels)
    for route, score in made.scores.items():
        assert score(name) == pytest.approx(expected, abs=1e-6), route


def test_the_scores_differ_from_picture_to_picture(made):
    scores = [made.score_of(fixture.pixels) for fixture in FIXTURES.values()]
    assert len(FIXTURES) >= 40 and max(scores) - min(scores) > 0.1, "or a mix-up would go unseen"


def test_the_reader_that_travels_with_a_model_is_the_one_of_the_ground():
    for file, text in copies().items():
        assert file.read_text(encoding="utf-8") == text, f"run python -m scripts.update_picture_reader ({file.name})"
    content = FIXTURES["PNG, alpha"].content
    np.testing.assert_array_equal(picture_reader.read_picture(content).pixels, read_picture(content).pixels)
    assert [tuple(note) for note in picture_reader.read_picture(content).notes] == [tuple(note) for note in read_picture(content).notes]


def test_a_detector_of_the_papers_recipe_sees_pictures_as_its_report_did(made):
    stored, content = np.asarray(photo()), saved(photo(), "PNG", exif=exif(6))
    model = made.pipeline.model
    for turn_upright, pixels in ((False, stored), (True, np.rot90(stored, -1))):
        processor = SelfConImageProcessor(crop_size={"height": 64, "width": 64}, turn_upright=turn_upright)
        assert processor.to_dict()["turn_upright"] is turn_upright
        classify = SelfConImageClassificationPipeline(model=model, image_processor=processor, task="image-classification")
        assert synthetic(classify(content)) == pytest.approx(made.score_of(np.ascontiguousarray(pixels)), abs=1e-6)


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("crops", [1, 5])
def test_a_picture_that_cannot_be_read_costs_a_list_nothing_but_its_own_answer(made, batch_size, crops, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    good = [FIXTURES[name].content for name in ("PNG", "JPEG, CMYK of Adobe", "WebP", "PNG, alpha 0")]
    given = [good[0], str(tmp_path / "bad.jpg"), *good[1:], b""]
    classify = made.pipeline
    answers = classify(given, batch_size=batch_size, crops=crops)
    assert [answer[0]["label"] is None for answer in answers] == [False, True, False, False, False, True]
    assert str(tmp_path / "bad.jpg") in answers[1][0]["error"] and "it is empty" in answers[5][0]["error"]
    alone = [synthetic(classify(content, crops=crops)) for content in good]
    together = [synthetic(answers[place]) for place in (0, 2, 3, 4)]
    np.testing.assert_allclose(together, alone, atol=1e-5)

    detect = SyntheticImageDetectionPipeline(model=classify.model, image_processor=made.processor, task="synthetic-image-detection")
    verdicts = detect(given, batch_size=batch_size, crops=crops)
    np.testing.assert_allclose([verdicts[place]["probability"] for place in (0, 2, 3, 4)], alone, atol=1e-5)
    assert [note["name"] for note in verdicts[4]["notes"]] == ["transparent"] and verdicts[0]["notes"] == []
    assert verdicts[1] == dict.fromkeys(verdicts[0]) | {"notes": [], "error": answers[1][0]["error"]}
    for task in (classify, detect):
        with pytest.raises(ValueError, match="bad.jpg cannot be read as an image"):
            task(given[1])
        with pytest.raises(ValueError, match="bad.jpg cannot be read as an image"):
            task(given, on_error="raise")
    with pytest.raises(ValueError, match="on_error must be"):
        classify(given, on_error="skip")


def test_the_pipelines_tell_of_padding_and_lack_of_detail_and_keep_to_limits(made, caplog):
    detect = SyntheticImageDetectionPipeline(model=made.pipeline.model, image_processor=made.processor)
    names = lambda image, **options: {note["name"] for note in detect(image, **options)["notes"]}
    assert names(Image.new("RGB", (200, 300))) == {"flat"} and names(Image.new("RGB", (1, 5000))) == {"flat", "padded"}
    assert names(photo(40, 90)) == {"padded"} and names(photo(40, 90), crops=5) == set()
    with pytest.raises(ValueError, match="limit of 100"):
        detect(photo(), limits={"pixels": 100})
    logger = logging.getLogger(SelfConImageClassificationPipeline.__module__)
    logger.addHandler(caplog.handler)  # Transformers' loggers do not pass messages on
    try:
        made.pipeline(FIXTURES["PNG, alpha 0"].content)
    finally:
        logger.removeHandler(caplog.handler)
    assert "transparent, 100 % of the pixels are transparent" in caplog.text
