"""What a GPU's engines do alone, and one process with them, a second: measured in a process of its own.

So that this one never opens CUDA.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import cycle, repeat, takewhile
from multiprocessing.connection import Connection
from pathlib import Path
from shutil import rmtree
from typing import TypeVar

import numpy as np

from of3.engines import cuda
from of3.engines.base import EngineUnavailable
from of3.engines.bundle import InputCard
from of3.runtime.bundle import documented_order
from of3.runtime.logs.entries import Entries, Results, entries_of
from of3.runtime.logs.items import Item
from of3.runtime.logs.writer import Writer
from of3.runtime.networks import DETECTOR, Networks
from of3.runtime.options import Options
from of3.runtime.runs.console import log_to_stderr
from of3.runtime.runs.flags import row_options
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.session import Session, or_run_broken
from of3.runtime.runs.shards.plan import Plan
from of3.runtime.runs.shards.pool import WorkerLost
from of3.runtime.runs.shards.process import Child, begin
from of3.runtime.stream import delayed
from of3.runtime.types import Error, Floats, PictureError, RunError, Source
from of3.runtime.vision.images import read_image
from of3.runtime.vision.search import scene

T = TypeVar("T")
Go = Callable[[float], int]  # at work until then, by time.monotonic -> images done

FOR_S = 0.5  # of each rate, twice
WITHIN_S, LOOK_EVERY_S = 120.0, 0.5  # an engine may be compiled when it is opened
CONTEXT_BYTES = 512 << 20  # of CUDA itself in each process: taken before it can be asked what is free


class NotMeasured(Error):
    """There are no rates, and why."""


@dataclass(frozen=True, slots=True)
class GpuMemory:
    """free_bytes: beside one process at work.  each_bytes: what that one takes."""

    free_bytes: int
    each_bytes: int


@dataclass(frozen=True, slots=True)
class Rates:
    """Images a second.

    engine: the networks alone, on full batches, as many in flight as they take.  process: files read,
    analysed and written by one process, with all cores of a GPU's share.  memory: of the GPU; None where CUDA
    cannot be asked.
    """

    engine: float
    process: float
    memory: GpuMemory | None


def measure(
    options: Options, plan: Plan, items: Sequence[Item], cores: int, gpu: str, interruption: Interruption
) -> Rates:
    """items: of the plan, some hundred.  cores: a GPU's share.  Raises NotMeasured."""
    child, end_s = Child(serve, options, plan, items, cores, gpu), time.monotonic() + WITHIN_S
    try:
        while not child.has_answered(LOOK_EVERY_S):
            if interruption.came:
                raise NotMeasured("the run is to end")
            if time.monotonic() > end_s:
                raise NotMeasured(f"no answer within {WITHIN_S:.0f} s")
        found: Rates = child.answer()
    except (WorkerLost, RunError, OSError) as error:
        raise NotMeasured(str(error)) from error
    finally:
        child.close()
    return found


def serve(pipe: Connection, options: Options, plan: Plan, items: Sequence[Item], cores: int, gpu: str) -> None:
    """Be the process that measures."""
    begin(gpu)
    log_to_stderr(logging.ERROR)  # what is to be said of engines the workers say
    try:
        pipe.send(rates_of(options, plan, items, cores))
    except (NotMeasured, RunError, OSError) as error:
        pipe.send(error)


def rates_of(options: Options, plan: Plan, items: Sequence[Item], cores: int) -> Rates:
    """In this process.  Raises NotMeasured: a network does not run on a GPU; RunError; OSError."""
    before_bytes = _free_bytes()
    with Session(options, cores) as session:
        engines = session.pipeline.networks.engines.values()
        with or_run_broken():
            engine = engine_rate(session.pipeline.networks, batches_for(session, items))
        process = process_rate(session, plan, items)
        memory = gpu_memory(before_bytes, _free_bytes())
        for each in engines:  # which may have taken over just now
            if each.kind.device == "cpu":
                raise NotMeasured(f"{each.name} does not run on a GPU")
    return Rates(engine, process, memory)


def batches_for(session: Session, items: Sequence[Item]) -> dict[str, Floats]:
    """A full batch for each network; for the detector the first picture that can be read."""
    networks, bundle = session.pipeline.networks, session.pipeline.bundle
    cards = {model: bundle.model(model).input for model in networks.engines}
    return {
        model: _first_scene(session, card, items)[None]
        if model == DETECTOR
        else _faces(card, networks.rows(model))
        for model, card in cards.items()
    }


def _first_scene(session: Session, card: InputCard, items: Sequence[Item]) -> Floats:
    options = session.options
    for item in items:
        try:
            image = read_image(Source(item.path, item.path), options.reject_damaged, options.max_pixels)
            return scene(image, card, options.detector_resize).views[0].tensor  # others are a sixteenth
        except PictureError:
            continue
    raise NotMeasured(f"none of the first {len(items)} pictures can be read")


def _faces(card: InputCard, rows: int) -> Floats:
    sides = [side for side in card.shape[1:] if isinstance(side, int)]
    return np.random.default_rng(0).random((rows, *sides), np.float32)


def engine_rate(networks: Networks, batches: Mapping[str, Floats]) -> float:
    """Images/s that go through all of the networks, which share a GPU."""

    def image_s(model: str, batch: Floats) -> float:
        def go(end_s: float) -> int:
            begun = (networks.start(model, batch) for _ in before(end_s, repeat(None)))
            waits = delayed(begun, partial(networks.max_in_flight, model))
            return sum(len(next(iter(wait().values()))) for wait in waits)

        return 1 / warm_rate(go)

    return 1 / sum(image_s(model, batch) for model, batch in batches.items())


def process_rate(session: Session, plan: Plan, items: Sequence[Item]) -> float:
    """Images/s from file to files, which are thrown away, and rows; the pictures come round and round."""
    bundle = session.pipeline.bundle
    rows, order = row_options(session.options, bundle), documented_order(bundle.labels.aus)

    def entered(results: Results) -> Entries:
        return entries_of(results, rows, ())

    def go(end_s: float) -> int:
        entries = session.write_all(before(end_s, cycle(items)), order, writer, entered)
        return sum(some.counts.total for some in entries)

    with scratch(plan) as place, Writer(place, plan.root, rows) as writer:
        return warm_rate(go)


@contextmanager
def scratch(plan: Plan) -> Iterator[Path]:
    """A folder that is gone afterwards, on the file system of the logs."""
    place = plan.temporary("rates")
    place.mkdir()
    try:
        yield place
    finally:
        rmtree(place)


def warm_rate(go: Go) -> float:
    """Images/s of the second time."""
    go(time.monotonic() + FOR_S)
    start_s = time.monotonic()
    done = go(start_s + FOR_S)
    return done / (time.monotonic() - start_s)


def before(end_s: float, items: Iterable[T]) -> Iterator[T]:
    return takewhile(lambda _: time.monotonic() < end_s, items)


def gpu_memory(before_bytes: int | None, free_bytes: int | None) -> GpuMemory | None:
    """before_bytes: free when CUDA was open, and no engine."""
    if before_bytes is None or free_bytes is None:
        return None
    return GpuMemory(free_bytes, max(0, before_bytes - free_bytes) + CONTEXT_BYTES)


def _free_bytes() -> int | None:
    try:
        cuda.find_gpu()
        return cuda.free_bytes()
    except (EngineUnavailable, cuda.CudaError):
        return None
