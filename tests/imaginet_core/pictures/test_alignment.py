"""Aligned loading: the same sizes, container and kind of compression for both classes, by cropping alone."""

import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from imaginet_core.pictures import degradations
from imaginet_core.pictures.alignment import AlignmentStep, ImageHeader, align, plan_alignment
from imaginet_core.pictures.decode import decode
from imaginet_core.pictures.header import Header, read_header


def facts(number: int, label: str, content="photos", size=None, **header) -> ImageHeader:
    width, height = size or (int(value) for value in np.random.default_rng(number).integers(200, 900, 2))
    header = Header(header.pop("format", "PNG"), "RGB", width, height, **header)
    return ImageHeader(f"{label}/{number}.png", content, label, header)


def both_classes(real: int, synthetic: int) -> list[ImageHeader]:
    """Real images of many sizes, synthetic ones of three."""
    squares = [(256, 256), (512, 512), (896, 512)]
    return [facts(number, "real") for number in range(real)] + [
        facts(1000 + number, "synthetic", size=squares[number % 3]) for number in range(synthetic)
    ]


def sizes(plan: dict, label: str) -> Counter:
    return Counter((step.width, step.height) for path, step in plan.items() if path.startswith(label))


def test_sizes_are_the_same_image_for_image_and_crops_fit():
    images = both_classes(40, 40) + [each._replace(path=each.path + "x", content="faces") for each in both_classes(11, 11)]
    plan = plan_alignment(images)
    assert set(plan) == {each.path for each in images}
    assert sizes(plan, "real") == sizes(plan, "synthetic") and len(sizes(plan, "real")) > 10
    for each in images:
        assert plan[each.path].width <= each.header.width and plan[each.path].height <= each.header.height


def test_no_size_can_be_kept_larger_by_swapping_partners_of_square_images():
    """The order of sides is the best pairing there is: no other keeps more pixels."""
    from scipy.optimize import linear_sum_assignment

    rng = np.random.default_rng(1)
    sides = rng.integers(64, 1024, (2, 30))
    images = [
        facts(100 * row + column, label, size=(sides[row, column],) * 2)
        for row, label in enumerate(("real", "synthetic")) for column in range(30)
    ]
    kept = sum(step.width * step.height for step in plan_alignment(images).values()) / 2
    possible = np.minimum(sides[0][:, None], sides[1][None]) ** 2
    assert kept == possible[linear_sum_assignment(possible, maximize=True)].sum()


def test_with_unequal_counts_the_distributions_differ_by_rounding_only():
    plan = plan_alignment(both_classes(150, 47))
    shares = []
    for label in ("real", "synthetic"):
        found = sizes(plan, label)
        sides = np.repeat([min(size) for size in found], list(found.values()))
        shares.append(np.searchsorted(np.sort(sides), np.arange(0, 900), side="right") / len(sides))
    assert np.abs(shares[0] - shares[1]).max() <= 1 / 47


def test_the_plan_does_not_depend_on_the_order():
    images = both_classes(30, 20)
    assert plan_alignment(images) == plan_alignment(images[::-1])


def test_one_class_alone_cannot_be_aligned():
    with pytest.raises(ValueError, match="all 5 images of photos are real"):
        plan_alignment(both_classes(5, 0))


J, W = ("JPEG", 75, "4:4:4"), ("WEBP", 80, "4:2:0")
JPEG_90 = {"format": "JPEG", "quality": 90, "subsampling": "4:2:0"}
JPEG_75 = {"format": "JPEG", "quality": 75, "subsampling": "4:4:4"}
WEBP_80 = {"format": "WEBP", "quality": 80, "subsampling": "4:2:0"}


@pytest.mark.parametrize("real, synthetic, of_real, of_synthetic", [
    ({}, {}, (), ()),
    (JPEG_90, {}, (), (("JPEG", 90, "4:2:0"),)),
    ({}, WEBP_80, (("WEBP", 80, "4:2:0"),), ()),
    (JPEG_90, JPEG_75, (("JPEG", 75, "4:2:0"),), (("JPEG", 75, "4:2:0"),)),
    (JPEG_75, JPEG_75, (), ()),
    (JPEG_90, {**JPEG_90, "quality": 95}, (), (("JPEG", 90, "4:2:0"),)),
    (JPEG_90, {**JPEG_90, "subsampling": "4:1:1", "format": "MPO"}, (), ()),
    (JPEG_75, WEBP_80, (W, J, W, J), (J, W, J)),
])
def test_partners_get_the_same_end_of_their_compression_history(real, synthetic, of_real, of_synthetic):
    plan = plan_alignment([facts(1, "real", size=(300, 300), **real), facts(2, "synthetic", size=(300, 300), **synthetic)])
    assert plan["real/1.png"].earlier == of_real and plan["synthetic/2.png"].earlier == of_synthetic


def file_of(image: np.ndarray, kind="PNG", **options) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, kind, **options)
    return content.getvalue()


def noise(height=300, width=260) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_pixels_are_cropped_on_the_grid_and_never_resampled(monkeypatch):
    monkeypatch.setattr(degradations, "draw_compression", lambda rng: lambda image: image)
    image, found = noise(), set()
    for number in range(80):
        out = decode(align(file_of(image), f"{number}.png", AlignmentStep(200, 250)))
        assert out.shape == (250, 200, 3)
        places = [
            (top, left) for top in range(0, 51, 16) for left in range(0, 61, 16)
            if (image[top : top + 250, left : left + 200] == out).all()
        ]
        assert len(places) == 1
        found.update(places)
    assert len(found) == 16  # every place of the grid


def test_earlier_compression_lies_on_the_pictures_own_grid(monkeypatch):
    """As if the whole picture had been compressed and then cropped."""
    monkeypatch.setattr(degradations, "draw_compression", lambda rng: lambda image: image)
    whole = degradations.jpeg(noise(), 80, "4:4:4")
    out = decode(align(file_of(noise()), "a.png", AlignmentStep(200, 250, earlier=(("JPEG", 80, "4:4:4"),))))
    assert any((whole[top : top + 250, left : left + 200] == out).all() for top in range(0, 51, 16) for left in range(0, 61, 16))


def test_the_last_compression_is_drawn_from_the_name_and_the_container_tells_nothing():
    image = noise(64, 48)
    contents = [align(file_of(image, kind), "a.png", AlignmentStep(48, 64)) for kind in ("PNG", "TIFF")]
    rng = degradations.rng_for("a.png", "aligned")
    rng.integers(1), rng.integers(1)  # the crop's place
    np.testing.assert_array_equal(decode(contents[0]), degradations.draw_compression(rng)(image))
    assert contents[0] == contents[1] != align(file_of(image), "b.png", AlignmentStep(48, 64))
    exif = Image.Exif()
    exif[271] = "a camera"
    header = read_header(align(file_of(image, "JPEG", exif=exif, icc_profile=b"x" * 99), "a.png", AlignmentStep(48, 64)))
    assert header == Header("WEBP", "RGB", 48, 64)


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match="it has 48 × 64 pixels, less than the 50 × 64 of the plan"):
        align(file_of(noise(64, 48)), "a.png", AlignmentStep(50, 64))
    with pytest.raises(ValueError, match="it is (no JPEG|broken)"):
        align(b"text", "a.png", AlignmentStep(8, 8))


def test_pictures_are_turned_upright_and_planned_so():
    landscape, rng = noise(), np.random.default_rng(1)
    turned_file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(landscape).save(turned_file, "PNG", exif=exif)
    upright = np.rot90(landscape, -1)
    other = rng.integers(0, 256, (upright.shape[0] - 16, upright.shape[1], 3), dtype=np.uint8)
    headers = [read_header(turned_file.getvalue()), read_header(file_of(other))]
    plan = plan_alignment([ImageHeader("a", "photos", "real", headers[0]), ImageHeader("b", "photos", "synthetic", headers[1])])
    assert plan["a"][:2] == plan["b"][:2] == other.shape[1::-1]
    out = decode(align(turned_file.getvalue(), "a", plan["a"], last_compression=False))
    assert out.shape == other.shape
    assert any(np.array_equal(out, upright[top : top + out.shape[0]]) for top in range(17))
