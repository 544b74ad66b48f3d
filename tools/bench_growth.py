"""How cost grows, for tools/bench.py: one curve for each thing that may become more."""

import json
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from bench_extras import linked, run_command
from timing import Step, time_s

from of3.engines.base import CpuThreads
from of3.engines.bundle import Bundle, read_bundle
from of3.engines.host import cores
from of3.engines.ort import OrtEngine
from of3.engines.selfcheck import tensor_of
from of3.export.pictures import draw_face
from of3.runtime.networks import MULTITASK, Networks
from of3.runtime.pipeline import Pipeline
from of3.runtime.settings import Settings
from of3.runtime.stream import delayed
from of3.runtime.vision import detect
from of3.runtime.vision.decoding import decode
from of3.runtime.vision.resample import resample

IMAGES = (30, 100, 300, 1000, 3000)
SIDES_PX = (128, 256, 512, 1024, 2048)
FACES = (1, 4, 16, 64)
BATCHES = (1, 2, 4, 8, 16, 32)
DETECTOR_HEIGHTS_PX = (180, 360, 720, 1080)
ROUNDS = 7


@dataclass(frozen=True, slots=True)
class Curve:
    """Cost in ms against what grows; `limit` says what sets it."""

    axis: str
    name: str
    limit: str
    points: Mapping[float, float]

    @property
    def exponent(self) -> float:
        """Slope of the upper half in the log-log plane: 1 is proportional, 0 is constant."""
        upper = list(self.points.items())[len(self.points) // 2 - 1 :]
        x, y = np.log(np.array(upper)).T
        return float(np.polyfit(x, y, 1)[0])


def curves(root: Path, work: Path) -> Iterator[Curve]:
    bundle = read_bundle(root / "weights" / "of3_bundle")
    yield by_images(root, work)
    yield from by_side(bundle)
    yield by_pixels(bundle)
    yield by_faces()
    for threads in sorted({1, cores()}):
        yield by_batch(bundle, threads)
    yield from by_threads(bundle)


def interleaved_ms(steps: Mapping[float, Step]) -> dict[float, float]:
    """Median time of each step; every round runs all of them."""
    rounds = [{key: time_s(step) for key, step in steps.items()} for _ in range(ROUNDS + 1)][1:]
    return {key: 1e3 * statistics.median(each[key] for each in rounds) for key in steps}


def by_images(root: Path, work: Path) -> Curve:
    """Whole runs of the command, less the start of the process."""

    def elapsed_ms(count: int) -> float:
        with tempfile.TemporaryDirectory() as logs:
            command = run_command(root, linked(work, f"n{count}", count), logs)
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
            return 1e3 * json.loads((Path(logs) / "openface3" / "run.json").read_text())["elapsed_s"]

    rounds = [{count: elapsed_ms(count) for count in IMAGES} for _ in range(3)]
    points = {float(count): statistics.median(each[count] for each in rounds) for count in IMAGES}
    return Curve("images", "a run, ms", "the multitask network; nothing is kept of a picture", points)


def by_side(bundle: Bundle) -> Iterator[Curve]:
    """One square picture: its parts on one thread, and all of it in a stream of its like."""
    encoded = {
        side: cv2.imencode(".jpg", draw_face(1, side), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
        for side in SIDES_PX
    }
    decoded = {side: decode(content).pixels for side, content in encoded.items()}
    decoding = interleaved_ms({side: partial(decode, encoded[side]) for side in SIDES_PX})
    yield Curve("side, px", "decoding a JPEG, ms", "its pixels", decoding)
    resampling = interleaved_ms({side: partial(resample, decoded[side], 224) for side in SIDES_PX})
    yield Curve("side, px", "resampling, ms", "its pixels, of which each is read once", resampling)
    with tempfile.TemporaryDirectory() as folder, Pipeline(bundle, Settings()) as pipeline:
        paths = {side: Path(folder) / f"{side}.jpg" for side in SIDES_PX}
        for side, path in paths.items():
            path.write_bytes(encoded[side])
        steps = {
            side: partial(lambda path: list(pipeline.run([path] * 16)), path) for side, path in paths.items()
        }
        points = {side: each / 16 for side, each in interleaved_ms(steps).items()}
    yield Curve("side, px", "an aligned crop, file to record, ms", "the network, from 1024 px decoding", points)


def by_pixels(bundle: Bundle) -> Curve:
    engine = OrtEngine(bundle, "detector", "cpu", "fp32", CpuThreads(cores(), spin=True))
    steps = {
        height * (16 * height // 9) / 1e6: partial(
            engine.run, np.zeros((1, 3, height, 16 * height // 9), np.float32)
        )
        for height in DETECTOR_HEIGHTS_PX
    }
    points = interleaved_ms(steps)
    engine.close()
    return Curve("megapixels", "the detector network, ms", "its pixels (`--detector_resize`)", points)


def by_faces() -> Curve:
    """Decoding and NMS of detector outputs in which faces of 20 candidates each stand out, at 1280x720."""
    steps = {count: partial(detect.faces, outputs_of(count), 720, 1280, 1.0) for count in FACES}
    limit = "NMS, quadratic in candidates; the networks see only the best face"
    return Curve("faces", "decoding and NMS, ms", limit, interleaved_ms(steps))


def outputs_of(count: int) -> dict[str, np.ndarray]:
    """Detector outputs of a picture of 1280x720 with `count` faces."""
    prior = detect.priors(720, 1280)
    rng = np.random.default_rng(0)
    conf = np.zeros((1, len(prior), 2), np.float32)
    conf[0, rng.choice(len(prior), 20 * count, replace=False), 1] = rng.uniform(0.5, 1, 20 * count)
    return {
        "conf": conf,
        "loc": np.zeros((1, len(prior), 4), np.float32),
        "landms": np.zeros((1, len(prior), 10), np.float32),
    }


def by_batch(bundle: Bundle, threads: int) -> Curve:
    engine = OrtEngine(bundle, MULTITASK, "cpu", "fp32", CpuThreads(threads, spin=True))
    card = bundle.model(MULTITASK).input
    steps = {
        rows: partial(engine.run, tensor_of(np.zeros((rows, 224, 224, 3), np.uint8), card)) for rows in BATCHES
    }
    points = {rows: each / rows for rows, each in interleaved_ms(steps).items()}
    engine.close()
    limit = "below 4 the weights, read once a run; above, activations that leave the cache"
    return Curve("batch", f"the multitask network, {threads} threads, ms a face", limit, points)


def by_threads(bundle: Bundle) -> Iterator[Curve]:
    """The multitask network on ready batches of 4: cores within one run, and runs side by side.

    Nothing spins: the threads of one engine would take the cores from the next one's round.
    """
    tensors = list(tensor_of(np.zeros((4, 224, 224, 3), np.uint8), bundle.model(MULTITASK).input))
    counts = sorted({1, 2, cores(), 2 * cores()})
    engines = [OrtEngine(bundle, MULTITASK, "cpu", "fp32", CpuThreads(count)) for count in counts]
    batch = np.stack(tensors)
    steps: dict[float, Step] = {
        count: partial(engine.run, batch) for count, engine in zip(counts, engines, strict=True)
    }
    points = {count: each / 4 for count, each in interleaved_ms(steps).items()}
    yield Curve(
        "threads", "the multitask network, threads in one run, ms a face", "the wait after each node", points
    )
    sides = [Networks(bundle, Settings(parallel_runs=count)) for count in counts]
    steps = {count: stream(networks, tensors) for count, networks in zip(counts, sides, strict=True)}
    points = {count: each / 64 for count, each in interleaved_ms(steps).items()}
    yield Curve(
        "threads",
        "the multitask network, runs side by side (1: one run on all cores), ms a face",
        "the cores",
        points,
    )


def stream(networks: Networks, tensors: Sequence[np.ndarray]) -> Callable[[], object]:
    """16 batches."""

    def step() -> None:
        started = (networks.start(MULTITASK, tensors) for _ in range(16))
        for wait in delayed(started, partial(networks.max_in_flight, MULTITASK)):
            wait()

    return step
