"""Figures of tools/bench.py that are no race: starting, memory, scanning, growth, share of the peak."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from timing import median_s

from of3.engines.base import CpuShare
from of3.engines.bundle import read_bundle
from of3.engines.machine import cores
from of3.engines.ort import OrtEngine
from of3.engines.selfcheck import tensor_of
from of3.export.pictures import draw_face
from of3.runtime import detect
from of3.runtime.resample import resample

REPEATS = 7
FACES = (1, 4, 16, 64)
BATCHES = (1, 2, 4, 8, 16, 32)
SIDES_PX = (128, 256, 512, 1024, 2048)
DETECTOR_SIZES_PX = ((180, 320), (360, 640), (720, 1280), (1080, 1920))


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


def extras(root: Path, work: Path, is_quick: bool) -> list[Figure]:
    found = [import_time(), first_row(root, work / "aligned_224", 3 if is_quick else REPEATS)]
    if not is_quick:
        found += [*folders(root, work), scanning(work), *peak_share(root), *growth(root)]
    return found


def import_time() -> Figure:
    code = "import time; s = time.perf_counter(); import of3.runtime.cli; print(time.perf_counter() - s)"
    times = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(REPEATS)]
    return Figure("import of `of3.runtime.cli`", statistics.median(times), "s", 0.25)


def run_command(root: Path, folder: Path, logs: str) -> list[str]:
    flags = ["--device", "cpu", "--help", "off", "--no_calib", "on", "--of3_root", str(root)]
    start = "import sys; from of3.runtime.cli import main; sys.exit(main())"
    return [sys.executable, "-c", start, "run", "--aligned", str(folder), "--logs", logs, *flags]


def first_row(root: Path, folder: Path, repeats: int) -> Figure:
    """From the start of the process to the first picture's row in the table."""
    times = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as logs:
            table = Path(logs) / "openface3" / "openface3.csv"
            start = time.perf_counter()
            process = subprocess.Popen(run_command(root, folder, logs), stderr=subprocess.DEVNULL)
            while not (table.exists() and table.read_bytes().count(b"\n") > 1):
                time.sleep(0.002)
            times.append(time.perf_counter() - start)
            process.wait()
    return Figure("process start to first row, aligned", statistics.median(times), "s", 1.5)


def run_folder(root: Path, folder: Path) -> tuple[float, float]:
    """A whole run: images/s as it reports them, and its peak resident memory in MB."""
    with tempfile.TemporaryDirectory() as logs:
        process = subprocess.Popen(run_command(root, folder, logs), stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0
        info = json.loads((Path(logs) / "openface3" / "run.json").read_text())
    return info["images_per_s"], usage.ru_maxrss / 1024


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
    """1 000 pictures before and after 10 000."""
    small, large = linked(work, "n1000", 1000), linked(work, "n10000", 10_000)
    before = run_folder(root, small)
    rate, peak = run_folder(root, large)
    after = run_folder(root, small)
    yield Figure("peak memory at 1 000 images", max(before[1], after[1]), "MB", 550)
    yield Figure("peak memory at 10 000 images", peak, "MB", 550)
    yield Figure("growth of peak memory from 1 000 to 10 000", peak - max(before[1], after[1]), "MB", 5)
    yield Figure("rate at 10 000 / rate at 1 000", 2 * rate / (before[0] + after[0]), "x", 0.97, True)


def scanning(work: Path) -> Figure:
    """Scan and sort 200 000 files, and decode the first."""
    folder = linked(work, "n200000", 200_000)
    code = (
        "import sys, time; start = time.perf_counter(); from of3.runtime import images; "
        "from of3.runtime.types import Source; first = images.find_images(sys.argv[1])[0]; "
        "images.read_image(Source(first, first)); print(time.perf_counter() - start)"
    )
    times = [float(subprocess.check_output([sys.executable, "-c", code, str(folder)])) for _ in range(3)]
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
        engine = OrtEngine(bundle, name, "cpu", "fp32", CpuShare(cores(), spin=True))
        batch = np.zeros((rows, 3, *size), np.float32)
        rate = gflop(bundle.model(name).files["fp32"].path, batch.shape) / median_s(partial(engine.run, batch))
        engine.close()
        yield Figure(f"{name}, batch {rows}", rate, "GFLOP/s")
        yield Figure(f"{name}, batch {rows}: of the peak", rate / peak, "x")


def growth(root: Path) -> Iterator[Figure]:
    """How the cost of each part grows with what it is given."""
    bundle = read_bundle(root / "weights" / "of3_bundle")
    card = bundle.model("multitask").input
    for threads in sorted({1, cores()}):
        engine = OrtEngine(bundle, "multitask", "cpu", "fp32", CpuShare(threads, spin=True))
        for rows in BATCHES:
            batch = tensor_of(np.zeros((rows, 224, 224, 3), np.uint8), card)
            cost_ms = 1e3 * median_s(partial(engine.run, batch)) / rows
            yield Figure(f"growth: multitask, threads {threads}, batch {rows}", cost_ms, "ms an image")
        engine.close()
    for side in SIDES_PX:
        cost_ms = 1e3 * median_s(partial(resample, draw_face(1, side), 224))
        yield Figure(f"growth: resample, {side} px square", cost_ms, "ms")
    engine = OrtEngine(bundle, "detector", "cpu", "fp32", CpuShare(cores(), spin=True))
    for height, width in DETECTOR_SIZES_PX:
        cost_ms = 1e3 * median_s(partial(engine.run, np.zeros((1, 3, height, width), np.float32)))
        yield Figure(f"growth: detector, {width}x{height}", cost_ms, "ms")
    engine.close()
    for count in FACES:
        yield Figure(f"growth: decoding and NMS, {count} faces", 1e3 * decoding_s(count), "ms")


def decoding_s(count: int) -> float:
    """Of detector outputs in which `count` faces of 20 candidates each stand out, at 1280x720."""
    height, width = DETECTOR_SIZES_PX[2]
    prior = detect.priors(height, width)
    rng = np.random.default_rng(0)
    conf = np.zeros((1, len(prior), 2), np.float32)
    conf[0, rng.choice(len(prior), 20 * count, replace=False), 1] = rng.uniform(0.5, 1, 20 * count)
    outputs = {
        "conf": conf,
        "loc": np.zeros((1, len(prior), 4), np.float32),
        "landms": np.zeros((1, len(prior), 10), np.float32),
    }
    return median_s(partial(detect.faces, outputs, height, width, 1.0))
