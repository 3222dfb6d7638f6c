"""What is said of devices and arithmetic that a machine does not have."""

import os
from types import SimpleNamespace

import pytest
import torch

from tests.accelerate_launcher import single_process_of
from training.run.hardware import check_device, check_processes, mixed_precision


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_device_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="--device cuda: this machine has no GPU"):
        check_device("cuda", "no")
    check_device("auto", "bf16")


def test_half_precision_needs_a_gpu():
    with pytest.raises(ValueError, match="--mixed_precision fp16 needs a GPU"):
        check_device("cpu", "fp16")


def test_auto_is_what_the_cpu_computes_in(monkeypatch):
    for capability, expected in ((True, "bf16"), (False, "no")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=capability: {"avx512_bf16": has}, raising=False)
        assert mixed_precision("auto", "cpu") == expected
    assert mixed_precision("bf16", "cpu") == "bf16" and mixed_precision("no") == "no"


CONFIGURATION = """compute_environment: LOCAL_MACHINE
distributed_type: {kind}
use_cpu: {cpu}
num_machines: 1
num_processes: {processes}
mixed_precision: "no"
"""


@pytest.mark.parametrize("kind, cpu, processes, said", [
    ("MULTI_CPU", "true", 2, 1), ("MULTI_CPU", "false", 2, 1), ("NO", "true", 3, 1), ("MULTI_CPU", "true", 1, 0), ("NO", "true", 1, 0),
])
def test_one_process_instead_of_several_is_said_loudly(kind, cpu, processes, said, tmp_path, monkeypatch, caplog):
    (tmp_path / "configuration.yaml").write_text(CONFIGURATION.format(kind=kind, cpu=cpu, processes=processes))
    _, environment = single_process_of(monkeypatch, tmp_path / "configuration.yaml", "run.py")
    monkeypatch.setattr(os, "environ", environment)
    check_processes(SimpleNamespace(num_processes=int(environment.get("WORLD_SIZE", 1))))
    assert caplog.text.count("ONE process trains, although") == said and caplog.text.count("cpu_two_processes.yaml") == said
