"""`of3 doctor`: one screen about what runs here, what does not, and what to do about it."""

import argparse
import logging
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from of3.engines import cuda, host, machine, selfcheck, speeds
from of3.engines.base import CpuThreads, Engine, EngineFailed, EngineUnavailable
from of3.engines.bundle import Bundle, BundleError, ModelCard
from of3.engines.open import Choice, kinds_for, note_on, open_engine
from of3.engines.registry import CHOICES, CPU, OPENVINO, ORDER, PRECISIONS, Kind, kind_named
from of3.engines.trt import plan_file as plan
from of3.engines.trt.choice import wanted_here
from of3.runtime.bundle import open_bundle, weights_of
from of3.runtime.commands.arguments import METAVARS, on_off
from of3.runtime.commands.arguments import engine as engine_name
from of3.runtime.commands.parser import Parser
from of3.runtime.logs.files import replace_text
from of3.runtime.runs.console import log_to_stderr

PICTURES = 10  # of the self-test, all that a bundle keeps
REPEATS = 3
BATCH = 8


def parse(argv: Sequence[str]) -> argparse.Namespace:
    made = Parser(
        prog="of3 doctor",
        description="Say what can run here and test it: packages, GPU, bundle, plans, ten pictures an engine.",
        epilog="Exit status: 0 the preferred engine runs, 1 it does not or a test fails, 2 wrong flags.",
        allow_abbrev=False,
    )
    made.add_argument("--bundle", type=Path, metavar="DIR", help="bundle to test (none: packages and GPU only)")
    made.add_argument("--logs", type=Path, metavar="DIR", help="log root, to see whether it can be written")
    made.add_argument(
        "--engine",
        type=engine_name,
        default="auto",
        metavar="|".join(CHOICES),
        help="the preferred engine (auto: tensorrt on a machine with an NVIDIA GPU, else cpu)",
    )
    made.add_argument("--dtype", choices=PRECISIONS, default="bf16", help="of GPU engines and OpenVINO (bf16)")
    made.add_argument(
        "--tf32", type=on_off, default=True, metavar=METAVARS["on_off"], help="of GPU engines (on)"
    )
    return made.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    log_to_stderr(logging.WARNING)
    given = parse(argv)
    preferred = preferred_kind(given.engine)
    for topic, line in (*_machine(), *_writable(given)):
        _say(topic, line)
    try:
        is_well = _bundle(given, preferred) if given.bundle else _can_open(preferred)
    except BundleError as error:
        _say("bundle", f"{error}")
        is_well = False
    is_well = is_well and "cv2" in machine.packages()  # whatever the engines do
    _say("verdict", f"{preferred.name}, the preferred engine, {'runs' if is_well else 'DOES NOT RUN'}")
    return 0 if is_well else 1


def _say(topic: str, line: str) -> None:
    print(f"{topic:<10} {line}")


def preferred_kind(engine: str) -> Kind:
    """The engine that should run here: a machine with a GPU is rented for its GPU."""
    if engine != "auto":
        return kind_named(engine)
    return kinds_for(Choice(device="cuda" if host.has_nvidia_device() else "cpu"))[0]


def _machine() -> Iterator[tuple[str, str]]:
    versions = machine.packages()
    yield (
        "of3",
        f"{versions.pop('of3')}, Python {versions.pop('python')}, {platform.platform()}, {host.cores()} cores",
    )
    yield "packages", ", ".join(f"{name} {version}" for name, version in versions.items())
    for conflict in machine.conflicts():
        yield "CONFLICT", conflict
    yield "GPU", machine.describe_gpu()
    yield "providers", machine.describe_providers()
    for line in machine.describe_plugins():
        yield "plugin", line
    yield "TensorRT", machine.describe_tensorrt()


def _writable(given: argparse.Namespace) -> Iterator[tuple[str, str]]:
    folders = []
    try:
        folders.append(Path(tempfile.gettempdir()))
    except FileNotFoundError as error:
        yield "writable", f"NO temporary folder: {error.strerror}: name one as TMPDIR, or mount one at /tmp"
    folders += [folder for folder in (given.bundle, given.logs) if folder is not None]
    for folder in folders:
        found = "" if folder.exists() else ", which is not there yet"
        yield "writable", f"{folder}: {'yes' if _can_write(folder) else 'NO'}{found}"


def _can_write(folder: Path) -> bool:
    """Whether a file can be made in `folder`, or in what is there of it."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            return True
    except OSError:
        return False


def _can_open(kind: Kind) -> bool:
    """Without a bundle: whether the preferred engine's library and device are there."""
    _say("bundle", "not tested: pass --bundle DIR")
    try:
        kind.check()
    except EngineUnavailable:
        return False
    return True


def _bundle(given: argparse.Namespace, preferred: Kind) -> bool:
    """The bundle, its plans and its self-test; whether the preferred engine runs every model rightly."""
    bundle = open_bundle(given.bundle)
    models = ", ".join(f"{name} ({' '.join(card.files)})" for name, card in bundle.models.items())
    _say("bundle", f"{bundle.folder}, sha256 {bundle.digest[:12]}: {models}")
    _say("weights", weights_of(bundle).removeprefix("weights: "))
    _say("gaze", f"seed order {' '.join(bundle.labels.gaze)}, measured {_measured(bundle)}")
    for line in plan_states(bundle):
        _say("plan", line)
    kinds = {kind.name: kind for kind in (*ORDER, preferred)}
    ran = {name: _test_kind(bundle, kind, given) for name, kind in kinds.items()}
    if ran[OPENVINO.name] and ran[CPU.name]:
        _say("fastest", _measured_speeds(bundle))
    return ran[preferred.name]


def _measured_speeds(bundle: Bundle) -> str:
    """Which of the two engines of the CPU runs each model faster, kept for the runs to come."""
    try:
        rates = {model: speeds.measure(bundle, model, (OPENVINO, CPU)) for model in bundle.models}
    except (EngineFailed, EngineUnavailable) as error:
        return f"NOT measured: {error}"
    path = speeds.path_of(bundle)
    try:
        path.parent.mkdir(exist_ok=True)
        replace_text(path, speeds.document(bundle, rates))
        kept = f"kept in {path}"
    except OSError as error:
        kept = f"NOT kept, so that runs take onnxruntime's: {error}"
    said = [f"{model} {rate[OPENVINO.name] / rate[CPU.name]:.2f}" for model, rate in rates.items()]
    taken = [model for model, rate in rates.items() if speeds.clearly_first(rate) == OPENVINO.name]
    told = f"{', '.join(said)} times onnxruntime CPU, a thread each"
    return f"OpenVINO fp32: {told}; taken from now on for {', '.join(taken) or 'none'}; {kept}"


def _measured(bundle: Bundle) -> str:
    return " ".join(bundle.labels.gaze_measured) or "undetermined"


def plan_states(bundle: Bundle) -> Iterator[str]:
    """Every plan of a bundle, and why it would not be opened here."""
    found = [
        (sidecar, card, precision)
        for card in bundle.models.values()
        for precision in card.files
        for sidecar in plan.sidecars(bundle.folder, card.name, precision)
    ]
    for sidecar, card, precision in found:
        yield f"{sidecar.parent.name}/{sidecar.stem}: {_plan_state(sidecar, card, precision)}"
    if not found:
        yield f"none: TensorRT needs `of3 build --bundle {bundle.folder}`"


def _plan_state(sidecar: Path, card: ModelCard, precision: str) -> str:
    try:
        written = plan.read_card(sidecar)
        plan.read_plan(sidecar, written)
    except EngineUnavailable as error:
        return f"REFUSED: {error}"
    try:
        gpu, note = cuda.find_gpu(), ""
    except EngineUnavailable:
        gpu = cuda.Gpu(written.gpu, written.compute_capabilities[0], 0)
        note = ", not compared with a GPU: there is none"
    reasons = list(plan.misfits(written, wanted_here(card, precision, True, written.library, gpu)))
    return (f"STALE: {', '.join(reasons)}" if reasons else "fits") + note


def _test_kind(bundle: Bundle, kind: Kind, given: argparse.Namespace) -> bool:
    """Lines of the self-test of every model on an engine; whether it opens them and computes what it should."""
    pairs = [(card, precision) for precision in _precisions(kind, given) for card in bundle.models.values()]
    tests = [_self_test(bundle, card, kind, precision, given) for card, precision in pairs]
    if len({test.line for test in tests}) == 1:  # nothing opens, for the same reason
        tests, models = tests[:1], ["every model"]
    else:
        models = [card.name for card, _ in pairs]
    for model, test in zip(models, tests, strict=True):
        print(f"  {f'{model} on {kind.name}':<22} {test.line}")
    return all(test.is_well for test in tests)


def _precisions(kind: Kind, given: argparse.Namespace) -> list[str]:
    """The one asked for on a GPU; fp32 on the CPU, and the one asked for besides where it computes in that."""
    if kind.device == "cuda":
        return [given.dtype]
    computes = given.dtype in kind.precisions[given.dtype] and host.has_bf16()
    return ["fp32", given.dtype] if computes and given.dtype != "fp32" else ["fp32"]


@dataclass(frozen=True, slots=True)
class Test:
    is_well: bool
    line: str


def _self_test(bundle: Bundle, card: ModelCard, kind: Kind, precision: str, given: argparse.Namespace) -> Test:
    choice = Choice(kind.device, kind.name, require=True, precision=precision, tf32=given.tf32)
    try:
        engine = open_engine(bundle, card.name, choice, CpuThreads(host.cores()))
    except EngineUnavailable as error:
        reason = str(error).removeprefix(f"no engine opens {card.name}: {kind.name}: ")
        return Test(False, f"does not open: {reason}")
    try:
        said = _measure(engine, card, engine.precision)
    except (EngineFailed, EngineUnavailable) as error:
        return Test(False, f"FAILS: {error}")
    finally:
        engine.close()
    why = note_on(bundle, card.name, kind, engine.precision, precision)
    return Test(True, f"{said}; {why}" if why else said)


def _measure(engine: Engine, card: ModelCard, precision: str) -> str:
    """Parity with the stored fp32 outputs and speed.  Raises EngineUnavailable when they differ too much."""
    rows = min(PICTURES, engine.max_batch)
    check = selfcheck.read_self_check(card)
    worst = selfcheck.verify(engine, card, check, precision, rows)
    batch = selfcheck.tensor_of(check.pixels[: min(BATCH, rows)], card.input)
    times_s = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        engine.run(batch)
        times_s.append(time.perf_counter() - start)
    rate = len(batch) / statistics.median(times_s)
    said = ", ".join(f"{name} {value:.1e}" for name, value in worst.items())
    return f"{engine.name}: {rate:.1f} images/s at batch {len(batch)}; on {rows} pictures from fp32: {said}"
