"""The published checkpoint becomes a folder that works by name from the Hub; anything else is refused in a sentence."""

import argparse

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image

from imaginet_tools.publish.hub import check_write_access, upload
from modeling import SelfConConfig, SelfConForImageClassification
from scripts import convert_published_weights
from scripts.convert_published_weights import main, model_from, read_checkpoint
from tests.hub_stand_in import hub  # noqa: F401
from tests.modeling.helpers import in_fresh_process
from tests.reference_weights import filled_checkpoint, reference_pictures

SCRIPT = """
import json, sys
from transformers import pipeline
classify = pipeline("image-classification", model="me/imaginet", trust_remote_code=True)
detect = pipeline("synthetic-image-detection", model="me/imaginet", trust_remote_code=True)
print(json.dumps({"classify": classify(sys.argv[1:]), "detect": detect(sys.argv[1])}))
"""


@pytest.fixture(scope="module")
def checkpoint():
    return filled_checkpoint(tame=True)


@pytest.mark.slow
def test_converted_checkpoint_used_by_name_gives_the_references_answers(hub, checkpoint, monkeypatch, tmp_path):  # noqa: F811
    torch.save(checkpoint, tmp_path / "imaginet_weights.pt")
    main([str(tmp_path / "imaginet_weights.pt"), str(tmp_path / "model")])

    hub.speak_to(monkeypatch, tmp_path)
    check_write_access("me/imaginet", private=True)
    upload(tmp_path / "model", "me/imaginet", "a converted model")
    card = ModelCard.load(tmp_path / "model" / "README.md")
    card.validate()
    assert card.data.license == "other" and "No temperature, bias or threshold was fitted" in card.text

    made = {name: (array, probability) for name, (array, probability) in reference_pictures().items() if array is not None}
    for name, (array, _) in made.items():
        Image.fromarray(array).save(tmp_path / f"{name}.png")
    answers = in_fresh_process(SCRIPT, [f"{name}.png" for name in made], tmp_path, hub.environment(tmp_path / "home"))
    assert all(answer[0]["label"] == "synthetic" for answer in answers["classify"])
    got, want = [answer[0]["score"] for answer in answers["classify"]], [probability for _, probability in made.values()]
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)
    # what was never trained gives no answer
    assert [answers["detect"][name] for name in ("operating_point", "family", "generator")] == [None, None, None]


def test_ctrl_c_before_the_card_is_there_leaves_nothing(tmp_path, monkeypatch, capsys):
    tiny = SelfConConfig(stem_width=8, block="basic", widths=[8, 8], depths=[1, 1], sub_network_after=1, projection_size=8)
    monkeypatch.setattr(convert_published_weights, "read_checkpoint", lambda file: {})
    monkeypatch.setattr(convert_published_weights, "model_from", lambda state, origin: SelfConForImageClassification(tiny))
    (tmp_path / "weights.pt").write_bytes(b"weights")

    def interrupt(file):
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted, pytest.raises(SystemExit) as ended:
        interrupted.setattr(convert_published_weights, "_card", interrupt)
        main([str(tmp_path / "weights.pt"), str(tmp_path / "model")])
    assert ended.value.code == 130 and capsys.readouterr().err.endswith("interrupted; nothing was written.\n")
    assert [file.name for file in tmp_path.iterdir()] == ["weights.pt"]
    main([str(tmp_path / "weights.pt"), str(tmp_path / "model")])
    assert {file.name for file in tmp_path.iterdir()} == {"weights.pt", "model"}
    assert {"README.md", "config.json", "model.safetensors"} <= {file.name for file in (tmp_path / "model").iterdir()}


def state_of(checkpoint: dict) -> dict:
    """The checkpoint's weights under the names of our model."""
    return {**checkpoint["model"], **{f"classifier.{name}": value for name, value in checkpoint["classifier"].items()}}


def changed(checkpoint: dict, **parts: dict) -> dict:
    """A copy whose parts got other entries; those set to None are taken out."""
    copy = {part: {**entries, **parts.get(part, {})} for part, entries in checkpoint.items()}
    return {part: {name: value for name, value in entries.items() if value is not None} for part, entries in copy.items()}


def saved(tmp_path, content) -> str:
    torch.save(content, tmp_path / "weights.pt")
    return str(tmp_path / "weights.pt")


@pytest.mark.parametrize("wrap", [
    lambda name: f"module.{name}",
    lambda name: name.replace("encoder.", "encoder.module."),
])
def test_names_left_by_data_parallel_are_understood(checkpoint, tmp_path, wrap):
    wrapped = {**checkpoint, "model": {wrap(name): value for name, value in checkpoint["model"].items()}}
    state = read_checkpoint(saved(tmp_path, wrapped))
    assert list(state) == list(state_of(checkpoint))


def test_differences_are_named_first_ones_first(checkpoint):
    wrong = changed(
        checkpoint,
        model={
            "encoder.conv1.weight": torch.zeros(64, 3, 3, 3), "encoder.bn1.weight": None, "head.0.weight": None,
            "head.0.bias": None, "head.2.bias": None, "fc.weight": torch.zeros(2),
        },
    )
    with pytest.raises(ValueError) as refusal:
        model_from(state_of(wrong), "mine.pt")
    assert str(refusal.value) == (
        "mine.pt does not fit ImagiNet's network: 4 missing (encoder.bn1.weight, head.0.weight, head.0.bias and 1 more); "
        "1 unexpected (fc.weight); 1 of another shape (encoder.conv1.weight 64×3×3×3 instead of 64×3×7×7)."
    )


def test_weights_that_are_no_numbers_are_refused(checkpoint):
    state = state_of(checkpoint)
    state["head.0.bias"] = state["head.0.bias"] * float("nan")
    with pytest.raises(ValueError, match=r"not finite numbers: .*head\.0\.bias"):
        model_from(state, "mine.pt")


class Intruder:
    """Would write a file when a pickle that holds it is read without care."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (self.file, "w")


EMPTY = {"model": {}, "classifier": {}}
BROKEN = {
    "no file": (lambda file: None, "There is no file"),
    "empty": (lambda file: file.write_bytes(b""), "no PyTorch file"),
    "text": (lambda file: file.write_text("weights"), "no PyTorch file"),
    "noise": (lambda file: file.write_bytes(np.random.default_rng(0).bytes(4000)), "no PyTorch file"),
    "half": (lambda file: (torch.save({"model": {}}, file), file.write_bytes(file.read_bytes()[:300])), "not a whole one"),
    "code": (lambda file: torch.save({**EMPTY, "model": Intruder(f"{file}.ran")}, file), "not only tensors"),
    "options": (lambda file: torch.save({**EMPTY, "opt": argparse.Namespace(a=1)}, file), "argparse.Namespace"),
    "bare state": (lambda file: torch.save({"head.0.bias": torch.zeros(1)}, file), "found the entries head.0.bias"),
    "list": (lambda file: torch.save([1, 2], file), "found list"),
    "number": (lambda file: torch.save({**EMPTY, "model": {"head.0.bias": 3}}, file), "int instead of a tensor"),
    "no weights": (lambda file: torch.save(EMPTY, file), "337 missing"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_checkpoint_is_refused_in_one_sentence(tmp_path, kind):
    write, said = BROKEN[kind]
    write(tmp_path / "weights.pt")
    with pytest.raises(SystemExit) as refusal:
        main([str(tmp_path / "weights.pt"), str(tmp_path / "model")])
    assert said in refusal.value.code and str(tmp_path / "weights.pt") in refusal.value.code and "\n" not in refusal.value.code
    assert not (tmp_path / "model").exists() and not list(tmp_path.glob("*.ran"))


def test_the_command_leaves_a_folder_that_holds_something_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SystemExit) as refusal:
        main(["weights.pt", str(tmp_path)])
    assert str(refusal.value.code).endswith(f"{tmp_path} exists and is not empty; choose another folder for the model.")
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_converted_weights_are_the_checkpoints_in_float32(checkpoint):
    state = state_of(checkpoint)
    model = model_from(state, "mine.pt")
    assert isinstance(model, SelfConForImageClassification) and not model.training
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32, torch.int64}
    for name, value in state.items():
        torch.testing.assert_close(model.state_dict()[name], value.to(model.state_dict()[name].dtype), rtol=0, atol=0)
