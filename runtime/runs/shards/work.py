"""A shard's pictures -> its part: the one function that every executor calls."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict, replace
from typing import Any

from of3.runtime.logs.counts import Counts
from of3.runtime.logs.folder import check_identity
from of3.runtime.logs.items import Item
from of3.runtime.logs.made import Run
from of3.runtime.logs.writer import Writer, obsolete_files, write_au_info
from of3.runtime.options import Options
from of3.runtime.runs.flags import to_json
from of3.runtime.runs.picture_overlay import Entered, drawn_before
from of3.runtime.runs.runinfo import ALONE, Processes
from of3.runtime.runs.session import Session
from of3.runtime.runs.shards.plan import Pinned, Plan
from of3.runtime.runs.shards.pool import WorkerReady
from of3.runtime.runs.shards.results import Part, Task, left
from of3.runtime.types import Failure

Until = Callable[[Iterable[Item]], Iterator[Item]]  # the items until the work is to end early


class ShardSession:
    """A session that takes part in a plan.  Use as a context manager."""

    def __init__(
        self,
        options: Options,
        plan: Plan,
        cores: int = 0,
        told: Options | None = None,
        processes: Processes = ALONE,
    ):
        """cores: as a session's.  told: what the user said, where the options are another machine's.

        processes: that this one is of.

        Raises RunError: nothing to be opened, or it would make other rows.
        """
        self.plan, self._told, self._processes = plan, told or options, processes
        with ExitStack() as opened:
            self.session = opened.enter_context(Session(options, cores))
            self._join()
            opened.pop_all()  # from here on it is closed with this

    def _join(self) -> None:
        """Take part in what the rows are made with, or settle it as the first."""
        self._run = (self.plan.pinned() or self._settled()).run
        self.au_to_index = self._run.names.aus
        check_identity(self._run.identity, self._identity(self.au_to_index))

    def _settled(self) -> Pinned:
        logs = self.plan.folder.parent
        run = self.session.run_of(self.session.calibration(logs / "au_info.json"))
        identity = self._identity(run.names.aus)
        check_identity(self.plan.identity, {name: identity[name] for name in self.plan.identity})
        flags = {**to_json(self._told), "shard": None}  # it is of all shares
        pinned = self.plan.pin(Pinned(replace(run, identity=identity, root=self.plan.root), flags))
        write_au_info(logs, pinned.run.au_info, self.plan.temporary("au_info"))
        return pinned

    def _identity(self, au_to_index: Mapping[int, int]) -> dict[str, Any]:
        return {**self.session.identity(au_to_index), "manifest": self.plan.manifest}

    def ready(self) -> WorkerReady:
        """What is to be said of it."""
        return WorkerReady(self.session.messages(), self._made_with())

    def _made_with(self) -> dict[str, Any]:
        return {**self.session.made_with(), "processes": asdict(self._processes)}

    def run_task(self, task: Task, until: Until = iter) -> Iterator[Counts]:
        """Do a task: count its results as they come, and at the end write what was done as its part.

        Nothing is done where it is done already, less than all where `until` ended early.  Raises RunError
        (RunBroken where no engine is left) and OSError.
        """
        if not left(self.plan, task):
            return
        started_s = time.time()
        items = self.plan.items(task.shard)[task.first : task.last]
        with Part(self._run) as part:
            with writer_of(self.plan, self._run) as writer, self._entered(part) as entered:
                for entries in self.session.write_all(until(items), self.au_to_index, writer, entered):
                    part.add(entries)
                    yield entries.counts
                writer.sync()
            if part.pictures:
                done = Task(task.shard, task.first, task.first + part.pictures)
                part.publish(self.plan, done, self._made_with(), started_s, time.time())

    def _entered(self, part: Part) -> AbstractContextManager[Entered]:
        """What makes the entries of results, and drawings where they are asked for."""
        if not self.session.options.overlay:
            return nullcontext(part.entries)
        folder, temporary = self.plan.folder.parent, self.plan.temporary("drawing")
        return drawn_before(part.entries, folder, self.plan.root, self.session.drawing(), temporary)

    def __enter__(self) -> "ShardSession":
        return self

    def __exit__(self, *_: object) -> None:
        self.session.__exit__()


def writer_of(plan: Plan, run: Run) -> Writer:
    """Of per-image files, beside others that write theirs."""
    return Writer(plan.folder.parent, plan.root, run.rows, plan.temporary("file"), obsolete_files(plan.mode))


def fail_picture(plan: Plan, task: Task, reason: str, made: Mapping[str, Any]) -> Counts:
    """Publish the part of a task of one picture that no worker survives."""
    (item,) = plan.items(task.shard)[task.first : task.last]
    pinned = plan.pinned()
    assert pinned is not None
    failure = Failure(item.path, "worker", reason)
    with Part(pinned.run) as part:
        entries = part.entries([(item, failure)])
        with writer_of(plan, pinned.run) as writer:
            writer.write(failure, item)
        part.add(entries)
        part.publish(plan, task, made, time.time(), time.time())
    return entries.counts
