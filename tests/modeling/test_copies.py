"""Copies of a saved detector, made in every way that Transformers offers, in processes that know nothing of this project."""

import json
from pathlib import Path

import pytest
from PIL import Image

from modeling import SelfConImageProcessor, save
from tests.hub_stand_in import running
from tests.modeling.helpers import in_fresh_process, pixels, small_model

TASKS = ("image-classification", "synthetic-image-detection")
COPY = """
import json, sys
from transformers import AutoImageProcessor, AutoModelForImageClassification, Trainer, TrainingArguments, pipeline
folder = sys.argv[1]
model = AutoModelForImageClassification.from_pretrained(folder, trust_remote_code=True)
processor = AutoImageProcessor.from_pretrained(folder, trust_remote_code=True)
model.save_pretrained("model"), processor.save_pretrained("model")
for task in ("image-classification", "synthetic-image-detection"):
    pipeline(task, model=folder, trust_remote_code=True).save_pretrained(task)
Trainer(model, TrainingArguments("trainer_files", report_to=[], use_cpu=True), processing_class=processor).save_model("trainer")
again = AutoModelForImageClassification.from_pretrained("model", trust_remote_code=True)
again.save_pretrained("copy_of_a_copy")
AutoImageProcessor.from_pretrained("model", trust_remote_code=True).save_pretrained("copy_of_a_copy")
model.push_to_hub("me/copy"), processor.push_to_hub("me/copy")
pipeline("image-classification", model=folder, trust_remote_code=True).push_to_hub("me/pipeline")
print(json.dumps("done"))
"""
USE = """
import json, sys
from transformers import AutoModel, pipeline
answers = {}
for folder in sys.argv[2:]:
    answers[folder] = [
        pipeline(task, model=folder, trust_remote_code=True)(sys.argv[1])
        for task in ("image-classification", "synthetic-image-detection", None)
    ]
print(json.dumps(answers))
"""


def answers_here(folder, picture) -> list:
    """What a folder's pipelines say in this process: both tasks, and the one that is inferred."""
    from transformers import pipeline

    said = [pipeline(task, model=str(folder), trust_remote_code=True)(str(picture)) for task in TASKS]
    return json.loads(json.dumps([*said, said[0]]))


COPIES = ("model", *TASKS, "trainer", "copy_of_a_copy", "me/copy", "me/pipeline")
"""What COPY makes, the last two of it on the Hub."""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """picture.png; "detector"; "plain", saved by Transformers alone, and "ours", the same model saved by us; 0/detector and 1/detector,
    each with code of its own."""
    place = tmp_path_factory.mktemp("copies")
    Image.fromarray(pixels(300, 280)).save(place / "picture.png")
    points = [{"name": "balanced", "threshold": 0.3}]
    model = small_model(families=["GAN", "SD"], operating_points=points, id2label={0: "human", 1: "ai"})
    save(model, SelfConImageProcessor(crops=5), place / "detector")
    plain = small_model()
    plain.save_pretrained(place / "plain")
    SelfConImageProcessor().save_pretrained(place / "plain")
    save(plain, SelfConImageProcessor(), place / "ours")
    for number in range(2):
        folder = save(small_model(bias=6.5 + number), SelfConImageProcessor(), place / str(number) / "detector")
        code = folder / "pipeline_selfcon.py"
        code.write_text(code.read_text() + f"\n\nSelfConImageClassificationPipeline.postprocess = lambda *_, **__: {number}\n")
    return place


@pytest.fixture(scope="module")
def answers(place) -> dict[str, list]:
    """What is said of the picture by the copies, which one process made, and by the other folders, in another process."""
    with running(place / "hub") as hub:
        in_fresh_process(COPY, [place / "detector"], place, hub.environment(place / "home"))
        folders = [*COPIES, "plain", "0/detector", "1/detector"]
        return in_fresh_process(USE, [place / "picture.png", *folders], place, hub.environment(place / "another_home"))


def test_every_way_of_saving_a_loaded_detector_gives_one_that_works(place, answers):
    expected = answers_here(place / "detector", place / "picture.png")
    assert {each["label"] for each in expected[0]} == {"human", "ai"} and expected[1]["threshold"] == 0.3
    assert {copy: answers[copy] == expected for copy in COPIES} == dict.fromkeys(COPIES, True)


def test_a_new_model_saved_by_transformers_alone_works_without_our_save(place, answers):
    assert {file.name for file in (place / "plain").iterdir()} == {file.name for file in (place / "ours").iterdir()}
    assert answers["plain"] == answers_here(place / "ours", place / "picture.png")


def test_folders_of_one_name_keep_their_own_code_and_answers(place, answers):
    folders = ["0/detector", "1/detector"]
    assert [answers[folder][0] for folder in folders] == [0, 1]
    probabilities = [answers[folder][1]["probability"] for folder in folders]
    assert probabilities == [answers_here(place / folder, place / "picture.png")[1]["probability"] for folder in folders]
    assert probabilities[0] != probabilities[1]
