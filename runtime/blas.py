"""BLAS on one thread while threads of ours do small products, and as the caller has it at all other times."""

import threading
from collections.abc import Callable
from typing import TypeVar

from threadpoolctl import ThreadpoolController

A = TypeVar("A")
B = TypeVar("B")


class OneThread:
    """Use as a context manager, from any number of threads; the limit is the whole process's.

    The first to enter sets it, the last to leave takes it back: each restoring what it found would leave the
    limit of another behind.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._controller: ThreadpoolController | None = None  # looks at every library of the process: once

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._controller = self._controller or ThreadpoolController()
                self._limit = self._controller.limit(limits=1, user_api="blas")
                _let_go(self._controller)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._controller is not None:
                self._limit.restore_original_limits()
                _let_go(self._controller)


def _let_go(controller: ThreadpoolController) -> None:
    """Since threadpoolctl 3.8 the thread that has set OpenBLAS's limit is the only one that can set it.

    The last to leave may be another.  Where a thread of the caller's holds it, its limit stands.
    """
    for library in controller.lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread()


ONE_BLAS_THREAD = OneThread()


def on_one_blas_thread(step: Callable[[A], B]) -> Callable[[A], B]:
    """The threads are the parallelism, BLAS's own would fight them for the cores."""

    def alone(item: A) -> B:
        with ONE_BLAS_THREAD:
            return step(item)

    return alone
