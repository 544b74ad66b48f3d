"""Workers that are processes of this machine, a session each: as many a GPU as feed it, or one a core."""

import contextlib
import logging
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from of3.engines import host
from of3.runtime.logs.counts import Counts
from of3.runtime.options import Options
from of3.runtime.runs.console import log_to_stderr
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.progress import follow, unseen
from of3.runtime.runs.runinfo import Processes
from of3.runtime.runs.shards.feed import feed_for
from of3.runtime.runs.shards.plan import Plan
from of3.runtime.runs.shards.pool import WorkerLost, WorkerReady
from of3.runtime.runs.shards.process import WORKER_BYTES, Child, begin
from of3.runtime.runs.shards.results import Task
from of3.runtime.runs.shards.work import ShardSession
from of3.runtime.runs.video_session import VideoSession
from of3.runtime.types import InputLost, RunBroken, RunError
from of3.runtime.video_options import VideoOptions

TELL_EVERY_S = 0.3

log = logging.getLogger(__name__)


class LocalPool:
    """Contract: `of3.runtime.runs.shards.pool.WorkerPool`."""

    def __init__(self, options: Options, interruption: Interruption):
        self._options, self._interruption = options, interruption
        self._gpus = host.visible_gpus() if options.device == "cuda" else []
        # A core each: two of one core did 1.01 to 1.05 of one of two parallel_runs.
        room = host.room_for(host.cores(), WORKER_BYTES, host.memory_bytes())
        self.size = options.workers or len(self._gpus) or room
        self._why = ""

    def prepare(self, plan: Plan, tasks: Sequence[Task]) -> None:
        """Several processes a GPU where one cannot feed it, unless the user has said how many."""
        if self._options.workers or not self._gpus or self._why:
            return
        feed = feed_for(self._options, plan, tasks, self._gpus, self._interruption)
        self.size, self._why = feed.a_gpu * len(self._gpus), feed.why
        if feed.why:
            log.info("%s", feed.why)

    def cap(self, most: int) -> None:
        self.size = min(self.size, most)

    def start_worker(self, plan: Plan, index: int) -> "LocalWorker":
        return self._started(index, serve, self._options, plan, Processes(self.size, self._why))

    def start_video_worker(self, options: VideoOptions, index: int) -> "LocalWorker":
        return self._started(index, serve_videos, options)

    def _started(self, index: int, serving: Callable[..., None], *arguments: Any) -> "LocalWorker":
        gpu = self._gpus[index % len(self._gpus)] if self._gpus else None
        return LocalWorker(serving, gpu, max(1, host.cores() // self.size), *arguments)

    def __enter__(self) -> "LocalPool":
        return self

    def __exit__(self, *_: object) -> None:
        """Workers are closed by whoever started them."""


@dataclass(frozen=True, slots=True)
class SoFar:
    """How far a worker is with its task."""

    counts: Counts


class LocalWorker:
    """Contract: `of3.runtime.runs.shards.pool.Worker`.  A process, and a thread that waits for it."""

    def __init__(self, serving: Callable[..., None], *arguments: Any):
        """serving: what its process does; `serve`, `serve_videos`."""
        self._child = Child(serving, *arguments)
        self._counts, self._is_stopped = Counts(), False
        self._thread = ThreadPoolExecutor(1, "of3-worker")
        self.ready: Future[WorkerReady] = self._thread.submit(self._answer)

    def run(self, task: Any) -> "Future[Any]":
        self._counts = Counts()
        return self._thread.submit(self._run, task)

    def _run(self, task: Any) -> Any:
        self._child.send(task)
        return self._answer()

    def _answer(self) -> Any:
        """What it says next but for how far it is.  Raises WorkerLost, or what it raised."""
        while isinstance(answer := self._child.answer(), SoFar):
            self._counts = answer.counts
        self._counts = Counts()
        return answer

    def counts(self) -> Counts:
        return self._counts

    def stop(self) -> None:
        if not self._is_stopped:
            self._is_stopped = True
            self._child.stop()  # which it takes as a request the first time

    def close(self) -> None:
        self._child.close()
        self._thread.shutdown()


def serve(
    pipe: Connection, gpu: str | None, cores: int, options: Options, plan: Plan, processes: Processes
) -> None:
    """Be a worker: open a session, then do a task for each that comes, until the pipe is closed."""
    with (
        _serving(pipe, gpu) as interruption,
        ShardSession(options, plan, cores, processes=processes) as session,
    ):
        pipe.send(session.ready())
        while not interruption.came:
            results = session.run_task(pipe.recv(), interruption.until)
            pipe.send(follow(results, now_and_then(pipe)))


def serve_videos(pipe: Connection, gpu: str | None, cores: int, options: VideoOptions) -> None:
    """The same of videos."""
    with (
        _serving(pipe, gpu) as interruption,
        VideoSession(options, interruption, cores=cores, progress=unseen) as session,
    ):
        pipe.send(session.ready())
        while not interruption.came:
            pipe.send(session.run(pipe.recv()))


@contextlib.contextmanager
def _serving(pipe: Connection, gpu: str | None) -> Iterator[Interruption]:
    """Whatever ends it is told."""
    begin(gpu)
    log_to_stderr(logging.WARNING)
    try:
        with Interruption((signal.SIGTERM,)) as interruption:
            yield interruption
    except RunBroken as error:
        pipe.send(error if isinstance(error, InputLost) else WorkerLost(str(error)))
    except (RunError, OSError) as error:
        with contextlib.suppress(OSError):  # nobody there to be told
            pipe.send(error)
    except EOFError:
        return


def now_and_then(pipe: Connection) -> Callable[[Counts], None]:
    """What says how far it is."""
    told_s = time.monotonic()

    def tell(counts: Counts) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= TELL_EVERY_S:
            told_s = time.monotonic()
            pipe.send(SoFar(counts))

    return tell
