"""What an executor has to offer: workers that do tasks, and may be lost at any moment."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from of3.runtime.logs.counts import Counts
from of3.runtime.opened import Message
from of3.runtime.runs.shards.plan import Plan
from of3.runtime.runs.shards.results import Task
from of3.runtime.types import Error
from of3.runtime.video_options import VideoOptions


class WorkerLost(Error):
    """A worker ended in the midst of its work, and how."""


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """What a worker says once it can work."""

    messages: Sequence[Message]  # for the user
    made: Mapping[str, Any]  # `runinfo.made_with`


class Worker(Protocol):
    """One session in a process of its own.  Futures raise WorkerLost, or RunError as `ShardSession` does."""

    @property
    def ready(self) -> "Future[WorkerReady]": ...

    def run(self, task: Any) -> "Future[Any]":
        """Of pictures a Task; how much of it was done: less after `stop`, or where others did it.

        Of videos a VideoFile; what is to be said of it, None after `stop`.
        """

    def counts(self) -> Counts:
        """Of the task it is at, so far."""

    def stop(self) -> None:
        """Let the task under way end early, with what is done of it written."""

    def close(self) -> None:
        """End the worker, whatever it is at."""


class WorkerPool(Protocol):
    """Use as a context manager."""

    @property
    def size(self) -> int:
        """Workers at a time."""

    def prepare(self, plan: Plan, tasks: Sequence[Task]) -> None:
        """Before the first worker of tasks that are left: `size` may change."""

    def start_worker(self, plan: Plan, index: int) -> Worker:
        """A new worker; index: 0 to size - 1, one at a time for each."""

    def __enter__(self) -> "WorkerPool": ...

    def __exit__(self, *_: object) -> None: ...


class VideoPool(Protocol):
    """The same of videos, each a task.  Use as a context manager."""

    @property
    def size(self) -> int:
        """Workers at a time."""

    def cap(self, most: int) -> None:
        """Before the first worker: there is no work for more than so many."""

    def start_video_worker(self, options: VideoOptions, index: int) -> Worker:
        """A new worker; index: 0 to size - 1, one at a time for each."""

    def __enter__(self) -> "VideoPool": ...

    def __exit__(self, *_: object) -> None: ...
