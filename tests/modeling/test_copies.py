"""Copies of a saved detector, made in every way that Transformers offers, in processes that know nothing of this project."""

import json

import pytest
from PIL import Image

from modeling import SelfConImageProcessor, save
from tests.hub_stand_in import hub  # noqa: F401
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
if len(sys.argv) > 2:
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


@pytest.fixture
def picture(tmp_path):
    Image.fromarray(pixels(300, 280)).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def test_every_way_of_saving_a_loaded_detector_gives_one_that_works(hub, picture, tmp_path):  # noqa: F811
    points = [{"name": "balanced", "threshold": 0.3}]
    model = small_model(families=["GAN", "SD"], operating_points=points, id2label={0: "human", 1: "ai"})
    folder = save(model, SelfConImageProcessor(crops=5), tmp_path / "detector")
    online = hub.environment(tmp_path / "home")
    in_fresh_process(COPY, [folder, "and push"], tmp_path, online)
    copies = ["model", *TASKS, "trainer", "copy_of_a_copy", "me/copy", "me/pipeline"]
    answers = in_fresh_process(USE, [picture, *copies], tmp_path, hub.environment(tmp_path / "another_home"))
    expected = answers_here(folder, picture)
    assert {each["label"] for each in expected[0]} == {"human", "ai"} and expected[1]["threshold"] == 0.3
    assert {copy: answers[copy] == expected for copy in copies} == dict.fromkeys(copies, True)


def test_a_new_model_saved_by_transformers_alone_works_without_our_save(picture, tmp_path):
    model = small_model()
    model.save_pretrained(tmp_path / "plain")
    SelfConImageProcessor().save_pretrained(tmp_path / "plain")
    folder = save(model, SelfConImageProcessor(), tmp_path / "ours")
    assert {file.name for file in (tmp_path / "plain").iterdir()} == {file.name for file in folder.iterdir()}
    answers = in_fresh_process(USE, [picture, tmp_path / "plain"], tmp_path)
    assert answers[str(tmp_path / "plain")] == answers_here(folder, picture)


def test_folders_of_one_name_keep_their_own_code_and_answers(picture, tmp_path):
    folders = []
    for number in range(2):
        folder = save(small_model(bias=6.5 + number), SelfConImageProcessor(), tmp_path / str(number) / "detector")
        code = folder / "pipeline_selfcon.py"
        code.write_text(code.read_text() + f"\n\nSelfConImageClassificationPipeline.postprocess = lambda *_, **__: {number}\n")
        folders.append(folder)
    answers = in_fresh_process(USE, [picture, *folders], tmp_path)
    assert [answers[str(folder)][0] for folder in folders] == [0, 1]
    probabilities = [answers[str(folder)][1]["probability"] for folder in folders]
    assert probabilities == [answers_here(folder, picture)[1]["probability"] for folder in folders]
    assert probabilities[0] != probabilities[1]
