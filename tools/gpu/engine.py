"""One engine of one model: how far from fp32, and how many images a second, arrays in and arrays out.

`python -m tools.gpu.engine --bundle DIR --model M --kind K --precision P --batches 1 32 --seconds 2
[--no_graphs]`
"""

import argparse
import sys
import time
from collections import deque
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np

from of3.engines import selfcheck
from of3.engines.base import BatchRefused, CpuThreads, Engine, EngineFailed, EngineUnavailable, Floats, Wait
from of3.engines.bundle import ModelCard
from of3.engines.manifest import read_bundle
from of3.engines.registry import KINDS, PRECISIONS, TENSORRT
from tools.gpu.row import Row, told

DETECTOR_SIZE_PX = (1280, 720)
CPU = CpuThreads(0, spin=True)
WARM_UP = 3


def main() -> int:
    given = parse()
    bundle = read_bundle(given.bundle)
    card, kind = bundle.model(given.model), KINDS[given.kind]
    what = f"{given.model} {given.precision}" + " without CUDA graphs" * given.no_graphs
    try:
        if given.no_graphs:
            from of3.engines.trt.choice import open_best

            engine: Engine = open_best(bundle, given.model, given.precision, tf32=False, graphs=False)
        else:
            engine = kind.open(bundle, given.model, given.precision, False, CPU)
    except EngineUnavailable as error:
        told(Row(what, kind.name, note=f"does not open: {error}"))
        return 0
    with closing(engine):
        try:
            measure(engine, card, what, given)
        except (BatchRefused, EngineFailed) as error:
            told(Row(what, engine.name, note=f"fails: {error}"))
    return 0


def parse() -> argparse.Namespace:
    made = argparse.ArgumentParser()
    made.add_argument("--bundle", type=Path, required=True)
    made.add_argument("--model", required=True)
    made.add_argument("--kind", choices=list(KINDS), default=TENSORRT.name)
    made.add_argument("--precision", choices=PRECISIONS, required=True)
    made.add_argument("--batches", type=int, nargs="+", required=True)
    made.add_argument("--seconds", type=float, required=True)
    made.add_argument("--no_graphs", action="store_true")
    return made.parse_args()


def measure(engine: Engine, card: ModelCard, what: str, given: argparse.Namespace) -> None:
    """A row for each batch size, one batch at a time and as many in flight as the engine takes."""
    check = selfcheck.read_self_check(card)
    rows = min(len(check.pixels), engine.max_batch)
    found = selfcheck.differences(engine, card, check, rows)
    said = ", ".join(f"{name} {value:.1e}" for name, value in found.items())
    for size in sorted({min(size, engine.max_batch) for size in given.batches}):
        batch = pictures(card, check, size)
        for in_flight in dict.fromkeys((1, engine.max_in_flight)):
            rate = images_per_s(engine, batch, in_flight, given.seconds)
            told(Row(what, engine.name, size, in_flight, rate, from_fp32=said))


def pictures(card: ModelCard, check: selfcheck.SelfCheck, size: int) -> Floats:
    """(size,3,H,W) of the bundle's own pictures; for the detector as large as a video's."""
    pixels = check.pixels[np.arange(size) % len(check.pixels)]
    if card.input.is_free:
        pixels = np.stack([cv2.resize(picture, DETECTOR_SIZE_PX) for picture in pixels]).astype(np.uint8)
    return selfcheck.tensor_of(pixels, card.input)


def images_per_s(engine: Engine, batch: Floats, in_flight: int, seconds: float) -> float:
    """Over `seconds` at least, with so many batches under way that the host and the GPU work at once."""
    for _ in range(WARM_UP):
        engine.run(batch)
    under_way: deque[Wait] = deque()
    done, start_s = 0, time.perf_counter()
    while done == 0 or time.perf_counter() - start_s < seconds:
        under_way.append(engine.start(batch))
        if len(under_way) == in_flight:
            under_way.popleft()()
            done += 1
    for wait in under_way:
        wait()
        done += 1
    return done * len(batch) / (time.perf_counter() - start_s)


if __name__ == "__main__":
    sys.exit(main())
