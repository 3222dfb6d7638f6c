"""The files of a data set, opened by number."""

from types import SimpleNamespace

import numpy as np

from tests.picture_fixtures import exif, photo, saved
from training.views.picture_files import PictureFiles


def test_files_are_opened_by_number_also_from_the_disk_and_turned_or_not(tmp_path):
    photo().save(tmp_path / "a.png")
    turned = saved(photo(), "PNG", exif=exif(3))
    rows = [{"image": {"bytes": None, "path": str(tmp_path / "a.png")}}, {"image": {"bytes": turned, "path": None}}]
    names = np.array(["folder/a.png", "caf\u00e9\udce9.gif"])  # the second is no UTF-8, as Python reads such names
    for upright in (True, False):
        opened = PictureFiles(SimpleNamespace(rows=rows, path=names, turn_upright=upright))
        assert len(opened) == 2 and [opened.path(0), opened.path(1)] == names.tolist()
        with opened.open(0) as picture:
            np.testing.assert_array_equal(picture.read(), np.asarray(photo()))
        with opened.open(1) as picture:
            stored = np.asarray(photo())
            np.testing.assert_array_equal(picture.read(), stored[::-1, ::-1] if upright else stored)
