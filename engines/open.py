"""The first engine that opens wins, and every refusal is told with its reason."""

from dataclasses import dataclass

from of3.engines.base import Engine, EngineUnavailable
from of3.engines.bundle import Bundle
from of3.engines.ort import OrtEngine

ORDER = {"cuda": ("cuda", "cpu"), "cpu": ("cpu",)}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An engine that would have been preferred, and why it does not run."""

    engine: str
    reason: str


@dataclass(frozen=True, slots=True)
class Opened:
    engine: Engine
    refusals: tuple[Refusal, ...]


def open_engine(bundle: Bundle, model: str, device: str, precision: str, *, threads: int, spin: bool) -> Opened:
    """Open `model` on the best engine `device` ("cuda" or "cpu") allows.

    precision: of the CUDA engine; the CPU always runs fp32.
    Raises EngineUnavailable, listing every reason, when none opens; BundleError when the bundle lacks the
    model or its file changed.
    """
    refusals: list[Refusal] = []
    for name in ORDER[device]:
        wanted = "fp32" if name == "cpu" else precision
        try:
            engine = OrtEngine(bundle, model, name, wanted, threads, spin)
        except EngineUnavailable as error:
            refusals.append(Refusal(name, str(error)))
        else:
            return Opened(engine, tuple(refusals))
    reasons = "; ".join(f"{refusal.engine}: {refusal.reason}" for refusal in refusals)
    raise EngineUnavailable(f"no engine opens {model}: {reasons}")
