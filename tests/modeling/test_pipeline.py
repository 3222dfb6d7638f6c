"""A saved folder in a process that knows nothing of this project: both pipelines, the Auto classes, every kind of picture."""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import pipeline

from modeling import SelfConImageProcessor, save
from tests.modeling.helpers import in_fresh_process, pixels, small_model
from tests.modeling.test_image_processor import deep_pictures, transparent_pictures

POINTS = [
    {"name": "balanced", "threshold": 0.25}, {"name": "false alarms 5%", "threshold": 0.999},
    {"name": "false alarms 1%", "threshold": None, "reason": "7 held-out real images; a rate of 1% needs 300"},
]
SCRIPT = """
import base64, json, pathlib, sys
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification, pipeline
folder, with_backbone, *paths = sys.argv[1:]
classify = pipeline("image-classification", model=folder, trust_remote_code=True)
images = [Image.open(path) for path in paths]
answers = {"path": [classify(path) for path in paths], "image": [classify(image) for image in images]}
answers["bytes"] = [classify(pathlib.Path(path).read_bytes()) for path in paths]
answers["base64"] = [classify(base64.b64encode(pathlib.Path(path).read_bytes()).decode()) for path in paths]
answers["batch of paths"] = classify(paths, batch_size=3)
answers["batch of images"] = classify(images, batch_size=4)
answers["five crops"] = classify(paths, batch_size=3, crops=5)
answers["timm"] = pipeline("image-classification", model=with_backbone, trust_remote_code=True)(paths)
answers["pathlib"] = classify(pathlib.Path(paths[0]))
model = AutoModelForImageClassification.from_pretrained(folder, trust_remote_code=True)
processor = AutoImageProcessor.from_pretrained(folder, trust_remote_code=True)
inputs = processor([image if image.mode in ("I;16", "F") else image.convert("RGB") for image in images], return_tensors="pt")
answers["auto"] = model(**inputs).logits.softmax(1)[:, 1].tolist()
answers["size"] = list(inputs["pixel_values"].shape)
detect = pipeline("synthetic-image-detection", model=folder, trust_remote_code=True)
answers["detect"] = detect(paths, batch_size=3)
answers["careful"] = detect(paths[0], operating_point="false alarms 5%")
errors = []
for name in ("false alarms 1%", "reckless"):
    try:
        detect(paths[0], operating_point=name)
    except ValueError as error:
        errors.append(str(error))
answers["errors"] = errors
print(json.dumps(answers))
"""


def pictures() -> dict[str, Image.Image]:
    sizes = [(1, 1), (3, 700), (300, 200), (256, 256), (511, 90)]
    found = {f"{height}x{width}.png": Image.fromarray(pixels(height, width, height)) for height, width in sizes}
    for mode in ("1", "L", "CMYK"):
        found[f"{mode}.{'tiff' if mode == 'CMYK' else 'png'}"] = Image.fromarray(pixels(60, 80)).convert(mode)
    found |= {f"{mode}.png": image for mode, image in transparent_pictures().items()}
    deep = deep_pictures(pixels(70, 80)[..., 0])
    return {**found, "16 bits.png": deep["I;16"], "float.tiff": deep["F to 1"]}


@pytest.fixture(scope="module")
def model():
    return small_model(families=["GAN", "SD"], generators=["x", "y", "z"], operating_points=POINTS)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    return save(model, SelfConImageProcessor(), tmp_path_factory.mktemp("models") / "detector")


@pytest.fixture(scope="module")
def timm_model():
    return small_model(backbone="mobilenetv3_small_050", bias=-5.4)


@pytest.fixture(scope="module")
def answers(saved, timm_model, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name, image in pictures().items():
        image.save(elsewhere / name)
    with_backbone = save(timm_model, SelfConImageProcessor(), elsewhere / "with_backbone")
    return in_fresh_process(SCRIPT, [saved, with_backbone, *pictures()], elsewhere)


@pytest.fixture(scope="module")
def expected(model) -> dict[str, torch.Tensor]:
    """Probabilities of "synthetic", family and generator for each picture, by the model of this process."""
    with torch.no_grad():
        output = model(**SelfConImageProcessor()(list(pictures().values()), return_tensors="pt"))
    kinds = {"family": output.family_logits.softmax(1), "generator": output.generator_logits.softmax(1)}
    return {"synthetic": output.logits.softmax(1)[:, 1], **kinds}


def synthetic_scores(answers: list[list[dict]]) -> list[float]:
    assert all({each["label"] for each in answer} == {"real", "synthetic"} for answer in answers)
    for first, second in answers:
        assert first["score"] >= second["score"] and first["score"] + second["score"] == pytest.approx(1, abs=1e-6)
    return [each["score"] for answer in answers for each in answer if each["label"] == "synthetic"]


@pytest.mark.parametrize("way", ["path", "image", "bytes", "base64", "batch of paths", "batch of images"])
def test_every_mode_and_size_gets_the_networks_probability_in_a_fresh_process(answers, expected, way):
    got = synthetic_scores(answers[way])
    assert max(got) - min(got) > 0.1, "the pictures must differ, or a mix-up would go unseen"
    np.testing.assert_allclose(got, expected["synthetic"], atol=1e-5)


def test_several_crops_and_a_backbone_of_timm_travel_too(answers, model, timm_model):
    images = list(pictures().values())
    with torch.no_grad():
        crops = model(**SelfConImageProcessor(crops=5)(images, return_tensors="pt")).logits.softmax(1)[:, 1]
        timm = timm_model(**SelfConImageProcessor()(images, return_tensors="pt")).logits.softmax(1)[:, 1]
    np.testing.assert_allclose(synthetic_scores(answers["five crops"]), crops, atol=1e-5)
    np.testing.assert_allclose(synthetic_scores(answers["timm"]), timm, atol=1e-5)
    assert timm.max() - timm.min() > 0.01


def test_auto_classes_load_the_same_detector(answers, expected):
    assert answers["size"] == [len(pictures()), 3, 256, 256]
    np.testing.assert_allclose(answers["auto"], expected["synthetic"], atol=1e-5)
    assert answers["pathlib"] == answers["path"][0]


def test_the_detection_pipeline_gives_verdict_threshold_and_kinds(answers, expected):
    for number, answer in enumerate(answers["detect"]):
        np.testing.assert_allclose(answer["probability"], expected["synthetic"][number], atol=1e-5)
        assert answer["label"] == ("synthetic" if answer["probability"] >= 0.25 else "real")
        assert (answer["operating_point"], answer["threshold"]) == ("balanced", 0.25)
        for kind, names in (("family", ["GAN", "SD"]), ("generator", ["x", "y", "z"])):
            assert list(answer[kind]) == names
            np.testing.assert_allclose(list(answer[kind].values()), expected[kind][number], atol=1e-5)
    assert {answer["label"] for answer in answers["detect"]} == {"real", "synthetic"}
    assert answers["careful"]["label"] == "real" and answers["careful"]["threshold"] == 0.999


def test_operating_points_that_are_not_there_are_refused_by_name(answers):
    never_set, unknown = answers["errors"]
    assert "false alarms 1%" in never_set and "needs 300" in never_set
    assert "'reckless'" in unknown and "balanced" in unknown


def test_without_operating_points_the_verdict_names_none(tmp_path):
    folder = save(small_model(), SelfConImageProcessor(), tmp_path / "bare")
    answer = pipeline("synthetic-image-detection", model=str(folder), trust_remote_code=True)(Image.fromarray(pixels(50, 60)))
    assert (answer["operating_point"], answer["threshold"], answer["family"], answer["generator"]) == (None, 0.5, None, None)


def test_the_pipelines_turn_a_picture_upright(saved, tmp_path):
    array = pixels(300, 400)
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held on its side: turn by 270 degrees counter-clockwise
    Image.fromarray(array).save(tmp_path / "turned.png", exif=turned)
    classify = pipeline("image-classification", model=str(saved), trust_remote_code=True)
    upright = classify(Image.fromarray(np.ascontiguousarray(np.rot90(array, 3))))
    assert classify(str(tmp_path / "turned.png")) == upright != classify(Image.fromarray(array))


def test_a_folder_that_holds_something_is_left_alone(model, saved, tmp_path):
    before = {file.name: file.read_bytes() for file in saved.iterdir()}
    with pytest.raises(FileExistsError, match="not empty"):
        save(model, SelfConImageProcessor(), saved)
    assert {file.name: file.read_bytes() for file in saved.iterdir()} == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError):
        save(model, SelfConImageProcessor(), tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine" and os.listdir(tmp_path) == ["file"]


def test_a_failed_save_leaves_nothing_behind(model, tmp_path):
    class Broken(SelfConImageProcessor):
        def save_pretrained(self, *args, **kwargs):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save(model, Broken(), tmp_path / "detector")
    assert os.listdir(tmp_path) == []


def test_the_folder_can_be_read_by_others_as_far_as_the_umask_says(saved):
    umask = os.umask(0)
    os.umask(umask)
    assert {file.stat().st_mode & 0o777 for file in saved.iterdir()} == {0o666 & ~umask}
    assert saved.stat().st_mode & 0o444 == 0o444 & ~umask
    assert json.loads((saved / "config.json").read_text())["model_type"] == "selfcon"
