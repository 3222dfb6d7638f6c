"""Statistics of pixels inside the network: those of a slow NumPy version, whatever the size; and the classifier on them."""

import numpy as np
import pytest
import torch
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression

from imaginet_core.pictures.degradations import pad_to
from imaginet_core.pictures.pixel_statistics import NAMES, statistics
from modeling import SelfConConfig, SelfConForImageClassification, SelfConImageProcessor
from modeling.front_ends import PixelStatistics, StatisticsClassifier

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


def test_without_statistics_a_model_has_no_such_part_and_other_weights_are_other_weights():
    without = SelfConForImageClassification(SelfConConfig(**TINY))
    assert without.statistics_classifier is None and not [name for name in without.state_dict() if "statistics" in name]
    model = SelfConForImageClassification(SelfConConfig(**TINY, statistics_centres=3))
    before = model.fingerprint()
    model.statistics_classifier.weight += 1
    assert model.fingerprint() != before
    with pytest.raises(ValueError, match="statistics_centres must be 0 or more, got -1"):
        SelfConConfig(statistics_centres=-1)
