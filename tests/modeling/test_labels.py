"""Names of the classes: kept through every way of giving, saving and loading them; other numbers of classes are refused."""

import pytest
from transformers import AutoConfig, AutoModelForImageClassification

from modeling import SelfConConfig, SelfConForImageClassification, SelfConImageProcessor, save
from tests.modeling.helpers import SMALL, small_model

NAMES, NUMBERS = {0: "human", 1: "ai"}, {"human": 0, "ai": 1}


@pytest.mark.parametrize("given", [
    {"id2label": NAMES}, {"label2id": NUMBERS}, {"id2label": {"0": "human", "1": "ai"}},
    {"id2label": NAMES, "label2id": NUMBERS, "num_labels": 2},
    {"id2label": {"0": "human", "1": "ai"}, "label2id": {"human": "0", "ai": "1"}},
])
def test_names_given_to_the_constructor_or_on_loading_are_kept_when_saved(given, tmp_path):
    made = SelfConConfig(**SMALL, **given)
    folder = save(SelfConForImageClassification(made), SelfConImageProcessor(), tmp_path / "made")
    plain = save(small_model(), SelfConImageProcessor(), tmp_path / "plain")
    renamed = SelfConForImageClassification.from_pretrained(plain, **given)
    renamed.save_pretrained(tmp_path / "renamed")
    auto = AutoModelForImageClassification.from_pretrained(plain, trust_remote_code=True, **given)
    found = [made, renamed.config, auto.config]
    found += [AutoConfig.from_pretrained(each, trust_remote_code=True) for each in (folder, tmp_path / "renamed")]
    assert [(each.id2label, each.label2id, each.num_labels) for each in found] == [(NAMES, NUMBERS, 2)] * len(found)


def test_without_names_the_classes_are_real_and_synthetic():
    assert SelfConConfig().id2label == {0: "real", 1: "synthetic"} and SelfConConfig().label2id == {"real": 0, "synthetic": 1}


@pytest.mark.parametrize("wrong, said", [
    ({"num_labels": 3}, "num_labels must be 2, .* got 3"),
    ({"num_labels": 1}, "num_labels must be 2, .* got 1"),
    ({"id2label": {0: "real", 1: "GAN", 2: "diffusion"}}, "id2label must name the two classes"),
    ({"id2label": {1: "real", 2: "synthetic"}}, "id2label must name the two classes"),
    ({"id2label": {0: "same", 1: "same"}}, "id2label must name the two classes"),
    ({"id2label": {"real": 0, "synthetic": 1}}, "id2label must name the two classes"),
    ({"label2id": {"human": 0}}, "id2label must name the two classes"),
    ({"id2label": NAMES, "label2id": {"human": 1, "ai": 0}}, "label2id .* the other way round"),
])
def test_other_classes_are_refused_in_one_sentence_wherever_they_come_from(wrong, said, tmp_path):
    folder = save(small_model(), SelfConImageProcessor(), tmp_path / "detector")
    for make in (
        lambda: SelfConForImageClassification(SelfConConfig(**SMALL, **wrong)),
        lambda: SelfConForImageClassification.from_pretrained(folder, **wrong),
        lambda: AutoModelForImageClassification.from_pretrained(folder, trust_remote_code=True, **wrong),
    ):
        with pytest.raises(ValueError, match=said) as refused:
            make()
        assert "\n" not in str(refused.value)


def test_a_configuration_changed_to_three_classes_makes_no_model():
    config = SelfConConfig(**SMALL)
    config.num_labels = 3
    with pytest.raises(ValueError, match="id2label must name the two classes"):
        SelfConForImageClassification(config)
