import ast
import importlib
from pathlib import Path

import pytest

from of3.engines import cuda, host
from of3.engines.base import EngineUnavailable

no_gpu = pytest.mark.skipif(host.has_nvidia_device(), reason="this machine has a GPU")


@pytest.fixture
def runtime():
    return pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings is not installed")


def test_every_cuda_name_in_use_exists(runtime):
    tree = ast.parse(Path(cuda.__file__).read_text())
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr.startswith("cuda") and node.attr != "cuda_major"
    }
    names = {name for name in used if "cudaMemcpyKind" not in name and "CaptureModeThread" not in name}
    assert len(names) > 15
    enumerations = (runtime.cudaMemcpyKind, runtime.cudaStreamCaptureMode)
    for name in used:
        assert hasattr(runtime, name) or any(hasattr(each, name) for each in enumerations), name


def test_a_failed_call_is_told_by_name_and_in_words(runtime):
    with pytest.raises(cuda.CudaError, match=r"cudaErrorMemoryAllocation \(2\): out of memory"):
        cuda.checked((runtime.cudaError_t.cudaErrorMemoryAllocation, None))


def test_memory_that_is_short_is_told_from_a_device_that_is_lost(runtime):
    with pytest.raises(cuda.OutOfMemory):
        cuda.checked((runtime.cudaError_t.cudaErrorMemoryAllocation, None))
    with pytest.raises(cuda.CudaError) as lost:
        cuda.checked((runtime.cudaError_t.cudaErrorIllegalAddress,))
    assert not isinstance(lost.value, cuda.OutOfMemory)


def test_a_call_gives_what_it_returns(runtime):
    success = runtime.cudaError_t.cudaSuccess
    assert cuda.checked((success,)) is None
    assert cuda.checked((success, 7)) == 7
    assert cuda.checked((success, 1, 2)) == (1, 2)


@no_gpu
def test_without_a_driver_that_is_said(runtime):
    assert cuda.driver_version() == (0, 0)
    with pytest.raises(EngineUnavailable, match=r"no NVIDIA (driver|GPU)"):
        cuda.find_gpu()


def test_a_driver_for_an_older_cuda_is_too_old(runtime, monkeypatch):
    monkeypatch.setattr(cuda, "driver_version", lambda: (12, 4))
    with pytest.raises(EngineUnavailable, match=r"too old: it runs CUDA 12\.4, want 13\.0"):
        cuda.check_driver(13)
    cuda.check_driver(12)


def test_without_the_bindings_the_extra_is_named():
    if importlib.util.find_spec("cuda") is not None:
        pytest.skip("cuda-bindings is installed here")
    with pytest.raises(cuda.BindingsMissing, match=r"of3\[gpu\]"):
        cuda.bindings()


@pytest.mark.parametrize("status", ["cudaSuccess", "cudaErrorDevicesUnavailable"], ids=["given back", "lost"])
def test_what_is_held_is_given_back_once_and_in_reverse_also_to_a_lost_device(runtime, status):
    freed = []

    def free(what):
        freed.append(what)
        return (getattr(runtime.cudaError_t, status),)

    held = cuda.Held()
    held.keep("first", free)
    held.keep("second", free)
    held.close()
    held.close()
    assert freed == ["second", "first"]
