"""Parity and speed of every engine and precision on this machine's GPU, beside PyTorch as it is used today.

Needs of3[gpu,export] and, for plans, TensorRT or of3[rtx].  Builds the plans that are missing.
"""

import argparse
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from timing import median_s

from of3.engines import cuda, machine
from of3.engines.base import CpuThreads, Engine, EngineFailed, EngineUnavailable, Floats
from of3.engines.bundle import Bundle, ModelCard, read_bundle
from of3.engines.ort import OrtEngine
from of3.engines.trt import libraries
from of3.engines.trt import plan_file as plan
from of3.engines.trt.build import PlanError, build, find_target
from of3.engines.trt.engine import TrtEngine
from of3.export.models import Model, models_in
from of3.export.pictures import pictures_for
from of3.export.verify import to_input

BATCHES = (1, 8, 32, 64)
DETECTOR_SIZE_PX = (720, 1280)
REPEATS, WARM_UP = 15, 3
Opener = Callable[[], Engine]


@dataclass(frozen=True, slots=True)
class Row:
    """One engine of one model, measured; `error` where it did not open or broke."""

    model: str
    engine: str
    difference: Mapping[str, tuple[float, float]]  # median and largest, from fp32 on the CPU, by output
    batch_1_from_n: float
    graph_from_no_graph: float | None
    images_per_s: Mapping[int, float]
    error: str = ""


def main() -> int:
    given = parse()
    try:
        gpu = "none" if given.without_gpu else machine.describe_gpu() if cuda.find_gpu() else ""
    except EngineUnavailable as error:
        print(f"gpu_check: {error}", file=sys.stderr)
        return 2
    bundle = read_bundle(given.bundle)
    if not given.without_gpu:
        build_plans(bundle, max(given.batches))
    models = {model.name: model for model in models_in(given.of3_root / "weights", None)}
    rows = [row for name, card in bundle.models.items() for row in measure(bundle, card, models[name], given)]
    text = report(gpu, bundle, rows, given.batches, tampered(bundle) if not given.without_gpu else "not tried")
    given.out.write_text(text)
    print(text)
    return 0


def parse() -> argparse.Namespace:
    made = argparse.ArgumentParser(prog="tools/gpu_check", description=__doc__)
    made.add_argument("--of3_root", type=Path, required=True, help="OpenFace-3.0 folder: weights and pictures")
    made.add_argument("--bundle", type=Path, help="bundle (<of3_root>/weights/of3_bundle)")
    made.add_argument("--out", type=Path, default=Path("docs/gpu.md"), help="table to write (docs/gpu.md)")
    made.add_argument("--without_gpu", action="store_true", help="the CPU only, to try this tool")
    made.add_argument("--models", nargs="*", default=["detector", "multitask", "landmarks"])
    made.add_argument("--batches", nargs="*", type=int, default=list(BATCHES))
    given = made.parse_args()
    given.bundle = given.bundle or given.of3_root / "weights" / "of3_bundle"
    return given


def build_plans(bundle: Bundle, max_batch: int) -> None:
    """Plans of every TensorRT that is installed and builds for this GPU."""
    for library in libraries.installed():
        try:
            target = find_target(library, (), max_batch, tf32=False)
            for name, card in bundle.models.items():
                for precision in card.files:
                    print(build(bundle, name, precision, target), file=sys.stderr)
        except (EngineUnavailable, PlanError) as error:
            print(f"gpu_check: {error}", file=sys.stderr)


def openers(bundle: Bundle, card: ModelCard, without_gpu: bool) -> Iterator[tuple[str, Opener]]:
    """Everything that may run a model, by a name for where it does not open."""
    yield "cpu fp32", partial(OrtEngine, bundle, card.name, "cpu", "fp32", CpuThreads(0, spin=True))
    for precision in () if without_gpu else card.files:
        yield (
            f"cuda {precision}",
            partial(OrtEngine, bundle, card.name, "cuda", precision, CpuThreads(0)),
        )
        yield f"tensorrt {precision}", partial(TrtEngine, bundle, card.name, precision, tf32=False)


def measure(bundle: Bundle, card: ModelCard, model: Model, given: argparse.Namespace) -> Iterator[Row]:
    """Every engine of one model, and PyTorch."""
    if card.name not in given.models:
        return
    inputs = pictures(card, model, given.of3_root)
    want = reference(bundle, card, inputs)
    for name, opener in openers(bundle, card, given.without_gpu):
        try:
            engine = opener()
        except EngineUnavailable as error:
            yield Row(card.name, name, {}, 0, None, {}, f"does not open: {error}")
            continue
        try:
            yield row_of(bundle, card, engine, inputs, want, given.batches)
        except EngineFailed as error:
            yield Row(card.name, engine.name, {}, 0, None, {}, f"fails: {error}")
        finally:
            engine.close()
    if not given.without_gpu:
        yield pytorch(model, given.of3_root, inputs)


def pictures(card: ModelCard, model: Model, of3_root: Path) -> Floats:
    """(N,3,H,W): the root's pictures, made up to 16, as the card asks."""
    size = DETECTOR_SIZE_PX if card.input.is_free else model.example[2:]
    return np.stack([to_input(model, picture, size).numpy() for picture in pictures_for(of3_root, 16, 16)])


def reference(bundle: Bundle, card: ModelCard, inputs: Floats) -> Mapping[str, Floats]:
    engine = OrtEngine(bundle, card.name, "cpu", "fp32", CpuThreads(0, spin=True))
    found = one_by_one(engine, inputs)
    engine.close()
    return found


def one_by_one(engine: Engine, inputs: Floats) -> dict[str, Floats]:
    parts = [engine.run(inputs[index : index + 1]) for index in range(len(inputs))]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def row_of(
    bundle: Bundle,
    card: ModelCard,
    engine: Engine,
    inputs: Floats,
    want: Mapping[str, Floats],
    batches: Sequence[int],
) -> Row:
    found = one_by_one(engine, inputs)
    rows = min(len(inputs), engine.max_batch)
    joint = engine.run(inputs[:rows])
    return Row(
        model=card.name,
        engine=engine.name,
        difference={name: spread(found[name], value) for name, value in want.items()},
        batch_1_from_n=max(float(np.abs(joint[name] - found[name][:rows]).max()) for name in found),
        graph_from_no_graph=_without_graph(bundle, card, engine, inputs, found),
        images_per_s={size: speed(engine, inputs, size) for size in batches if size <= engine.max_batch},
    )


def spread(got: Floats, want: Floats) -> tuple[float, float]:
    difference = np.abs(got - want)
    return float(np.median(difference)), float(difference.max())


def _without_graph(
    bundle: Bundle, card: ModelCard, engine: Engine, inputs: Floats, found: Mapping[str, Floats]
) -> float | None:
    """Largest difference of a TensorRT engine from itself without CUDA graphs; None of other engines."""
    if not isinstance(engine, TrtEngine):
        return None
    plain = TrtEngine(bundle, card.name, engine.precision, tf32=False, graphs=False)
    other = one_by_one(plain, inputs)
    plain.close()
    return max(float(np.abs(other[name] - found[name]).max()) for name in found)


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
        return Row(model.name, name, {}, 0, None, {}, "this PyTorch sees no GPU")
    module = model.make().eval()
    load_all({of3_root / "weights" / model.file: module})
    module = module.cuda()

    def step() -> None:
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
            outputs = module(torch.from_numpy(inputs[:1]).cuda())
            for output in outputs if isinstance(outputs, tuple) else (outputs,):
                output.float().cpu()

    return Row(model.name, name, {}, 0, None, {1: 1 / median_s(step, REPEATS, WARM_UP)})


def tampered(bundle: Bundle) -> str:
    """What becomes of a plan with one byte changed."""
    sidecars = sorted((bundle.folder / plan.PLANS).glob("*/multitask.*.json"))
    if not sidecars:
        return "not tried: there is no plan"
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "plans" / "copy"
        copy.mkdir(parents=True, mode=0o700)
        copy.parent.chmod(0o700)
        for path in (sidecars[0], sidecars[0].with_suffix(".plan")):
            shutil.copy(path, copy)
        path = copy / sidecars[0].with_suffix(".plan").name
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        try:
            plan.read_plan(copy / sidecars[0].name, plan.read_card(copy / sidecars[0].name))
        except EngineUnavailable as error:
            return f"refused: {error}"
    return "OPENED: this must not be"


def report(gpu: str, bundle: Bundle, rows: Sequence[Row], batches: Sequence[int], refused: str) -> str:
    """The Markdown page."""
    versions = ", ".join(f"{name} {version}" for name, version in machine.packages().items())
    weights = "**stand-in weights**" if bundle.is_stand_in else "the published weights"
    head = [
        "# Engines on a GPU",
        "",
        f"{gpu}; {platform.platform()}; {versions}; {datetime.now(UTC):%Y-%m-%d}; {weights}. "
        f"Made by `tools/gpu_check`: 16 pictures, detector at {DETECTOR_SIZE_PX[1]}x{DETECTOR_SIZE_PX[0]}; "
        f"images/s arrays in, arrays out, medians of {REPEATS}; differences are median / largest, "
        "from onnxruntime CPU fp32.",
        "",
        "| model | engine | difference | batch 1 from N | graph from none | "
        + " | ".join(f"images/s at {size}" for size in batches)
        + " |",
        "|" + "---|" * (5 + len(batches)),
    ]
    return "\n".join(
        [*head, *(line(row, batches) for row in rows), "", f"A plan with one byte changed: {refused}", ""]
    )


def line(row: Row, batches: Sequence[int]) -> str:
    if row.error:
        return f"| {row.model} | {row.engine} | {row.error} |" + " |" * (2 + len(batches))
    difference = "<br>".join(f"{name} {low:.1e} / {high:.1e}" for name, (low, high) in row.difference.items())
    graph = "" if row.graph_from_no_graph is None else f"{row.graph_from_no_graph:.1e}"
    speeds = [f"{row.images_per_s[size]:.0f}" if size in row.images_per_s else "" for size in batches]
    cells = [
        row.model,
        row.engine,
        difference,
        f"{row.batch_1_from_n:.1e}" if difference else "",
        graph,
        *speeds,
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
