"""Detectors to export, and their exports, each made once."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from imaginet_tools.inference import export_model_graph
from imaginet_tools.inference.export_model import Wish, export_model
from modeling import SelfConImageProcessor
from tests.modeling.helpers import pixels, small_model

ROOT = Path(__file__).resolve().parents[3]
SAVED = ROOT / "tests" / "data" / "version_0_1" / "model"
FAMILIES = dict(families=["GAN", "DM"], generators=["a", "b", "c"])
RESNET = dict(stem_kernel=7, stem_stride=2, stem_pool=True, block="bottleneck", widths=[8, 8, 16, 16], depths=[1, 2, 1, 1], **FAMILIES)
LAPTOP = dict(
    stem_kernel=3, stem_stride=1, stem_width=8, stem_pool=False, block="basic", widths=[8, 16, 16, 32], depths=[1, 1, 1, 1],
    high_pass="local_contrast", sub_classifier=False, statistics_centres=12, detail_relations=True,
    shifts=[1, 2], network_floor=1.5,
)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory) -> None:
    """What passed a self-test is kept for these tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMAGINET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def saved_models(tmp_path_factory) -> dict[str, Path]:
    """By name: the model of version 0.1, one of the paper's shape, one of the preset laptop's."""
    folders = {"version 0.1": SAVED}
    for name, config in {"resnet": RESNET, "laptop": LAPTOP}.items():
        folders[name] = tmp_path_factory.mktemp("models") / name
        model = small_model(**config).train()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
                module.momentum = 1.0
        if model.statistics_classifier is not None:
            for tensor, spread in {"scale": 0.1, "centres": 1.0, "weight": 3.0}.items():
                for part in model.statistics_classifier.parts:
                    getattr(part, tensor).normal_(0, spread)
        with torch.no_grad():  # statistics of pictures, so that activations are of the size of trained ones
            model(SelfConImageProcessor()([pixels(256, 256, seed) for seed in range(6)], return_tensors="pt")["pixel_values"])
        model.eval().save_pretrained(folders[name])
        SelfConImageProcessor().save_pretrained(folders[name])
    return folders


@pytest.fixture(scope="session")
def few_pictures(tmp_path_factory) -> Path:
    """A folder with nine pictures of each class of the sample."""
    folder = tmp_path_factory.mktemp("few")
    for label in ("real", "synthetic"):
        (folder / label).mkdir()
        for file in sorted((ROOT / "sample" / "images" / label).rglob("*.jpg"))[::10][:9]:
            (folder / label / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture(scope="session", autouse=True)
def one_graph_a_model(tmp_path_factory) -> None:
    """The ONNX graph in fp32 of a network's weights is written once for all exports of these tests, which all begin with it."""
    write, folder = export_model_graph.write_onnx, tmp_path_factory.mktemp("graphs")

    def write_or_copy(network, file: Path) -> None:
        kept = folder / f"{network.settings.fingerprint}.onnx"
        if not kept.exists():
            write(network, kept)
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(kept, file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_model_graph, "write_onnx", write_or_copy)
        yield


@pytest.fixture(scope="session")
def exported(saved_models, few_pictures, tmp_path_factory) -> Callable:
    """(model, format, precision) -> folder of the export and how it compared with PyTorch; made when first asked for."""
    made = {}

    def export(model: str, format: str, precision: str = "fp32") -> tuple:
        if (model, format, precision) not in made:
            folder = tmp_path_factory.mktemp("exports") / "export"
            wish = Wish(format, precision, pictures=str(few_pictures), calibration=str(few_pictures), limit=None if precision == "fp32" else 1.0)
            made[model, format, precision] = folder, export_model(str(saved_models[model]), str(folder), wish)
        return made[model, format, precision]

    return export
