"""What runs in an actor of a Ray cluster: a session, and a thread beside it that answers."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from of3.runtime.logs.counts import Counts
from of3.runtime.opened import Message
from of3.runtime.options import Options
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.progress import follow, unseen
from of3.runtime.runs.runinfo import Processes
from of3.runtime.runs.shards.plan import Plan
from of3.runtime.runs.shards.pool import WorkerLost, WorkerReady
from of3.runtime.runs.shards.results import Task
from of3.runtime.runs.shards.shipment import Files, located
from of3.runtime.runs.shards.work import ShardSession
from of3.runtime.runs.video_session import VideoSession
from of3.runtime.runs.videos import VideoFile
from of3.runtime.types import InputLost, RunBroken
from of3.runtime.video_options import VideoOptions


@dataclass(frozen=True, slots=True)
class BundleThere:
    """The bundle where the run began.  fetch: its files, from there; raises RunError where it cannot."""

    digest: str
    fetch: Callable[[], Files]

    def found_by(self, options: Options) -> Options:
        """The options with a bundle that is on this machine.  Raises RunError."""
        return located(options, self.digest, self.fetch)


@contextmanager
def _or_lost() -> Iterator[None]:
    """A session that is broken is a worker that is lost; input that is gone is gone for all of them."""
    try:
        yield
    except InputLost:
        raise
    except RunBroken as error:
        raise WorkerLost(str(error)) from error


class Actor:
    """Does tasks of pictures."""

    def __init__(self, bundle: BundleThere, cores: int, options: Options, plan: Plan, processes: Processes):
        self._options, self._plan, self._cores, self._processes = options, plan, cores, processes
        self._bundle = bundle
        self._interruption = Interruption(())
        self._counts = Counts()
        self._session: ShardSession | None = None

    def open(self) -> WorkerReady:
        options = self._bundle.found_by(self._options)
        with _or_lost():
            self._session = ShardSession(options, self._plan, self._cores, self._options, self._processes)
        return self._session.ready()

    def run(self, task: Task) -> Counts:
        assert self._session is not None
        self._counts = Counts()
        with _or_lost():
            counts = follow(self._session.run_task(task, self._interruption.until), self._tell)
        self._counts = Counts()
        return counts

    def _tell(self, counts: Counts) -> None:
        self._counts = counts.copy()  # the thread beside reads it

    def counts(self) -> Counts:
        return self._counts

    def stop(self) -> None:
        self._interruption.note(signal.SIGTERM)


class VideoActor:
    """Does videos."""

    def __init__(self, bundle: BundleThere, cores: int, options: VideoOptions):
        self._options, self._bundle, self._cores = options, bundle, cores
        self._interruption = Interruption(())
        self._session: VideoSession | None = None

    def open(self) -> WorkerReady:
        options = replace(self._options, run=self._bundle.found_by(self._options.run))
        with _or_lost():
            self._session = VideoSession(
                options, self._interruption, self._options, self._cores, progress=unseen
            )
        return self._session.ready()

    def run(self, file: VideoFile) -> Message | None:
        assert self._session is not None
        with _or_lost():
            return self._session.run(file)

    def counts(self) -> Counts:
        return Counts()

    def stop(self) -> None:
        self._interruption.note(signal.SIGTERM)
