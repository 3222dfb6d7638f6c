"""Exports of models: what a folder holds, that it is compared before it is kept, and what is refused before any work."""

import importlib.metadata
import json
from dataclasses import replace

import numpy as np
import onnx
import pytest

from imaginet_tools.commands import main as commands
from imaginet_tools.inference import export_model as exports
from imaginet_tools.inference import export_model_parity
from imaginet_tools.inference.export_model import Wish, export_model
from imaginet_tools.inference.networks.exported import EXPORT


def test_a_folder_says_what_it_is_and_holds_no_path_of_this_computer(exported, saved_models):
    folder, parity = exported("resnet", "onnx")
    record = json.loads((folder / EXPORT).read_text(encoding="utf-8"))
    assert (record["format"], record["precision"], record["source"]) == ("onnx", "fp32", {"model": "resnet", "revision": None})
    assert len(record["fingerprint"]) == 16 and len(record["expected"]["fp32"]["origin"]) == 8
    assert record["versions"]["onnxruntime"] and record["cpu"] and record["parity"]["pictures"] == parity.pictures == 18
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if path.is_file()) == [
        "config.json", "export.json", "onnx/model.onnx", "preprocessor_config.json",
    ]
    for file in folder.rglob("*.json"):
        assert str(saved_models["resnet"].parent) not in file.read_text(encoding="utf-8"), file


def test_the_onnx_file_is_whole_and_takes_crops_of_any_number(exported):
    graph = onnx.load(exported("resnet", "onnx")[0] / "onnx" / "model.onnx")
    onnx.checker.check_model(graph, full_check=True)
    (given,) = graph.graph.input
    batch, *size = given.type.tensor_type.shape.dim
    assert given.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert batch.dim_param and [each.dim_value for each in size] == [256, 256, 3]
    assert [each.name for each in graph.graph.output] == ["origin", "sub", "family", "generator", "feature"]


def test_int8_has_a_scale_for_each_channel_and_leaves_the_front_end_in_float(exported):
    graph = onnx.load(exported("laptop", "onnx", "int8")[0] / "onnx" / "model_int8.onnx").graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("DequantizeLinear") > kinds.count("Conv") > 5
    first = kinds.index("QuantizeLinear")
    assert {"Pad", "Sqrt"} <= set(kinds[:first]) and "Conv" not in kinds[:first]
    last = next(node for node in graph.node if "origin" in node.output)
    assert last.op_type == "Add"  # with the log-odds of pixel statistics, to full precision
    values = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    weights = [value for name, value in values.items() if name.endswith("_quantized") and value.ndim == 4]
    assert all(value.dtype == np.int8 and np.abs(value.astype(int)).max() <= 64 for value in weights)  # 7 bits: no sum overflows
    assert any(value.ndim == 1 and len(value) == 16 for name, value in values.items() if name.endswith("_scale"))


def test_openvino_stores_weights_in_full(exported):
    folder = exported("resnet", "openvino")[0]
    assert 'element_type="f32"' in (text := (folder / "model.xml").read_text(encoding="utf-8")) and 'element_type="f16"' not in text


def test_the_comparison_sees_what_differs(exported, few_pictures, saved_models):
    parity = exported("resnet", "onnx")[1]
    assert parity.batches == (1, 2, 3, 7) and parity.logits < 1e-4 and parity.auc == pytest.approx(parity.auc_torch)
    assert parity.title == str(few_pictures)
    with pytest.raises(ValueError, match="a probability differs by 0.002 from PyTorch's, and 0.001 is admitted"):
        replace(parity, probability=0.002).check()
    with pytest.raises(ValueError, match=r"its AUC on 18 pictures .* is 0.5000, PyTorch's 0.7000"):
        replace(parity, auc=0.5, auc_torch=0.7, fewest=30).check()
    replace(parity, auc=0.5, auc_torch=0.7, fewest=9).check()  # too few to tell
    with pytest.raises(ValueError, match="not kept"):
        replace(parity, probability=float("nan")).check()
    parity.check()


def test_an_export_that_is_too_far_from_pytorch_is_not_kept(saved_models, few_pictures, tmp_path):
    wish = Wish("onnx", "fp32", str(few_pictures), limit=1e-12)
    with pytest.raises(ValueError, match="The export was not kept: on 18 pictures"):
        export_model(str(saved_models["resnet"]), str(tmp_path / "out"), wish)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wish, said", [
    (Wish("tflite"), "no format 'tflite'; there is: onnx, openvino"),
    (Wish("onnx", "int4"), "no precision 'int4'; there is: fp32, bf16, int8"),
    (Wish("onnx", "bf16"), "ONNX Runtime computes no convolution in bf16"),
])
def test_what_cannot_be_made_is_refused(wish, said, saved_models, tmp_path):
    with pytest.raises(ValueError, match=said):
        export_model(str(saved_models["resnet"]), str(tmp_path / "out"), wish)


def test_bf16_is_refused_where_it_cannot_be_compared(saved_models, tmp_path):
    openvino = pytest.importorskip("openvino")
    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has bf16")
    with pytest.raises(ValueError, match="This processor has no bf16"):
        export_model(str(saved_models["resnet"]), str(tmp_path / "out"), Wish("openvino", "bf16"))


def test_places_that_hold_no_model_or_something_else_are_refused(saved_models, exported, tmp_path):
    with pytest.raises(FileNotFoundError, match="has no config.json"):
        export_model(str(tmp_path), str(tmp_path / "out"), Wish("onnx"))
    with pytest.raises(ValueError, match="was exported for onnx; it cannot be opened with the backend 'torch'"):
        export_model(str(exported("resnet", "onnx")[0]), str(tmp_path / "out"), Wish("openvino"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="full exists and is not empty; choose another folder"):
        export_model(str(saved_models["resnet"]), str(tmp_path / "full"), Wish("onnx"))
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"


def test_pictures_that_cannot_be_used_are_named(saved_models, few_pictures, tmp_path):
    (tmp_path / "empty").mkdir()
    model = str(saved_models["version 0.1"])
    with pytest.raises(ValueError, match="empty holds no pictures, or is no folder"):
        export_model(model, str(tmp_path / "out"), Wish("onnx", pictures=str(tmp_path / "empty")))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="broken.png.*Take it out of the pictures"):
        export_model(model, str(tmp_path / "out"), Wish("onnx", pictures=str(tmp_path / "bad")))
    assert not (tmp_path / "out").exists()


def test_pictures_without_labels_are_compared_too(saved_models, few_pictures):
    detector = exports.open_detector(saved_models["version 0.1"], device="cpu", crops=1)
    unlabelled = export_model_parity.load_pictures(detector, str(few_pictures / "real"), "test", 4)
    assert unlabelled.label is None and len(unlabelled.crops) == 4
    sample = export_model_parity.load_pictures(detector, None, "test", 200)
    assert len(sample.crops) == 64 and sorted(np.bincount(sample.label)) == [32, 32]


def test_what_is_not_installed_is_named_with_what_installs_it(monkeypatch, saved_models, tmp_path):
    def version(name: str) -> str:
        if name in ("onnxscript", "openvino"):
            raise importlib.metadata.PackageNotFoundError(name)
        return importlib.metadata.version(name)

    monkeypatch.setattr(exports, "version", version)
    with pytest.raises(ModuleNotFoundError, match="Exporting to openvino needs onnxscript, openvino; run pip install onnxscript openvino"):
        export_model(str(saved_models["resnet"]), str(tmp_path / "out"), Wish("openvino"))


def test_the_command_says_how_the_export_compares(saved_models, few_pictures, tmp_path, capsys):
    arguments = [str(saved_models["resnet"]), str(tmp_path / "out"), "--format", "openvino", "--pictures", str(few_pictures)]
    assert commands.main(["export-model", *arguments]) == 0
    said = capsys.readouterr().out
    assert "on 18 pictures" in said and "in batches of 1, 2, 3, 7" in said and "AUC 0." in said and "Written to" in said
    with pytest.raises(SystemExit, match="imaginet export-model: .*out exists and is not empty"):
        commands.main(["export-model", *arguments])
