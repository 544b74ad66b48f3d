"""Videos to a pool's workers: whichever is free takes the next.

A worker that is lost leaves its video where it was, for another; one that took three has a line in errors.tsv.
"""

import logging
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from of3.runtime.opened import Message, tell
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.job import GOES_ON
from of3.runtime.runs.shards.pool import VideoPool, Worker, WorkerLost, WorkerReady
from of3.runtime.runs.videos import VideoFile
from of3.runtime.types import Failure, RunBroken
from of3.runtime.video_options import VideoOptions

DEATHS_A_VIDEO = 3
DEATHS_IN_A_ROW = 10  # without a video done between: no video's doing
LOOK_EVERY_S = 0.5

log = logging.getLogger(__name__)


class VideoDispatch:
    """All videos of a run."""

    def __init__(
        self, options: VideoOptions, pool: VideoPool, files: Sequence[VideoFile], interruption: Interruption
    ):
        self._options, self._pool, self._interruption = options, pool, interruption
        self._left = deque(files)
        self._starting: dict[Future[WorkerReady], int] = {}
        self._running: dict[Future[Message | None], tuple[int, VideoFile]] = {}
        self._workers: dict[int, Worker] = {}
        self._deaths: Counter[VideoFile] = Counter()
        self._in_a_row = 0
        self._told: set[Message] = set()

    def run(self) -> Iterator[list[Failure]]:
        """Until all is done, or an interruption was seen to: for each video why it cannot be done, or nothing.

        Raises RunError (a worker cannot work), RunBroken (workers are lost whatever they do), OSError.
        """
        try:
            for index in range(min(self._pool.size, len(self._left))):
                self._start(index)
            while self._starting or self._running:
                if self._interruption.came:
                    self._stop()
                futures: list[Future[Any]] = [*self._starting, *self._running]
                done, _ = wait(futures, LOOK_EVERY_S, FIRST_COMPLETED)
                for future in done:
                    yield from self._handled(future)
        finally:
            for worker in self._workers.values():
                worker.close()

    def _start(self, index: int) -> None:
        worker = self._workers[index] = self._pool.start_video_worker(self._options, index)
        self._starting[worker.ready] = index

    def _stop(self) -> None:
        """No video is begun any more; those under way end with what is done of them written."""
        self._left.clear()
        for index, _ in self._running.values():
            self._workers[index].stop()

    def _next(self, index: int) -> None:
        if self._left:
            file = self._left.popleft()
            self._running[self._workers[index].run(file)] = index, file

    def _handled(self, future: Future[Any]) -> Iterator[list[Failure]]:
        is_up = future in self._running
        index, file = self._running.pop(future) if is_up else (self._starting.pop(future), None)
        try:
            said = future.result()
        except WorkerLost as lost:
            yield from self._lost(index, file, lost)
            return
        if file is None:
            tell(message for message in said.messages if message not in self._told)
            self._told.update(said.messages)
        elif said is not None:
            self._in_a_row = 0
            tell([said])
            yield []
        self._next(index)

    def _lost(self, index: int, file: VideoFile | None, lost: WorkerLost) -> Iterator[list[Failure]]:
        self._workers.pop(index).close()
        self._in_a_row += 1
        if self._in_a_row >= max(DEATHS_IN_A_ROW, 2 * self._pool.size):
            raise RunBroken(
                f"{self._in_a_row} workers were lost in a row, the last one {lost}: {GOES_ON}"
            ) from lost
        if file is not None:
            self._deaths[file] += 1
            if self._deaths[file] < DEATHS_A_VIDEO:
                log.warning("%s: its worker was lost (%s), once more", file.path, lost)
                self._left.appendleft(file)
            else:
                reason = f"killed its worker {DEATHS_A_VIDEO} times: {lost}"
                log.warning("%s: %s", file.path, reason)
                yield [Failure(file.path, "worker", reason)]
        if self._left:
            self._start(index)
