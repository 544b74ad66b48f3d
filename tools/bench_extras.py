"""Figures of tools/bench.py that are no race: starting, memory, sizes, scanning, share of the peak."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from timing import median_s

from of3.engines.base import CpuThreads
from of3.engines.bundle import read_bundle
from of3.engines.host import cores
from of3.engines.ort import OrtEngine

REPEATS = 7


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.  limit: the target, reached at or below it, or at or above where `is_at_least`."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    is_at_least: bool = False

    @property
    def is_reached(self) -> bool:
        assert self.limit is not None
        return self.value >= self.limit if self.is_at_least else self.value <= self.limit


def extras(root: Path, work: Path, oracle: str | None, is_quick: bool) -> list[Figure]:
    found = [import_time(), first_row(root, work / "aligned_224", 3 if is_quick else REPEATS), *sizes(oracle)]
    if not is_quick:
        found += [*folders(root, work), scanning(work), *processes(root, work), *peak_share(root)]
    return found


def import_time() -> Figure:
    code = (
        "import time; s = time.perf_counter(); import of3.runtime.commands.cli; print(time.perf_counter() - s)"
    )
    times = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(REPEATS)]
    return Figure("import of `of3.runtime.commands.cli`", statistics.median(times), "s", 0.25)


# Prints its peak resident memory: what `wait4` tells of a child counts its parent's, from before it was another
# program, as well.
START = """
import sys
from of3.runtime.commands.cli import main
status = main()
with open("/proc/self/status") as file:
    print(next(line for line in file if line.startswith("VmHWM:")).split()[1])
sys.exit(status)
"""


def run_command(root: Path, folder: Path, logs: str) -> list[str]:
    flags = ["--device", "cpu", "--help", "off", "--no_calib", "on", "--of3_root", str(root)]
    return [sys.executable, "-c", START, "run", "--aligned", str(folder), "--logs", logs, *flags]


def first_row(root: Path, folder: Path, repeats: int) -> Figure:
    """From the start of the process to the first picture's row in the table."""
    times = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as logs:
            table = Path(logs) / "openface3" / "openface3.csv"
            start = time.perf_counter()
            process = subprocess.Popen(
                run_command(root, folder, logs), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            while not (table.exists() and table.read_bytes().count(b"\n") > 1):
                time.sleep(0.002)
            times.append(time.perf_counter() - start)
            process.wait()
    return Figure("process start to first row, aligned", statistics.median(times), "s", 1.5)


def run_folder(root: Path, folder: Path) -> tuple[float, float]:
    """A whole run: images/s as it reports them, and its peak resident memory in MB."""
    with tempfile.TemporaryDirectory() as logs:
        printed = subprocess.check_output(run_command(root, folder, logs), stderr=subprocess.DEVNULL)
        info = json.loads((Path(logs) / "openface3" / "run.json").read_text())
    return info["images_per_s"], int(printed.split()[-1]) / 1024


def linked(work: Path, name: str, count: int) -> Path:
    """A folder of `count` names of the aligned pictures."""
    sources = sorted((work / "aligned_224").iterdir())
    folder = work / name
    if folder.exists():
        return folder
    folder.mkdir()
    for number in range(count):
        os.link(sources[number % len(sources)], folder / f"{number:06d}.jpg")
    return folder


def folders(root: Path, work: Path) -> Iterator[Figure]:
    """1 000 and 10 000 pictures in turn."""
    small, large = linked(work, "n1000", 1000), linked(work, "n10000", 10_000)
    rounds = [(run_folder(root, small), run_folder(root, large)) for _ in range(REPEATS)]
    peaks = [[peak for _, peak in runs] for runs in zip(*rounds, strict=True)]
    at_small, at_large = map(statistics.median, peaks)
    ratio = statistics.median(long[0] / short[0] for short, long in rounds)
    yield Figure("peak memory at 1 000 images", at_small, "MB", 550)
    yield Figure("peak memory at 10 000 images", at_large, "MB", 550)
    yield Figure("growth of peak memory from 1 000 to 10 000", at_large - at_small, "MB", 5)
    yield Figure("rate at 10 000 / rate at 1 000", ratio, "x", 0.97, True)


def processes(root: Path, work: Path) -> Iterator[Figure]:
    """Cores as parallel_runs of one process against a process a core, over the same pictures."""
    folder = linked(work, "n1000", 1000)
    paths = sorted(str(path) for path in folder.iterdir())
    mine = sorted(os.sched_getaffinity(0))
    parts = [([core], paths[number :: len(mine)]) for number, core in enumerate(mine)]
    ratios = []
    for _ in range(REPEATS):
        (together,) = run_parts(root, [(mine, paths)])
        ratios.append(together / max(run_parts(root, parts)))
    yield Figure(f"{cores()} processes of one run / one process of {cores()}", statistics.median(ratios), "x")


def run_parts(root: Path, parts: Sequence[tuple[Sequence[int], Sequence[str]]]) -> list[float]:
    """Seconds each of some processes, started at once on cores of their own, takes for its pictures."""
    code = (
        "import os, sys, time; os.sched_setaffinity(0, map(int, sys.argv[2].split(',')))\n"
        "from of3.runtime.pipeline import Pipeline\n"
        "pipeline = Pipeline.open(sys.argv[1])\n"
        "paths = sys.stdin.read().split(); start = time.perf_counter()\n"
        "print(sum(1 for _ in pipeline.run(paths)) and time.perf_counter() - start)"
    )
    command = [sys.executable, "-c", code, str(root / "weights" / "of3_bundle")]
    started = [
        subprocess.Popen(
            [*command, ",".join(map(str, own))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for own, _ in parts
    ]
    for process, (_, part) in zip(started, parts, strict=True):
        assert process.stdin is not None
        process.stdin.write("\n".join(part))
        process.stdin.close()
    return [float(process.stdout.read()) for process in started if process.stdout is not None]


def sizes(oracle: str | None) -> Iterator[Figure]:
    """Installed packages that this project needs to run, and upstream's, where an environment has them."""
    for name, python, package in (
        ("lean environment, of3[cpu]", sys.executable, "of3[cpu]"),
        ("upstream's requirements", oracle, "openface-test"),
    ):
        if python is not None:
            script = str(Path(__file__).with_name("bench_size.py"))
            size, missing = json.loads(subprocess.check_output([python, script, package]))
            note = f", without {', '.join(missing)}, not installed" if missing else ""
            yield Figure(f"{name}{note}", size / 1e6, "MB")


def scanning(work: Path) -> Figure:
    """Scan and sort 200 000 files, and decode the first."""
    folder = linked(work, "n200000", 200_000)
    code = (
        "import sys, time; start = time.perf_counter(); from of3.runtime.runs import listing; "
        "from of3.runtime.vision import images; "
        "from of3.runtime.types import Source; first = next(listing.FileListing(sys.argv[1]).items()).path; "
        "images.read_image(Source(first, first)); print(time.perf_counter() - start)"
    )
    times = [float(subprocess.check_output([sys.executable, "-c", code, str(folder)])) for _ in range(REPEATS)]
    return Figure("200 000 files: scan, sort, first decode", statistics.median(times), "s", 3.0)


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
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*inferred.value_info, *inferred.output)
    }
    weights = {weight.name: list(weight.dims) for weight in inferred.initializer}
    total = 0
    for node in inferred.node:
        if node.op_type in ("Conv", "Gemm") and node.input[1] in weights:
            kernel = weights[node.input[1]]
            per_output = (
                np.prod(kernel[1:]) if node.op_type == "Conv" else np.prod(kernel) / shapes[node.output[0]][1]
            )
            total += 2 * int(np.prod([side or 1 for side in shapes[node.output[0]]])) * int(per_output)
    return total * 1e-9


def peak_share(root: Path) -> Iterator[Figure]:
    """Each network's achieved GFLOP/s against the machine's."""
    peak = peak_gflops()
    yield Figure("peak: matrix product of 2048 x 2048", peak, "GFLOP/s")
    bundle = read_bundle(root / "weights" / "of3_bundle")
    for name, rows, size in (
        ("multitask", 8, (224, 224)),
        ("landmarks", 1, (256, 256)),
        ("detector", 1, (720, 1280)),
    ):
        engine = OrtEngine(bundle, name, "cpu", "fp32", CpuThreads(cores(), spin=True))
        batch = np.zeros((rows, 3, *size), np.float32)
        rate = gflop(bundle.model(name).files["fp32"].path, batch.shape) / median_s(partial(engine.run, batch))
        engine.close()
        yield Figure(f"{name}, batch {rows}", rate, "GFLOP/s")
        yield Figure(f"{name}, batch {rows}: of the peak", rate / peak, "x")
