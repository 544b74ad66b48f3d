"""The row boundary: whatever a picture does costs its own row, and never the run."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar

from of3.engines.base import BatchRefused, EngineFailed, EngineUnavailable
from of3.engines.bundle import BundleError
from of3.engines.workers import WorkerDied
from of3.runtime.types import Failure, K, PictureError, RunError

log = logging.getLogger(__name__)

# No picture's doing, and true of all that follow: the run cannot go on.  A batch that an engine refuses
# (BatchRefused) is its picture's: it is larger than anything here takes.
NO_PICTURES_DOING = (WorkerDied, EngineFailed, EngineUnavailable, BundleError, RunError)

ALONE = threading.Lock()  # held by the one picture that is tried again


class Sourced(Protocol):
    @property
    def source(self) -> str: ...


A = TypeVar("A", bound=Sourced)
B = TypeVar("B")


def or_failure(stage: str, step: Callable[[A], B]) -> Callable[[tuple[K, A | Failure]], tuple[K, B | Failure]]:
    """`step`, with whatever a picture does to it turned into that picture's Failure.

    Pictures come with a key, which goes with them; one that failed before goes by.
    """

    def guarded(keyed: tuple[K, A | Failure]) -> tuple[K, B | Failure]:
        key, item = keyed
        return key, item if isinstance(item, Failure) else _guarded(stage, step, item)

    return guarded


def _guarded(stage: str, step: Callable[[A], B], item: A) -> B | Failure:
    try:
        return again_when_short_of_memory(step, item)
    except NO_PICTURES_DOING:
        raise
    except (PictureError, BatchRefused) as error:
        return Failure(item.source, stage, str(error))
    except MemoryError as error:
        return Failure(item.source, stage, f"out of memory: {error}".removesuffix(": "))
    except Exception as error:  # one picture costs one row, whatever it did
        log.debug("%s: %s", item.source, stage, exc_info=True)
        return Failure(item.source, stage, f"{type(error).__name__}: {error}")


def again_when_short_of_memory(step: Callable[[A], B], item: A) -> B:
    """`step`, once more where memory ran out: most likely a neighbour had taken it, and has failed by now."""
    with suppress(MemoryError):  # and with its traceback goes what its frames hold
        return step(item)
    with ALONE:
        return step(item)
