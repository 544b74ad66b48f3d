"""Which engines a run may use, in what order; the first that opens wins and every refusal is told."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from of3.engines.base import CpuThreads, EngineUnavailable
from of3.engines.bundle import Bundle
from of3.engines.fallback import Candidate, Fallback
from of3.engines.registry import FAKE, KINDS, ORDER, Kind


@dataclass(frozen=True, slots=True)
class Choice:
    """What may run, as the user asked."""

    device: str = "cpu"  # "cuda" or "cpu"
    engine: str = "auto"  # or one of KINDS
    require: bool = False  # no falling back from the first
    precision: str = "fp32"  # of GPU engines; the CPU always runs fp32
    tf32: bool = False


def kinds_for(choice: Choice) -> tuple[Kind, ...]:
    """Engines to be tried, in order.  Raises EngineUnavailable when the choice contradicts itself."""
    if choice.engine == FAKE.name:
        return (FAKE,)
    fitting = tuple(kind for kind in ORDER if choice.device in (kind.device, "cuda"))
    if choice.engine == "auto":
        return fitting[:1] if choice.require else fitting
    asked = KINDS[choice.engine]
    if asked not in fitting:
        raise EngineUnavailable(
            f"got --engine {choice.engine} with --device cpu: want --device cuda, or --engine cpu"
        )
    return (asked,) if choice.require else fitting[fitting.index(asked) :]


def precision_for(bundle: Bundle, model: str, precision: str) -> tuple[str, str]:
    """The precision a GPU runs `model` in when asked for `precision`, and why it is another, or ""."""
    substitute = bundle.model(model).substitutes.get(precision)
    if substitute is None:
        return precision, ""
    return substitute.precision, f"{substitute.precision} in the place of {precision}: {substitute.reason}"


def open_engine(bundle: Bundle, model: str, choice: Choice, threads: CpuThreads) -> Fallback:
    """Open `model` on the best engine `choice` allows.

    Raises EngineUnavailable, listing every reason, when none opens; BundleError when the bundle lacks the
    model or its file changed.
    """
    bundle.model(model)
    return Fallback(model, list(_candidates(bundle, model, choice, threads)))


def _candidates(bundle: Bundle, model: str, choice: Choice, threads: CpuThreads) -> Iterator[Candidate]:
    precision, _ = precision_for(bundle, model, choice.precision)
    for kind in kinds_for(choice):
        for each in kind.precisions[precision]:
            yield Candidate(kind, each, partial(kind.open, bundle, model, each, choice.tf32, threads))
