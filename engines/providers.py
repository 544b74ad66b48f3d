"""onnxruntime and what of it runs a graph: the module, its errors, its providers and what they need."""

import contextlib
import ctypes
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from of3.engines import cuda, host
from of3.engines.base import EngineUnavailable
from of3.engines.bundle import ModelCard

PROVIDERS = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}
OUT_OF_MEMORY = re.compile(  # of its arenas, of C++, of CUDA, of cuDNN
    "Failed to allocate memory|smaller than requested bytes|bad_?alloc|out of memory|ALLOC_FAILED",
    re.IGNORECASE,
)
INSTALL = "pip install 'of3[cpu]' (or 'of3[gpu]' on a machine with CUDA, never both)"


def import_onnxruntime() -> Any:
    """The onnxruntime module.  Raises EngineUnavailable naming the extra to install."""
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineUnavailable(f"onnxruntime cannot be imported ({error}): {INSTALL}") from error
    return onnxruntime


def engine_errors(onnxruntime: Any) -> tuple[type[Exception], ...]:
    """What onnxruntime raises: a kernel or library that is missing, memory or a device that is not to be had.

    RuntimeError is Python's own: OrtValue raises it in allocating and copying (1.32), as pybind11 does
    MemoryError.
    """
    kinds = vars(onnxruntime.capi.onnxruntime_pybind11_state).values()
    own = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*own, RuntimeError, MemoryError)


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory, the machine's or the device's, was all that was missing: the session is whole.

    After each of these, with memory to be had again, the same session gave its outputs (1.32, CPU).
    """
    return isinstance(error, MemoryError) or bool(OUT_OF_MEMORY.search(str(error)))


@cache
def missing_cuda_libraries() -> tuple[str, ...]:
    """Shared libraries the CUDA provider needs and the loader does not find.

    `preload_dlls` loads those of the nvidia-* wheels; without it, and without torch in the process,
    onnxruntime-gpu falls back to the CPU in silence.
    """
    onnxruntime = import_onnxruntime()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):  # it prints what it does not find
        onnxruntime.preload_dlls()
    found = re.findall(r"Failed to load (?:\S*/)?([^\s/:]+\.so[^\s/:]*):", said.getvalue())
    return tuple(dict.fromkeys([*found, *_not_loadable(("libcudnn.so.9", "libcuda.so.1"))]))


def _not_loadable(names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        try:
            ctypes.CDLL(name)
        except OSError:
            yield name


def check_cuda(onnxruntime: Any) -> None:
    """Raises EngineUnavailable unless the CUDA provider is installed with all it needs."""
    if PROVIDERS["cuda"] not in onnxruntime.get_available_providers():
        lacks = f"onnxruntime {onnxruntime.__version__} as installed has no {PROVIDERS['cuda']}"
        if not host.has_nvidia_device():
            raise EngineUnavailable(f"{cuda.NO_GPU}, {lacks}")
        raise EngineUnavailable(f"{lacks}: pip uninstall -y onnxruntime, then pip install 'of3[gpu]'")
    missing = missing_cuda_libraries()
    if "libcuda.so.1" in missing:
        raise EngineUnavailable(cuda.no_driver())
    if missing:
        raise EngineUnavailable(
            f"onnxruntime-gpu {onnxruntime.__version__} needs CUDA {onnxruntime.cuda_version} and cuDNN 9, "
            f"not found: {', '.join(missing)}: pip install 'of3[gpu]', or set LD_LIBRARY_PATH to their folder"
        )
    with contextlib.suppress(cuda.BindingsMissing):  # then onnxruntime's own words have to do
        cuda.check_driver(int(str(onnxruntime.cuda_version).split(".")[0]))


def cuda_options(is_free: bool, tf32: bool) -> dict[str, str]:
    """Provider options.  An exhaustive search pays where shapes are fixed; each new one costs it seconds."""
    return {
        "use_tf32": "1" if tf32 else "0",
        "cudnn_conv_algo_search": "HEURISTIC" if is_free else "EXHAUSTIVE",
        "arena_extend_strategy": "kSameAsRequested",
    }


@dataclass(frozen=True, slots=True)
class Provider:
    """What of onnxruntime runs a graph.

    label: as logged.  options: the provider's own.  devices: a plugin's, as onnxruntime lists them; none where
    it is built in.  session: entries of the session's configuration.
    """

    name: str
    label: str
    options: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[Any, ...] = ()
    session: Mapping[str, str] = field(default_factory=dict)


def built_in(device: str, card: ModelCard, tf32: bool) -> Provider:
    """The provider of onnxruntime's own for "cuda" or "cpu"."""
    options = cuda_options(card.input.is_free, tf32) if device == "cuda" else {}
    return Provider(PROVIDERS[device], device.upper(), options)
