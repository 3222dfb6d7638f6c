"""Reconstructions: what the autoencoders make of pictures, that stopped work goes on, and what is said of bad input."""

import copy
import json

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.image_set import REAL
from imaginet_tools.images.splits import load_splits
from tests.training.tiny_data import records, write_split
from training.reconstructions import autoencoder, reconstructions
from training.reconstructions.autoencoder import (
    SmallAutoencoder,
    cut_crops,
    load_diffusers,
    reconstruct,
    train_small,
    weights_hash,
)
from training.reconstructions.reconstructions import RECORD, WEIGHTS, existing_file, make_reconstructions


@pytest.fixture(scope="module")
def accelerator():
    return Accelerator(cpu=True)


@pytest.fixture(scope="module")
def images(tiny_dataset):
    """36 images, half of them real."""
    return load_splits(DataOptions(dataset=str(tiny_dataset), held_out=0.25), seed=42).train


@pytest.fixture(autouse=True)
def short_training(monkeypatch):
    monkeypatch.setattr(reconstructions, "train_small", lambda *arguments: train_small(*arguments, steps=3))


def make(images, folder, accelerator, source="small", seed=1, num_workers=0):
    return make_reconstructions(images, source, folder, seed, accelerator, num_workers)


def smooth_pictures(count, side=96):
    """Pictures with detail that an autoencoder can learn: random waves, uint8 (side, side, 3)."""
    rng, places = np.random.default_rng(0), np.indices((side, side))
    waves = lambda: np.sin(rng.uniform(0.05, 0.6) * places[0] + rng.uniform(0.05, 0.6) * places[1] + rng.uniform(0, 6))
    pictures = [np.stack([waves() + waves() for _ in range(3)], axis=-1) for _ in range(count)]
    return [(127 + 60 * picture).clip(0, 255).astype(np.uint8) for picture in pictures]


def psnr(image, other):
    return 10 * np.log10(255**2 / ((image.astype(float) - other) ** 2).mean())


def files(folder):
    return {file.name: file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.fixture(scope="module")
def small():
    return SmallAutoencoder().eval()


# the autoencoders

def test_training_brings_the_reconstruction_closer_than_its_enlarged_block_colours(accelerator):
    pictures = smooth_pictures(14)
    network = train_small(cut_crops(pictures[:10], seed=1), 1, accelerator, steps=80)
    silent = copy.deepcopy(network)
    for parameter in (silent.decoder[-1].weight, silent.decoder[-1].bias):
        torch.nn.init.zeros_(parameter)  # what is left is the bilinear enlargement of the colours
    for picture in pictures[10:]:
        made = reconstruct(network, picture, accelerator.device)
        assert psnr(picture, made) > psnr(picture, reconstruct(silent, picture, accelerator.device)) + 3
        assert not np.array_equal(picture, made)


def test_training_is_the_same_again_and_leaves_the_random_state_alone(accelerator):
    crops = cut_crops(smooth_pictures(2), seed=1)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (weights_hash(train_small(crops, seed, accelerator, steps=3)) for seed in (1, 1, 2))
    assert first == again != other
    assert torch.equal(torch.rand(3), expected)


def test_a_loss_that_is_not_finite_stops_the_training(accelerator, monkeypatch):
    monkeypatch.setattr(autoencoder, "RATE", 1e30)
    with pytest.raises(FloatingPointError, match=r"autoencoder is (nan|inf) at step \d+; try another seed"):
        train_small(cut_crops(smooth_pictures(1), seed=1), 1, accelerator, steps=20)


@pytest.mark.parametrize("shape", [(1, 1), (5, 70), (48, 48), (200, 131), (256, 512)])
def test_pictures_of_any_size_keep_their_size_and_place(shape):
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    made = reconstruct(torch.nn.Identity(), picture, torch.device("cpu"))
    np.testing.assert_array_equal(made, picture)


def test_tiles_are_bounded_and_give_what_the_whole_picture_gives(small, monkeypatch):
    picture, sizes = smooth_pictures(1, side=300)[0][:, :220], []
    whole = reconstruct(small, picture, torch.device("cpu"))
    monkeypatch.setattr(autoencoder, "TILE", 128)
    monkeypatch.setattr(small, "forward", lambda pixels: sizes.append(pixels.shape) or SmallAutoencoder.forward(small, pixels))
    tiled = reconstruct(small, picture, torch.device("cpu"))
    assert len(sizes) == 5 * 4 and all(max(size[2:]) <= 128 for size in sizes)
    assert np.abs(whole.astype(int) - tiled).max() <= 1  # rounding; a seam would show


def test_outside_the_picture_is_its_reflection_as_numpy_pads():
    picture = np.random.default_rng(0).integers(0, 256, (40, 90, 3), dtype=np.uint8)
    seen = []
    reconstruct(lambda pixels: seen.append(pixels) or pixels, picture, torch.device("cpu"))
    padded = np.pad(picture, [(32, 128 - 72), (32, 192 - 122), (0, 0)], mode="reflect")
    np.testing.assert_allclose(seen[0][0].permute(1, 2, 0) * 127.5 + 127.5, padded, atol=1e-3)


@pytest.fixture(scope="module")
def diffusers_folder(tmp_path_factory):
    diffusers = pytest.importorskip("diffusers", reason="needs diffusers, which is optional")
    torch.manual_seed(0)
    model = diffusers.AutoencoderKL(
        block_out_channels=(8, 8), down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4, latent_channels=4,
    )
    folder = tmp_path_factory.mktemp("models") / "kl"
    model.save_pretrained(folder)
    return folder


def test_an_autoencoder_of_diffusers_gives_its_own_reconstructions(images, diffusers_folder, tmp_path, accelerator):
    import diffusers

    made = make(images, tmp_path / "reconstructions", accelerator, source=str(diffusers_folder))
    index = int(np.flatnonzero(images.label == REAL)[3])
    padded = np.pad(images.pixels(index), [(32, 48), (32, 48), (0, 0)], mode="reflect").astype(np.float32) / 127.5 - 1
    model = diffusers.AutoencoderKL.from_pretrained(diffusers_folder)
    with torch.no_grad():
        expected = model.decode(model.encode(torch.from_numpy(padded).permute(2, 0, 1)[None]).latent_dist.mode()).sample[0]
    expected = (expected.permute(1, 2, 0) * 127.5 + 127.5).clamp(0, 255)[32:80, 32:80].numpy()
    assert np.abs(made.pixels(index) - expected).max() <= 0.51


def test_the_autoencoder_of_a_whole_pipeline_is_its_vae(diffusers_folder, tmp_path):
    import diffusers

    diffusers.AutoencoderKL.from_pretrained(diffusers_folder).save_pretrained(tmp_path / "pipe" / "vae")
    index = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.30.0", "vae": ["diffusers", "AutoencoderKL"]}
    (tmp_path / "pipe" / "model_index.json").write_text(json.dumps(index))
    assert weights_hash(load_diffusers(str(tmp_path / "pipe"))) == weights_hash(load_diffusers(str(diffusers_folder)))


def test_a_model_that_reconstructs_no_pictures_is_refused(tmp_path):
    diffusers = pytest.importorskip("diffusers", reason="needs diffusers, which is optional")
    diffusers.UNet2DModel(
        sample_size=8, block_out_channels=(8, 8), down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2,
        norm_num_groups=4, layers_per_block=1,
    ).save_pretrained(tmp_path / "unet")
    with pytest.raises(ValueError, match="is a UNet2DModel, which does not reconstruct pictures"):
        load_diffusers(str(tmp_path / "unet"))


def test_a_folder_without_a_model_is_refused_in_a_sentence(tmp_path):
    pytest.importorskip("diffusers", reason="needs diffusers, which is optional")
    with pytest.raises(ValueError, match=f"The autoencoder {tmp_path} cannot be loaded with diffusers"):
        load_diffusers(str(tmp_path))


def test_missing_diffusers_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "diffusers", None)
    with pytest.raises(ModuleNotFoundError, match=r"needs diffusers \(pip install diffusers\)"):
        load_diffusers("stabilityai/sd-vae-ft-mse")


# the reconstructions of a data set

def test_every_real_image_gets_a_reconstruction_of_its_size_without_loss_and_no_synthetic_one_does(images, tmp_path, accelerator):
    made = make(images, tmp_path / "reconstructions", accelerator)
    network = reconstructions.load_small(tmp_path / "reconstructions" / WEIGHTS)
    for index in range(len(images)):
        if images.label[index] == REAL:
            expected = reconstruct(network, images.pixels(index), accelerator.device)
            np.testing.assert_array_equal(made.pixels(index), expected)
        else:
            with pytest.raises(ValueError, match="only real images have reconstructions"):
                made.pixels(index)


def test_the_sentence_for_the_user_gives_the_error_that_a_plain_computation_gives(images, tmp_path, accelerator):
    made = make(images, tmp_path / "reconstructions", accelerator)
    real = np.flatnonzero(images.label == REAL)
    pairs = [(images.pixels(i).astype(float), made.pixels(i).astype(float)) for i in real]
    error = np.mean([abs(a - b) for a, b in pairs])
    level = psnr(np.stack([a for a, _ in pairs]), np.stack([b for _, b in pairs]))
    sentence = made.description
    for words in (f"{len(real)} reconstructions", f"error is {error:.2f} of 255", f"PSNR {level:.1f} dB"):
        assert words in sentence


def test_reconstructions_of_some_of_the_images_are_counted_as_these_are(images, tmp_path, accelerator):
    made = make(images, tmp_path / "reconstructions", accelerator)
    chosen = np.flatnonzero(images.label == REAL)[::-3]
    some, pictures = made.select(chosen), images.select(chosen)
    for place, index in enumerate(chosen):
        assert pictures.path[place] == images.path[index]
        np.testing.assert_array_equal(some.pixels(place), made.pixels(index))


def test_pictures_too_long_for_webp_are_kept_as_png(tmp_path):
    strip = np.random.default_rng(0).integers(0, 256, (2, 16384, 3), dtype=np.uint8)
    reconstructions._write_one(tmp_path, 7, strip)
    assert existing_file(tmp_path, 7).suffix == ".png"
    np.testing.assert_array_equal(reconstructions.decode(existing_file(tmp_path, 7).read_bytes()), strip)


def test_stopped_work_goes_on_and_ends_as_if_it_had_not_been_stopped(images, tmp_path, accelerator, monkeypatch):
    make(images, tmp_path / "whole", accelerator)
    written, real_write = [], reconstructions._write_one

    def stop_at_the_sixth(folder, index, reconstruction):
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(index)
        real_write(folder, index, reconstruction)

    monkeypatch.setattr(reconstructions, "_write_one", stop_at_the_sixth)
    with pytest.raises(KeyboardInterrupt):
        make(images, tmp_path / "stopped", accelerator)
    assert len(list((tmp_path / "stopped").rglob("*.webp"))) == 5
    monkeypatch.setattr(reconstructions, "_write_one", lambda *arguments: written.append(arguments[1]) or real_write(*arguments))
    make(images, tmp_path / "stopped", accelerator, num_workers=2)
    assert sorted(written) == np.flatnonzero(images.label == REAL).tolist()  # none was made twice
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")


def test_finished_reconstructions_are_not_made_again_and_leave_the_random_state_alone(images, tmp_path, accelerator, monkeypatch):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    make(images, tmp_path / "reconstructions", accelerator)
    monkeypatch.setattr(reconstructions, "_write_one", None)
    monkeypatch.setattr(reconstructions, "train_small", None)
    make(images, tmp_path / "reconstructions", accelerator)
    assert torch.equal(torch.rand(3), expected)


def test_a_half_written_reconstruction_or_record_is_none(images, tmp_path, accelerator):
    index = int(np.flatnonzero(images.label == REAL)[0])
    (tmp_path / f".{RECORD}.0a1b.part").write_text("{")
    make(images, tmp_path, accelerator)
    file = existing_file(tmp_path, index)
    expected = file.read_bytes()
    file.unlink()
    file.with_name(f".{file.name}.0a1b.part").write_bytes(expected[:100])
    make(images, tmp_path, accelerator)
    assert file.read_bytes() == expected and not list(tmp_path.rglob("*.part"))


def test_those_of_other_images_another_seed_or_another_autoencoder_are_refused(images, tmp_path, accelerator, diffusers_folder):
    make(images, tmp_path / "reconstructions", accelerator)
    others = images.select(np.arange(10))
    with pytest.raises(ValueError, match="holds reconstructions of other images than this run's"):
        make(others, tmp_path / "reconstructions", accelerator)
    with pytest.raises(ValueError, match=r"holds reconstructions of other seed than this run's \(1, not 2\)"):
        make(images, tmp_path / "reconstructions", accelerator, seed=2)
    with pytest.raises(ValueError, match="holds reconstructions of other source than this run's"):
        make(images, tmp_path / "reconstructions", accelerator, source=str(diffusers_folder))


def test_changed_weights_under_the_same_name_are_refused(images, tmp_path, accelerator, diffusers_folder):
    import diffusers

    folder = tmp_path / "model"
    model = diffusers.AutoencoderKL.from_pretrained(diffusers_folder)
    model.save_pretrained(folder)
    make(images, tmp_path / "reconstructions", accelerator, source=str(folder))
    torch.nn.init.ones_(model.decoder.conv_out.bias)
    model.save_pretrained(folder)
    with pytest.raises(ValueError, match="holds reconstructions of other weights than this run's"):
        make(images, tmp_path / "reconstructions", accelerator, source=str(folder))


def test_the_same_paths_with_other_pixels_are_other_images(tiny_dataset, tmp_path, accelerator, images):
    make(images, tmp_path / "reconstructions", accelerator)
    rows = records("train", 24)
    swapped = {row["path"]: other["image"] for row, other in zip(rows[::2], rows[2::2] + rows[:1], strict=True)}
    write_split(tmp_path / "other", "train", [{**row, "image": swapped.get(row["path"], row["image"])} for row in rows])
    other = load_splits(DataOptions(dataset=str(tmp_path / "other"), held_out=0.25), seed=42).train
    assert other.fingerprint() == images.fingerprint()
    with pytest.raises(ValueError, match="holds reconstructions of other images than this run's"):
        make(other, tmp_path / "reconstructions", accelerator)


def test_a_folder_with_something_else_in_it_is_left_alone(images, tmp_path, accelerator):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="holds something else than reconstructions"):
        make(images, tmp_path, accelerator)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_damaged_records_weights_and_reconstructions_are_named(images, tmp_path, accelerator):
    made = make(images, tmp_path / "reconstructions", accelerator)
    index = int(np.flatnonzero(images.label == REAL)[0])
    existing_file(tmp_path / "reconstructions", index).write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=f"{index:07d}.webp cannot be read .* delete it and resume the run"):
        made.pixels(index)
    existing_file(tmp_path / "reconstructions", index).unlink()
    with pytest.raises(ValueError, match=f"The reconstruction .*{index:07d} is missing; resume the run"):
        made.pixels(index)
    (tmp_path / "reconstructions" / WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(ValueError, match=f"{WEIGHTS} does not hold the reconstructions' autoencoder"):
        make(images, tmp_path / "reconstructions", accelerator)
    (tmp_path / "reconstructions" / RECORD).write_text("{")
    with pytest.raises(ValueError, match=f"{RECORD} is damaged"):
        make(images, tmp_path / "reconstructions", accelerator)


def test_images_without_a_real_one_have_no_reconstructions(images, tmp_path, accelerator):
    with pytest.raises(ValueError, match="no real training image to reconstruct"):
        make(images.select(images.label != REAL), tmp_path / "reconstructions", accelerator)


def test_a_real_image_that_cannot_be_read_is_named(tmp_path, accelerator):
    rows = records("train", 8)
    write_split(tmp_path / "data", "train", rows)
    images = load_splits(DataOptions(dataset=str(tmp_path / "data"), held_out=0.3), seed=42).train
    assert rows[0]["path"] in images.path
    place = images.path.tolist().index(rows[0]["path"])  # sound when it was looked at, and damaged since
    damaged = {"image": {"bytes": b"no picture", "path": None}}
    images = images.with_rows(images.rows.map(lambda row, index: damaged if index == place else row, with_indices=True))
    with pytest.raises(ValueError, match="train/real/0.png cannot be read as an image"):
        make(images, tmp_path / "reconstructions", accelerator)
