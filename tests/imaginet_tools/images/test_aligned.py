"""Training images are made alike where their headers differ, and left alone where they do not."""

import io

import datasets
import numpy as np
import pytest
from PIL import Image

from imaginet_core.pictures.header import read_header
from imaginet_tools.images.aligned import align_images
from imaginet_tools.images.image_files import DatasetFiles
from imaginet_tools.images.image_set import ImageSet
from tests.training.tiny_data import picture


def file(seed: int, side: int, **options) -> bytes:
    content = io.BytesIO()
    Image.fromarray(picture("real", seed, side)).save(content, **options)
    return content.getvalue()


def image_set(files: list[bytes], label: list[int], content: list[str]) -> ImageSet:
    rows = datasets.Dataset.from_list([{"image": {"bytes": each, "path": None}} for each in files])
    texts = np.array(content)
    path = np.array([f"{i}.file" for i in range(len(files))])
    return ImageSet(DatasetFiles(rows), np.array(label), texts, texts, texts, path, path, np.zeros(len(files), dtype=bool))


def shapes(images: ImageSet, label: int) -> list[tuple]:
    return sorted(images.pixels(i).shape for i in np.flatnonzero(images.label == label))


def test_sizes_and_containers_are_the_same_and_the_draw_is_that_of_the_path(tmp_path):
    files = [file(i, 64, format="JPEG", quality=80) for i in range(4)] + [file(10 + i, 48 + 4 * i, format="PNG") for i in range(4)]
    images = image_set(files, [0] * 4 + [1] * 4, ["photos"] * 8)
    after, words = align_images(images, num_proc=1)
    assert "8 of 8" not in words and "8 recompressed" in words
    assert shapes(after, 0) == shapes(after, 1)
    for row in after.rows:
        header = read_header(row["image"]["bytes"])
        assert header.format == "WEBP" and header.quality is None
    again, _ = align_images(images.with_rows(images.rows.flatten_indices()), num_proc=1)
    for index in range(8):
        np.testing.assert_array_equal(after.pixels(index), again.pixels(index))
    assert images.rows[0]["image"]["bytes"] == files[0]


@pytest.mark.parametrize("options", [{"format": "PNG"}, {"format": "JPEG", "quality": 95}, {"format": "WEBP", "quality": 80}])
def test_files_of_the_same_sizes_and_compression_are_left_alone(options):
    images = image_set([file(i, 48, **options) for i in range(6)], [0, 0, 0, 1, 1, 1], ["photos"] * 6)
    after, words = align_images(images, num_proc=1)
    assert after is images and "nothing to do" in words


def test_lossless_files_of_other_sizes_are_cropped_and_keep_their_pixels():
    images = image_set([file(i, 48 + 16 * (i % 2), format="PNG") for i in range(4)], [0, 1, 0, 1], ["photos"] * 4)
    after, words = align_images(images, num_proc=1)
    assert "2 of 4 training images cropped, 0 recompressed" in words
    assert shapes(after, 0) == shapes(after, 1) == [(48, 48, 3)] * 2
    whole, crop = images.pixels(1), after.pixels(1)
    assert any(np.array_equal(whole[top : top + 48, left : left + 48], crop) for top in (0, 16) for left in (0, 16))


def test_two_qualities_of_one_codec_are_made_one_distribution():
    files = [file(i, 48, format="JPEG", quality=90 if i < 3 else 60) for i in range(6)]
    after, words = align_images(image_set(files, [0, 0, 0, 1, 1, 1], ["photos"] * 6), num_proc=1)
    assert "6 recompressed" in words


def test_a_content_type_with_one_class_is_matched_with_the_others():
    files = [file(i, 48, format="PNG") for i in range(3)] + [file(9, 64, format="PNG")]
    after, _ = align_images(image_set(files, [0, 0, 1, 0], ["photos", "photos", "photos", "faces"]), num_proc=1)
    assert after.pixels(3).shape == (48, 48, 3)


def test_a_file_that_is_no_image_is_named():
    files = [file(0, 48, format="PNG"), b"no image"]
    with pytest.raises(ValueError, match="1.file cannot be read as an image"):
        align_images(image_set(files, [0, 1], ["photos"] * 2), num_proc=1)
