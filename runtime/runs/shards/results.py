"""What is done of a plan: a store of records for each task, and beside it a line by which it is whole.

`parts/000/000012.00250-01000.done` says that the pictures 250 to before 1000 of shard 12 are in the store it
names, and that store's sha256, as `sha256sum --check` reads it.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from of3.runtime.logs.entries import Entries, Results, entries_of
from of3.runtime.logs.files import replace_text, sync, synced
from of3.runtime.logs.made import Run, Session
from of3.runtime.logs.opening import is_folder, is_there, make_folder, read_bytes, read_text
from of3.runtime.logs.store import store_in_memory
from of3.runtime.runs.shards.plan import Plan
from of3.runtime.types import RunError

A_FOLDER = 1000  # shards
PART_BYTES, PICTURE_BYTES = 16 << 20, 1 << 20  # at most; a face takes some 2 KB with its landmarks


@dataclass(frozen=True, slots=True, order=True)
class Task:
    """Pictures of a shard, `first` to before `last`."""

    shard: int
    first: int
    last: int

    @property
    def pictures(self) -> int:
        return self.last - self.first

    @property
    def name(self) -> str:
        return f"{self.shard:06d}.{self.first:05d}-{self.last:05d}"


def whole(plan: Plan, shard: int) -> Task:
    return Task(shard, 0, plan.size(shard))


def done_path(plan: Plan, task: Task) -> Path:
    return plan.folder / "parts" / f"{task.shard // A_FOLDER:03d}" / f"{task.name}.done"


class Part:
    """Records of a task, as they come, in memory.  Use as a context manager."""

    def __init__(self, run: Run):
        self._store = store_in_memory(run)
        self._rows, self.pictures = run.rows, 0

    def entries(self, results: Results) -> Entries:
        """What is to be added of results; on any thread."""
        return entries_of(results, self._rows, ())

    def add(self, entries: Entries) -> None:
        self._store.add(self._store.last_run, entries.pictures, entries.faces)
        self.pictures += len(entries.pictures)

    def publish(
        self, plan: Plan, task: Task, made: Mapping[str, Any], started_s: float, ended_s: float
    ) -> None:
        """Written, synced, put in its place; one that is there stays as it is.  Raises OSError."""
        self._store.put_session(self._store.last_run, Session(made, started_s, ended_s))
        content, done = self._store.content(), done_path(plan, task)
        digest = hashlib.sha256(content).hexdigest()
        final, temporary = done.with_name(f"{task.name}.{digest[:16]}.sqlite"), plan.temporary("part")
        if is_there(done):
            return
        for folder in (done.parent.parent, done.parent):
            make_folder(folder)
        with synced(temporary) as file:
            file.write(content)
        is_there(final)
        temporary.replace(final)
        replace_text(done, f"{digest}  {final.name}\n", plan.temporary("done"), is_synced=True)
        sync(done.parent)

    def __enter__(self) -> "Part":
        return self

    def __exit__(self, *_: object) -> None:
        self._store.__exit__()


def read_part(plan: Plan, task: Task) -> bytes:
    """A part's store, whole.  Raises RunError: missing or damaged."""
    done = done_path(plan, task)
    try:
        named = re.fullmatch(r"([0-9a-f]{64})  ([\w.-]+\.sqlite)\n", read_text(done))
        if not named:
            raise ValueError("no digest and name")
        content = read_bytes(done.with_name(named[2]), PART_BYTES + task.pictures * PICTURE_BYTES)
        if hashlib.sha256(content).hexdigest() != named[1]:
            raise ValueError("another digest")
        return content
    except (OSError, ValueError) as error:
        raise RunError(
            f"{done}: not to be read ({error}): delete it and do shard {task.shard} again"
        ) from error


def todo(plan: Plan, shards: Iterable[int]) -> Iterator[Task]:
    """What is not done of ascending shards."""
    for shard, tasks in _done(plan, shards):
        yield from _gaps(whole(plan, shard), tasks)


def left(plan: Plan, task: Task) -> list[Task]:
    """What is not done of a task, whoever may have been at it."""
    return [gap for _, tasks in _done(plan, [task.shard]) for gap in _gaps(task, tasks)]


def chains(plan: Plan) -> Iterator[list[Task]]:
    """For each shard, all of it done: tasks that follow each other from its first picture to its last."""
    for shard, tasks in _done(plan, range(plan.shards)):
        ways: dict[int, list[Task]] = {0: []}
        for task in tasks:
            if task.first in ways:
                ways.setdefault(task.last, [*ways[task.first], task])
        yield ways[plan.size(shard)]


def _done(plan: Plan, shards: Iterable[int]) -> Iterator[tuple[int, list[Task]]]:
    """What is done of ascending shards, in the order of the pictures, the longer first."""
    for folder, group in groupby(shards, lambda shard: shard // A_FOLDER):
        place = plan.folder / "parts" / f"{folder:03d}"
        names = os.listdir(place) if is_folder(place.parent) and is_folder(place) else []
        found = [re.fullmatch(r"(\d{6,})\.(\d+)-(\d+)\.done", name) for name in names]
        tasks = [Task(*(int(number) for number in each.groups())) for each in found if each]
        by_shard: dict[int, list[Task]] = {}
        for task in sorted(tasks, key=lambda task: (task.first, -task.last)):
            if task.first < task.last <= plan.size(task.shard):
                by_shard.setdefault(task.shard, []).append(task)
        for shard in group:
            yield shard, by_shard.get(shard, [])


def _gaps(wanted: Task, done: Iterable[Task]) -> Iterator[Task]:
    """What is left of a task; of tasks that lie across each other the later is of no use."""
    at = wanted.first
    for task in done:
        if task.first <= wanted.first and wanted.last <= task.last:
            return
        if at <= task.first and task.last <= wanted.last:
            if at < task.first:
                yield Task(wanted.shard, at, task.first)
            at = task.last
    if at < wanted.last:
        yield Task(wanted.shard, at, wanted.last)
