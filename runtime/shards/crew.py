"""What an executor has to offer: workers that do tasks, and may be lost at any moment."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from of3.runtime.session import Said
from of3.runtime.shards.parts import Task
from of3.runtime.shards.plan import Plan


class Lost(Exception):
    """A worker ended in the midst of its work, and how."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a worker says once it can work."""

    said: Sequence[Said]  # for the user
    made: Mapping[str, Any]  # `runinfo.made_with`


@dataclass(frozen=True, slots=True)
class Seen:
    """How far a worker is with the task it is at."""

    pictures: int = 0
    failed: int = 0


class Worker(Protocol):
    """One session in a process of its own.  Futures raise Lost, or RunError as `Member` does."""

    @property
    def opened(self) -> "Future[Opened]": ...

    def run(self, task: Task) -> "Future[Seen]":
        """Do a task; how much of it was done: less after `stop`, or where others did it."""

    def seen(self) -> Seen: ...

    def stop(self) -> None:
        """Let the task under way end early, with what is done of it written."""

    def close(self) -> None:
        """End the worker, whatever it is at."""


class Crew(Protocol):
    """Use as a context manager."""

    @property
    def size(self) -> int:
        """Workers at a time."""

    def hire(self, plan: Plan, place: int) -> Worker:
        """A new worker; place: 0 to size - 1, one at a time in each."""

    def __enter__(self) -> "Crew": ...

    def __exit__(self, *_: object) -> None: ...
