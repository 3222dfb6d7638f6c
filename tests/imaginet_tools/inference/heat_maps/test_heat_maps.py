"""Heat maps hold the classifier's answer at each place, lie where the picture's places lie, and change no score."""

import base64
import io
import json

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import pipeline

from imaginet_core.detection import heat_map
from imaginet_core.detection.heat_map import AVERAGED, LEAST_AREA, LEAST_THRESHOLD, MOST_OPACITY, WINDOW, HeatMap, LocalLogits, enlarge
from imaginet_tools.inference.heat_maps.local_scores import heat_map_by
from imaginet_tools.inference.saved_detector import open_detector
from modeling import SelfConImageProcessor
from modeling.handler import EndpointHandler
from tests.modeling.helpers import pixels, small_model


@pytest.fixture(scope="module")
def detectors(saved_models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "timm"
    small_model(backbone="resnet10t", sub_network_after=2).eval().save_pretrained(folder)
    SelfConImageProcessor().save_pretrained(folder)
    places = {"resnet": saved_models["resnet"], "laptop": saved_models["laptop"], "timm": folder}
    return {name: open_detector(str(place), device="cpu") for name, place in places.items()}


def slow_logits(network, picture: np.ndarray, reach: int) -> np.ndarray:
    """The classifier's logit for one place after the other, of the mean feature of the places up to ``reach`` away: float (h, w)."""
    inputs = SelfConImageProcessor(crop_size={"height": picture.shape[0], "width": picture.shape[1]})(picture, return_tensors="pt")
    with torch.inference_mode():
        places = network.model(inputs["pixel_values"], output_hidden_states=True).hidden_states[-1][0]
        around = lambda at: slice(max(0, at - reach), at + reach + 1)
        rows = [
            [network.model.classifier(places[:, around(row), around(column)].mean((1, 2))[None]).item() for column in range(places.shape[2])]
            for row in range(places.shape[1])
        ]
    return np.array(rows)


@pytest.mark.parametrize("name", ["resnet", "laptop", "timm"])
def test_each_place_has_the_classifier_s_own_answer(name, detectors):
    network = detectors[name].network
    picture = pixels(256, 288, 5)
    for window in (1, WINDOW):
        found = network.local_logits(picture, window)
        reach = {"laptop": 1, "resnet": 0, "timm": 0}[name] if window > 1 else 0  # of places 8, 16 and 32 pixels apart
        np.testing.assert_allclose(found.values, slow_logits(network, picture, reach), rtol=1e-4, atol=1e-3)
    assert found.stride == (256 / found.values.shape[0],) * 2
    if name != "timm":
        logits = enlarge(found, picture.shape[:2])
        step = int(found.stride[0])
        np.testing.assert_allclose(logits[::step, ::step], found.values, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet", "laptop", "timm"])
def test_local_scores_are_the_mean_of_probabilities_near_by_of_a_picture_and_of_its_half_turn(name, detectors):
    network, picture, both = detectors[name].network, pixels(260, 300, 5), []
    reach = {"laptop": 3, "resnet": 1, "timm": 0}[name]
    assert reach == int(AVERAGED / {"laptop": 8, "resnet": 16, "timm": 32}[name] / 2)
    for seen in (picture, np.ascontiguousarray(np.rot90(picture, 2))):
        found = network.local_logits(seen, WINDOW)
        said, around = network.settings.probability(found.values), lambda at: slice(max(0, at - reach), at + reach + 1)
        means = np.array([[said[around(row), around(column)].mean() for column in range(said.shape[1])] for row in range(said.shape[0])])
        both.append(enlarge(found._replace(values=means), picture.shape[:2]))
    np.testing.assert_allclose(detectors[name].heat_map(picture).scores, (both[0] + np.rot90(both[1], 2)) / 2, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet", "laptop", "timm"])
@pytest.mark.parametrize("size", [(1, 1), (30, 700), (257, 301)])
def test_a_map_has_the_picture_s_size(name, size, detectors):
    found = detectors[name].heat_map(pixels(*size, 1))
    assert found.scores.shape == size and found.scores.dtype == np.float32
    assert 0 <= found.scores.min() and found.scores.max() <= 1 and found.threshold == max(detectors[name].threshold, LEAST_THRESHOLD)


def test_tiles_give_the_map_of_a_single_pass(detectors, monkeypatch):
    picture = pixels(520, 900, 2)
    whole = detectors["laptop"].heat_map(picture).scores
    monkeypatch.setattr(heat_map, "TILE", 384)
    calls, compute = [], detectors["laptop"].network.local_logits
    monkeypatch.setattr(detectors["laptop"].network, "local_logits", lambda part, window: calls.append(part.shape) or compute(part, window))
    np.testing.assert_allclose(detectors["laptop"].heat_map(picture).scores, whole, atol=2e-3)
    assert len(calls) > 6 and max(side for shape in calls for side in shape[:2]) == 384


@pytest.mark.parametrize("side", [1, 256, 1024, 1025, 1791, 1792, 1793, 5000])
def test_tiles_fill_a_side_once_without_a_gap(side):
    filled = np.zeros(side, int)
    for span in heat_map._spans(side):
        filled[span.used] += 1
        seen = np.arange(side)[span.seen]
        assert (seen[span.inner] == np.arange(side)[span.used]).all() and len(seen) <= heat_map.TILE
    assert (filled == 1).all()


class Brightness:
    """Stands for a network with stride 8: the logit of a place is positive where the picture is bright."""

    class settings:
        crop_size = (256, 256)
        probability = staticmethod(lambda logit: 1 / (1 + np.exp(-logit)))

    def local_logits(self, picture, window):
        return LocalLogits((picture[::8, ::8, 0] / 255 * 10 - 5).astype(np.float32), (8.0, 8.0), (0.0, 0.0))


def test_regions_lie_where_the_picture_is_told_synthetic():
    picture = np.zeros((300, 400, 3), np.uint8)
    picture[40:104, 200:328], picture[200:296, 16:80] = 255, 200
    strong, weak = heat_map_by(Brightness(), picture, 0.5).regions()
    assert strong.score > weak.score > 0.5
    for found, box in ((strong, (200, 40, 328, 104)), (weak, (16, 200, 80, 296))):
        assert np.abs(np.array(found.box) - box).max() <= 16  # the averages are wider than a place
        assert found.area <= (found.box[2] - found.box[0]) * (found.box[3] - found.box[1])
    assert heat_map_by(Brightness(), picture, 0.5).regions(most=1) == [strong]
    surer = heat_map_by(Brightness(), picture, 0.97)
    assert (surer.threshold, len(surer.regions())) == (0.97, 1) and heat_map_by(Brightness(), picture, 0.2).threshold == LEAST_THRESHOLD
    assert heat_map_by(Brightness(), np.zeros((300, 400, 3), np.uint8), 0.5).regions() == []


@pytest.mark.parametrize("seed, share", [(0, 0.0), (1, 0.35), (2, 0.6), (3, 0.8), (4, 1.0)])
def test_regions_are_those_of_opencv(seed, share):
    """Whatever touches, also at a corner, is one region: spirals, holes, U-shapes; random masks have all of these."""
    rng = np.random.default_rng(seed)
    scores = cv2.resize(rng.random((40, 50), dtype=np.float32), (201, 163), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    threshold = float(np.quantile(scores, 1 - share)) if share else 1.1
    count, labels, boxes, _ = cv2.connectedComponentsWithStats((scores >= threshold).astype(np.uint8), connectivity=8)
    expected = {
        ((left, top, left + width, top + height), area): scores[labels == number].mean()
        for number, (left, top, width, height, area) in enumerate(boxes.tolist()) if number and area >= LEAST_AREA
    }
    found = HeatMap(scores, threshold).regions(most=10_000)
    assert {(region.box, region.area) for region in found} == set(expected) and [each.score for each in found] == sorted(
        (each.score for each in found), reverse=True
    )
    for region in found:
        assert region.score == pytest.approx(expected[region.box, region.area], abs=1e-5)
    assert bool(found) == (share > 0)


def test_specks_are_no_regions():
    scores = np.zeros((64, 64), np.float32)
    scores[:15, :16] = 1
    assert HeatMap(scores, 0.5).regions() == [] and 15 * 16 < LEAST_AREA
    scores[:16, :16] = 1
    assert [region.box for region in HeatMap(scores, 0.5).regions()] == [(0, 0, 16, 16)]


def test_small_pictures_are_filled_by_reflection_as_they_are_for_scores():
    picture = np.zeros((80, 80, 3), np.uint8)
    picture[:, :40] = 255
    scores = heat_map_by(Brightness(), picture, 0.5).scores
    assert (scores[:, :8] > 0.9).all() and (scores[:, -8:] < 0.1).all()


def test_the_overlay_is_as_opaque_as_the_score():
    scores = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    with Image.open(io.BytesIO(HeatMap(scores, 0.5).overlay_png())) as image:
        assert image.mode == "RGBA" and image.size == (8, 8)
        np.testing.assert_array_equal(np.asarray(image)[..., 3], np.rint(scores * MOST_OPACITY))


def test_answers_carry_maps_when_they_are_asked_for_and_scores_stay_as_they_are(detectors, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    picture = pixels(300, 200, 3)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(picture).save(tmp_path / "turned.png", exif=turned)
    pictures = [picture, str(tmp_path / "broken.jpg"), str(tmp_path / "turned.png")]
    plain, mapped = detectors["laptop"].scores(pictures), detectors["laptop"].scores(pictures, heatmap=True)
    assert plain.heat_map is None and mapped.logit.tobytes() == plain.logit.tobytes()
    assert mapped.heat_map[1] is None and mapped.heat_map[0].scores.shape == (300, 200) and mapped.heat_map[2].scores.shape == (200, 300)


def test_the_pipeline_and_the_handler_give_the_detector_s_map(detectors, tmp_path):
    """A picture larger than a tile, one smaller than a crop, one turned by its EXIF; several at once, with one that is broken."""
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(pixels(300, 200, 4)).save(tmp_path / "turned.png", exif=turned)
    pictures = [pixels(260, 1100, 3), pixels(90, 300, 5), str(tmp_path / "turned.png")]
    for name in ("laptop", "timm"):
        detector = detectors[name]
        detect = pipeline("synthetic-image-detection", model=detector.name, trust_remote_code=True, device="cpu")
        answers = detect([*pictures, b"broken"], heatmap=True, batch_size=2)
        for picture, answer, plain in zip(pictures, answers, detect(pictures, batch_size=2), strict=False):
            expected = detector.heat_map(picture)
            np.testing.assert_allclose(answer["heat_map"].scores, expected.scores, atol=1e-3)  # of logits up to 80
            assert answer["heat_map"].threshold == expected.threshold == max(answer["threshold"], LEAST_THRESHOLD)
            assert answer["probability"] == pytest.approx(plain["probability"], abs=1e-5) and "heat_map" not in plain
        assert answers[3]["heat_map"] is None and answers[3]["error"]
    file = io.BytesIO()
    Image.fromarray(pictures[0]).save(file, "PNG")
    handler = EndpointHandler(detector.name)
    answer = handler({"inputs": base64.b64encode(file.getvalue()).decode(), "parameters": {"heatmap": True}})
    assert json.loads(json.dumps(answer))["heat_map"] == json.loads(json.dumps(detect(pictures[0], heatmap=True)["heat_map"].as_dict()))
    with Image.open(io.BytesIO(base64.b64decode(answer["heat_map"]["overlay_png"]))) as overlay:
        alpha = np.asarray(overlay)[..., 3] / answer["heat_map"]["most_opacity"]
    np.testing.assert_allclose(alpha, detector.heat_map(pictures[0]).scores, atol=0.5 / MOST_OPACITY + 1e-3)


def test_exports_and_old_folders_say_what_heat_maps_need(saved_models):
    from imaginet_tools.inference.networks.onnx_network import OnnxNetwork
    from imaginet_tools.inference.networks.openvino_network import OpenVinoNetwork

    for network in (OnnxNetwork, OpenVinoNetwork):
        with pytest.raises(ValueError, match=f"need the saved model; this export for {network.engine} gives scores alone"):
            heat_map_by(network.__new__(network), pixels(256, 256, 1), 0.5)
    with pytest.raises(ValueError, match="save it anew"):
        open_detector(str(saved_models["version 0.1"])).heat_map(pixels(256, 256, 1))


def test_with_a_linear_classifier_the_map_is_captum_s_and_grad_cam_s(detectors):
    """Then, and only then, local logits are what gradients weight the features by, up to a factor and the bias."""
    from captum.attr import LayerGradCam
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    from benchmarks.explanations.localisation import _Logit

    detector, picture = detectors["resnet"], pixels(256, 256, 7)
    model, before = detector.network.model, detector.network.model.classifier
    torch.manual_seed(0)
    model.classifier = torch.nn.Linear(before[1].in_features, 1)
    try:
        ours = detector.network.local_logits(picture, 1).values - model.classifier.bias.item()
        inputs, last = detector.network._normalise(picture[None]), model.encoder.layer4
        captum = LayerGradCam(_Logit(detector), last).attribute(inputs, target=0)[0, 0].detach().numpy()
        np.testing.assert_allclose(ours / np.abs(ours).max(), captum / np.abs(captum).max(), atol=1e-4)
        camera = GradCAM(_Logit(detector), [last])(inputs, [ClassifierOutputTarget(0)])[0][8::16, 8::16]
    finally:
        model.classifier = before
    assert np.corrcoef(np.maximum(ours, 0).ravel(), camera.ravel())[0, 1] > 0.8  # it cuts at 0, scales and enlarges
