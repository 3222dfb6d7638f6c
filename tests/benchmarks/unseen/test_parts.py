"""Leave one generator out: nothing of it, and no source picture that is scored, is trained on."""

import numpy as np
import pytest

import imaginet
from benchmarks.unseen.parts import Lab
from tests.benchmarks.unseen.tiny_lab import GENERATORS, SOURCES, write_lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Lab(str(write_lab(tmp_path_factory.mktemp("lab") / "tiny")))


@pytest.mark.parametrize("generator", GENERATORS)
def test_a_part_keeps_generator_and_scored_sources_from_training(lab, generator):
    part = lab.part(generator, 3)
    assert set(part.train.generator) == {"real", *GENERATORS} - {generator}
    assert set(part.scored.generator) == {"real", generator}
    assert not set(part.train.source_image) & set(part.scored.source_image)
    assert len(set(part.train.source_image)) + len(set(part.scored.source_image)) == SOURCES
    assert (part.scored.label == 0).sum() == (part.scored.label == 1).sum() == len(set(part.scored.source_image))


def test_generators_take_the_folds_in_turn_and_folds_are_those_of_training(lab):
    folds = [lab.part(generator, 2).fold for generator in GENERATORS]
    assert folds == [1, 2, 1]
    first, third = (set(lab.part(GENERATORS[place], 2).scored.source_image) for place in (0, 2))
    assert first == third == {f"train{source}" for source in range(SOURCES)} - set(lab.part(GENERATORS[1], 2).scored.source_image)


def test_none_known_trains_on_real_pictures_alone_and_the_test_list_on_all_the_training_list(lab):
    assert set(lab.part(GENERATORS[0], 3, known=0).train.generator) == {"real"}
    part = lab.part(GENERATORS[0], 0)
    assert len(part.train) == SOURCES * len(GENERATORS) and all(path.startswith("train") for path in part.train.source_image)
    assert set(part.scored.source_image) == {"test0", "test1"} and set(part.scored.generator) == {"real", GENERATORS[0]}


@pytest.mark.parametrize("place, known, expected", [(0, 1, {1}), (2, 1, {0}), (1, 2, {0, 2})])
def test_so_many_generators_are_known_as_asked_for(lab, place, known, expected):
    part = lab.part(GENERATORS[place], 3, known=known)
    assert set(part.train.generator) == {"real", *(GENERATORS[other] for other in expected)}
    assert set(part.scored.generator) == {"real", GENERATORS[place]}


def test_the_list_is_read_back_with_the_same_images_and_names(lab, tmp_path):
    part = lab.part(GENERATORS[1], 3)
    lab.write_list(part.train, tmp_path)
    raw = imaginet.ImagiNetConfig(name="all", data_dir=str(lab.folder), annotations=str(tmp_path)).raw
    assert list(raw.splits) == ["train"]
    found = {record.path: (record.generator, record.source_image) for record in raw.splits["train"]}
    assert found == dict(zip(part.train.path, zip(part.train.generator, part.train.source_image, strict=True), strict=True))
    assert not raw.missing and np.array_equal([record.path for record in raw.splits["train"]], part.train.path)


def test_a_folder_without_lists_or_with_one_generator_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no list of training images"):
        Lab(str(tmp_path))
    with pytest.raises(ValueError, match="1 generator"):
        Lab(str(write_lab(tmp_path / "one", generators=GENERATORS[:1])))
