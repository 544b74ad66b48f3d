"""This computer, or the container on it: cores, memory, GPUs."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")
DEVICES = Path("/dev")
WINDOWS_GPU = "dxg"  # all that WSL2 shows of the GPUs, however many
NVIDIA_VENDOR = "0x10de"  # of the PCI bus
BF16_FLAGS = {"amx_bf16", "avx512_bf16"}  # of /proc/cpuinfo: products of bf16 in the processor itself


def cores(groups: Path = CGROUPS) -> int:
    """Processor cores this process may use: those it may run on, or as many as its container has time for."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read(groups / "cpu.max").partition(" ")  # version 2
    if not period:
        quota, period = (_read(groups / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    if not (quota.isdecimal() and period.isdecimal() and int(period)):
        return there
    return max(1, min(there, -(-int(quota) // int(period))))


def memory_bytes(groups: Path = CGROUPS, own: Path = OWN_GROUPS) -> int | None:
    """Memory that is to be had, on the machine and in the groups it is in; None where nobody says."""
    said = re.search(r"^MemAvailable: +(\d+) kB$", _read(Path("/proc/meminfo")), re.MULTILINE)
    limits = [_read(path) for path in _memory_limits(groups, _read(own))]
    known = [int(limit) for limit in limits if limit.isdecimal()] + ([int(said[1]) << 10] if said else [])
    return min(known, default=None)


def _memory_limits(groups: Path, own: str) -> Iterator[Path]:
    """The files with the limits of a process's groups, and of those that they are in.

    own: `/proc/self/cgroup`.  In a container a group's path may be the host's, which is not there: its own
    group is the root then.
    """
    for folder, name, pattern in (
        (groups, "memory.max", r"^0::/(.*)$"),  # version 2
        (groups / "memory", "memory.limit_in_bytes", r"^\d+:(?:\w+,)*memory(?:,\w+)*:/(.*)$"),
    ):
        found = re.search(pattern, own, re.MULTILINE)
        group = Path(found[1] if found else "")
        yield from (folder / each / name for each in (group, *group.parents))


def processor(told: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name, "" where nobody says."""
    said = re.search(r"^model name\s*:\s*(.+)$", _read(told), re.MULTILINE)
    return said[1] if said else ""


def has_bf16(told: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies bf16; others compute it in float32, with roundings besides."""
    said = re.search(r"^flags\s*:\s*(.+)$", _read(told), re.MULTILINE)
    return said is not None and not BF16_FLAGS.isdisjoint(said[1].split())


def room_for(most: int, each_bytes: int, there_bytes: float | None) -> int:
    """How many of `most` processes there is memory for; one at least."""
    return most if there_bytes is None else max(1, min(most, int(there_bytes // each_bytes)))


def has_nvidia_device(devices: Path = DEVICES) -> bool:
    """Whether there is an NVIDIA GPU, whatever the driver says of it."""
    vendors = Path("/sys/bus/pci/devices").glob("*/vendor")
    return (
        Path("/proc/driver/nvidia/version").exists()
        or any((devices / name).exists() for name in ("nvidiactl", WINDOWS_GPU))
        or any(_read(vendor) == NVIDIA_VENDOR for vendor in vendors)
    )


def visible_gpus(devices: Path = DEVICES) -> list[str]:
    """What to set CUDA_VISIBLE_DEVICES to for each of the GPUs that this process may use.

    From that variable where it is set, else from the device files (`nvidia0`, ...): CUDA, when asked, would
    take memory on every one of them.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [gpu for gpu in named.split(",") if gpu.strip() and gpu.strip() != "-1"]
    count = len(list(devices.glob("nvidia[0-9]*"))) or int((devices / WINDOWS_GPU).exists())
    return [str(number) for number in range(count)]


def out_of_memory_kills() -> int:
    """Processes the kernel has killed since it started because memory ran out; 0 where it does not say."""
    counted = re.search(r"^oom_kill (\d+)$", _read(Path("/proc/vmstat")), re.MULTILINE)
    return int(counted[1]) if counted else 0


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
