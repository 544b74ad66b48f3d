"""The only CUDA calls: every status checked, every allocation given back."""

import ctypes
import importlib
import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from of3.engines import host
from of3.engines.base import EngineUnavailable, Floats
from of3.engines.errors import Error

log = logging.getLogger(__name__)

INSTALL = "pip install 'of3[gpu]'"
NO_GPU = "no NVIDIA GPU here"
NO_DRIVER = (
    "no NVIDIA driver (libcuda.so.1 is not found): install it; in a container, start that with --gpus all"
)
OUT_OF_MEMORY = 2  # cudaErrorMemoryAllocation
FLOAT_BYTES = 4
DEVICE = 0  # CUDA_VISIBLE_DEVICES chooses another


class CudaError(Error):
    """A CUDA call failed, by its name and CUDA's own words."""


class OutOfMemory(CudaError):
    """The device, or the host's page-locked memory, has no more to give; all else is as before."""


class BindingsMissing(EngineUnavailable):
    """cuda-bindings is not installed, so that nothing can be asked of CUDA."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """The device this process computes on."""

    name: str
    compute_capability: str  # "8.6"
    memory_bytes: int


def bindings() -> Any:
    """cuda.bindings.runtime.  Raises BindingsMissing naming the extra to install."""
    try:
        return importlib.import_module("cuda.bindings.runtime")
    except ImportError as error:
        lacks = f"cuda-bindings cannot be imported ({error})"
        there = f"{lacks}: {INSTALL}" if host.has_nvidia_device() else f"{NO_GPU}, {lacks}"
        raise BindingsMissing(there) from error


def checked(result: Sequence[Any]) -> Any:
    """(status, value...) of a CUDA call -> its value, a tuple if several, None if none.  Raises CudaError."""
    status, *values = result
    if int(status) != 0:
        kind = OutOfMemory if int(status) == OUT_OF_MEMORY else CudaError
        raise kind(f"{status.name} ({int(status)}): {_words(status)}")
    return values[0] if len(values) == 1 else tuple(values) or None


def _words(status: Any) -> str:
    runtime = bindings()
    _, text = runtime.cudaGetErrorString(status)
    return text.decode() if isinstance(text, bytes) else str(text)


def driver_version() -> tuple[int, int]:
    """The newest CUDA the driver can run, (0, 0) without a driver."""
    version = int(checked(bindings().cudaDriverGetVersion()))
    return version // 1000, version % 1000 // 10


def runtime_version() -> tuple[int, int]:
    """The CUDA that cuda-bindings was made for."""
    version = int(checked(bindings().cudaRuntimeGetVersion()))
    return version // 1000, version % 1000 // 10


def no_driver() -> str:
    """Why CUDA cannot be used without a driver; what would help only where there is something to drive."""
    return NO_DRIVER if host.has_nvidia_device() else NO_GPU


def check_driver(cuda_major: int) -> None:
    """Raises EngineUnavailable: no driver, or one that cannot run this CUDA."""
    driver = driver_version()
    if driver == (0, 0):
        raise EngineUnavailable(no_driver())
    if driver[0] < cuda_major:
        raise EngineUnavailable(
            f"the NVIDIA driver is too old: it runs CUDA {driver[0]}.{driver[1]}, want {cuda_major}.0 or more: "
            "update the driver, or install cuda-bindings, TensorRT and onnxruntime-gpu for its CUDA"
        )


def find_gpu() -> Gpu:
    """The GPU in use.  Raises EngineUnavailable: no bindings, no driver, a driver too old, no device."""
    runtime = bindings()
    check_driver(runtime_version()[0])
    try:
        if checked(runtime.cudaGetDeviceCount()) == 0:
            raise EngineUnavailable("the driver shows no GPU: see CUDA_VISIBLE_DEVICES and nvidia-smi")
        checked(runtime.cudaSetDevice(DEVICE))
        properties = checked(runtime.cudaGetDeviceProperties(DEVICE))
    except CudaError as error:
        raise EngineUnavailable(f"no GPU can be used: {error}") from error
    name = properties.name.decode() if isinstance(properties.name, bytes) else str(properties.name)
    return Gpu(name.rstrip("\0"), f"{properties.major}.{properties.minor}", int(properties.totalGlobalMem))


def free_bytes() -> int:
    """Of the device's memory, what no process has taken.  Raises BindingsMissing or CudaError."""
    free, _ = checked(bindings().cudaMemGetInfo())
    return int(free)


class Held:
    """Something of the device's that is given back once, by `close`."""

    def __init__(self) -> None:
        self._owner = ExitStack()

    def keep(self, what: Any, free: Callable[[Any], Any]) -> Any:
        """`what`, freed at `close`.  A device that is lost cannot take it back; that is logged, not raised."""

        def give_back() -> None:
            try:
                checked(free(what))
            except CudaError as error:
                log.debug("not given back: %s", error)

        self._owner.callback(give_back)
        return what

    def close(self) -> None:
        self._owner.close()


class Stream(Held):
    """A queue of device work, apart from the default stream."""

    def __init__(self) -> None:
        super().__init__()
        runtime = bindings()
        self._runtime = runtime
        made = checked(runtime.cudaStreamCreateWithFlags(runtime.cudaStreamNonBlocking))
        self.handle = self.keep(made, runtime.cudaStreamDestroy)

    def wait(self) -> None:
        """Until everything queued is done.  Raises CudaError when some of it failed."""
        checked(self._runtime.cudaStreamSynchronize(self.handle))


class Memory(Held):
    """Bytes on the device."""

    def __init__(self, size_bytes: int):
        super().__init__()
        runtime = bindings()
        self.size_bytes = size_bytes
        self.device = int(self.keep(checked(runtime.cudaMalloc(size_bytes)), runtime.cudaFree))


class Buffer(Held):
    """float32 values on the device and their page-locked twin on the host, flat."""

    def __init__(self, count: int):
        super().__init__()
        runtime = bindings()
        self._runtime = runtime
        self.count = count
        size = count * FLOAT_BYTES
        try:
            self.device = int(self.keep(checked(runtime.cudaMalloc(size)), runtime.cudaFree))
            pinned = int(self.keep(checked(runtime.cudaMallocHost(size)), runtime.cudaFreeHost))
        except CudaError:
            self.close()
            raise
        self.host: Floats = np.ctypeslib.as_array((ctypes.c_float * count).from_address(pinned))

    def upload(self, count: int, stream: Stream) -> None:
        """Queue the first `count` values, host -> device."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._copy(self.device, self.host.ctypes.data, count, kind, stream)

    def download(self, count: int, stream: Stream) -> None:
        """Queue the first `count` values, device -> host."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._copy(self.host.ctypes.data, self.device, count, kind, stream)

    def _copy(self, target: int, source: int, count: int, kind: Any, stream: Stream) -> None:
        checked(self._runtime.cudaMemcpyAsync(target, source, count * FLOAT_BYTES, kind, stream.handle))


class Graph(Held):
    """Work recorded once and launched as a whole."""

    def __init__(self, record: Callable[[], None], stream: Stream):
        """record: queues the work on `stream`."""
        super().__init__()
        runtime = bindings()
        self._runtime, self._stream = runtime, stream
        mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        checked(runtime.cudaStreamBeginCapture(stream.handle, mode))
        try:
            record()
        finally:
            # Also when recording failed: a stream left in capture can do nothing else.
            graph = checked(runtime.cudaStreamEndCapture(stream.handle))
        try:
            made = checked(runtime.cudaGraphInstantiate(graph, 0))
        finally:
            checked(runtime.cudaGraphDestroy(graph))
        self._executable = self.keep(made, runtime.cudaGraphExecDestroy)

    def launch(self) -> None:
        """Queue the recorded work."""
        checked(self._runtime.cudaGraphLaunch(self._executable, self._stream.handle))
