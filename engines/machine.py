"""What this machine has to run engines with, and what of it gets in its own way."""

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from of3.engines import cuda, ort, trt
from of3.engines.base import EngineUnavailable
from of3.engines.plan import cuda_major_of

PACKAGES = (
    "numpy",
    "opencv-python-headless",
    "onnxruntime",
    "onnxruntime-gpu",
    "tensorrt",
    "tensorrt-rtx-cu13",
    "cuda-bindings",
    "torch",
)
NVIDIA_VENDOR = "0x10de"  # of the PCI bus


CGROUPS = Path("/sys/fs/cgroup")


def cores(groups: Path = CGROUPS) -> int:
    """Processor cores this process may use: those it may run on, or as many as its container has time for."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read(groups / "cpu.max").partition(" ")  # version 2
    if not period:
        quota, period = (_read(groups / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    if not (quota.isdecimal() and period.isdecimal() and int(period)):
        return there
    return max(1, min(there, -(-int(quota) // int(period))))


def memory_bytes(groups: Path = CGROUPS) -> int | None:
    """Memory that is to be had, on the machine and in its container; None where nobody says."""
    said = re.search(r"^MemAvailable: +(\d+) kB$", _read(Path("/proc/meminfo")), re.MULTILINE)
    limits = [_read(groups / name) for name in ("memory.max", "memory/memory.limit_in_bytes")]
    known = [int(limit) for limit in limits if limit.isdecimal()] + ([int(said[1]) << 10] if said else [])
    return min(known, default=None)


def room_for(most: int, each_bytes: int, there_bytes: float | None) -> int:
    """How many of `most` processes there is memory for; one at least."""
    return most if there_bytes is None else max(1, min(most, int(there_bytes // each_bytes)))


def packages() -> dict[str, str]:
    """Versions of the packages that matter here and are installed."""
    found = {"of3": version("of3"), "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def conflicts() -> list[str]:
    """Installations that break each other, each with its remedy."""
    installed = packages()
    said = []
    if "onnxruntime" in installed and "onnxruntime-gpu" in installed:
        said.append(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files: "
            "pip uninstall -y onnxruntime onnxruntime-gpu, then pip install the one of 'of3[cpu]' or 'of3[gpu]'"
        )
    bound = int(installed.get("cuda-bindings", "0").split(".")[0])
    # By their metadata: importing one takes 100 MB, and reading every package's 0.1 s of each start.
    for library in filter(find_spec, trt.LIBRARIES):
        needed = cuda_major_of(library)
        if needed and bound and needed != bound:
            said.append(
                f"{library} is made for CUDA {needed}, cuda-bindings for CUDA {bound}: "
                f"pip install 'cuda-bindings=={needed}.*'"
            )
    return said


def has_nvidia_device() -> bool:
    """Whether there is an NVIDIA GPU, whatever the driver says of it."""
    vendors = Path("/sys/bus/pci/devices").glob("*/vendor")
    return (
        Path("/proc/driver/nvidia/version").exists()
        or Path("/dev/nvidiactl").exists()
        or any(_read(vendor) == NVIDIA_VENDOR for vendor in vendors)
    )


def visible_gpus(devices: Path = Path("/dev")) -> list[str]:
    """What to set CUDA_VISIBLE_DEVICES to for each of the GPUs that this process may use.

    From that variable where it is set, else from the device files (`nvidia0`, ...): CUDA, when asked, would
    take memory on every one of them.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [gpu for gpu in named.split(",") if gpu.strip() and gpu.strip() != "-1"]
    return [str(number) for number in range(len(list(devices.glob("nvidia[0-9]*"))))]


def out_of_memory_kills() -> int:
    """Processes the kernel has killed since it started because memory ran out; 0 where it does not say."""
    counted = re.search(r"^oom_kill (\d+)$", _read(Path("/proc/vmstat")), re.MULTILINE)
    return int(counted[1]) if counted else 0


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def describe_gpu() -> str:
    """The GPU, or why there is none to be used."""
    try:
        gpu = cuda.find_gpu()
    except EngineUnavailable as error:
        return f"none: {error}" if has_nvidia_device() else f"none on this machine ({error})"
    driver = ".".join(str(part) for part in cuda.driver_version())
    size = f"{gpu.memory_bytes / 2**30:.0f} GiB"
    return f"{gpu.name}, compute capability {gpu.compute_capability}, {size}, driver for CUDA {driver}"


def describe_providers() -> str:
    """onnxruntime's providers, and whether CUDA's has its libraries."""
    try:
        onnxruntime = ort.import_onnxruntime()
    except EngineUnavailable as error:
        return f"none: {error}"
    providers = onnxruntime.get_available_providers()
    said = ", ".join(providers)
    if ort.PROVIDERS["cuda"] in providers:
        missing = ort.missing_cuda_libraries()
        said += f"; CUDA libraries not found: {', '.join(missing)}" if missing else "; CUDA libraries found"
    return said


def describe_tensorrt() -> str:
    """The TensorRT libraries, or how to install one."""
    found = trt.installed()
    return ", ".join(f"{name} {release}" for name, release in found.items()) or f"none: {trt.INSTALL}"
