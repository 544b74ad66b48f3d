"""Signals that end a run once what is under way is written."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn, TypeVar

from of3.runtime.types import Error, RunBroken

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Error):
    """The run was asked to end, and did; everything so far is written."""

    def __init__(self, number: int, goes_on: str = ""):
        """goes_on: what does."""
        super().__init__(signal.Signals(number).name)
        self.goes_on = goes_on
        self.status = 128 + number


class Interruption:
    """Takes note of the first SIGINT or SIGTERM; a second ends the process where it is.

    Use as a context manager.  Outside the main thread, where Python allows no handlers, it does nothing.
    """

    def __init__(self, signals: Sequence[int] = SIGNALS) -> None:
        self._signals = signals
        self._number = 0
        self._before: dict[int, Any] = {}
        self._watch: Watch | None = None

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            self._watch = Watch(self._signals)
            self._before = {number: signal.signal(number, self._handle) for number in self._signals}
        return self

    def arm(self) -> None:
        """Take the signals back from a library that took them."""
        for number in self._before:
            signal.signal(number, self._handle)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self._number:
            end_now(number)
        self.note(number)

    def note(self, number: int) -> None:
        """As if the signal had come."""
        self._number = number

    @property
    def status(self) -> int:
        """Exit status, as shells have it: 128 and the signal; 0 where none came."""
        return self._number and 128 + self._number

    @property
    def came(self) -> bool:
        return self._number != 0

    def until(self, items: Iterable[T]) -> Iterator[T]:
        """The items until a signal came."""
        for item in items:
            if self._number:
                return
            yield item

    def check(self, goes_on: str = "") -> None:
        """Raise Interrupted when a signal came."""
        if self._number:
            raise Interrupted(self._number, goes_on)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._watch is not None:
            self._watch.close()


class Watch:
    """A thread that sees every signal at once, and ends the process at the second.

    Handlers wait until the main thread is back in Python, which one in an endless kernel never is.
    """

    def __init__(self, signals: Sequence[int]):
        self._signals = signals
        self._reading, self._writing = socket.socketpair()
        self._writing.setblocking(False)
        self._before = signal.set_wakeup_fd(self._writing.fileno(), warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._look, name="of3-signals", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # the run will want more of them
            raise RunBroken(f"{error}: allow more processes (ulimit -u, pids.max) and memory") from error

    def _look(self) -> None:
        seen = 0
        while came := self._reading.recv(1):
            seen += came[0] in self._signals
            if seen == 2:
                end_now(came[0])

    def close(self) -> None:
        signal.set_wakeup_fd(self._before)
        self._writing.close()
        self._thread.join()
        self._reading.close()


def end_now(number: int) -> NoReturn:
    """End the process where it is: an exit of Python's would wait for its threads, whatever they are in."""
    with suppress(OSError):
        if sys.stderr.isatty():
            os.write(sys.stderr.fileno(), b"\n")  # behind a progress bar
    os._exit(128 + number)


class Unwinding(Interruption):
    """The first signal ends what is under way where it is: for work whose half is thrown away."""

    def _handle(self, number: int, _: FrameType | None) -> None:
        self.note(number)
        raise KeyboardInterrupt
