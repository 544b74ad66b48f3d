"""What was opened: which engines run, why no better ones do, and whose weights."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from of3.engines import cuda, host
from of3.engines.bundle import Bundle
from of3.engines.fallback import Fallback, Refusal
from of3.engines.registry import CUDA, TENSORRT
from of3.runtime.bundle import is_published, weights_of

log = logging.getLogger(__name__)

Message = tuple[int, str]  # logging level, line
Notes = Callable[[str, Fallback], Iterable[str]]
MOST_OF_AN_ENGINE = 95  # characters, after "of3: "
WHOLE = "… (of3 doctor)"


def tell(messages: Iterable[Message]) -> None:
    for level, line in messages:
        log.log(level, "%s", line)


def opened(
    bundle: Bundle, engines: Mapping[str, Fallback], notes: Notes = lambda model, engine: ()
) -> Iterator[Message]:
    """A line for all models that run on the same engine for the same reasons; then whose weights.

    notes: what else is to be known of a model's engine.
    """
    models = dict[tuple[str, str], list[str]]()
    for model, engine in engines.items():
        noted = "".join(f" ({note})" for note in notes(model, engine))
        models.setdefault((f"{engine.name}{noted}", reason_of(engine.refusals)), []).append(model)
    for (runs, lesser), named in models.items():
        whose = f"{', '.join(named)}: " if len(models) > 1 else ""
        line = f"{whose}{runs}{lesser and ': '}{lesser}"
        is_whole = len(line) <= MOST_OF_AN_ENGINE
        shown = line if is_whole else line[: MOST_OF_AN_ENGINE - len(WHOLE)] + WHOLE
        yield logging.WARNING if lesser else logging.INFO, shown
    yield logging.INFO if is_published(bundle) else logging.WARNING, weights_of(bundle)


def reason_of(refusals: Sequence[Refusal]) -> str:
    """Why nothing better runs, as short as it can be said; empty where nothing better was asked for."""
    said = [
        f"not {refusal.engine}: {refusal.reason}" for refusal in refusals if not _is_for_want_of_gpu(refusal)
    ]
    wanting = [cuda.NO_GPU] if len(said) < len(refusals) else []
    return "; ".join([*wanting, *said])


def _is_for_want_of_gpu(refusal: Refusal) -> bool:
    return refusal.engine in (TENSORRT.name, CUDA.name) and not host.has_nvidia_device()
