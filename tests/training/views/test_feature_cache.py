"""The feature cache: what the trunk says without it, nothing half-written, and nothing of another trunk, other data or other views."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator

from tests.training.in_two_processes import in_two_processes
from tests.training.views.test_random_views import image_set, views_of
from training.views import feature_cache
from training.views.feature_cache import FeatureCache, FeatureViews
from training.views.random_views import RandomViews
from training.views.recipes import PaperClassifierView, RobustView

EPOCHS = 3


class Projection:
    """Stands for a frozen trunk: a fixed random projection of the pixels; may be killed."""

    size = 5

    def __init__(self, fingerprint: str = "a trunk", dies_after: int | None = None):
        self.fingerprint, self.dies_after, self.calls = fingerprint, dies_after, 0

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        if self.calls == self.dies_after:
            raise KeyboardInterrupt
        self.calls += 1
        matrix = torch.randn(3 * 32 * 32, self.size, generator=torch.Generator().manual_seed(len(self.fingerprint)))
        return (pixels.flatten(2).double() @ matrix.double()).float()


@pytest.fixture(scope="module")
def accelerator():
    return Accelerator(cpu=True)


@pytest.fixture(scope="module")
def images():
    return image_set(6)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Files of five images each, of which the trunk sees two at a time."""
    monkeypatch.setattr(feature_cache, "PART", 5)
    monkeypatch.setattr(feature_cache, "BATCH", 2)


def files(cache: FeatureCache) -> dict[str, bytes]:
    return {file.relative_to(cache.folder).as_posix(): file.read_bytes() for file in sorted(cache.folder.rglob("*.features"))}


def prepared(folder: Path, views: RandomViews, accelerator, trunk=None) -> FeatureCache:
    cache = FeatureCache(folder, views, trunk or Projection())
    cache.prepare(range(EPOCHS), accelerator)
    return cache


@pytest.mark.parametrize("degraded", [False, True])
def test_features_are_what_the_trunk_says_of_the_views_of_the_epoch(degraded, images, accelerator, tmp_path):
    views, trunk = views_of(images, degraded=degraded, cycle=EPOCHS), Projection()
    kept = FeatureViews(views, prepared(tmp_path, views, accelerator, trunk))
    direct, seen = views_of(images, degraded=degraded, cycle=EPOCHS), []
    for epoch in (0, 1, 2, EPOCHS + 1):
        kept.set_epoch(epoch)
        direct.set_epoch(epoch)
        for index in range(len(images)):
            item, expected = kept[index], direct[index]
            torch.testing.assert_close(item.pop("features"), trunk(expected.pop("pixels")[None])[0])
            assert item == expected
        seen.append(torch.stack([kept[index]["features"] for index in range(len(images))]))
    assert len(kept) == len(images) and torch.equal(seen[3], seen[1]) and not torch.equal(seen[1], seen[0])


def test_features_of_another_trunk_other_images_or_other_views_are_never_met(images, accelerator, tmp_path):
    first = prepared(tmp_path, views_of(images), accelerator)
    others = [
        prepared(tmp_path, views_of(images), accelerator, Projection("another trunk")),
        prepared(tmp_path, views_of(image_set(5)), accelerator),
        prepared(tmp_path, views_of(images, degraded=True), accelerator),
        prepared(tmp_path, views_of(images, RobustView(32, margin=8)), accelerator),
        prepared(tmp_path, views_of(images, PaperClassifierView(32)), accelerator),
        prepared(tmp_path, RandomViews(images, RobustView(32), [], [], seed=6), accelerator),
    ]
    assert len({each.folder for each in [first, *others]}) == 1 + len(others)
    again = Projection()
    assert prepared(tmp_path, views_of(image_set(6)), accelerator, again).folder == first.folder and again.calls == 0


def test_what_was_computed_before_a_kill_is_kept_and_the_rest_is_the_same(images, accelerator, tmp_path, capsys):
    undisturbed = prepared(tmp_path / "undisturbed", views_of(images), accelerator)
    every = len(files(undisturbed))
    assert every == 3 * EPOCHS and undisturbed.images == 12  # 5 + 5 + 2 images, seen 2 at a time
    with pytest.raises(KeyboardInterrupt):
        prepared(tmp_path / "killed", views_of(images), accelerator, Projection(dies_after=9))
    left = FeatureCache(tmp_path / "killed", views_of(images), Projection())
    assert len(files(left)) == 3  # the second epoch's first file was under way
    (left.folder / "views-00001").mkdir()
    (left.folder / "views-00001" / ".part-00000.features.1234.part").write_bytes(b"half")
    next(left.folder.glob("views-00000/part-00001.features")).write_bytes(b"short")  # of a disk that lost its end
    capsys.readouterr()
    trunk = Projection()
    resumed = prepared(tmp_path / "killed", views_of(images), accelerator, trunk)
    assert "sees 29 views of 12 images once" in capsys.readouterr().out  # 36 less the 7 of the complete files
    assert trunk.calls == 3 + (3 + 3 + 1) * 2 and files(resumed) == files(undisturbed)
    assert not list(resumed.folder.rglob("*.part"))


def prepare_in_one_of_two(folder: Path) -> None:
    views, trunk = views_of(image_set(6)), Projection()
    prepared(folder, views, Accelerator(cpu=True), trunk)
    (folder / f"calls of {trunk.fingerprint} in {os.getpid()}: {trunk.calls}").touch()


def test_two_processes_share_the_work(images, accelerator, tmp_path):
    alone = prepared(tmp_path / "alone", views_of(images), accelerator)
    in_two_processes(prepare_in_one_of_two, tmp_path / "two")
    assert files(FeatureCache(tmp_path / "two", views_of(images), Projection())) == files(alone)
    calls = sorted(int(file.name.rpartition(" ")[2]) for file in (tmp_path / "two").glob("calls of *"))
    assert len(calls) == 2 and sum(calls) == EPOCHS * 7 and calls[0] >= 7


def test_a_disk_without_room_is_told_before_any_work(images, accelerator, tmp_path, monkeypatch):
    monkeypatch.setattr(feature_cache.shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    trunk = Projection()
    with pytest.raises(ValueError, match=r"of 36 views takes 0\.00 MB, but the disk of .* has 0\.00 MB free; choose another --feature_cache"):
        prepared(tmp_path / "cache", views_of(images), accelerator, trunk)
    assert trunk.calls == 0 and not (tmp_path / "cache").exists()


def test_a_disk_that_fills_up_ends_with_a_sentence_and_no_half_file(images, accelerator, tmp_path, monkeypatch):
    def full(self, _):
        self.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match=r"part-00000.features could not be written \(.*No space left.*Make room on the disk"):
            prepared(tmp_path, views_of(images), accelerator)
    assert not list(tmp_path.rglob("part-*.features")) and not list(tmp_path.rglob("*.part"))
    assert len(files(prepared(tmp_path, views_of(images), accelerator))) == 3 * EPOCHS
