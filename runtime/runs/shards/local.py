"""Workers that are processes of this machine, each with one session: one a GPU, or one a core."""

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from typing import Any

from of3.engines import host
from of3.runtime.logs.counts import Counts
from of3.runtime.options import Options
from of3.runtime.runs.console import log_to_stderr
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.progress import follow
from of3.runtime.runs.shards.plan import Plan
from of3.runtime.runs.shards.pool import WorkerLost, WorkerReady
from of3.runtime.runs.shards.results import Task
from of3.runtime.runs.shards.work import ShardSession
from of3.runtime.types import InputLost, RunBroken, RunError

# A core each: two of one core did 1.01 to 1.05 of one of two parallel_runs.  They take 500 MB (620: landmarks),
# and what the pictures under way take.
WORKER_BYTES = 1 << 30
VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"
EXIT_WITHIN_S, TELL_EVERY_S = 5.0, 0.3


class LocalPool:
    """Contract: `of3.runtime.runs.shards.pool.WorkerPool`."""

    def __init__(self, options: Options):
        self._options = options
        self._gpus = host.visible_gpus() if options.device == "cuda" else []
        room = host.room_for(host.cores(), WORKER_BYTES, host.memory_bytes())
        self.size = options.workers or len(self._gpus) or room
        self._cores = max(1, host.cores() // self.size)

    def start_worker(self, plan: Plan, index: int) -> "LocalWorker":
        gpu = self._gpus[index % len(self._gpus)] if self._gpus else None
        return LocalWorker(self._options, plan, self._cores, gpu)

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

    def __init__(self, options: Options, plan: Plan, cores: int, gpu: str | None):
        context = multiprocessing.get_context("spawn")  # nothing of this process's threads and locks
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, options, plan, cores, gpu), daemon=True)
        self._process.start()
        theirs.close()  # so that its end is seen
        self._ooms = host.out_of_memory_kills()
        self._counts, self._is_stopped = Counts(), False
        self._thread = ThreadPoolExecutor(1, "of3-worker")
        self.ready: Future[WorkerReady] = self._thread.submit(self._answer)

    def run(self, task: Task) -> "Future[Counts]":
        self._counts = Counts()
        return self._thread.submit(self._run, task)

    def _run(self, task: Task) -> Counts:
        try:
            self._pipe.send(task)
        except OSError:
            raise WorkerLost(self._end()) from None
        answer: Counts = self._answer()
        return answer

    def _answer(self) -> Any:
        """What it says next but for how far it is.  Raises WorkerLost, or what it raised."""
        while True:
            try:
                answer = self._pipe.recv()
            except (EOFError, OSError):
                raise WorkerLost(self._end()) from None
            if isinstance(answer, Exception):
                raise answer
            if isinstance(answer, SoFar):
                self._counts = answer.counts
            else:
                self._counts = Counts()
                return answer

    def _end(self) -> str:
        """How the process ended."""
        self._process.join(EXIT_WITHIN_S)
        code = self._process.exitcode
        if code is None or code >= 0:
            return f"its process ended with status {code}"
        said = f"its process was ended by {signal.Signals(-code).name}"
        if -code == signal.SIGKILL and host.out_of_memory_kills() > self._ooms:
            return f"{said}, out of memory"
        return said

    def counts(self) -> Counts:
        return self._counts

    def stop(self) -> None:
        if not self._is_stopped:
            self._is_stopped = True
            self._process.terminate()  # which it takes as a request the first time

    def close(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()
        self._thread.shutdown()


def serve(pipe: Connection, options: Options, plan: Plan, cores: int, gpu: str | None) -> None:
    """Be a worker: open a session, then do a task for each that comes, until the pipe is closed."""
    if gpu is not None:
        os.environ[VISIBLE_GPUS] = gpu  # before anything of CUDA is loaded
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to every process; the first one sees to it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    log_to_stderr(logging.WARNING)
    try:
        with Interruption((signal.SIGTERM,)) as interruption, ShardSession(options, plan, cores) as session:
            pipe.send(session.ready())
            while not interruption.came:
                results = session.run_task(pipe.recv(), interruption.until)
                pipe.send(follow(results, now_and_then(pipe)))
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


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
