"""Options that name a data set: wrong values are refused with a sentence."""

import pytest

from imaginet_tools.images.data_options import DataOptions


@pytest.mark.parametrize("values, said", [
    ({"held_out": 0.5}, "--held_out is a share between 0 and 0.5, got 0.5"),
    ({"held_out": 0}, "--held_out is a share between 0 and 0.5, got 0"),
    ({"fold": "5/4"}, "--fold is written 2/4 for the second of four folds, got '5/4'"),
    ({"fold": "1/1"}, "--fold is written 2/4"),
    ({"streaming": True, "fold": "2/4"}, "--streaming reads images once as they come, so --fold cannot go with it"),
    ({"dataset": "me/other", "locations": "places.yaml"}, "--locations belongs to the dataset imaginet, not to me/other"),
])
def test_values_that_no_data_set_can_meet_are_refused(values, said):
    with pytest.raises(ValueError, match=said):
        DataOptions(**values)


def test_a_fold_is_read_as_its_number_and_how_many_there_are():
    assert DataOptions(fold="2/4").fold_numbers() == (2, 4)
