"""The crop cache: the same crops as without it, nothing half-written or of other data, and never more than it may hold."""

import json
import multiprocessing
import os
import signal
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import chisquare, ks_2samp

from imaginet_tools.images.image_set import ImageSet
from tests.training.views.test_random_views import image_set, views_of
from training.views import crop_cache
from training.views.crop_cache import DESCRIPTION, CropCache
from training.views.recipes import PaperClassifierView, PaperContrastiveView, RobustView

EPOCHS, WINDOWS = 6, 3


def cache_in(folder, images: ImageSet, view=None, **changes) -> CropCache:
    settings = {"seed": 1, "windows": WINDOWS, "epochs": EPOCHS, "limit_bytes": 10**9, **changes}
    return CropCache(folder, images, view or PaperContrastiveView(32), **settings)


@pytest.fixture
def small_parts(monkeypatch):
    """Files of two images each."""
    monkeypatch.setattr(crop_cache, "PART_BYTES", 2 * WINDOWS * 32 * 32 * 3 + 1000)


def parts(cache: CropCache) -> dict:
    """Name and content of all complete files."""
    return {str(file.relative_to(cache.folder)): file.read_bytes() for file in sorted(cache.folder.rglob("*.windows"))}


@pytest.mark.parametrize("view, margin", [
    (PaperContrastiveView(32), 0), (RobustView(24), 0), (PaperContrastiveView(60), 0), (RobustView(16), 9),
])
def test_a_window_has_its_pixels_of_the_image(view, margin, tmp_path, small_parts):
    images = image_set()
    cache = cache_in(tmp_path, images, view, margin=margin)
    cache.prepare(0)
    for index in range(len(images)):
        for epoch in range(WINDOWS):
            pixels, window = cache.window(index, epoch)
            np.testing.assert_array_equal(pixels, window.of(images.pixels(index)))
            assert view.finish(pixels, window, np.random.default_rng(0)).shape == (view.size, view.size, 3)


def test_epochs_take_the_windows_in_turn_and_get_new_ones_after_the_generation(tmp_path):
    images = image_set()
    cache = cache_in(tmp_path, images)
    places = []
    for epoch in range(2 * EPOCHS):
        cache.prepare(epoch)
        places.append([cache.window(index, epoch)[1][:2] for index in range(len(images))])
    first, second = places[:EPOCHS], places[EPOCHS:]
    assert first[:3] == first[3:] and second[:3] == second[3:]
    drawn = [*first[:3], *second[:3]]
    assert all(a != b for number, a in enumerate(drawn) for b in drawn[:number])


def test_crops_have_the_distribution_that_they_have_without_a_cache(tmp_path):
    """Places are uniform, and places and pixels are distributed as in views that read the images; p-values above 1 in 1,000."""
    images, view, generations = image_set(12), PaperContrastiveView(32), 8
    cache, direct = cache_in(tmp_path, images, view), views_of(images, view)
    places, cached, read = [], [], []
    with_cache = views_of(images, view, crops=cache)
    for epoch in range(generations * EPOCHS):
        cache.prepare(epoch)
        if epoch % EPOCHS >= WINDOWS:
            continue
        for dataset, values in ((with_cache, cached), (direct, read)):
            dataset.set_epoch(epoch)
            values += [dataset[index]["pixels"].float() for index in range(len(images))]
        places += [cache.window(index, epoch)[1][:2] for index in range(len(images))]
    for values in np.array(places).T:
        assert len(values) == 12 * 2 * WINDOWS * generations
        assert chisquare(np.bincount(values, minlength=17)).pvalue > 1e-3
    together = np.ravel_multi_index(np.array(places).T // 6, (3, 3))
    sizes = np.outer([6, 6, 5], [6, 6, 5]).ravel()
    assert chisquare(np.bincount(together, minlength=9), sizes / sizes.sum() * len(places)).pvalue > 1e-3
    statistics = (lambda x: x.mean(), lambda x: x.std(), lambda x: x.diff(dim=2).abs().mean(), lambda x: x[0, 0, 0, 0])
    for statistic in statistics:
        assert ks_2samp([float(statistic(x)) for x in cached], [float(statistic(x)) for x in read]).pvalue > 1e-3


def test_windows_do_not_depend_on_who_cuts_them(tmp_path, small_parts):
    images = image_set()
    alone, together = cache_in(tmp_path / "a", images), cache_in(tmp_path / "b", images)
    alone.prepare(0, num_workers=0)
    together.prepare(0, num_workers=2)
    assert parts(alone) == parts(together) and len(parts(alone)) == 6
    unprepared = cache_in(tmp_path / "c", images)
    for index in range(len(images)):
        (pixels, window), (read, same) = alone.window(index, 1), unprepared.window(index, 1)
        assert window == same
        np.testing.assert_array_equal(pixels, read)


def test_preparation_says_size_and_progress_and_is_done_once(tmp_path, capsys):
    cache = cache_in(tmp_path, image_set())
    cache.prepare(0)
    said = capsys.readouterr()
    assert f"Cutting 3 windows out of each of 12 images for epochs 0 to 5: 0.11 MB in {cache.folder}" in said.out
    assert "12/12" in said.err and "images/s" in said.err
    assert sum(map(len, parts(cache).values())) == cache.generation_bytes
    before = {file: file.stat().st_mtime_ns for file in cache.folder.rglob("*.windows")}
    cache.prepare(1)
    cache_in(tmp_path, image_set()).prepare(5)
    assert capsys.readouterr().out == "" and before == {file: file.stat().st_mtime_ns for file in before}


# interruptions and other runs

def prepare_slowly(folder, started) -> None:
    original = CropCache.write_part

    def write_part(cache, generation, part):
        if part == 3:
            (cache._generation(generation) / ".part-00003.windows.0a1b.part").write_bytes(b"half")
            started.set()
            time.sleep(60)
        return original(cache, generation, part)

    CropCache.write_part = write_part
    cache_in(folder, image_set()).prepare(0)


def test_a_killed_preparation_is_gone_on_with(tmp_path, small_parts):
    context = multiprocessing.get_context("fork")
    started = context.Event()
    process = context.Process(target=prepare_slowly, args=(tmp_path, started))
    process.start()
    assert started.wait(30)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    cache = cache_in(tmp_path, image_set())
    kept = {file: file.stat().st_mtime_ns for file in cache.folder.rglob("*.windows")}
    assert len(kept) == 3
    cut_off = next(iter(kept))
    cut_off.write_bytes(cut_off.read_bytes()[:-5])  # as after a copy that failed
    cache.prepare(0)
    whole = cache_in(tmp_path / "other", image_set())
    whole.prepare(0)
    assert parts(cache) == parts(whole) and not list(tmp_path.rglob("*.part"))
    assert all(file.stat().st_mtime_ns == changed for file, changed in kept.items() if file != cut_off)


def prepare_and_tell(folder, barrier, answers) -> None:
    cache = cache_in(folder, image_set())
    barrier.wait()
    cache.prepare(0)
    answers.put([cache.window(index, 2)[0].tobytes() for index in range(12)])


def test_two_runs_share_a_folder_at_the_same_time(tmp_path, small_parts):
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(2), context.Queue()
    processes = [context.Process(target=prepare_and_tell, args=(tmp_path, barrier, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    first, second = answers.get(timeout=60), answers.get(timeout=60)
    for process in processes:
        process.join()
    assert first == second and [process.exitcode for process in processes] == [0, 0]
    assert len(list(tmp_path.glob("*/*/*.windows"))) == 6 and not list(tmp_path.rglob("*.part"))


def test_past_generations_make_room_unless_a_run_uses_them(tmp_path, capsys):
    images = image_set()
    limit = int(2.5 * cache_in(tmp_path, images).generation_bytes)
    first = cache_in(tmp_path, images, limit_bytes=limit)
    first.prepare(0)
    second = cache_in(tmp_path, images, limit_bytes=limit)
    second.prepare(EPOCHS)
    notes = second._generation(1) / "notes.txt"
    notes.write_text("of the user")
    second.prepare(2 * EPOCHS)  # the first run still uses generation 0, so 1 has to go
    assert sorted(name[:16] for name in parts(second)) == ["generation-00000", "generation-00002"]
    assert notes.read_text() == "of the user"

    third = cache_in(tmp_path, images, limit_bytes=limit)
    capsys.readouterr()
    third.prepare(5 * EPOCHS)
    assert "is full of windows that other runs use; those of epoch 30 on are read from the images" in capsys.readouterr().out
    pixels, window = third.window(4, 5 * EPOCHS)
    np.testing.assert_array_equal(pixels, window.of(images.pixels(4)))
    assert sum(map(len, parts(third).values())) <= limit
    first.close()
    third.prepare(6 * EPOCHS)
    assert sorted(name[:16] for name in parts(third)) == ["generation-00002", "generation-00006"]


def use_with_a_loading_process(folder, loading, pipe) -> None:
    cache = cache_in(folder, image_set())
    cache.prepare(0)
    child = loading.Process(target=time.sleep, args=(120,))
    child.start()
    pipe.send(child.pid)
    time.sleep(120)


def test_a_killed_run_uses_no_windows_any_more_though_a_loading_process_lives_on(tmp_path):
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    run = context.Process(target=use_with_a_loading_process, args=(tmp_path, context, sender))
    run.start()
    assert receiver.poll(60)
    loading, generation = receiver.recv(), cache_in(tmp_path, image_set())._generation(0)
    assert not crop_cache.remove_unless_used(generation) and generation.is_dir()
    os.kill(run.pid, signal.SIGKILL)
    run.join()
    try:
        assert crop_cache.remove_unless_used(generation) and not generation.exists()
        os.kill(loading, 0)  # it does
    finally:
        os.kill(loading, signal.SIGKILL)


# other data, and limits

def changed_picture(images: ImageSet) -> ImageSet:
    """One picture has other pixels, in a file of the same length under the same name."""
    return with_bytes(images, 7, lambda content: content[:60] + bytes([content[60] ^ 1]) + content[61:])


def with_bytes(images: ImageSet, changed: int, change) -> ImageSet:
    """The same images, one file's bytes changed."""
    def changed_row(row, index):
        content = row["image"]["bytes"]
        return {"image": {"bytes": change(content) if index == changed else content, "path": None}}
    return images.with_rows(images.rows.map(changed_row, with_indices=True, features=images.rows.features))


def test_windows_of_other_data_or_settings_are_never_taken(tmp_path):
    images = image_set()
    own = cache_in(tmp_path, images)
    assert cache_in(tmp_path, image_set()).folder == own.folder
    others = [
        cache_in(tmp_path, images, seed=2), cache_in(tmp_path, images, PaperContrastiveView(24)),
        cache_in(tmp_path, images, RobustView(32)), cache_in(tmp_path, images, windows=2),
        cache_in(tmp_path, images, margin=4), cache_in(tmp_path, changed_picture(images)),
        cache_in(tmp_path, images.select(np.arange(11))), cache_in(tmp_path, images.select(np.arange(12)[::-1])),
        cache_in(tmp_path, replace(images, path=np.char.add("x", images.path))),
    ]
    assert len({cache.folder for cache in [own, *others]}) == 10


def test_files_on_disk_are_told_apart_by_size_and_time(tmp_path):
    images, file = image_set(), tmp_path / "a.png"
    file.write_bytes(images.rows[0]["image"]["bytes"])
    rows = images.rows.map(lambda row: {"image": {"bytes": None, "path": str(file)}}, features=images.rows.features)
    images = images.with_rows(rows)
    cache = cache_in(tmp_path / "cache", images)
    cache.prepare(0)
    np.testing.assert_array_equal(cache.window(0, 0)[0], cache.window(0, 0)[1].of(images.pixels(0)))
    assert cache_in(tmp_path / "cache", images).folder == cache.folder
    os.utime(file, ns=(1, 1))
    assert cache_in(tmp_path / "cache", images).folder != cache.folder


def test_a_cache_over_the_limit_is_refused_before_any_work(tmp_path):
    images = image_set()
    said = "needs 0.11 MB for 3 windows of 32 pixels a side of each of 12 images, more than --crop_cache_gb 0.0001; raise it"
    with pytest.raises(ValueError, match=said):
        cache_in(tmp_path / "new", images, limit_bytes=100_000)
    assert not (tmp_path / "new").exists()

    other = cache_in(tmp_path, images, seed=9)
    other.prepare(0)
    said = f"with the windows of other data does not fit .* delete what you no longer need of {other.folder}"
    with pytest.raises(ValueError, match=said):
        cache_in(tmp_path, images, limit_bytes=int(1.5 * other.generation_bytes))
    assert json.loads((other.folder / DESCRIPTION).read_text(encoding="utf-8"))["seed"] == 9


def test_a_full_disk_is_said_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(crop_cache.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(ValueError, match="but the disk of .* has 0.00 MB free; choose another --crop_cache"):
        cache_in(tmp_path, image_set())


def test_a_view_that_may_need_whole_pictures_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--crop_cache cannot serve PaperClassifierView"):
        cache_in(tmp_path, image_set(), PaperClassifierView(32))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_is_named_while_windows_are_cut(tmp_path, workers):
    images = with_bytes(image_set(), 5, lambda content: content[:60])
    cache = cache_in(tmp_path, images)
    for _ in range(2):  # a failed preparation does not count as done
        with pytest.raises(ValueError, match=f"{images.path[5]} cannot be read as an image"):
            cache.prepare(0, workers)
