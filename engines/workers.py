"""Threads that work for one other, which learns of it when one of them dies instead of waiting for ever."""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, TimeoutError
from dataclasses import dataclass
from typing import Generic, ParamSpec, TypeVar

from of3.engines.errors import Error

LOOK_EVERY_S = 1.0
CLOSE_WITHIN_S = 5.0

P = ParamSpec("P")
T = TypeVar("T")


class WorkerDied(Error):
    """A thread ended in the midst of its work: what was queued for it may never be done."""


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """A step that was queued.  Calling it waits for what the step returns, or raises what it raised.

    Waiting raises WorkerDied when a thread has ended, whichever step it took with it.
    """

    workers: "Workers"
    future: Future[T]

    @property
    def is_done(self) -> bool:
        return self.future.done()

    def __call__(self) -> T:
        return self.workers.wait(self.future)


class Workers:
    """A pool of `count` threads."""

    def __init__(self, count: int, name: str):
        self._threads: list[threading.Thread] = []
        self._pool = ThreadPoolExecutor(count, name, initializer=self._enter)

    def _enter(self) -> None:
        self._threads.append(threading.current_thread())

    def submit(self, step: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> Step[T]:
        """Queue a step.  Raises WorkerDied when the system has no thread for it."""
        try:
            return Step(self, self._pool.submit(step, *arguments, **named))
        except RuntimeError as error:  # "can't start new thread"; a picture must not pay for it
            raise WorkerDied(
                f"{error}: allow more processes (ulimit -u, pids.max) and memory, or fewer workers"
            ) from error

    def wait(self, future: Future[T]) -> T:
        """What a step's future holds once it is done, as `Step` says."""
        while True:
            try:
                return future.result(timeout=LOOK_EVERY_S)
            except TimeoutError:
                if future.done():
                    raise  # the step's own
                self.check()
            except CancelledError as error:  # it was queued when the threads were closed
                raise WorkerDied("the worker threads were closed") from error
            except (SystemExit, KeyboardInterrupt) as error:  # a thread's must not end us quietly
                if not future.done():
                    raise  # ours: an interrupt
                raise WorkerDied(f"a worker thread was ended by {type(error).__name__}") from error

    def check(self) -> None:
        """Raise WorkerDied when a thread has ended."""
        dead = [thread.name for thread in self._threads if not thread.is_alive()]
        if dead:
            raise WorkerDied(f"worker thread {', '.join(dead)} has ended")

    def close(self) -> None:
        """Let the threads end once they have done what they are at; what is queued is dropped.

        A thread that ends in another way takes the word to end with it, and the others wait for it until the
        interpreter's own end: they are not waited for long.
        """
        self._pool.shutdown(wait=False, cancel_futures=True)
        for thread in self._threads:
            thread.join(CLOSE_WITHIN_S)
