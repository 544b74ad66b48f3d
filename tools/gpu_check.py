"""Parity and speed of every engine and precision on this machine's GPU, beside PyTorch as it is used today.

Needs of3[gpu,export] and, for plans, TensorRT or of3[rtx].  Builds the plans that are missing.
"""

import argparse
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from of3.engines import cuda, machine
from of3.engines.base import CpuThreads, Engine, EngineFailed, EngineUnavailable, Floats, Outputs
from of3.engines.bundle import Bundle, ModelCard
from of3.engines.manifest import read_bundle
from of3.engines.ort import OrtEngine
from of3.engines.registry import ORDER
from of3.engines.trt import libraries
from of3.engines.trt.engine import TrtEngine
from of3.export.models import Model, models_in
from of3.export.pictures import pictures_for
from of3.export.verify import to_input
from of3.runtime.commands.build import main as build_plans
from tools.bench.page import table, versions
from tools.bench.timing import median_s

BATCHES = (1, 8, 32, 64)
DETECTOR_SIZE_PX = (720, 1280)
REPEATS, WARM_UP = 15, 3
CPU = CpuThreads(0, spin=True)


@dataclass(frozen=True, slots=True)
class Row:
    """One engine of one model, measured; `error` where it did not open or broke."""

    model: str
    engine: str
    error: str = ""
    images_per_s: Mapping[int, float] = field(default_factory=dict)
    difference: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # see `spread`, by output
    batch_1_from_n: float | None = None
    graph_from_no_graph: float | None = None


def main() -> int:
    given = parse()
    try:
        gpu = "none" if given.without_gpu else machine.describe_gpu() if cuda.find_gpu() else ""
    except EngineUnavailable as error:
        print(f"gpu_check: {error}", file=sys.stderr)
        return 2
    bundle = read_bundle(given.of3_root / "weights" / "of3_bundle")
    for library in () if given.without_gpu else libraries.installed():
        flags = ("--backend", library, "--max_batch", str(max(given.batches)))
        build_plans(["--bundle", str(bundle.folder), *flags])
    models = {model.name: model for model in models_in(given.of3_root / "weights", None)}
    rows = [row for name, card in bundle.models.items() for row in measure(bundle, card, models[name], given)]
    text = report(gpu, bundle, rows, given.batches)
    given.out.write_text(text)
    print(text)
    return 0


def parse() -> argparse.Namespace:
    made = argparse.ArgumentParser(prog="tools/gpu_check", description=__doc__)
    made.add_argument("--of3_root", type=Path, required=True, help="OpenFace-3.0 folder: weights and pictures")
    made.add_argument("--out", type=Path, default=Path("docs/gpu.md"), help="table to write (docs/gpu.md)")
    made.add_argument("--without_gpu", action="store_true", help="the CPU only, to try this tool")
    made.add_argument("--models", nargs="*", default=["detector", "multitask", "landmarks"])
    made.add_argument("--batches", nargs="*", type=int, default=list(BATCHES))
    return made.parse_args()


def openers(bundle: Bundle, card: ModelCard, without_gpu: bool) -> Iterator[tuple[str, Callable[[], Engine]]]:
    """Everything that may run a model, by a name for where it does not open."""
    for kind in ORDER[-1:] if without_gpu else ORDER[::-1]:
        for precision in card.files if kind.device == "cuda" else ("fp32",):
            opener = partial(kind.open, bundle, card.name, precision, False, CPU)
            yield f"{kind.name} {precision}", opener


def measure(bundle: Bundle, card: ModelCard, model: Model, given: argparse.Namespace) -> Iterator[Row]:
    """Every engine of one model, and PyTorch."""
    if card.name not in given.models:
        return
    inputs = pictures(card, model, given.of3_root)
    with closing(OrtEngine(bundle, card.name, "cpu", "fp32", CPU)) as engine:
        want = one_by_one(engine, inputs)
    for name, opener in openers(bundle, card, given.without_gpu):
        try:
            with closing(opener()) as engine:
                yield row_of(bundle, card, engine, inputs, want, given.batches)
        except EngineUnavailable as error:
            yield Row(card.name, name, f"does not open: {error}")
        except EngineFailed as error:
            yield Row(card.name, name, f"fails: {error}")
    if not given.without_gpu:
        yield pytorch(model, given.of3_root, inputs)


def pictures(card: ModelCard, model: Model, of3_root: Path) -> Floats:
    """(N,3,H,W): the root's pictures, made up to 16, as the card asks."""
    size = DETECTOR_SIZE_PX if card.input.is_free else model.example[2:]
    return np.stack([to_input(model, picture, size).numpy() for picture in pictures_for(of3_root, 16, 16)])


def one_by_one(engine: Engine, inputs: Floats) -> dict[str, Floats]:
    parts = [engine.run(inputs[index : index + 1]) for index in range(len(inputs))]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def row_of(
    bundle: Bundle, card: ModelCard, engine: Engine, inputs: Floats, want: Outputs, batches: Sequence[int]
) -> Row:
    found = one_by_one(engine, inputs)
    rows = min(len(inputs), engine.max_batch)
    joint = engine.run(inputs[:rows])
    return Row(
        model=card.name,
        engine=engine.name,
        difference={name: spread(found[name], value) for name, value in want.items()},
        batch_1_from_n=max(spread(joint[name], found[name][:rows])[1] for name in found),
        graph_from_no_graph=from_plain(bundle, card, engine, inputs, found),
        images_per_s={size: speed(engine, inputs, size) for size in batches if size <= engine.max_batch},
    )


def spread(got: Floats, want: Floats) -> tuple[float, float]:
    """Median and largest difference."""
    difference = np.abs(got - want)
    return float(np.median(difference)), float(difference.max())


def from_plain(bundle: Bundle, card: ModelCard, engine: Engine, inputs: Floats, found: Outputs) -> float | None:
    """Largest difference of a TensorRT engine from itself without CUDA graphs; None of other engines."""
    if not isinstance(engine, TrtEngine):
        return None
    with closing(TrtEngine(bundle, card.name, engine.precision, tf32=False, graphs=False)) as plain:
        other = one_by_one(plain, inputs)
    return max(spread(other[name], found[name])[1] for name in found)


def speed(engine: Engine, inputs: Floats, size: int) -> float:
    """Images a second, arrays in and arrays out."""
    batch = np.resize(inputs, (size, *inputs.shape[1:]))
    return size / median_s(partial(engine.run, batch), REPEATS, WARM_UP)


def pytorch(model: Model, of3_root: Path, inputs: Floats) -> Row:
    """PyTorch eager, bf16 autocast, one picture at a time: what a user of the original has today."""
    import torch

    from of3.export.checkpoints import load_all

    name = f"PyTorch {torch.__version__} eager bf16 autocast"
    if not torch.cuda.is_available():
        return Row(model.name, name, "this PyTorch sees no GPU")
    module = model.make().eval()
    load_all({of3_root / "weights" / model.file: module})
    module = module.cuda()

    def step() -> None:
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
            outputs = module(torch.from_numpy(inputs[:1]).cuda())
            for output in outputs if isinstance(outputs, tuple) else (outputs,):
                output.float().cpu()

    return Row(model.name, name, images_per_s={1: 1 / median_s(step, REPEATS, WARM_UP)})


def report(gpu: str, bundle: Bundle, rows: Sequence[Row], batches: Sequence[int]) -> str:
    """The Markdown page."""
    weights = "**stand-in weights**" if bundle.is_stand_in else "the published weights"
    about = (
        f"{gpu}; {platform.platform()}; {versions()}; {datetime.now(UTC):%Y-%m-%d}; {weights}. "
        f"Made by `tools/gpu_check`: 16 pictures, detector at {DETECTOR_SIZE_PX[1]}x{DETECTOR_SIZE_PX[0]}; "
        f"images/s arrays in, arrays out, medians of {REPEATS}; differences are median / largest, "
        "from onnxruntime CPU fp32."
    )
    speeds = (f"images/s at {size}" for size in batches)
    head = ("model", "engine", "difference", "batch 1 from N", "graph from none", *speeds)
    engines = table(head, (cells(row, batches) for row in rows))
    return f"# Engines on a GPU\n\n{about}\n\n{engines}\n"


def cells(row: Row, batches: Sequence[int]) -> Sequence[str]:
    difference = "<br>".join(f"{name} {low:.1e} / {high:.1e}" for name, (low, high) in row.difference.items())
    others = (
        "" if value is None else f"{value:.1e}" for value in (row.batch_1_from_n, row.graph_from_no_graph)
    )
    speeds = (f"{row.images_per_s[size]:.0f}" if size in row.images_per_s else "" for size in batches)
    return row.model, row.engine, row.error or difference, *others, *speeds


if __name__ == "__main__":
    sys.exit(main())
