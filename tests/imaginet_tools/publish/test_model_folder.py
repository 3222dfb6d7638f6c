"""Upload of a model with its card to a stand-in Hub, use by name from there, and what is said when the Hub refuses."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from huggingface_hub import HfApi, ModelCard
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.repocard_data import model_index_to_eval_results
from PIL import Image
from transformers import pipeline

from imaginet_tools.evaluation.report import Report, rows_of
from imaginet_tools.metrics.attribution import make_track
from imaginet_tools.metrics.detection import Scores
from imaginet_tools.publish.hub import check_write_access, upload
from imaginet_tools.publish.model_card import card_of, usage_of
from imaginet_tools.publish.model_folder import write_model_card
from modeling import SelfConImageProcessor, save
from tests.hub_stand_in import READER, Handler, hub  # noqa: F401
from tests.modeling.helpers import in_fresh_process, pixels, small_model

POINTS = [
    {
        "name": "balanced", "threshold": 0.4, "reason": None, "false_alarm_rate": 0.125, "recall": 0.75,
        "n_real": 8, "n_synthetic": 8, "fitted_on": "16 images of the training list",
    },
    {
        "name": "false alarms 1%", "threshold": None, "reason": "8 held-out real images; a rate of 1% needs 300",
        "false_alarm_rate": None, "recall": None, "n_real": 8, "n_synthetic": 8, "fitted_on": "16 images of the training list",
    },
]
USE = """
import json, sys
from transformers import pipeline
classify = pipeline("image-classification", model="me/detector", trust_remote_code=True)
detect = pipeline("synthetic-image-detection", model="me/detector", trust_remote_code=True)
print(json.dumps([classify(sys.argv[1]), detect(sys.argv[1])]))
"""


def make_report(dataset: str = "imaginet") -> Report:
    """A report with something in every part, of data that is called ``dataset``."""
    rng = np.random.default_rng(0)
    label = np.tile([0, 1], 20)
    scores = Scores(
        label, (0.3 * label + 0.7 * rng.random(40)), np.array(["photos", "faces"] * 20), np.where(label == 1, "x", "real"),
        np.array([f"picture {number}" for number in range(40)]),
    )
    origins = np.array(["real", "synthetic"])
    said = origins[(scores.probability >= 0.5).astype(int)]
    counts = {"images": 40, "real": 20, "synthetic": 20, "source_images": 40}
    counts |= {"content": {"faces": 20, "photos": 20}, "generator": {"real": 20, "x": 20}}
    splits = {name: {**counts, "fingerprint": f"{name}-0123"} for name in ("train", "held_out", "test")}
    audit = {"title": dataset, "images": {"real": 20, "synthetic": 20}, "sentence": "File format tells all."}
    return Report(
        created="2026-01-01T00:00:00+00:00", versions={"torch": "2.14.0"}, options={"seed": 17, "data_dir": dataset, "epochs": 3},
        data={"name": dataset, "config": "sample", "splits": splits, "audit": audit},
        training={"seconds": 90.0, "processes": 2, "device": "cpu", "images_seen": 1234, "history": []},
        calibration={"temperature": 1.0, "bias": 0.0, "images": 16}, operating_points=POINTS,
        figures=rows_of("model", "clean", scores, 0.5, 20) + rows_of("pixel statistics", "clean", scores, 0.5, 20, baseline=True),
        limits=["The detector knows these generators: x. It may miss images of any other."],
        tracks=[make_track("origin", "clean", origins[label], said, list(origins), scores.source_image, resamples=20)],
        pictures=[{"file": "roc.png", "title": "ROC curves"}, {"file": "mistakes.png", "title": "The most confident mistakes"}],
    )


@pytest.fixture
def folder(tmp_path):
    """A saved model with card, report and pictures, as a run leaves it."""
    model = small_model(operating_points=POINTS, generators=["x", "y"])
    folder = save(model, SelfConImageProcessor(), tmp_path / "run" / "model")
    pictures = [tmp_path / "run" / name for name in ("roc.png", "mistakes.png")]
    for picture in pictures:
        Image.new("RGB", (8, 8)).save(picture)
    write_model_card(folder, make_report(), pictures, usage_of("me/detector"), "me/detector")
    return folder


@pytest.fixture
def online(hub, monkeypatch, tmp_path):  # noqa: F811
    """The stand-in, with this process logged in as one who may write."""
    hub.speak_to(monkeypatch, tmp_path)
    return hub


def test_a_pushed_model_is_used_by_name_in_a_fresh_process(online, folder, tmp_path):
    check_write_access("me/detector", private=True)
    address = upload(folder, "me/detector", "a detector")
    assert address.startswith(online.url)
    uploaded = online.files("models", "me/detector")
    del uploaded[".gitattributes"]  # the Hub's own
    assert uploaded == {file.name: file.read_bytes() for file in folder.iterdir()}
    Image.fromarray(pixels(300, 200)).save(tmp_path / "picture.png")
    answers = in_fresh_process(USE, ["picture.png"], tmp_path, online.environment(tmp_path / "home", READER))
    tasks = ("image-classification", "synthetic-image-detection")
    here = [pipeline(task, model=str(folder), trust_remote_code=True)(str(tmp_path / "picture.png")) for task in tasks]
    assert answers == json.loads(json.dumps(here))
    # it was made private
    with pytest.raises(RepositoryNotFoundError):
        HfApi(token=False).model_info("me/detector")


def test_pictures_of_the_data_set_do_not_go_along(folder):
    names = {file.name for file in folder.iterdir()}
    assert "roc.png" in names and "mistakes.png" not in names
    assert Report.read(folder / "report.json") == replace(make_report(), pictures=[{"file": "roc.png", "title": "ROC curves"}])
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "![ROC curves](roc.png)" in card and "mistakes" not in card


def test_the_card_validates_and_its_figures_are_the_reports(online, folder):
    card = ModelCard.load(folder / "README.md")
    card.validate()
    overall = next(row.metrics for row in make_report().figures if row.kind == "overall")
    figures = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert figures == {name: round(getattr(overall, name).value, 4) for name in ("balanced_accuracy", "auc", "average_precision")}
    usage, balanced, unset = 'model="me/detector"', "| balanced | 0.400 | 12.5% of 8 | 75.0% of 8 |", "a rate of 1% needs 300"
    for said in (make_report().limits[0], usage, balanced, unset):
        assert said in card.text
    with pytest.raises(ValueError, match="license"):
        ModelCard(str(card).replace("license: apache-2.0", "license: mine-alone")).validate()


def test_the_hub_reads_the_card_s_figures(folder):
    index = ModelCard.load(folder / "README.md").data.to_dict()["model-index"]
    name, results = model_index_to_eval_results(index)
    overall = next(row.metrics for row in make_report().figures if row.kind == "overall")
    assert name == "me/detector" and {result.dataset_type for result in results} == {"imaginet"}
    assert {(result.metric_type, result.metric_value, result.dataset_config) for result in results} == {
        (name, round(getattr(overall, name).value, 4), "clean") for name in ("balanced_accuracy", "auc", "average_precision")
    }


def test_the_card_says_how_good_on_what_and_how_it_was_made(folder):
    card, report = ModelCard.load(folder / "README.md").text, make_report()
    for row in report.figures:
        group = f"| clean | {row.name} | {row.detector} | {row.metrics.n_real} + {row.metrics.n_synthetic} |"
        assert f"{group} {row.metrics.balanced_accuracy} | {row.metrics.auc} |" in card
    for each in report.tracks[0].classes:
        assert f"| clean | {each.name} | 20 | {each.accuracy} |" in card
    made = ("fingerprint train-0123", "fingerprint test-0123", "seed 17", "torch 2.14.0", '"epochs": 3', "1,234 views")
    data = ("faces 20, photos 20", "real 20, x 20", "Shortcuts of the training images: File format tells all.")
    rights = ("## Licence", "Apache-2.0", "## Citation", "arXiv:2407.20020", "@article{")
    assert [said for said in (*made, *data, *rights) if said not in card] == []
    titles = re.findall("^## (.*)", card, re.MULTILINE)
    assert titles == ["Limits", "Use", "What a score means", "Data", "Figures", "Heat maps", "How it was made", "Licence", "Citation"]


def test_the_card_of_a_model_that_was_never_scored_says_so(online, folder):
    write_model_card(folder, replace(make_report(), figures=[], tracks=[]), [], usage_of("FOLDER"))
    card = ModelCard.load(folder / "README.md")
    card.validate()
    assert "## Figures\n\nNothing was scored." in card.text and card.data.eval_results is None


def test_the_card_of_a_model_trained_on_a_folder_validates_and_hides_its_place(online, folder, tmp_path):
    own = tmp_path / "somebody's home" / "my pictures"
    own.mkdir(parents=True)
    write_model_card(folder, make_report(str(own)), [], usage_of("FOLDER"))
    card = ModelCard.load(folder / "README.md")
    card.validate()
    assert card.data.eval_results[0].dataset_type == "my-pictures" and "somebody" not in str(card)
    assert "somebody" not in (folder / "report.json").read_text()


@pytest.mark.parametrize(("token", "said"), [
    (READER, "don't have the rights"), (None, "Invalid username or password"), ("hf_gone", "Invalid credentials"),
])
@pytest.mark.parametrize("exists", [False, True])
def test_no_right_to_write_is_said_before_training(online, monkeypatch, tmp_path, token, said, exists):
    if exists:
        check_write_access("me/detector", private=False)
    online.speak_to(monkeypatch, tmp_path, token)
    with pytest.raises(ConnectionError) as refusal:
        check_write_access("me/detector", private=False)
    sentence = str(refusal.value)
    assert sentence.startswith("Cannot write to the model me/detector on the Hub (") and "\n" not in sentence
    assert said in sentence and "hf auth login" in sentence


def test_a_name_that_is_none_and_a_hub_that_is_away_are_said(online, monkeypatch, tmp_path):
    with pytest.raises(ConnectionError, match="Cannot write to the model me/my/detector"):
        check_write_access("me/my/detector", private=True)
    online.url = "http://127.0.0.1:9"
    online.speak_to(monkeypatch, tmp_path)
    with pytest.raises(ConnectionError, match="Cannot write to the model me/detector on the Hub"):
        check_write_access("me/detector", private=True)


def upload_refused_to_the_token(monkeypatch, online, tmp_path, folder):
    online.speak_to(monkeypatch, tmp_path, READER)


def upload_of_large_files_fails(monkeypatch, online, tmp_path, folder):
    monkeypatch.setattr(Handler, "lfs_put", lambda self, digest: self.answer({"error": "no room"}, 400))


def card_is_refused(monkeypatch, online, tmp_path, folder):
    (folder / "README.md").write_text("---\nlicense: mine-alone\n---\n")


@pytest.mark.parametrize(("trouble", "said"), [
    (upload_refused_to_the_token, "don't have the rights"), (upload_of_large_files_fails, "no room"),
    (card_is_refused, '"license" must be'),
])
@pytest.mark.filterwarnings("ignore:.*Use 'content=:DeprecationWarning")
def test_a_failed_upload_says_where_the_model_lies(online, folder, monkeypatch, tmp_path, trouble, said):
    check_write_access("me/detector", private=True)
    trouble(monkeypatch, online, tmp_path, folder)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(ConnectionError) as refusal:
        upload(folder, "me/detector", "a detector")
    sentence = str(refusal.value)
    assert sentence.startswith("The upload to me/detector failed (") and said in sentence and "\n" not in sentence
    assert f"hf upload me/detector {folder}" in sentence
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert list(online.files("models", "me/detector")) == [".gitattributes"]


@pytest.mark.parametrize("start, licence", [("imagenet", "other"), ("weights.pth", "other"), ("none", "apache-2.0")])
def test_a_card_does_not_give_away_the_weights_of_somebody_elses_backbone(start, licence):
    report = make_report()
    options = {**report.options, "backbone": "vit_small_patch16_dinov3.lvd1689m", "initial_weights": start}
    card = card_of(replace(report, options=options), "detector", usage_of("me/detector"), [])
    assert card.data.license == licence
    assert ("weights of the backbone `vit_small_patch16_dinov3.lvd1689m`" in card.text) == (licence == "other")
