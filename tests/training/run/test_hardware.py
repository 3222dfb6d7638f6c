"""What is said of devices and arithmetic that a machine does not have."""

import pytest
import torch

from training.run.hardware import check_device, mixed_precision


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
