"""The engines there are: what the command line, the order of trying and `of3 doctor` read.

Nothing is imported for an engine before it is checked or opened.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from of3.engines.base import CpuThreads, Engine
    from of3.engines.bundle import Bundle

Opener = Callable[["Bundle", str, str, bool, "CpuThreads"], "Engine"]
PRECISIONS = ("fp32", "fp16", "bf16")
FP32_ONLY = dict.fromkeys(PRECISIONS, ("fp32",))


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of engine.

    precisions: by the one asked for, those that are tried in turn.  rows: of a run where the user leaves it
    open, by model; 1 where not named.  check and open raise EngineUnavailable; open takes bundle, model,
    precision, whether fp32 may be rounded to TF32, and what the engine may use of the cores.  note: what is to
    be said whenever it runs.
    """

    name: str
    device: str  # "cuda" (any accelerator) or "cpu"
    precisions: Mapping[str, tuple[str, ...]]
    rows: Mapping[str, int]
    extra: str  # of this package, that installs it
    check: Callable[[], None]
    open: Opener
    note: str = ""


def _check_tensorrt() -> None:
    from of3.engines import cuda
    from of3.engines.trt import libraries

    cuda.find_gpu()
    libraries.first()


def _open_tensorrt(bundle: "Bundle", model: str, precision: str, tf32: bool, _: "CpuThreads") -> "Engine":
    from of3.engines.trt.choice import open_best

    return open_best(bundle, model, precision, tf32)


def _check_cuda() -> None:
    from of3.engines import cuda, providers

    cuda.find_gpu()
    providers.check_cuda(providers.import_onnxruntime())


def _check_cpu() -> None:
    from of3.engines import providers

    providers.import_onnxruntime()


def _open_cuda(bundle: "Bundle", model: str, precision: str, tf32: bool, threads: "CpuThreads") -> "Engine":
    from of3.engines import selfcheck
    from of3.engines.ort import BOUND_ROWS, OrtEngine

    engine, card = OrtEngine(bundle, model, "cuda", precision, threads, tf32), bundle.model(model)
    bounds = "tf32" if tf32 and precision == "fp32" else precision
    selfcheck.accept(engine, card, bounds, [1] if card.input.is_free else BOUND_ROWS)
    return engine


def _open_cpu(bundle: "Bundle", model: str, precision: str, _: bool, threads: "CpuThreads") -> "Engine":
    from of3.engines.ort import OrtEngine

    return OrtEngine(bundle, model, "cpu", precision, threads)


def _check_openvino() -> None:
    from of3.engines import plugins

    plugins.check(plugins.OPENVINO)


def _open_openvino(bundle: "Bundle", model: str, precision: str, _: bool, threads: "CpuThreads") -> "Engine":
    from of3.engines import plugins

    if precision == "bf16":
        plugins.check_bf16()
    return plugins.opened(plugins.OPENVINO, bundle, model, precision, threads)


def _open_fake(bundle: "Bundle", model: str, precision: str, _: bool, threads: "CpuThreads") -> "Engine":
    from of3.engines.fake import FakeEngine

    return FakeEngine(bundle, model, precision, threads)


GPU_ROWS = {"multitask": 32, "landmarks": 32}  # what `of3 build` makes plans for
TENSORRT = Kind(
    "tensorrt",
    "cuda",
    {precision: (precision,) for precision in PRECISIONS},
    GPU_ROWS,
    "rtx",
    _check_tensorrt,
    _open_tensorrt,
)
CUDA = Kind(
    "cuda",
    "cuda",
    # Where CUDA has no kernels for a type, the next narrower change of the numbers.
    {"bf16": ("bf16", "fp16", "fp32"), "fp16": ("fp16", "fp32"), "fp32": ("fp32",)},
    GPU_ROWS,
    "gpu",
    _check_cuda,
    _open_cuda,
)
# On the CPU the multitask network costs the same per face from 4 rows up; STAR on its own took 0.94 of batch
# 8's time and two thirds of its memory (2 cores, medians of 3).
CPU = Kind("cpu", "cpu", FP32_ONLY, {"multitask": 4}, "cpu", _check_cpu, _open_cpu)
# Its plugin (1.8.1) takes Intel's processors only.  bf16 where they have it; fp32 only where it is asked for by
# name, or was measured to be faster here than the CPU engine: on an AMD processor of two cores it was not.
OPENVINO = Kind(
    "openvino",
    "cpu",
    FP32_ONLY | {"bf16": ("bf16", "fp32")},
    {"multitask": 4},
    "openvino",
    _check_openvino,
    _open_openvino,
)
# Numbers without a network, by numpy: for tests and for trying what is built around the engines.
FAKE = Kind("fake", "cpu", FP32_ONLY, {"multitask": 4}, "", lambda: None, _open_fake)

ORDER = (TENSORRT, CUDA, OPENVINO, CPU)  # best first; FAKE only where it is asked for by name
NAMES = tuple(kind.name for kind in ORDER)
KINDS = {kind.name: kind for kind in (*ORDER, FAKE)}

PLUGIN = re.compile(r"plugin:([a-z0-9]+(?:-[a-z0-9]+)*)")  # any other, by the end of its package's name
CHOICES = ("auto", *NAMES, "plugin:NAME")


def misfit(device: str, engine: str) -> str:
    """Why an engine, by its name, cannot be asked for on a device; empty where it can.

    Raises ValueError as `kind_named` does.
    """
    if engine == "auto" or device in (kind_named(engine).device, "cuda"):
        return ""
    return f"got engine {engine} with device cpu: want device cuda, or engine cpu or openvino"


def kind_named(name: str) -> Kind:
    """A kind of engine by its name.  Raises ValueError where there is none."""
    if name in KINDS:
        return KINDS[name]
    asked = PLUGIN.fullmatch(name)
    if asked is None:
        raise ValueError(f"got engine {name!r}, want one of {', '.join(CHOICES)}")
    return _plugin(name, asked[1])


def _plugin(name: str, package: str) -> Kind:
    """A provider that we have not tried: in fp32, on the best device that it offers."""

    def check() -> None:
        from of3.engines import plugins

        plugins.check(plugins.untried(package))

    def opened(bundle: "Bundle", model: str, precision: str, _: bool, threads: "CpuThreads") -> "Engine":
        from of3.engines import plugins

        return plugins.opened(plugins.untried(package), bundle, model, precision, threads)

    note = "a plugin that we have not tried"
    return Kind(name, "cuda", FP32_ONLY, {"multitask": 4}, "", check, opened, note)
