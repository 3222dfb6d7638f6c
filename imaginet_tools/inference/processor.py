"""What this computer's processor can do, to be written beside every figure of speed and every export."""

import platform
from pathlib import Path

FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_bf16", "amx_int8", "asimd", "bf16", "i8mm")
"""Flags that decide how fast a network is computed, and in which precisions."""


def processor_flags() -> list[str]:
    """Kind of processor and those of its flags that matter here; of Linux alone more than the kind is known."""
    information = Path("/proc/cpuinfo")
    if not information.is_file():
        return [platform.machine()]
    lines = information.read_text(encoding="utf-8", errors="replace").splitlines()
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))), [])
    return [platform.machine(), *(flag for flag in FLAGS if flag in flags)]
