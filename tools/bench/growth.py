"""How cost grows: one curve for each thing that may become more."""

import statistics
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np

from of3.engines.base import CpuThreads, Floats
from of3.engines.bundle import Bundle
from of3.engines.host import cores
from of3.engines.manifest import read_bundle
from of3.engines.ort import OrtEngine
from of3.export.pictures import draw_face
from of3.runtime.networks import DETECTOR, MULTITASK, Networks
from of3.runtime.pipeline import Pipeline
from of3.runtime.settings import Settings
from of3.runtime.stream import delayed
from of3.runtime.vision import detect
from of3.runtime.vision.decoding import decode
from of3.runtime.vision.resample import resample
from tools.bench.command import run_info
from tools.bench.pictures import jpeg, linked
from tools.bench.records import Curve
from tools.bench.timing import Step, interleaved_s

IMAGES = (30, 100, 300, 1000, 3000)
SIDES_PX = (128, 256, 512, 1024, 2048)
FACES = (1, 4, 16, 64)
BATCHES = (1, 2, 4, 8, 16, 32)
DETECTOR_HEIGHTS_PX = (180, 360, 720, 1080)
ROUNDS = 7


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
    """Median time of each step; the first round does not count."""
    return {key: 1e3 * statistics.median(each[1:]) for key, each in interleaved_s(steps, ROUNDS + 1).items()}


def network_ms(
    bundle: Bundle, model: str, shapes: Mapping[float, tuple[int, ...]], threads: int
) -> dict[float, float]:
    """A network alone on ready batches of some shapes, fp32."""
    with closing(OrtEngine(bundle, model, "cpu", "fp32", CpuThreads(threads, spin=True))) as engine:
        return interleaved_ms(
            {key: partial(engine.run, np.zeros(shape, np.float32)) for key, shape in shapes.items()}
        )


def by_images(root: Path, work: Path) -> Curve:
    """Whole runs of the command, less the start of the process."""
    rounds = [
        {count: run_info(linked(work / "aligned_224", count), root)["elapsed_s"] for count in IMAGES}
        for _ in range(3)
    ]
    limit = "the multitask network; nothing is kept of a picture"
    points = {float(count): 1e3 * statistics.median(each[count] for each in rounds) for count in IMAGES}
    return Curve("images", "a run, ms", limit, points)


def by_side(bundle: Bundle) -> Iterator[Curve]:
    """One square picture: its parts on one thread, and all of it in a stream of its like."""
    encoded = {side: jpeg(draw_face(1, side)) for side in SIDES_PX}
    decoded = {side: decode(content).pixels for side, content in encoded.items()}
    decoding = interleaved_ms({side: partial(decode, encoded[side]) for side in SIDES_PX})
    yield Curve("side, px", "decoding a JPEG, ms", "its pixels", decoding)
    out = np.empty((3, 224, 224), np.float32)
    resampling = interleaved_ms({side: partial(resample, decoded[side], out) for side in SIDES_PX})
    yield Curve("side, px", "resampling, ms", "its pixels, of which each is read once", resampling)
    with tempfile.TemporaryDirectory() as folder, Pipeline(bundle, Settings()) as pipeline:
        steps: dict[float, Step] = {}
        for side, content in encoded.items():
            path = Path(folder) / f"{side}.jpg"
            path.write_bytes(content)
            steps[side] = partial(lambda paths: list(pipeline.run(paths)), [path] * 16)
        points = {side: each / 16 for side, each in interleaved_ms(steps).items()}
    yield Curve("side, px", "an aligned crop, file to record, ms", "the network, from 1024 px decoding", points)


def by_pixels(bundle: Bundle) -> Curve:
    sizes = [(height, 16 * height // 9) for height in DETECTOR_HEIGHTS_PX]
    shapes = {height * width / 1e6: (1, 3, height, width) for height, width in sizes}
    points = network_ms(bundle, DETECTOR, shapes, cores())
    return Curve("megapixels", "the detector network, ms", "its pixels (`--detector_resize`)", points)


def by_faces() -> Curve:
    """Decoding and NMS of detector outputs in which faces of 20 candidates each stand out, at 1280x720."""
    points = interleaved_ms(
        {count: partial(detect.faces, outputs_of(count), 720, 1280, 1.0) for count in FACES}
    )
    limit = "NMS, quadratic in candidates; the networks see only the best face"
    return Curve("faces", "decoding and NMS, ms", limit, points)


def outputs_of(count: int) -> dict[str, Floats]:
    """Detector outputs of a picture of 1280x720 with `count` faces."""
    prior = detect.priors(720, 1280)
    rng = np.random.default_rng(0)
    widths = {"conf": 2, "loc": 4, "landms": 10}
    outputs = {name: np.zeros((1, len(prior), width), np.float32) for name, width in widths.items()}
    chosen = rng.choice(len(prior), 20 * count, replace=False)
    outputs["conf"][0, chosen, 1] = rng.uniform(0.5, 1, 20 * count)
    return outputs


def by_batch(bundle: Bundle, threads: int) -> Curve:
    runs = network_ms(bundle, MULTITASK, {rows: (rows, 3, 224, 224) for rows in BATCHES}, threads)
    points = {rows: each / rows for rows, each in runs.items()}
    limit = "below 4 the weights, read once a run; above, activations that leave the cache"
    return Curve("batch", f"the multitask network, {threads} threads, ms a face", limit, points)


def by_threads(bundle: Bundle) -> Iterator[Curve]:
    """The multitask network on ready batches of 4: cores within one run, and runs side by side.

    Nothing spins: the threads of one engine would take the cores from the next one's round.
    """
    batch = np.zeros((4, 3, 224, 224), np.float32)
    counts = sorted({1, 2, cores(), 2 * cores()})
    engines = {count: OrtEngine(bundle, MULTITASK, "cpu", "fp32", CpuThreads(count)) for count in counts}
    steps: dict[float, Step] = {count: partial(engine.run, batch) for count, engine in engines.items()}
    points = {count: each / 4 for count, each in interleaved_ms(steps).items()}
    name = "the multitask network, threads in one run, ms a face"
    yield Curve("threads", name, "the wait after each node", points)
    sides = {count: Networks(bundle, Settings(parallel_runs=count)) for count in counts}
    steps = {count: partial(stream, networks, batch) for count, networks in sides.items()}
    points = {count: each / 64 for count, each in interleaved_ms(steps).items()}
    name = "the multitask network, runs side by side (1: one run on all cores), ms a face"
    yield Curve("threads", name, "the cores", points)


def stream(networks: Networks, batch: Floats) -> None:
    """16 times."""
    running = (networks.start(MULTITASK, batch) for _ in range(16))
    for wait in delayed(running, partial(networks.max_in_flight, MULTITASK)):
        wait()
