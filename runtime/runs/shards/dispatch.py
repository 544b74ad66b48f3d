"""Tasks to workers, and what to do when a worker is lost: halve its task until the picture is found.

A task of many pictures that loses its worker is halved, so that innocent ones are done again and a picture that
kills is alone after some ten deaths; alone, it gets a failed row when it has killed three workers.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import islice
from typing import Any

from of3.runtime.logs.counts import Counts
from of3.runtime.opened import Message, tell
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.shards.plan import Plan
from of3.runtime.runs.shards.pool import Worker, WorkerLost, WorkerPool, WorkerReady
from of3.runtime.runs.shards.results import Task, left
from of3.runtime.runs.shards.work import fail_picture
from of3.runtime.types import RunBroken

DEATHS_A_PICTURE = 3
# Workers lost one after the other without a task done between: no picture's doing.  One picture among 1000
# takes ten halvings and two more deaths.
DEATHS_IN_A_ROW = 40
LOOK_EVERY_S = 0.5
STUCK_AFTER_S = 300.0  # of a worker that finishes no picture; the largest take seconds, a file system may stall
START_WITHIN_S = 600.0  # until when some worker of a pool must be there

log = logging.getLogger(__name__)


class Dispatch:
    """The tasks of a plan on a pool's workers.  Counts grow while it runs."""

    def __init__(self, plan: Plan, pool: WorkerPool, tasks: Iterable[Task], interruption: Interruption):
        self._plan, self._pool, self._interruption = plan, pool, interruption
        self._fresh, self._again, self._suspects = iter(tasks), deque[Task](), deque[Task]()
        self._starting: dict[Future[WorkerReady], int] = {}
        self._running: dict[Future[Counts], tuple[int, Task]] = {}
        self._workers: dict[int, Worker] = {}
        self._idle: list[int] = []
        self._deaths: Counter[Task] = Counter()
        self._in_a_row, self._most_in_a_row = 0, max(DEATHS_IN_A_ROW, 2 * pool.size)  # a rack may go at once
        self._worked_s = time.monotonic()
        self._moves: dict[int, tuple[int, float]] = {}  # by index: pictures seen, and since when no more
        self._stuck: dict[int, str] = {}
        self._told: set[Message] = set()
        self._made: Any = {}
        self._counts = Counts()

    def counts(self) -> Counts:
        """Pictures done, with those of the tasks under way."""
        total = self._counts.copy()
        for index, _ in self._running.values():
            total.add(self._workers[index].counts())
        return total

    def run(self) -> Iterator[Counts]:
        """Until everything is done, or an interruption was seen to; gives the counts now and then.

        Raises RunError (a worker cannot work), RunBroken (workers are lost whatever they do), OSError.
        """
        try:
            first = list(islice(self._fresh, self._pool.size))
            self._again.extend(first)
            for index in range(len(first)):
                self._start_worker(index)
            while self._assign() or self._running:
                futures: list[Future[Any]] = [*self._starting, *self._running]
                done, _ = wait(futures, LOOK_EVERY_S, FIRST_COMPLETED)
                for future in done:
                    self._handle(future)
                self._check_alive()
                self._end_stuck()
                yield self.counts()
        finally:
            for worker in self._workers.values():
                worker.close()

    def _start_worker(self, index: int) -> None:
        worker = self._workers[index] = self._pool.start_worker(self._plan, index)
        self._starting[worker.ready] = index

    def _assign(self) -> bool:
        """Give idle workers their tasks; whether any task is left."""
        if self._interruption.came:
            for index, _ in self._running.values():
                self._workers[index].stop()
            return False
        task = self._next()
        while task is not None and self._idle:
            index = self._idle.pop()
            self._running[self._workers[index].run(task)] = (index, task)
            self._moves[index] = (0, time.monotonic())
            task = self._next()
        if task is not None:
            self._again.appendleft(task)
        return task is not None or bool(self._suspects)

    def _next(self) -> Task | None:
        """A picture's last trial comes when nothing else runs, so that its death is no neighbour's doing."""
        if self._again:
            return self._again.popleft()
        task = next(self._fresh, None)
        return self._suspects.popleft() if task is None and self._suspects and not self._running else task

    def _check_alive(self) -> None:
        """Raise RunBroken when no worker has come up for long."""
        if self._running or self._idle:
            self._worked_s = time.monotonic()
        elif time.monotonic() - self._worked_s > START_WITHIN_S:
            raise RunBroken(f"no worker could start within {START_WITHIN_S:.0f} s: is there room for one?")

    def _end_stuck(self) -> None:
        """A worker that a picture has caught in a loop is as good as lost."""
        now_s = time.monotonic()
        for index, _ in self._running.values():
            pictures = self._workers[index].counts().total
            before, since_s = self._moves[index]
            if pictures != before:
                self._moves[index] = (pictures, now_s)
            elif now_s - since_s > STUCK_AFTER_S and index not in self._stuck:
                self._stuck[index] = f"no picture was done within {STUCK_AFTER_S:.0f} s"
                self._workers[index].close()

    def _handle(self, future: Future[Any]) -> None:
        task = None
        try:
            if future in self._starting:
                index = self._starting.pop(future)
                self._note(future.result())
            else:
                index, task = self._running.pop(future)
                self._count(task, future.result())
            self._idle.append(index)
        except WorkerLost as lost:
            self._workers.pop(index).close()
            self._in_a_row += 1
            if self._in_a_row >= self._most_in_a_row:
                raise RunBroken(f"{self._in_a_row} workers were lost in a row, the last one {lost}") from lost
            self._start_worker(index)
            how = self._stuck.pop(index, str(lost))
            if task is not None:
                self._halve(task, how)

    def _note(self, ready: WorkerReady) -> None:
        """Say what a worker says, once."""
        self._made = ready.made
        tell(message for message in ready.messages if message not in self._told)
        self._told.update(ready.messages)

    def _count(self, task: Task, counts: Counts) -> None:
        self._in_a_row = 0
        self._counts.add(counts)
        self._again.extend(left(self._plan, task))

    def _halve(self, task: Task, how: str) -> None:
        """What comes of a task that lost its worker."""
        if task.pictures > 1:
            log.info("shard %d, %d pictures: a worker was lost (%s), halved", task.shard, task.pictures, how)
            middle = (task.first + task.last) // 2
            self._again += [Task(task.shard, task.first, middle), Task(task.shard, middle, task.last)]
            return
        self._deaths[task] += 1
        if self._deaths[task] < DEATHS_A_PICTURE:
            is_last = self._deaths[task] == DEATHS_A_PICTURE - 1
            (self._suspects if is_last else self._again).append(task)
            return
        reason = f"killed its worker {DEATHS_A_PICTURE} times: {how}"
        self._count(task, fail_picture(self._plan, task, reason, self._made))
