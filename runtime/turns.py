"""Who may go on with a pipeline, and when."""

import os
import threading
from collections.abc import Iterator
from typing import TypeVar

from of3.engines.base import EngineFailed
from of3.engines.workers import WorkerDied
from of3.runtime.types import Closed

A = TypeVar("A")


class Turns:
    """Threads that share a pipeline take turns, a result at a time, as its networks are one thread's.

    Nobody has a turn once it has ended, and nobody in a fork of its process: threads are not copied, and who
    waits for them waits for ever.
    """

    def __init__(self) -> None:
        self._turn = threading.RLock()  # what gives the pictures may itself run the pipeline
        self._process = os.getpid()
        self._has_ended = False

    def check(self) -> None:
        """Raise Closed where there are no more turns."""
        if not self._is_at_home:
            raise Closed(
                f"this pipeline was opened by process {self._process}, of which this is a fork: "
                "open one here, or start processes by spawn"
            )
        if self._has_ended:
            raise Closed("this pipeline is closed: open another")

    def taken(self, results: Iterator[A]) -> Iterator[A]:
        """The results, each made in its turn.  Raises Closed as soon as there are none."""
        while True:
            self.check()
            try:
                with self._turn:
                    result = next(results)
            except StopIteration:
                return
            except (EngineFailed, WorkerDied):
                self.check()  # whose doing it was
                raise
            yield result

    def end(self) -> bool:
        """No more turns.  Whether there is something to be given back: once, and in its own process only."""
        is_first, self._has_ended = not self._has_ended, True
        return is_first and self._is_at_home

    @property
    def _is_at_home(self) -> bool:
        return os.getpid() == self._process
