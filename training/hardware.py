"""What the machine computes with: arithmetic and threads."""

import os

import torch
from accelerate import Accelerator


def mixed_precision(choice: str) -> str:
    """What Accelerate is told: "no", "bf16" or "fp16", for the choice "no", "auto", "bf16" or "fp16".

    "auto" is bf16 on GPUs and CPUs that have instructions for it (about twice the speed on such a CPU), else no:
    emulated, it is slower than float32.
    """
    if choice != "auto":
        return choice
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    return "bf16" if _cpu_has_bf16() else "no"


def check_processes(accelerator: Accelerator) -> None:
    """Raises ValueError if the launcher started several processes that do not know of each other and would each train alone."""
    started = int(os.environ.get("WORLD_SIZE", 1))
    if started != accelerator.num_processes:
        raise ValueError(
            f"{started} processes were started, but Accelerate sees {accelerator.num_processes}; on CPUs start several with "
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


def available_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_has_bf16() -> bool:
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch cannot tell
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
