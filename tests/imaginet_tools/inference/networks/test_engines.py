"""Engines off PyTorch: its answers behind the same face, whatever the batch, and what an export refuses or mends at load."""

import builtins
import json
import logging
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from imaginet_tools.inference.networks.self_test import self_test_crops
from imaginet_tools.inference.saved_detector import open_detector
from tests.modeling.helpers import pixels

ENGINES = ("onnx", "openvino")


@pytest.fixture
def export(exported, tmp_path):
    """(model, format, precision) -> a copy of an export that a test may damage."""
    return lambda *wanted: Path(shutil.copytree(exported(*wanted)[0], tmp_path / "copy"))


def change_record(folder: Path, change) -> None:
    record = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    change(record)
    (folder / "export.json").write_text(json.dumps(record), encoding="utf-8")


# of the slow ones the paper's shape and the laptop's stand for the networks, the paper's shape for either engine
@pytest.mark.parametrize("model, engine", [
    ("resnet", "onnx"), ("resnet", "openvino"), ("laptop", "onnx"), pytest.param("laptop", "openvino", marks=pytest.mark.slow),
    pytest.param("version 0.1", "onnx", marks=pytest.mark.slow), pytest.param("version 0.1", "openvino", marks=pytest.mark.slow),
])
def test_every_engine_gives_pytorchs_answers(engine, model, saved_models, exported):
    # of other sizes too: larger than five crops, narrower than one
    pictures = [pixels(600, 530), *(pixels(256, 256, seed) for seed in range(1, 8)), pixels(100, 300, 9), b"no picture"]
    expected = open_detector(saved_models[model], device="cpu", crops=5).scores(pictures)
    detector = open_detector(exported(model, engine)[0], crops=5)
    found = detector.scores(pictures)
    assert (detector.network.engine, detector.network.precision) == (engine, "fp32")
    assert list(found.outcome) == list(expected.outcome) and list(found.error) == list(expected.error)
    assert list(found.notes) == list(expected.notes)
    for name in ("probability", "logit", "family", "generator", "feature"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert (ours is None) == (theirs is None)
        if theirs is not None:
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.nanmax(np.abs(theirs)), err_msg=name)
    sub = [each.network(np.stack(pictures[1:3])).sub for each in (detector, open_detector(saved_models[model], device="cpu"))]
    assert sub[0] is sub[1] is None if model == "laptop" else np.allclose(*sub, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_crop_gets_one_answer_in_batches_of_any_size(engine, exported):
    network = open_detector(exported("resnet", engine)[0]).network
    crops = np.stack([pixels(256, 256, seed) for seed in range(7)])
    alone = np.concatenate([network(crop[None]).origin for crop in crops])
    for size in (2, 3, 7):
        np.testing.assert_allclose(network(crops[:size]).origin, alone[:size], rtol=1e-4, atol=1e-6)


def test_int8_is_near_and_computed_as_such(exported):
    for engine in ENGINES:
        folder, parity = exported("resnet", engine, "int8")
        detector = open_detector(folder)
        assert (detector.network.engine, detector.network.precision) == (engine, "int8")
        assert 1e-5 < parity.logits < 0.5  # neither fp32 nor noise


@pytest.mark.parametrize("engine", ENGINES)
def test_an_export_travels_to_another_process_and_needs_no_pytorch(engine, exported, repository):
    detector = open_detector(exported("resnet", engine)[0])
    assert len(pickle.dumps(detector)) < 1000
    script = (
        "import sys\nsys.modules['torch'] = sys.modules['transformers'] = None\nimport numpy as np\n"
        "from imaginet_tools.inference.saved_detector import open_detector\n"
        "print(open_detector(sys.argv[1]).scores([np.load(sys.argv[2])]).logit[0])"
    )
    picture = Path(exported("resnet", engine)[0]).parent / "picture.npy"
    np.save(picture, pixels(256, 256))
    done = subprocess.run(
        [sys.executable, "-c", script, str(exported("resnet", engine)[0]), str(picture)], cwd=repository, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(detector.scores([pixels(256, 256)]).logit[0], rel=1e-4)


def test_pictures_of_the_self_test_never_change():
    crops = self_test_crops((256, 256))
    assert crops.shape == (8, 256, 256, 3) and crops.dtype == np.uint8
    assert [int(crop.astype(np.int64).sum()) for crop in crops] == SUMS
    noise = [np.abs(np.diff(crop.astype(int), axis=1)).mean() for crop in crops]
    assert noise[0] < 5 and noise[-1] > 70 and sorted(noise) == noise


SUMS = [21423772, 22088440, 24943688, 25016375, 24651729, 25095063, 25095112, 25052555]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_graph_that_computes_something_else_here_falls_back_to_fp32(engine, export, saved_models, caplog):
    folder = export("resnet", engine, "int8")
    change_record(folder, lambda record: record["expected"]["int8"].update(origin=[each + 9 for each in record["expected"]["int8"]["origin"]]))
    with caplog.at_level(logging.WARNING):
        detector = open_detector(folder)
    assert detector.network.precision == "fp32"
    (said,) = [record.getMessage() for record in caplog.records if "fp32" in record.getMessage()]
    assert "computed in fp32 instead of int8: on this processor its origin logits are" in said
    picture = [pixels(256, 256)]
    np.testing.assert_allclose(detector.scores(picture).logit, open_detector(saved_models["resnet"], device="cpu").scores(picture).logit, rtol=1e-4)


def test_bf16_falls_back_to_fp32_on_a_processor_without_it(export, caplog):
    openvino = pytest.importorskip("openvino")
    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has bf16")
    folder = export("resnet", "openvino")

    def as_bf16(record):
        record["precision"] = "bf16"
        for entry in ("graphs", "expected", "limits"):
            record[entry]["bf16"] = record[entry]["fp32"]

    change_record(folder, as_bf16)
    with caplog.at_level(logging.WARNING):
        assert open_detector(folder).network.precision == "fp32"
    assert "instead of bf16: this processor has no bf16" in caplog.text


@pytest.mark.parametrize("engine", ENGINES)
def test_fp32_that_computes_something_else_here_is_refused(engine, export):
    folder = export("resnet", engine)
    change_record(folder, lambda record: record["expected"]["fp32"].update(sub=[0.0] * 7 + [float("nan")]))
    with pytest.raises(ValueError, match="cannot be used here: on this processor its sub logits are nan"):
        open_detector(folder)


def test_a_corrupt_export_is_refused_in_one_sentence(export):
    folder = export("resnet", "onnx")
    graph = folder / "onnx" / "model.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="model.onnx is damaged or of another export"):
        open_detector(folder)
    graph.unlink()
    with pytest.raises(ValueError, match="model.onnx is missing; export the model again"):
        open_detector(folder)
    graph.write_bytes(whole)
    (folder / "config.json").write_text("{")
    with pytest.raises(ValueError, match="config.json is missing or damaged"):
        open_detector(folder)
    (folder / "export.json").write_text('{"format": "onnx"}')
    with pytest.raises(ValueError, match="export.json is damaged; export the model again"):
        open_detector(folder)


def test_a_file_that_the_engine_cannot_read_is_refused_in_one_sentence(export):
    from imaginet_tools.inference.networks.exported import checksum

    folder = export("resnet", "onnx")
    (folder / "onnx" / "model.onnx").write_bytes(b"no graph")
    change_record(folder, lambda record: record["sha256"].update({"onnx/model.onnx": checksum(folder / "onnx" / "model.onnx")}))
    with pytest.raises(ValueError, match="cannot be used here: ONNX Runtime .* cannot open .*model.onnx"):
        open_detector(folder)


def test_a_graph_of_another_model_is_refused(export, exported):
    folder = export("resnet", "onnx")
    shutil.copy(exported("laptop", "onnx")[0] / "onnx" / "model.onnx", folder / "onnx" / "model.onnx")
    with pytest.raises(ValueError, match="of another export: its checksum is not that of export.json"):
        open_detector(folder)


def test_an_export_for_another_engine_is_refused(exported):
    folder = exported("resnet", "onnx")[0]
    for engine in ("torch", "openvino"):
        with pytest.raises(ValueError, match=f"was exported for onnx; it cannot be opened with the backend '{engine}'"):
            open_detector(folder, engine)


def test_a_model_that_was_not_exported_is_refused_by_the_other_engines(saved_models):
    with pytest.raises(ValueError, match=r"is to be exported first \(imaginet export-model\)"):
        open_detector(saved_models["resnet"], "openvino")


def test_an_export_for_an_unknown_engine_is_refused(export):
    folder = export("resnet", "onnx")
    change_record(folder, lambda record: record.update(format="abacus"))
    with pytest.raises(ValueError, match="exported for abacus, which this version cannot open"):
        open_detector(folder)


@pytest.mark.parametrize("engine, device, there", [("onnx", "tpu", "cpu"), ("openvino", "npu", "cpu")])
def test_a_device_that_is_not_there_is_refused(engine, device, there, exported):
    with pytest.raises(ValueError, match=f"no device '{device}' here for .*; there is: {there}"):
        open_detector(exported("resnet", engine)[0], device=device)


@pytest.mark.parametrize("option", [{"revision": "main"}, {"dtype": "bfloat16"}])
def test_options_of_pytorch_are_refused(option, exported):
    with pytest.raises(ValueError, match="is an option of the backend 'torch'"):
        open_detector(exported("resnet", "onnx")[0], **option)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_number_of_threads_is_an_option_of_exports_alone(engine, exported, saved_models):
    picture = [pixels(256, 256)]
    one, all_cores = (open_detector(exported("resnet", engine)[0], threads=threads).scores(picture).logit for threads in (1, None))
    np.testing.assert_allclose(one, all_cores, rtol=1e-4)
    with pytest.raises(ValueError, match="threads is an option of exported models"):
        open_detector(saved_models["resnet"], threads=1)


@pytest.mark.parametrize("asked, of_environment, threads", [(None, "1", 1), (None, "2", 2), (2, "1", 2)])
def test_exports_take_as_many_threads_as_the_environment_says(asked, of_environment, threads, exported, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", of_environment)
    onnx, openvino = (open_detector(exported("resnet", engine)[0], threads=asked).network.graph for engine in ("onnx", "openvino"))
    assert onnx.session.get_session_options().intra_op_num_threads == threads
    assert openvino.models[1].get_property("INFERENCE_NUM_THREADS") == threads
    assert openvino.models[1].get_property("ENABLE_CPU_PINNING") is False  # else two processes of a thread share the first core


@pytest.mark.parametrize("engine, package", [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_a_backend_that_is_not_installed_says_what_installs_it(engine, package, exported, monkeypatch):
    folder = exported("resnet", engine)[0]
    real = builtins.__import__

    def without(name, *rest, **named):
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return real(name, *rest, **named)

    monkeypatch.delitem(sys.modules, f"imaginet_tools.inference.networks.{engine}_network")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=f"backend '{engine}' needs {package}; run pip install {package}"):
        open_detector(folder)
