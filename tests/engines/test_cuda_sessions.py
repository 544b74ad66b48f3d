"""Real sessions of onnxruntime's CUDA provider on the stub of CUDA: what runs where, and what an error
leads to.
"""

import json

import pytest

# Sizes of tensors are computed on the CPU, on numbers that never were on the GPU.
OF_SHAPES = {
    "Add",
    "Cast",
    "Concat",
    "Div",
    "Gather",
    "Mul",
    "Reshape",
    "Shape",
    "Slice",
    "Squeeze",
    "Sub",
    "Unsqueeze",
}
OPEN = """
import ctypes, json, sys
from pathlib import Path
import numpy as np
from of3.engines import ort, providers
from of3.engines.base import BatchRefused, CpuThreads, EngineFailed, EngineUnavailable
from of3.engines.fallback import Candidate, Fallback
from of3.engines.manifest import read_bundle
from of3.engines.ort import OrtEngine
from of3.engines.registry import CPU, CUDA

bundle, model, precision = read_bundle(Path(sys.argv[1])), *sys.argv[2:4]
card = bundle.model(model)
sides = {"batch": 2, "height": 480, "width": 640}
shape = [sides.get(side, side) for side in card.input.shape]
batch = np.random.default_rng(0).random(shape, np.float32)
"""
PLACED = (
    OPEN
    + """
onnxruntime = providers.import_onnxruntime()
options = ort._session_options(onnxruntime, CpuThreads(1))
options.enable_profiling, options.profile_file_prefix = True, sys.argv[4]
session = ort._open(onnxruntime, card, precision, providers.built_in("cuda", card, False), options)
session.run(None, {card.input.name: batch})
events = json.loads(Path(session.end_profiling()).read_text())
nodes = [event["args"] for event in events if event["name"].endswith("_kernel_time")]
print(json.dumps([(node["provider"], node["op_name"]) for node in nodes]))
"""
)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("model", ["multitask", "detector", "landmarks"])
def test_a_network_runs_on_the_gpu_but_for_the_sizes_of_its_tensors(
    on_stub, bundle_folder, tmp_path, model, precision
):
    nodes = json.loads(on_stub(PLACED, bundle_folder, model, precision, tmp_path / "profile"))
    on_gpu = [name for provider, name in nodes if provider == "CUDAExecutionProvider"]
    on_cpu = {name for provider, name in nodes if provider == "CPUExecutionProvider"}
    assert len(on_gpu) > 100
    assert on_cpu <= OF_SHAPES
    assert not [name for name in on_gpu if name.startswith("Memcpy")]


def test_multitask_has_its_kernels_in_bf16_too(on_stub, bundle_folder, tmp_path):
    nodes = json.loads(on_stub(PLACED, bundle_folder, "multitask", "bf16", tmp_path / "profile"))
    assert {name for provider, name in nodes if provider == "CPUExecutionProvider"} <= OF_SHAPES
    assert not [name for _, name in nodes if name.startswith("Memcpy")]


REFUSED = (
    OPEN
    + """
try:
    OrtEngine(bundle, model, "cuda", precision, CpuThreads(1))
except EngineUnavailable as error:
    print(error)
"""
)


@pytest.mark.parametrize("model", ["detector", "landmarks"])
def test_what_cuda_has_no_bf16_kernels_for_does_not_open_and_says_so(on_stub, bundle_folder, model):
    said = on_stub(REFUSED, bundle_folder, model, "bf16")
    assert said.startswith(f"CUDAExecutionProvider does not open {model} bf16: ")


CHECKED = (
    OPEN
    + """
try:
    CUDA.open(bundle, model, precision, False, CpuThreads(1))
except EngineUnavailable as error:
    print(error)
"""
)


@pytest.mark.parametrize("model", ["multitask", "detector", "landmarks"])
def test_a_gpu_that_computes_anything_else_is_not_used(on_stub, bundle_folder, model):
    """As the stub's does, whose kernels do nothing."""
    said = on_stub(CHECKED, bundle_folder, model, "fp32")
    assert "CUDA fp32 fails the self-check of " + model in said


BROKEN = (
    OPEN
    + """
stub = ctypes.CDLL("libcudart.so.13")
cpu = OrtEngine(bundle, model, "cpu", "fp32", CpuThreads(1))
want = cpu.run(batch)
engine = Fallback(
    model,
    [
        Candidate(CUDA, precision, lambda: OrtEngine(bundle, model, "cuda", precision, CpuThreads(1))),
        Candidate(CPU, "fp32", lambda: cpu),
    ],
)
before = engine.kind.name
if sys.argv[7] == "after a run":
    engine.run(batch)
stub.stub_fail(sys.argv[4].encode(), int(sys.argv[5]), int(sys.argv[6]))
found = [engine.run(batch) for _ in range(3)]
same = all(np.array_equal(each[name], want[name]) for each in found for name in want)
print(json.dumps([before, engine.kind.name, same, [each.reason for each in engine.refusals], engine.batches]))
"""
)
OUT_OF_MEMORY, ILLEGAL_ACCESS = 2, 700


@pytest.mark.parametrize(
    ("call", "after", "error", "when"),
    [
        ("cudaMalloc", 0, OUT_OF_MEMORY, "at once"),
        ("cudaMalloc", 0, ILLEGAL_ACCESS, "at once"),
        ("cudaMemcpy", 0, ILLEGAL_ACCESS, "at once"),
        ("cudaMemcpy", 0, ILLEGAL_ACCESS, "after a run"),
        ("cudaLaunchKernel", 3, ILLEGAL_ACCESS, "after a run"),
        ("cudaStreamSynchronize", 0, ILLEGAL_ACCESS, "after a run"),
    ],
    ids=[
        "memory short",
        "lost in allocating",
        "lost in copying",
        "lost later",
        "lost in a kernel",
        "lost in waiting",
    ],
)
@pytest.mark.parametrize("model", ["multitask", "landmarks"])
def test_a_gpu_that_breaks_costs_no_batch_and_is_told_once(
    on_stub, bundle_folder, caplog, model, call, after, error, when
):
    said = on_stub(BROKEN, bundle_folder, model, "fp32", call, after, error, when)
    before, now, same, reasons, batches = json.loads(said)
    assert (before, now, same) == ("cuda", "cpu", True)
    (reason,) = reasons
    assert reason.startswith("failed in mid-run: onnxruntime ")
    assert sum(batches.values()) == 3 + (when == "after a run")


@pytest.mark.parametrize(
    ("call", "after"), [("cudaMemcpyAsync", 0), ("cudaLaunchKernel", 3), ("cudaStreamSynchronize", 0)]
)
def test_a_gpu_that_breaks_under_the_detector_costs_no_picture(on_stub, bundle_folder, call, after):
    said = on_stub(BROKEN, bundle_folder, "detector", "fp32", call, after, ILLEGAL_ACCESS, "after a run")
    _, now, same, (reason,), _ = json.loads(said)
    assert (now, same) == ("cpu", True)
    assert "illegal memory access" in reason


def test_a_picture_too_large_for_the_gpu_runs_on_the_next_and_the_gpu_stays(on_stub, bundle_folder):
    said = on_stub(BROKEN, bundle_folder, "detector", "fp32", "cudaMalloc", 0, OUT_OF_MEMORY, "at once")
    _, now, same, reasons, batches = json.loads(said)
    assert (now, same, reasons) == ("cuda", True, [])
    assert sorted(batches.values()) == [3]
