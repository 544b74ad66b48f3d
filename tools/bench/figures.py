"""Figures that are no race: starting, memory, sizes, scanning, processes, share of the peak."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from of3.engines.host import cores
from of3.engines.manifest import read_bundle
from tools.bench.command import REPOSITORY, module, of3_run, run_info
from tools.bench.growth import network_ms
from tools.bench.pictures import linked
from tools.bench.race import warm
from tools.bench.records import Figure, Measured
from tools.bench.timing import interleaved_s, median_s

REPEATS = 7
IMPORT = "import of3.runtime.commands.cli"
FIRST_DECODE = """
from of3.runtime.runs import listing
from of3.runtime.types import Source
from of3.runtime.vision import images
first = next(listing.FileListing(sys.argv[1]).items()).path
images.read_image(Source(first, first))
"""


def figures(root: Path, work: Path, oracle: str | None, is_quick: bool) -> Iterator[Figure]:
    yield Figure("import of `of3.runtime.commands.cli`", code_s(IMPORT), "s", 0.25)
    yield first_row(root, work / "aligned_224", 3 if is_quick else REPEATS)
    yield size("lean environment, of3[cpu]", sys.executable, "of3[cpu]")
    if oracle is not None:
        yield size("upstream's requirements", oracle, "openface-test")
    if not is_quick:
        yield from folders(root, work)
        many = str(linked(work / "aligned_224", 200_000))
        yield Figure("200 000 files: scan, sort, first decode", code_s(FIRST_DECODE, many), "s", 3.0)
        yield processes(root, work)
        yield from peak_share(root)


def code_s(code: str, *words: str) -> float:
    """What a new Python takes for it, without its own start; median."""
    timed = f"import sys, time; start = time.perf_counter()\n{code}\nprint(time.perf_counter() - start)"
    command = [sys.executable, "-c", timed, *words]
    return statistics.median(float(subprocess.check_output(command)) for _ in range(REPEATS))


def first_row(root: Path, folder: Path, repeats: int) -> Figure:
    """From the start of the process to the first picture's row in the table."""
    times = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as logs:
            table = Path(logs) / "openface3" / "openface3.csv"
            start = time.perf_counter()
            process = subprocess.Popen(
                of3_run(folder, logs, root), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            while process.poll() is None and not (table.exists() and table.read_bytes().count(b"\n") > 1):
                time.sleep(0.002)
            times.append(time.perf_counter() - start)
            process.wait()
    return Figure("process start to first row, aligned", statistics.median(times), "s", 1.5)


def size(name: str, python: str, package: str) -> Figure:
    """Installed packages that one needs to run."""
    said = subprocess.check_output(module("size", package, python=python), cwd=REPOSITORY)
    taken_bytes, missing = json.loads(said)
    note = f", without {', '.join(missing)}, not installed" if missing else ""
    return Figure(f"{name}{note}", taken_bytes / 1e6, "MB")


def folders(root: Path, work: Path) -> Iterator[Figure]:
    """1 000 and 10 000 pictures in turn."""
    small, large = (linked(work / "aligned_224", count) for count in (1000, 10_000))
    rounds = [(run_info(small, root), run_info(large, root)) for _ in range(REPEATS)]
    at_small, at_large = (
        statistics.median(run["peak_mb"] for run in runs) for runs in zip(*rounds, strict=True)
    )
    ratio = statistics.median(long["images_per_s"] / short["images_per_s"] for short, long in rounds)
    yield Figure("peak memory at 1 000 images", at_small, "MB", 550)
    yield Figure("peak memory at 10 000 images", at_large, "MB", 550)
    yield Figure("growth of peak memory from 1 000 to 10 000", at_large - at_small, "MB", 5)
    yield Figure("rate at 10 000 / rate at 1 000", ratio, "x", 0.97, True)


def processes(root: Path, work: Path) -> Figure:
    """Images/s of a process a core, each of which does all the pictures, against those of one on all cores."""
    together = module("contestants", "project", "aligned_224", root, work)
    pinned = {core: ["taskset", "-c", core, *together] for core in map(str, sorted(os.sched_getaffinity(0)))}
    with ExitStack() as owner:
        one, *each = warm({"all": together, **pinned}, owner).values()

        def run_each() -> None:
            for contestant in each:
                contestant.start()
            for contestant in each:
                contestant.wait()

        raced = Measured("aligned_224", 0, interleaved_s({"one": one.run, "each": run_each}, REPEATS))
    ratio = len(each) * raced.ratio("each", "one")
    return Figure(f"{len(each)} processes of one run / one process of {len(each)}", ratio, "x")


def peak_share(root: Path) -> Iterator[Figure]:
    """Each network's achieved GFLOP/s against the machine's."""
    peak = peak_gflops()
    yield Figure("peak: matrix product of 2048 x 2048", peak, "GFLOP/s")
    bundle = read_bundle(root / "weights" / "of3_bundle")
    shapes = {"multitask": (8, 3, 224, 224), "landmarks": (1, 3, 256, 256), "detector": (1, 3, 720, 1280)}
    for name, shape in shapes.items():
        (taken_ms,) = network_ms(bundle, name, {0: shape}, cores()).values()
        rate = 1e3 * gflop(bundle.model(name).files["fp32"].path, shape) / taken_ms
        yield Figure(f"{name}, batch {shape[0]}", rate, "GFLOP/s")
        yield Figure(f"{name}, batch {shape[0]}: of the peak", rate / peak, "x")


def peak_gflops() -> float:
    """Of a large float32 matrix product through the same onnxruntime."""
    side = 2048
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [side, side]) for name in "abc"]
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "product", ends[:2], ends[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    matrix = np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
    return 2e-9 * side**3 / median_s(lambda: session.run(None, {"a": matrix, "b": matrix}))


def gflop(path: Path, shape: tuple[int, ...]) -> float:
    """Of one run's convolutions and matrix products, two per multiply and add."""
    model = onnx.load(path)
    for dimension, side in zip(model.graph.input[0].type.tensor_type.shape.dim, shape, strict=True):
        dimension.dim_value = side
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {
        value.name: [side.dim_value or 1 for side in value.type.tensor_type.shape.dim]
        for value in (*inferred.value_info, *inferred.output)
    }
    weights = {weight.name: int(np.prod(weight.dims)) for weight in inferred.initializer}
    total = 0
    for node in inferred.node:
        if node.op_type in ("Conv", "Gemm") and node.input[1] in weights:
            made = shapes[node.output[0]]  # (N, channels, ...), each channel by its share of the weights
            total += 2 * int(np.prod(made)) * weights[node.input[1]] // made[1]
    return total * 1e-9
