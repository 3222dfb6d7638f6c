"""Words for real and synthetic: what is understood, what is said, what is refused."""

import pytest

from imaginet_core.label_words import label_of_word, read_labels


@pytest.mark.parametrize("word, label", [
    ("real", 0), ("Human", 0), ("0_real", 0), ("authentic", 0), ("Natural images", 0), ("nature", 0), ("genuine", 0),
    ("synthetic", 1), ("FAKE", 1), ("1_fake", 1), ("AI", 1), ("ai-generated", 1), ("AI generated images", 1),
    ("cats", None), ("0", None), ("", None), ("unreal", None),
])
def test_words_of_the_field_are_known_however_they_are_written(word, label):
    assert label_of_word(word) == label


def test_only_what_was_guessed_is_said():
    assert read_labels(["synthetic", "real", "real"], "X") == ({"real": 0, "synthetic": 1}, "")
    assert read_labels(["1", "0"], "X").guess == "Labels of X are read so: 0 as real; 1 as synthetic."
    assert read_labels(["1.0", "0.0"], "X").labels == {"0.0": 0, "1.0": 1}
    assert read_labels(["a", "b"], "X", real="b") == ({"a": 1, "b": 0}, "")


@pytest.mark.parametrize("values, kinds", [
    (["real", "SDXL"], False), (["real", "human", "SDXL"], True), (["real", "fake", "SDXL"], True), (["SDXL"], True),
    (["0", "real"], True), (["0", "1", "2"], False), (["1", "2"], True), (["-1", "0", "1"], True),
])
def test_what_is_unknown_or_ambiguous_is_refused(values, kinds):
    with pytest.raises(ValueError, match="^X has the label '.+'; labels must be real and synthetic"):
        read_labels(values, "X", kinds=kinds)


def test_kinds_of_synthetic_images_stand_beside_one_value_for_real():
    assert read_labels(["SDXL", "Real", "FLUX"], "X", kinds=True).labels == {"FLUX": 1, "Real": 0, "SDXL": 1}
    assert read_labels(["0", "1", "5"], "X", kinds=True).labels == {"0": 0, "1": 1, "5": 1}
