"""A process of this machine that works for this one: spawned, told through a pipe, ended with it."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing import connection
from typing import Any

from of3.engines import host
from of3.runtime.runs.shards.pool import WorkerLost

# They take 500 MB (620: landmarks), and what the pictures under way take.
WORKER_BYTES = 1 << 30
VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"
EXIT_WITHIN_S = 5.0


class Child:
    """The process, as its parent has it."""

    def __init__(self, serve: Callable[..., None], *arguments: Any):
        """serve: what it is to do, given its end of the pipe and the arguments; begins with `begin`."""
        context = multiprocessing.get_context("spawn")  # nothing of this process's threads and locks
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, *arguments), daemon=True)
        self._process.start()
        theirs.close()  # so that its end is seen
        self._ooms = host.out_of_memory_kills()

    def send(self, message: object) -> None:
        """Raises WorkerLost."""
        try:
            self._pipe.send(message)
        except OSError:
            raise WorkerLost(self._end()) from None

    def has_answered(self, within_s: float) -> bool:
        """Whether there is an answer, or will be none, until then."""
        return self._pipe.poll(within_s)

    def answer(self) -> Any:
        """What it sends next.  Raises WorkerLost, or what it sent where that is an error."""
        try:
            answer = self._pipe.recv()
        except (EOFError, OSError):
            raise WorkerLost(self._end()) from None
        if isinstance(answer, Exception):
            raise answer
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

    def stop(self) -> None:
        self._process.terminate()

    def close(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


def begin(gpu: str | None) -> None:
    """In the process, before anything of CUDA is loaded.  gpu: the only one it sees; None: all."""
    if gpu is not None:
        os.environ[VISIBLE_GPUS] = gpu
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to every process; the first one sees to it
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
