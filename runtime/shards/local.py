"""Workers that are processes of this machine, each with one session: one a GPU, or one a core."""

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import connection
from multiprocessing.connection import Connection
from typing import Any

from of3.engines import machine
from of3.runtime.interruption import Interruption
from of3.runtime.options import Options
from of3.runtime.shards.crew import Lost, Opened, Seen
from of3.runtime.shards.parts import Task
from of3.runtime.shards.plan import Plan
from of3.runtime.shards.work import Member
from of3.runtime.types import Failure, RunBroken, RunError

# A core each: two of one core did 1.01 to 1.05 of one of two lanes.  They take 500 MB (620: landmarks),
# and what the pictures under way take.
WORKER_BYTES = 1 << 30
VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"
EXIT_WITHIN_S, TELL_EVERY_S = 5.0, 0.3


class LocalCrew:
    """Contract: `of3.runtime.shards.crew.Crew`."""

    def __init__(self, options: Options):
        self._options = options
        self._gpus = machine.visible_gpus() if options.device == "cuda" else []
        room = machine.room_for(machine.cores(), WORKER_BYTES, machine.memory_bytes())
        self.size = options.workers or len(self._gpus) or room
        self._cores = max(1, machine.cores() // self.size)

    def hire(self, plan: Plan, place: int) -> "LocalWorker":
        gpu = self._gpus[place % len(self._gpus)] if self._gpus else None
        return LocalWorker(self._options, plan, self._cores, gpu)

    def __enter__(self) -> "LocalCrew":
        return self

    def __exit__(self, *_: object) -> None:
        """Workers are closed by whoever hired them."""


class LocalWorker:
    """Contract: `of3.runtime.shards.crew.Worker`.  A process, and a thread that waits for it."""

    def __init__(self, options: Options, plan: Plan, cores: int, gpu: str | None):
        context = multiprocessing.get_context("spawn")  # nothing of this process's threads and locks
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, options, plan, cores, gpu), daemon=True)
        self._process.start()
        theirs.close()  # so that its end is seen
        self._ooms = machine.out_of_memory_kills()
        self._seen, self._is_stopped = Seen(), False
        self._thread = ThreadPoolExecutor(1, "of3-worker")
        self.opened: Future[Opened] = self._thread.submit(self._answer)

    def run(self, task: Task) -> "Future[Seen]":
        self._seen = Seen()
        return self._thread.submit(self._run, task)

    def _run(self, task: Task) -> Seen:
        try:
            self._pipe.send(task)
        except OSError:
            raise Lost(self._end()) from None
        answer: Seen = self._answer()
        return answer

    def _answer(self) -> Any:
        """What it says next but for how far it is.  Raises Lost, or what it raised."""
        while True:
            try:
                answer = self._pipe.recv()
            except (EOFError, OSError):
                raise Lost(self._end()) from None
            if isinstance(answer, Exception):
                raise answer
            if isinstance(answer, tuple):
                self._seen = Seen(*answer)
            else:
                self._seen = Seen()
                return answer

    def _end(self) -> str:
        """How the process ended."""
        self._process.join(EXIT_WITHIN_S)
        code = self._process.exitcode
        if code is None or code >= 0:
            return f"its process ended with status {code}"
        said = f"its process was ended by {signal.Signals(-code).name}"
        if -code == signal.SIGKILL and machine.out_of_memory_kills() > self._ooms:
            return f"{said}, out of memory"
        return said

    def seen(self) -> Seen:
        return self._seen

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
    logging.basicConfig(format="of3: %(message)s", stream=sys.stderr)
    try:
        with Interruption((signal.SIGTERM,)) as interruption, Member(options, plan, cores) as member:
            pipe.send(member.opened())
            while not interruption.came:
                pipe.send(_do(member, pipe.recv(), interruption, pipe))
    except RunBroken as error:
        pipe.send(Lost(str(error)))
    except (RunError, OSError) as error:
        with contextlib.suppress(OSError):  # nobody there to be told
            pipe.send(error)
    except EOFError:
        return


def _do(member: Member, task: Task, interruption: Interruption, pipe: Connection) -> Seen:
    pictures, failed, told_s = 0, 0, time.monotonic()
    for result in member.run_shard(task, interruption.until):
        pictures, failed = pictures + 1, failed + isinstance(result, Failure)
        if time.monotonic() - told_s >= TELL_EVERY_S:
            told_s = time.monotonic()
            pipe.send((pictures, failed))
    return Seen(pictures, failed)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
