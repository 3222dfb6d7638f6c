"""From windows to one answer: each rule against numbers by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from imaginet_core.detection.windows import RULES, check_rule, combine_windows

PLAIN, FITTED = SimpleNamespace(temperature=1.0, bias=0.0), SimpleNamespace(temperature=2.0, bias=0.5)
LOGITS = [0.0, 4.0, -2.0, 1.0, 3.0, -1.0, 2.0, 1.0]


@pytest.mark.parametrize("rule, expected", [("mean logit", 1.0), ("max", 4.0), ("top share", 3.5)])
def test_means_and_top_of_the_logits(rule, expected):
    assert combine_windows(LOGITS, rule, FITTED) == expected
    np.testing.assert_allclose(combine_windows([LOGITS, LOGITS[::-1]], rule, FITTED), [expected] * 2)


def test_the_mean_of_probabilities_is_that_of_the_calibrated_ones():
    probability = np.mean([1 / (1 + np.exp(-(each / 2 + 0.5))) for each in LOGITS])
    assert 1 / (1 + np.exp(-(combine_windows(LOGITS, "mean probability", FITTED) / 2 + 0.5))) == pytest.approx(probability, abs=1e-12)
    assert np.isfinite(combine_windows([900.0, 900.0], "mean probability", PLAIN))


@pytest.mark.parametrize("rule", RULES)
def test_a_single_window_keeps_its_logit(rule):
    assert combine_windows([1.25], rule, FITTED) == pytest.approx(1.25, abs=1e-12)


def test_other_rules_are_refused_by_name():
    with pytest.raises(ValueError, match="no rule 'median' for windows; there is: mean logit"):
        check_rule("median")
