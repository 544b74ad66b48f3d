"""Which engines a run may use, in what order; the first that opens wins and every refusal is told."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from of3.engines.base import CpuShare, Engine, EngineUnavailable
from of3.engines.bundle import Bundle
from of3.engines.fallback import Candidate, Fallback
from of3.engines.ort import OrtEngine
from of3.engines.trt import TrtEngine

KINDS = ("tensorrt", "cuda", "cpu")  # best first
# Where CUDA has no kernels for a type, the next narrower change of the numbers.
CUDA_PRECISIONS = {"bf16": ("bf16", "fp16", "fp32"), "fp16": ("fp16", "fp32"), "fp32": ("fp32",)}


@dataclass(frozen=True, slots=True)
class Choice:
    """What may run, as the user asked."""

    device: str = "cpu"  # "cuda" or "cpu"
    engine: str = "auto"  # or one of KINDS
    is_required: bool = False  # no falling back from the first
    precision: str = "fp32"  # of GPU engines; the CPU always runs fp32
    is_tf32_allowed: bool = False


def kinds_for(choice: Choice) -> tuple[str, ...]:
    """Engines to be tried, in order.  Raises EngineUnavailable when the choice contradicts itself."""
    if choice.device == "cpu":
        if choice.engine not in ("auto", "cpu"):
            raise EngineUnavailable(
                f"got --engine {choice.engine} with --device cpu: want --device cuda, or --engine cpu"
            )
        return ("cpu",)
    first = 0 if choice.engine == "auto" else KINDS.index(choice.engine)
    return KINDS[first : first + 1] if choice.is_required else KINDS[first:]


def precision_for(bundle: Bundle, model: str, precision: str) -> tuple[str, str]:
    """The precision a GPU runs `model` in when asked for `precision`, and why it is another, or ""."""
    substitute = bundle.model(model).substitutes.get(precision)
    if substitute is None:
        return precision, ""
    return substitute.precision, f"{substitute.precision} in the place of {precision}: {substitute.reason}"


def open_engine(bundle: Bundle, model: str, choice: Choice, share: CpuShare) -> Fallback:
    """Open `model` on the best engine `choice` allows.

    Raises EngineUnavailable, listing every reason, when none opens; BundleError when the bundle lacks the
    model or its file changed.
    """
    bundle.model(model)
    return Fallback(model, list(_candidates(bundle, model, choice, share)))


def _candidates(bundle: Bundle, model: str, choice: Choice, share: CpuShare) -> Iterator[Candidate]:
    precision, _ = precision_for(bundle, model, choice.precision)
    for kind in kinds_for(choice):
        precisions = {"tensorrt": (precision,), "cuda": CUDA_PRECISIONS[precision], "cpu": ("fp32",)}[kind]
        for each in precisions:
            yield Candidate(kind, each, _opener(bundle, model, kind, each, choice, share))


def _opener(
    bundle: Bundle, model: str, kind: str, precision: str, choice: Choice, share: CpuShare
) -> Callable[[], Engine]:
    if kind == "tensorrt":
        return partial(TrtEngine, bundle, model, precision, choice.is_tf32_allowed)
    return partial(OrtEngine, bundle, model, kind, precision, share, choice.is_tf32_allowed)
