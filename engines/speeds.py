"""Which engine of the CPU is the faster in fp32 here: measured by `of3 doctor`, kept in the bundle's folder.

A measurement holds for the bundle, the processor and the versions that it was made with; several machines that
share a bundle have a file each.
"""

import hashlib
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from of3.engines import host, selfcheck
from of3.engines.base import CpuThreads, Engine, Floats
from of3.engines.bundle import Bundle, BundleError, read_plain
from of3.engines.field import Field, parsed
from of3.engines.registry import KINDS, Kind

FOLDER = "speeds"
FORMAT = "of3-speeds"
REMEDY = "run `of3 doctor --bundle DIR` again, or remove it"
PACKAGES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-ep-openvino")
MAX_BYTES = 1 << 16
MOST_PER_S = 1e9
CLEARLY = 1.05  # times faster; less is what two measurements of one engine differ by
ROUNDS = 7
LEAST_S = 0.05  # of a round

Rates = Mapping[str, Mapping[str, float]]  # pictures a second, by model, then kind of engine


def conditions() -> dict[str, str]:
    """What a measurement depends on besides the bundle."""
    found = {"processor": host.processor()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def path_of(bundle: Bundle) -> Path:
    """Where the measurement of this machine is kept, be it there or not."""
    key = hashlib.sha256(json.dumps(conditions(), sort_keys=True).encode()).hexdigest()
    return bundle.folder / FOLDER / f"{key[:12]}.json"


def document(bundle: Bundle, rates: Rates) -> str:
    """A measurement as `fastest` reads it."""
    made = {"format": FORMAT, "bundle": bundle.digest, "made_with": conditions(), "images_per_s": rates}
    return json.dumps(made, indent=1) + "\n"


def fastest(bundle: Bundle, model: str) -> str:
    """The kind of engine that was clearly the fastest, "" where none was or nobody measured.

    Raises BundleError: what is there is no measurement.
    """
    if not (bundle.folder / FOLDER).is_dir() or not path_of(bundle).exists():
        return ""
    path = path_of(bundle)
    try:
        told = Field(parsed(read_plain(path, MAX_BYTES)), str(path))
        told["format"].one_of(FORMAT)
        if told["bundle"].text() != bundle.digest:
            return ""
        by_model = dict(told["images_per_s"].items())
        rates = _rates(by_model[model]) if model in by_model else {}
    except ValueError as error:
        raise BundleError(f"{error}: {REMEDY}") from error
    return clearly_first(rates)


def _rates(entry: Field) -> dict[str, float]:
    for kind, _ in entry.items():
        Field(kind, entry.place).one_of(*KINDS)
    return {kind: rate.number(0, MOST_PER_S) for kind, rate in entry.items()}


def clearly_first(rates: Mapping[str, float]) -> str:
    """The name of the one that is faster than all others by more than chance, or ""."""
    ordered = sorted(rates, key=lambda name: rates[name], reverse=True)
    if len(ordered) < 2 or rates[ordered[0]] < CLEARLY * rates[ordered[1]]:
        return ""
    return ordered[0]


def measure(bundle: Bundle, model: str, kinds: Sequence[Kind]) -> dict[str, float]:
    """Pictures a second of each kind in fp32 on one thread, on the bundle's pictures: medians of rounds.

    Raises EngineUnavailable, EngineFailed.
    """
    card = bundle.model(model)
    pixels = selfcheck.read_self_check(card).pixels
    with ExitStack() as opened:
        runs = {}
        for kind in kinds:
            engine = opened.enter_context(closing(kind.open(bundle, model, "fp32", False, CpuThreads(1))))
            batch = selfcheck.tensor_of(pixels[: kind.rows.get(model, 1)], card.input)
            runs[kind.name] = _timed(engine, batch)
        times: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(ROUNDS):
            for name, run in runs.items():
                times[name].append(run())
    return {name: 1 / statistics.median(each) for name, each in times.items()}


def _timed(engine: Engine, batch: Floats) -> Callable[[], float]:
    """Runs for as long as can be measured, and gives the seconds a picture; once run already."""
    start = time.perf_counter()
    engine.run(batch)
    count = max(1, round(LEAST_S / (time.perf_counter() - start)))

    def run() -> float:
        start = time.perf_counter()
        for _ in range(count):
            engine.run(batch)
        return (time.perf_counter() - start) / (count * len(batch))

    return run
