"""Which engines a run may use, in what order; the first that opens wins and every refusal is told."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from of3.engines import speeds
from of3.engines.base import CpuThreads, EngineUnavailable
from of3.engines.bundle import Bundle
from of3.engines.fallback import Candidate, Fallback
from of3.engines.registry import FAKE, OPENVINO, ORDER, Kind, kind_named, misfit


@dataclass(frozen=True, slots=True)
class Choice:
    """What may run, as the user asked."""

    device: str = "cpu"  # "cuda" or "cpu"
    engine: str = "auto"  # or one of KINDS, or "plugin:NAME"
    require: bool = False  # no falling back from the first
    precision: str = "fp32"  # of GPU engines; of CPU engines where the device is "cpu"
    tf32: bool = False

    def precision_on(self, kind: Kind) -> str:
        """What is asked of an engine: one of the CPU that stands in for a GPU runs fp32, as the original."""
        return self.precision if kind.device == "cuda" or self.device == "cpu" else "fp32"


def kinds_for(choice: Choice, fastest: str = "") -> tuple[Kind, ...]:
    """Engines to be tried, in order.  fastest: of those of the CPU in fp32, where that was measured here.

    Raises EngineUnavailable when the choice contradicts itself, or names no engine.
    """
    if choice.engine == FAKE.name:
        return (FAKE,)
    order = tuple(kind for kind in ORDER if precisions_tried(kind, choice, fastest))
    fitting = tuple(kind for kind in order if choice.device in (kind.device, "cuda"))
    if choice.engine == "auto":
        return fitting[:1] if choice.require else fitting
    asked = _named(choice.engine)
    if why := misfit(choice.device, choice.engine):
        raise EngineUnavailable(why)
    if choice.require:
        return (asked,)
    return fitting[fitting.index(asked) :] if asked in fitting else (asked, *_of_the_cpu(fitting))


def precisions_tried(kind: Kind, choice: Choice, fastest: str) -> tuple[str, ...]:
    """In what precisions `kind` is tried, in turn; none where something later in the order is preferred."""
    tried = kind.precisions[choice.precision_on(kind)]
    if kind is OPENVINO and OPENVINO.name not in (choice.engine, fastest):
        return tuple(precision for precision in tried if precision != "fp32")
    return tried


def _named(name: str) -> Kind:
    try:
        return kind_named(name)
    except ValueError as error:
        raise EngineUnavailable(str(error)) from error


def _of_the_cpu(kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
    return tuple(kind for kind in kinds if kind.device == "cpu")


def precision_for(bundle: Bundle, model: str, precision: str) -> tuple[str, str]:
    """The precision a GPU runs `model` in when asked for `precision`, and why it is another, or ""."""
    substitute = bundle.model(model).substitutes.get(precision)
    if substitute is None:
        return precision, ""
    return substitute.precision, f"{substitute.precision} in the place of {precision}: {substitute.reason}"


def note_on(bundle: Bundle, model: str, kind: Kind, runs: str, asked: str) -> str:
    """What the export measured against a precision: why a GPU runs another, or what a CPU's does.

    runs: the precision that `kind` runs in.  Empty where there is nothing to be said.
    """
    if kind.device == "cuda":
        return precision_for(bundle, model, asked)[1]
    substitute = bundle.model(model).substitutes.get(runs)
    return "" if substitute is None else substitute.reason


def open_engine(bundle: Bundle, model: str, choice: Choice, threads: CpuThreads) -> Fallback:
    """Open `model` on the best engine `choice` allows.

    Raises EngineUnavailable, listing every reason, when none opens; BundleError when the bundle lacks the
    model or its file changed.
    """
    bundle.model(model)
    return Fallback(model, list(_candidates(bundle, model, choice, threads)))


def _candidates(bundle: Bundle, model: str, choice: Choice, threads: CpuThreads) -> Iterator[Candidate]:
    precision, _ = precision_for(bundle, model, choice.precision)
    of_gpu, fastest = replace(choice, precision=precision), speeds.fastest(bundle, model)
    for kind in kinds_for(choice, fastest):
        asked = of_gpu if kind.device == "cuda" else choice
        for each in precisions_tried(kind, asked, fastest):
            yield Candidate(kind, each, partial(kind.open, bundle, model, each, choice.tf32, threads))
