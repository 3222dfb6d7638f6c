"""Backbones of timm as trunk: both features, start values, saved folders, and what is refused."""

import builtins

import pytest
import timm
import torch

from modeling import SelfConConfig, SelfConForImageClassification, SelfConImageProcessor, save

NAMES = ["resnet18", "convnext_atto", "mobilenetv3_small_050", "vit_tiny_patch16_224"]


def detector(name: str, **config) -> SelfConForImageClassification:
    torch.manual_seed(0)
    return SelfConForImageClassification(SelfConConfig(
        backbone=name, classifier_hidden=8, projection_size=16, temperature=0.02, bias=1.0, **config
    )).eval()


@pytest.mark.parametrize("name, after, maps", [
    ("resnet18", 3, (2, 4)), ("convnext_atto", 2, (1, 3)), ("vit_tiny_patch16_224", 2, (5, 11)),
])
def test_features_are_the_averages_of_timms_own_feature_maps(name, after, maps):
    model = detector(name, sub_network_after=after)
    any_size = {"dynamic_img_size": True} if name.startswith("vit") else {}
    whole = timm.create_model(name, features_only=True, out_indices=maps, **any_size).eval()
    whole.load_state_dict(model.encoder.trunk.state_dict())
    noise = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        sub, feature = model.encode(noise)
        inner, last = (features.mean((2, 3)) for features in whole(noise))
    torch.testing.assert_close(feature, last)
    torch.testing.assert_close(sub, model.encoder.selfcon_layer(inner))


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_learns_from_training_crops(name):
    model = detector(name).train()
    sub, feature = model.encode(torch.randn(4, 3, 96, 96))
    loss = model.project(sub, feature)[:, :, 0].sum() + model.classifier(feature).sum() + model.sub_classifier(sub).sum()
    loss.backward()
    assert not [name for name, value in model.named_parameters() if value.grad is None]


@pytest.mark.parametrize("high_pass", ["mean2x2", "local_contrast"])
def test_a_front_end_goes_before_the_backbone(high_pass):
    model = detector("resnet18", high_pass=high_pass)
    noise = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        torch.testing.assert_close(model(noise + 2.0).feature, model(noise).feature, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name, maps", [("test_vit", (2, 5)), ("test_resnet", (1, 4))])
def test_a_frozen_backbone_sees_pixels_as_it_was_trained_to(name, maps):
    """Against timm's own mean and standard deviation, and, of a transformer, its own intermediate features with the last normalisation."""
    model = detector(name, frozen=True)
    options = {"dynamic_img_size": True} if name == "test_vit" else {}
    whole = timm.create_model(name, num_classes=0, **options).eval()
    own = {key.removeprefix("model."): value for key, value in model.encoder.trunk.state_dict().items()}
    assert not [key for key in whole.load_state_dict(own, strict=False).missing_keys if not key.startswith("fc_norm")]
    if name == "test_vit":
        torch.nn.init.normal_(whole.norm.weight)  # of the values that a layer starts with nothing could be told
        model.encoder.trunk.model.norm.load_state_dict(whole.norm.state_dict())
    raw, (mean, std) = torch.rand(2, 3, 96, 96), (torch.tensor(whole.pretrained_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
    processor = SelfConImageProcessor()
    usual_mean, usual_std = (torch.tensor(values).view(3, 1, 1) for values in (processor.image_mean, processor.image_std))
    assert not torch.equal(mean, usual_mean)
    with torch.no_grad():
        inner, last = whole.forward_intermediates((raw - mean) / std, indices=list(maps), norm=True, intermediates_only=True)
        said = model.encoder.averages((raw - usual_mean) / usual_std)
    torch.testing.assert_close(said, torch.cat([inner.mean((2, 3)), last.mean((2, 3))], dim=1), rtol=1e-4, atol=1e-4)


def test_a_frozen_backbone_stays_as_it_was_while_the_layers_on_it_train():
    model = detector("test_resnet", frozen=True, adapter_size=8).train()
    before = {name: value.clone() for name, value in model.encoder.state_dict().items()}
    model.encode(torch.randn(4, 3, 96, 96))
    moved = {name for name, value in model.encoder.state_dict().items() if not torch.equal(value, before[name])}
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    assert moved == {f"{layer}.norm.{each}" for layer in ("adapter", "selfcon_layer") for each in statistics}
    assert not model.eval().train().encoder.trunk.training and model.encoder.training


def test_a_saved_detector_with_an_adapter_loads_and_its_last_map_averages_to_its_feature(tmp_path):
    model = detector("test_vit", frozen=True, adapter_size=8).train()
    for _ in range(3):
        model.encode(torch.randn(8, 3, 64, 64) + 1.0)  # running statistics that are not those of the start
    save(model.eval(), SelfConImageProcessor(), tmp_path / "model")
    again = SelfConForImageClassification.from_pretrained(tmp_path / "model").eval()
    assert again.encoder.feature_size == 8
    half = SelfConForImageClassification.from_pretrained(tmp_path / "model", dtype=torch.bfloat16)
    assert torch.equal(half.encoder.pixel_scale, model.encoder.pixel_scale)  # not rounded to three digits
    noise = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        seen = again.encoder(noise)
        torch.testing.assert_close(seen.maps[-1].mean((2, 3)), seen.feature, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(again(noise).logits, model(noise).logits, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(again.encode(again.encoder.averages(noise)), again.encode(noise))


def test_timms_own_start_values_are_kept_and_ours_are_in_the_heads():
    model = detector("vit_tiny_patch16_224")
    trunk = model.encoder.trunk.state_dict()
    assert trunk["model.blocks.3.mlp.fc1.weight"].std().item() == pytest.approx(0.02, rel=0.05)  # timm: truncated normal
    assert (trunk["model.blocks.3.mlp.fc1.bias"] == 0).all()
    weight = model.head[0].weight
    assert 0.98 < weight.abs().max().item() * weight.shape[1] ** 0.5 <= 1.0  # ours: uniform to 1/sqrt(inputs)


@pytest.mark.parametrize("name", ["resnet18", "swin_s3_tiny_224"])
def test_a_saved_detector_loads_with_the_tables_that_no_file_holds(name, tmp_path):
    """swin: tables of relative positions and masks are buffers that are never saved."""
    model = detector(name)
    save(model, SelfConImageProcessor(), tmp_path / "model")
    torch.manual_seed(1)
    again = SelfConForImageClassification.from_pretrained(tmp_path / "model").eval()
    assert list(again.state_dict()) == list(model.state_dict())
    noise = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        torch.testing.assert_close(again(noise).origin_logit, model(noise).origin_logit, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("config, said", [
    ({"backbone": "resnet81"}, r"no backbone 'resnet81'; did you mean resnet\d+"),
    ({"backbone": "resnet18.no_such_tag"}, "no backbone 'resnet18.no_such_tag'; did you mean .*resnet18.tv_in1k"),
    ({"backbone": "hf-hub:somebody/something"}, "no backbone"),
    ({"backbone": "resnet18", "sub_network_after": 5}, "must be 1 to 4 with backbone resnet18, which has 5 stages, got 5"),
    ({"frozen": True}, "frozen is of a backbone of timm, and this network has none"),
    ({"adapter_size": -1, "backbone": "resnet18"}, "adapter_size must be 0 or more, got -1"),
    ({"backbone": "mixer_s16_224"}, "mixer_s16_224 does not take pictures of 96×96 pixels"),
])
def test_backbones_that_cannot_serve_are_refused_in_one_sentence(config, said):
    with pytest.raises(ValueError, match=said) as refused:
        SelfConForImageClassification(SelfConConfig(**config))
    assert "\n" not in str(refused.value)


def test_other_sizes_can_be_asked_for_before_training():
    encoder = detector("vit_tiny_patch16_224").encoder
    encoder.check_sizes([32, 64, 300])
    with pytest.raises(ValueError, match="does not take pictures of 0×0 pixels"):
        encoder.check_sizes([64, 0])


def test_without_timm_the_detector_says_what_to_install(monkeypatch):
    whole = builtins.__import__

    def without_timm(name, *arguments, **options):
        if name.partition(".")[0] == "timm":
            raise ModuleNotFoundError("No module named 'timm'")
        return whole(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_timm)
    with pytest.raises(ModuleNotFoundError, match="pip install timm"):
        SelfConForImageClassification(SelfConConfig(backbone="resnet18"))
