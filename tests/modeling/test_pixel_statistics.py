"""Statistics of pixels inside the network: those of a slow NumPy version, whatever the size; and the classifier on them."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression

from imaginet_core.pictures.degradations import pad_to
from imaginet_core.pictures.pixel_statistics import NAMES, statistics
from modeling import SelfConConfig, SelfConForImageClassification, SelfConImageProcessor
from modeling.front_ends import DetailRelations, PixelStatistics, StatisticsClassifier

TINY = {
    "stem_kernel": 3, "stem_width": 4, "stem_pool": False, "block": "basic", "widths": [4, 4], "depths": [1, 1], "sub_network_after": 1,
    "projection_size": 4, "classifier_hidden": 4,
}


def a_picture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    smooth = np.cumsum(np.cumsum(rng.standard_normal((height, width, 3)), 0), 1)
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    return np.clip(200 * smooth + 20 + rng.normal(0, rng.uniform(0, 8), smooth.shape), 0, 255).astype(np.uint8)


def slow(picture: np.ndarray) -> np.ndarray:
    """The same from NumPy's own Fourier transform and from the statistics of the baseline, which share the definitions."""
    height, width = picture.shape[:2]
    top, left = max(0, height - 256) // 2, max(0, width - 256) // 2
    rgb = pad_to(picture[top : top + 256, left : left + 256], 256).astype(float)
    luma = rgb @ [0.299, 0.587, 0.114]
    power = np.abs(np.fft.rfft2((luma - luma.mean()) * np.outer(np.hanning(256), np.hanning(256)))) ** 2 / 256**2
    radius = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(256)[None])
    edges = [*np.linspace(0, 0.5, 17), 1]
    rings = [np.log(power[(radius >= low) & (radius < high)].mean() + 1e-2) for low, high in zip(edges, edges[1:], strict=False)]
    known = dict(zip(NAMES, statistics(picture), strict=True))
    wanted = ("high_minus_mid", "laplacian", "gradient", "chroma_detail", "saturation", "luma_spread")
    return np.array([*rings, *(known[name] for name in wanted)])


def pixels_of(*pictures: np.ndarray) -> torch.Tensor:
    return SelfConImageProcessor()(list(pictures), do_center_crop=False, return_tensors="pt")["pixel_values"]


@pytest.mark.parametrize("size", [(256, 256), (300, 411), (257, 255), (96, 130), (40, 700), (1, 1)])
def test_they_are_those_of_a_slow_version(size):
    rng = np.random.default_rng(sum(size))
    pictures = [a_picture(rng, *size) for _ in range(3)] if size != (1, 1) else [np.full((1, 1, 3), 77, np.uint8)]
    found = PixelStatistics()(pixels_of(*pictures)).numpy()
    np.testing.assert_allclose(found, [slow(each) for each in pictures], atol=2e-3)


def slow_relations(picture: np.ndarray) -> list[float]:
    """How details go together, by SciPy's filters."""
    height, width = picture.shape[:2]
    top, left = max(0, height - 256) // 2, max(0, width - 256) // 2
    rgb = pad_to(picture[top : top + 256, left : left + 256], 256).astype(float)
    planes = [*np.moveaxis(rgb, 2, 0), rgb @ [0.299, 0.587, 0.114]]
    bands, found = [], []
    for step in (1, 2, 4):
        kernel = np.zeros(2 * step + 1)
        kernel[[0, step, 2 * step]] = 0.25, 0.5, 0.25
        wider = [ndimage.correlate1d(ndimage.correlate1d(each, kernel, 0, mode="mirror"), kernel, 1, mode="mirror") for each in planes]
        bands.append([fine - wide for fine, wide in zip(planes, wider, strict=True)])
        planes = wider

    def correlated(one, other, least):
        return (one * other).mean() / ((one**2).mean() ** 0.5 * (other**2).mean() ** 0.5 + least)

    def strength(detail, window):
        ones = ndimage.uniform_filter(np.ones((256, 256)), window, mode="constant")
        local = np.log(ndimage.uniform_filter(detail**2, window, mode="constant") / ones + 0.01)[::2, ::2]
        return local - local.mean()

    for red, green, blue, luma in bands:
        power = [np.log((each**2).mean() + 0.01) for each in (luma, blue - luma, red - luma)]
        light, blueness, redness = (strength(each, 5) for each in (luma, blue - luma, red - luma))
        found += [
            correlated(red, green, 0.05), correlated(green, blue, 0.05), power[1] - power[0], power[2] - power[0], power[1],
            np.cbrt((luma**3).mean()) / ((luma**2).mean() ** 0.5 + 0.1),
            correlated(light, blueness, 0.01), correlated(light, redness, 0.01), correlated(blueness, redness, 0.01),
        ]
    for number, window in ((0, 5), (1, 9)):
        fine, coarse = (strength(bands[each][3], window) for each in (number, number + 1))
        if fine.std() < 1e-6:
            found += [0, 0, 0]
        else:
            found += [np.corrcoef(fine.ravel(), coarse.ravel())[0, 1], fine.std(), np.polyfit(coarse.ravel(), fine.ravel(), 1)[0]]
    return found


@pytest.mark.parametrize("size", [(256, 256), (300, 411), (257, 255), (96, 130), (1, 1)])
def test_how_details_go_together_is_what_a_slow_version_tells(size):
    rng = np.random.default_rng(sum(size))
    pictures = [a_picture(rng, *size) for _ in range(3)] if size != (1, 1) else [np.full((1, 1, 3), 77, np.uint8)]
    found = DetailRelations()(pixels_of(*pictures)).numpy()
    assert found.shape == (len(pictures), DetailRelations.COUNT)
    np.testing.assert_allclose(found, [slow_relations(each) for each in pictures], atol=2e-3)


def test_colours_that_go_apart_and_grey_pictures_are_told_by_how_details_go_together():
    rng = np.random.default_rng(0)
    grey = np.repeat(a_picture(rng, 256, 256)[..., :1], 3, axis=2)
    apart = a_picture(rng, 256, 256)
    of_grey, of_apart = DetailRelations()(pixels_of(grey, apart)).numpy()
    assert of_grey[:2].min() > 0.99 and np.abs(of_apart[:2]).max() < 0.2  # red with green, green with blue, in the finest band
    assert of_grey[4] == pytest.approx(np.log(0.01), abs=0.01)  # no colour at all
    assert of_apart[4] > 0


def fitted(statistics_of: np.ndarray, label: np.ndarray) -> tuple[StatisticsClassifier, callable]:
    """A classifier of scikit-learn, and the same in the network."""
    mean, spread = statistics_of.mean(0), statistics_of.std(0)
    kernel = Nystroem(gamma=0.03, n_components=20, random_state=0).fit((statistics_of - mean) / spread)
    regression = LogisticRegression().fit(kernel.transform((statistics_of - mean) / spread), label)
    classifier = StatisticsClassifier(20)
    values = {
        "mean": mean, "scale": 0.03**0.5 / spread, "centres": kernel.components_ * 0.03**0.5,
        "weight": kernel.normalization_.T @ regression.coef_[0], "bias": regression.intercept_[0],
    }
    for name, value in values.items():
        getattr(classifier, name).copy_(torch.as_tensor(value))
    return classifier, lambda x: regression.decision_function(kernel.transform((x - mean) / spread))


def test_the_classifier_answers_as_scikit_learn_s_and_its_answer_is_added_to_the_network_s(tmp_path):
    rng = np.random.default_rng(0)
    pictures = [a_picture(rng, 256, 256) for _ in range(40)]
    pixels = pixels_of(*pictures)
    of_pictures = np.stack([slow(each) for each in pictures])
    classifier, judge = fitted(of_pictures, np.arange(40) % 2)
    with torch.no_grad():
        np.testing.assert_allclose(classifier(pixels).numpy(), judge(of_pictures), atol=1e-2)

    model = SelfConForImageClassification(SelfConConfig(**TINY, statistics_centres=20)).eval()
    with torch.no_grad():
        before = model(pixels[:4]).origin_logit
        model.statistics_classifier.load_state_dict(classifier.state_dict())
        after = model(pixels[:4]).origin_logit
        torch.testing.assert_close(after - before, classifier(pixels[:4]))
        assert (after - before).abs().min() > 0
        model.save_pretrained(tmp_path / "saved")
        for dtype in (torch.float32, torch.bfloat16):
            loaded = SelfConForImageClassification.from_pretrained(tmp_path / "saved", dtype=dtype).eval()
            torch.testing.assert_close(loaded.statistics_classifier(pixels[:4]), classifier(pixels[:4]))


def test_both_classifiers_of_statistics_are_added_and_saved_and_one_alone_is_as_in_older_models(tmp_path):
    rng = np.random.default_rng(1)
    pixels = pixels_of(*(a_picture(rng, 256, 256) for _ in range(3)))
    model = SelfConForImageClassification(SelfConConfig(**TINY, statistics_centres=5, detail_relations=True)).eval()
    first, second = model.statistics_classifier.parts
    assert second.centres.shape == (5, DetailRelations.COUNT)
    with torch.no_grad():
        for part in (first, second):
            part.scale.fill_(0.05)
            part.weight.copy_(torch.randn(5))
        both = model.statistics_classifier(pixels)
        alone = StatisticsClassifier(5)
        alone.load_state_dict({name: value for name, value in first.state_dict().items() if not name.startswith("relations")})
        torch.testing.assert_close(both, alone(pixels) + second(pixels))
        assert second(pixels).abs().min() > 0
        before = model.fingerprint()
        model.save_pretrained(tmp_path / "both")
        loaded = SelfConForImageClassification.from_pretrained(tmp_path / "both").eval()
        torch.testing.assert_close(loaded.statistics_classifier(pixels), both)
        second.bias += 1
    assert loaded.fingerprint() == before != model.fingerprint()
    assert SelfConForImageClassification(SelfConConfig(**TINY, statistics_centres=5)).statistics_classifier.parts[1:] == []


def test_without_statistics_a_model_has_no_such_part_and_other_weights_are_other_weights():
    without = SelfConForImageClassification(SelfConConfig(**TINY))
    assert without.statistics_classifier is None and not [name for name in without.state_dict() if "statistics" in name]
    model = SelfConForImageClassification(SelfConConfig(**TINY, statistics_centres=3))
    before = model.fingerprint()
    model.statistics_classifier.weight += 1
    assert model.fingerprint() != before
    with pytest.raises(ValueError, match="statistics_centres must be 0 or more, got -1"):
        SelfConConfig(statistics_centres=-1)
