"""What the model gives: tuples, feature maps, the trunk alone, Transformers' Trainer, export; what it refuses."""

import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModel, Trainer, TrainingArguments, pipeline

from modeling import SelfConConfig, SelfConForImageClassification, SelfConImageProcessor, SelfConModel, save
from modeling.backbones import ShortcutConvolution
from modeling.front_ends import held_above
from tests.modeling.helpers import pixels, small_model


@pytest.fixture(scope="module")
def model():
    return small_model(families=["a", "b"])


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    return save(model, SelfConImageProcessor(), tmp_path_factory.mktemp("models") / "detector")


def test_return_dict_false_gives_a_tuple_of_what_there_is(model):
    noise, labels = torch.randn(2, 3, 32, 32), torch.tensor([0, 1])
    whole = model(noise, labels=labels)
    plain = model(noise, labels=labels, return_dict=False)
    assert isinstance(plain, tuple) and len(plain) == len(whole) == 6
    for got, want in zip(plain, whole.values(), strict=True):
        torch.testing.assert_close(got, want)


def test_hidden_states_are_the_feature_maps_of_stem_and_layers(model):
    noise = torch.randn(2, 3, 32, 48)
    maps = model(noise, output_hidden_states=True).hidden_states
    assert [tuple(each.shape) for each in maps] == [
        (2, 8, 16, 24), (2, 8, 16, 24), (2, 8, 8, 12), (2, 16, 4, 6), (2, 16, 2, 3),
    ]
    torch.testing.assert_close(maps[-1].mean((2, 3)), model(noise).feature)
    torch.testing.assert_close(model.encoder.layer3(maps[2]), maps[3])
    assert model(noise).hidden_states is None


def test_hidden_states_of_a_backbone_of_timm_have_channels_first():
    maps = small_model(backbone="swin_s3_tiny_224")(torch.randn(1, 3, 96, 96), output_hidden_states=True).hidden_states
    assert [tuple(each.shape) for each in maps] == [(1, 192, 12, 12), (1, 768, 3, 3)]


def moved(images: torch.Tensor, shift: int) -> torch.Tensor:
    """Without rows and columns at the top and on the left; at the other ends NumPy fills as many by reflection."""
    cut = images.numpy()[:, :, shift:, shift:]
    return torch.from_numpy(np.pad(cut, [(0, 0), (0, 0), (0, shift), (0, shift)], mode="reflect"))


@pytest.mark.parametrize("shifts", [[0, 1, 3], [2]])
def test_with_shifts_the_mean_of_what_is_said_of_moved_pictures_counts(shifts):
    kinds = dict(families=["a", "b"], generators=["a", "b", "c"], statistics_centres=4)
    model, plain = small_model(shifts=shifts, **kinds), small_model(**kinds)
    model.statistics_classifier.weight += 1
    plain.load_state_dict(model.state_dict())
    noise = torch.randn(2, 3, 32, 48, generator=torch.Generator().manual_seed(3))
    statistics = plain.statistics_classifier(noise)
    slow = [plain(moved(noise, shift)) for shift in shifts]
    found = model(noise, output_hidden_states=True)
    of_network = [plain.classifier(each.feature)[:, 0] for each in slow]
    torch.testing.assert_close(found.origin_logit, torch.stack(of_network).mean(0) + statistics)
    for name in ("sub_logit", "family_logits", "generator_logits", "feature"):
        torch.testing.assert_close(found[name], torch.stack([each[name] for each in slow]).mean(0))
    for map_found, map_slow in zip(found.hidden_states, plain(noise, output_hidden_states=True).hidden_states, strict=True):
        torch.testing.assert_close(map_found, map_slow)
    grouped = model(noise, crop_counts=torch.tensor([2]))
    torch.testing.assert_close(grouped.origin_logit, found.origin_logit.mean(0, keepdim=True))
    sub, goes_on, rest = model.forward_early(noise, lambda said: said == said.max())
    torch.testing.assert_close(sub, found.sub_logit)
    torch.testing.assert_close(goes_on, sub < sub.max())
    torch.testing.assert_close(rest["origin_logit"], found.origin_logit[goes_on])
    torch.testing.assert_close(rest["feature"], found.feature[goes_on])


def test_a_floor_bounds_how_loudly_the_network_says_real_and_keeps_its_order():
    logit = torch.linspace(-30, 30, 601)
    held = held_above(logit, 2.0)
    assert held.diff().min() >= 0 and held.min() == pytest.approx(-2, abs=1e-4)
    assert (held >= logit - 1e-5).all() and (held[logit > 4] - logit[logit > 4]).max() < 0.01 and held[300] == pytest.approx(0.127, abs=1e-3)
    assert held_above(logit, 0.0) is logit
    model, plain = small_model(network_floor=0.2), small_model()
    plain.load_state_dict(model.state_dict())
    noise = torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(model(noise).origin_logit, held_above(plain(noise).origin_logit, 0.2))


@pytest.mark.parametrize(("wrong", "sentence"), [
    ({"shifts": []}, "shifts must be different numbers of pixels"), ({"shifts": [1, 1]}, "one or more, each 0 or more; got"),
    ({"shifts": [-1]}, r"got \[-1\]"), ({"network_floor": -0.5}, "network_floor must be 0 or more, got -0.5"),
])
def test_shifts_and_floors_that_make_no_sense_are_refused(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        SelfConConfig(**wrong)


@pytest.mark.parametrize("wrong", ["pixel_value", "lables", "output_attentions", "crop_count"])
def test_arguments_that_do_not_exist_are_refused_by_name(model, wrong):
    with pytest.raises(TypeError, match=wrong):
        model(torch.randn(1, 3, 32, 32), **{wrong: None})


def test_automodel_is_the_trunk_with_its_map_and_feature(model, folder):
    trunk, info = AutoModel.from_pretrained(folder, trust_remote_code=True, output_loading_info=True)
    noise = torch.randn(3, 3, 40, 32)
    whole, seen = model(noise, output_hidden_states=True), trunk(noise, output_hidden_states=True)
    torch.testing.assert_close(seen.pooler_output, whole.feature)
    torch.testing.assert_close(seen.last_hidden_state, whole.hidden_states[-1])
    assert len(seen.hidden_states) == 5 and trunk(noise).hidden_states is None
    assert set(trunk.state_dict()) == {name for name in model.state_dict() if name.startswith("encoder.")}
    assert not any(info.values()), "heads that the trunk has no place for are nothing to warn of"


def test_image_feature_extraction_gives_the_picture_s_feature(folder, model):
    picture = Image.fromarray(pixels(300, 260))
    extract = pipeline("image-feature-extraction", model=str(folder), trust_remote_code=True)
    with torch.no_grad():
        want = model(**SelfConImageProcessor()(picture, return_tensors="pt"), output_hidden_states=True)
    np.testing.assert_allclose(extract(picture, pool=True), want.feature, atol=1e-5)
    np.testing.assert_allclose(extract(picture), want.hidden_states[-1], atol=1e-5)


class Pictures(torch.utils.data.Dataset):
    """Noise with labels, as Trainer wants them."""

    def __init__(self, number: int):
        self.values = torch.randn(number, 3, 32, 32, generator=torch.Generator().manual_seed(1))

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        return {"pixel_values": self.values[index], "labels": index % 2}


def test_transformers_trainer_trains_on_a_last_batch_of_one_and_scores_logits_alone(tmp_path):
    arguments = TrainingArguments(
        str(tmp_path), per_device_train_batch_size=4, per_device_eval_batch_size=4, num_train_epochs=1, report_to=[],
        use_cpu=True, save_strategy="no", disable_tqdm=True,
    )
    seen = []

    def compute_metrics(prediction):
        seen.append(prediction.predictions.shape)
        return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}

    model = small_model(families=["a", "b"], temperature=1.0, bias=0.0)
    trainer = Trainer(model, arguments, train_dataset=Pictures(5), eval_dataset=Pictures(9), compute_metrics=compute_metrics)
    before = model.classifier[1].weight.detach().clone()
    assert trainer.train().global_step == 2
    assert not torch.equal(before, model.classifier[1].weight)
    evaluated = trainer.evaluate()
    assert seen == [(9, 2)]
    with torch.no_grad():
        rows = [Pictures(9)[index] for index in range(9)]
        logits = model.eval()(torch.stack([row["pixel_values"] for row in rows])).logits
    labels = torch.tensor([row["labels"] for row in rows])
    assert evaluated["eval_loss"] == pytest.approx(torch.nn.functional.cross_entropy(logits, labels).item(), rel=1e-4)
    assert evaluated["eval_accuracy"] == pytest.approx((logits.argmax(1) == labels).float().mean().item())
    assert trainer.predict(Pictures(3)).predictions.shape == (3, 2)


def test_a_training_batch_of_one_uses_the_running_statistics_and_leaves_them():
    model = small_model()
    noise = torch.randn(1, 48)[:, : model.encoder.feature_size]
    statistics = model.classifier[0].running_mean.clone()
    got = model.classifier[0].train()(noise)
    torch.testing.assert_close(got, model.classifier[0].eval()(noise))
    assert torch.equal(statistics, model.classifier[0].running_mean)
    model.classifier[0].train()(torch.randn(2, model.encoder.feature_size))
    assert not torch.equal(statistics, model.classifier[0].running_mean)


@pytest.mark.parametrize("high_pass", [None, "mean2x2", "local_contrast"])
def test_an_exported_graph_takes_any_number_of_pictures_of_any_size(high_pass):
    model = small_model(high_pass=high_pass)
    batch, height, width = (torch.export.Dim(name, min=start) for name, start in (("b", 1), ("h", 18), ("w", 18)))
    shapes = {"pixel_values": {0: batch, 2: height, 3: width}}
    graph = torch.export.export(model, (torch.randn(2, 3, 64, 62),), dynamic_shapes=shapes).module()
    for size in ((1, 33, 47), (3, 64, 64), (2, 65, 256), (5, 19, 18)):
        noise = torch.randn(size[0], 3, *size[1:])
        torch.testing.assert_close(graph(noise).logits, model(noise).logits)


@pytest.mark.parametrize("inputs", [8, 15, 16])
def test_a_narrow_shortcut_computes_what_a_plain_convolution_does(inputs):
    shortcut = ShortcutConvolution(inputs, 12, 1, 2, bias=False).to(memory_format=torch.channels_last)
    noise = torch.randn(2, inputs, 9, 12).contiguous(memory_format=torch.channels_last)
    want = torch.einsum("bihw,oi->bohw", noise[:, :, ::2, ::2], shortcut.weight[:, :, 0, 0])
    torch.testing.assert_close(shortcut(noise), want)


# loading


def test_the_meta_device_and_a_device_map_load_the_same_detector(folder, model):
    with torch.device("meta"):
        empty = SelfConForImageClassification(model.config)
    assert all(value.is_meta for value in empty.parameters())
    empty.load_state_dict(model.state_dict(), assign=True)
    placed = SelfConForImageClassification.from_pretrained(folder, device_map="cpu")
    noise = torch.randn(2, 3, 33, 40)
    for loaded in (empty.eval(), placed):
        torch.testing.assert_close(loaded(noise).logits, model(noise).logits)
    assert json.loads((folder / "config.json").read_text())["model_type"] == "selfcon"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_detector_in_another_precision_stays_near_to_float32(folder, model, dtype):
    """Heads and batch norms of a half-precision detector are float32, and so is what goes into it."""
    loaded = SelfConForImageClassification.from_pretrained(folder, dtype=dtype)
    inputs = SelfConImageProcessor()([Image.fromarray(pixels(280, 260, seed)) for seed in range(6)], return_tensors="pt")
    with torch.no_grad():
        got, want = loaded(**inputs).origin_logit, model(**inputs).origin_logit
    assert loaded.dtype == loaded.encoder.layer2[0].conv1.weight.dtype == dtype
    kept = torch.promote_types(dtype, torch.float32)
    assert loaded.classifier[1].weight.dtype == loaded.encoder.layer1[0].bn1.running_var.dtype == got.dtype == kept
    spread = (want.max() - want.min()).item()
    assert (got - want).abs().max().item() < {torch.bfloat16: 0.1, torch.float16: 0.02}.get(dtype, 1e-4) * spread
    everything = loaded.to(dtype)
    assert torch.isfinite(everything(**inputs).logits).all()


@pytest.mark.parametrize("dtype, instructions, warned", [
    (torch.float16, {}, True), (torch.float16, {"amx_fp16": True}, False), (torch.bfloat16, {}, True),
    (torch.bfloat16, {"avx512_bf16": True}, False), (torch.float32, {}, False),
])
def test_half_precision_that_a_cpu_must_emulate_is_said_once(dtype, instructions, warned, monkeypatch):
    said = []
    module = sys.modules[SelfConForImageClassification.__module__]
    monkeypatch.setattr(module.logger, "warning_once", said.append)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "x86_64", **instructions})
    model = small_model().to(dtype)
    with torch.no_grad():
        model(torch.zeros(1, 3, 32, 32, dtype=dtype))
    name = str(dtype).removeprefix("torch.")
    assert bool(said) == warned and all(f"no instructions for {name}" in each and 'dtype="float32"' in each for each in said)


def test_trunks_load_alone(folder, model):
    trunk = SelfConModel.from_pretrained(folder)
    torch.testing.assert_close(trunk.encoder.conv1.weight, model.encoder.conv1.weight)
    assert model.base_model is model.encoder
