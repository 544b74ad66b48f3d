"""The row boundary: whatever a picture does costs its own row, and never the run."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar

from of3.engines.workers import WorkerDied
from of3.runtime.types import Failure, K, PictureError, RunError

log = logging.getLogger(__name__)

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
    except (WorkerDied, RunError):
        raise  # not this picture's doing: the run cannot go on
    except PictureError as error:
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
