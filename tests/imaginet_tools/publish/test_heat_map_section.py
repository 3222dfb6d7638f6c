"""The card says what was measured of the maps, that nothing was, and where they are no better than what knows nothing."""

import json

import numpy as np
import pytest

from benchmarks.explanations import localisation
from imaginet_tools.publish.heat_map_section import FILE, NOT_MEASURED, find_regions, heat_map_section, store_localisation


@pytest.fixture(scope="module")
def figures() -> dict:
    """Of the benchmark's own code: a map that is right but for noise, one that is not."""
    rng, pictures = np.random.default_rng(0), []
    for number in range(12):
        for pair in localisation.PAIRS:
            synthetic = np.zeros((32, 32), bool) if pair != "real into synthetic" else np.ones((32, 32), bool)
            synthetic[8:20, 8:20] = pair == "synthetic into real"
            pictures.append(localisation.Composite(pair, np.zeros((32, 32, 3), np.uint8), synthetic, str(number), number < 6))
    noise = [rng.random((32, 32)) for _ in pictures]
    good = [each.synthetic + values for each, values in zip(pictures, noise, strict=True)]
    measured = {"heat map": good, "the same, of another picture": noise, "local variance": noise[::-1]}
    return {name: localisation.measure(name, pictures, values) for name, values in measured.items()}


@pytest.fixture
def model(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "README.md").write_text(f"---\na: b\n---\n\n# Card\n\n## Heat maps\n\n{heat_map_section(tmp_path)}\n\n## Licence\n\nMine, ## all of it.\n")
    return tmp_path


def test_a_card_says_that_maps_were_not_measured_until_they_were(model, figures):
    assert NOT_MEASURED in (model / "README.md").read_text()
    before = (model / "README.md").read_text()
    for _ in range(2):  # the second time replaces the first
        store_localisation(model, figures)
        card = (model / "README.md").read_text()
        assert NOT_MEASURED not in card and card.count("## Heat maps") == 1
        area = figures["heat map"]["synthetic into real"]["pixel AUC"]
        assert f"AUC of pixels {area} (chance: 0.5; " in card and "on 6 pictures of 6 source pictures" in card and "do not beat" not in card
    assert card.partition("## Heat maps")[0] == before.partition("## Heat maps")[0]
    assert card.partition("## Licence")[2] == before.partition("## Licence")[2]
    assert json.loads((model / FILE).read_text()) == figures


def test_maps_that_know_no_more_than_local_variance_are_called_so(model, figures):
    assert not find_regions(model)  # nothing is known of them
    store_localisation(model, figures | {"heat map": figures["local variance"], "local variance": figures["heat map"]})
    assert (model / "README.md").read_text().count("They do not beat local variance there: leave them off.") == 2 and not find_regions(model)
    store_localisation(model, figures)
    assert find_regions(model)


def test_a_card_without_the_section_gets_it_and_none_is_made_where_there_is_none(model, figures, tmp_path):
    (model / "README.md").write_text("# Card\n")
    store_localisation(model, figures)
    assert (model / "README.md").read_text().startswith("# Card\n\n## Heat maps\n")
    (model / "README.md").unlink()
    store_localisation(model, figures)
    assert not (model / "README.md").exists()
    (model / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match="is no folder of a model"):
        store_localisation(model, figures)


@pytest.mark.parametrize("text", ["{", "{}", '{"heat map": {"synthetic into real": {}}}'])
def test_a_damaged_file_is_one_sentence(model, text):
    (model / FILE).write_text(text)
    with pytest.raises(ValueError, match=f"{FILE} is damaged; delete it, or measure again"):
        heat_map_section(model)
    with pytest.raises(ValueError, match=f"{FILE} is damaged"):
        find_regions(model)
