"""What the machine computes with: arithmetic and threads."""

import logging
import os

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import nn

log = logging.getLogger(__name__)


def mixed_precision(choice: str, device: str = "auto") -> str:
    """What Accelerate is told: "no", "bf16" or "fp16", for the choice "no", "auto", "bf16" or "fp16" on a device.

    "auto" is bf16 on GPUs and CPUs that have instructions for it (about twice the speed on such a CPU), else no:
    emulated, it is slower than float32.
    """
    if choice != "auto":
        return choice
    if device != "cpu" and torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    return "bf16" if _cpu_has_bf16() else "no"


def check_processes(accelerator: Accelerator) -> None:
    """Says so where the launcher was told of several processes and started one, as it does with MULTI_CPU.

    Raises ValueError if it started several that do not know of each other and would each train alone.
    """
    started = int(os.environ.get("WORLD_SIZE", 1))
    if started != accelerator.num_processes:
        raise ValueError(
            f"{started} processes were started, but Accelerate sees {accelerator.num_processes}; on CPUs start several with "
            "`torchrun --standalone --nproc_per_node N train_selfcon.py ...`."
        )
    # Accelerate's launcher for one process tells it where others would meet, if its configuration asks for any
    if accelerator.num_processes == 1 and {"ACCELERATE_MIXED_PRECISION", "MASTER_ADDR"} <= os.environ.keys():
        log.warning(
            "ONE process trains, although Accelerate's configuration asks for several: with distributed_type MULTI_CPU or use_cpu it starts "
            "a single one. Take distributed_type MULTI_GPU and use_cpu false, as configs/cpu_two_processes.yaml does, or "
            "`torchrun --standalone --nproc_per_node N train_selfcon.py ...`."
        )


def use_cpu_threads(accelerator: Accelerator, threads: int | None) -> None:
    """Lets each process of this machine use ``threads`` CPU threads; by default the cores, evenly shared.

    Needed because ``accelerate launch`` and ``torchrun`` set OMP_NUM_THREADS to 1 where it is not set, which would leave all
    cores but one idle.
    """
    if accelerator.device.type == "cpu":
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        torch.set_num_threads(threads or max(1, available_cores() // processes))


def synchronise_batch_norm(accelerator: Accelerator, network: nn.Module) -> nn.Module:
    """Lets batch normalisation use the statistics of all processes' images where there are several GPUs; CPUs cannot."""
    if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(network)
    return network


def check_device(device: str, precision: str) -> None:
    """Raises ValueError if this machine has no such device, or the device does not compute with such numbers.

    Args:
        device: "auto", "cpu" or "cuda".
        precision: "no", "bf16" or "fp16".
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: this machine has no GPU that PyTorch can use; leave --device out, or use --device cpu.")
    on_cpu = device == "cpu" or not torch.accelerator.is_available()
    if precision == "fp16" and on_cpu:
        raise ValueError("--mixed_precision fp16 needs a GPU; on a CPU use auto, bf16 or no.")


def available_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_has_bf16() -> bool:
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch cannot tell
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def copy_weights_to_all(accelerator: Accelerator, model: nn.Module) -> None:
    """Copies weights and running statistics of the main process to all others, whose statistics saw other images."""
    if accelerator.num_processes > 1:
        for tensor in model.state_dict().values():
            broadcast(tensor, from_process=0)
