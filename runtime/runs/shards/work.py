"""A shard's pictures -> its result: the one function that every executor calls."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import cv2

from of3.runtime.logs.counts import Counts
from of3.runtime.logs.folder import check_identity
from of3.runtime.logs.journal import Item
from of3.runtime.logs.tables import Chunk, joined
from of3.runtime.logs.writer import Writer, write_au_info
from of3.runtime.options import Options
from of3.runtime.runs.calibrate import to_document
from of3.runtime.runs.flags import from_json, row_options, to_json
from of3.runtime.runs.session import Session
from of3.runtime.runs.shards.plan import Plan
from of3.runtime.runs.shards.pool import WorkerReady
from of3.runtime.runs.shards.results import ShardResult, Task, left, write_result
from of3.runtime.types import Failure, Record

Until = Callable[[Iterable[Item]], Iterator[Item]]  # the items until the work is to end early


class ShardSession:
    """A session that takes part in a plan.  Use as a context manager."""

    def __init__(self, options: Options, plan: Plan, cores: int = 0, told: Options | None = None):
        """cores: as a session's.  told: what the user said, where the options are another machine's.

        Raises RunError: nothing to be opened, or it would make other rows.
        """
        self.plan, self._told = plan, told or options
        if cores:  # OpenCV would take a thread for every core of the machine, in each worker
            cv2.setNumThreads(cores)
        with ExitStack() as opened:
            self.session = opened.enter_context(Session(options, cores))
            self._join()
            opened.pop_all()  # from here on it is closed with this

    def _join(self) -> None:
        """Take part in what the rows are made with, or settle it as the first."""
        pinned = self.plan.pinned() or self._settled()
        identity = pinned["identity"]
        self.au_to_index = {int(au): index for au, index in identity["au"].items()}
        check_identity(identity, self._identity())
        self.identity = digest_of(identity)
        self._rows = row_options(self.session.options)

    def _settled(self) -> dict[str, Any]:
        logs = self.plan.folder.parent
        calibration = self.session.calibration(logs / "au_info.json")
        self.au_to_index = dict(calibration.au_to_index)
        check_identity(self.plan.identity, {name: self._identity()[name] for name in self.plan.identity})
        au_info = to_document(calibration, self.session.pipeline.bundle.labels.aus)
        flags = {**to_json(self._told), "shard": None}  # it is of all shares
        self.plan.pin({"identity": self._identity(), "flags": flags, "au_info": au_info})
        pinned = self.plan.pinned()
        assert pinned is not None
        write_au_info(logs, pinned["au_info"])
        return pinned

    def _identity(self) -> dict[str, Any]:
        return {**self.session.identity(self.au_to_index), "manifest": self.plan.manifest}

    def ready(self) -> WorkerReady:
        """What is to be said of it."""
        return WorkerReady(self.session.messages(), self.session.made_with())

    def run_task(self, task: Task, until: Until = iter) -> Iterator[Record | Failure]:
        """Do a task: give its results as they come, and at the end write what was done as its result.

        Nothing is done where it is done already, less than all where `until` ended early.  Raises RunError
        (RunBroken where no engine is left) and OSError.
        """
        if not left(self.plan, task):
            return
        started_s = time.time()
        counts, chunks = Counts(), list[Chunk]()
        writer = Writer(self.plan.folder.parent, self.plan.root, self._rows, self.plan.temporary("file"))
        items = self.plan.items(task.shard)[task.first : task.last]
        for result in self.session.write_all(until(items), self.au_to_index, writer, chunks.append):
            counts.count(result)
            yield result
        if chunks:
            writer.sync()
            done = Task(task.shard, task.first, task.first + len(chunks))
            made, chunk = (self.session.made_with(),), joined(chunks)
            result_of = ShardResult(done, self.identity, chunk, counts, made, started_s, time.time())
            write_result(self.plan, result_of)

    def __enter__(self) -> "ShardSession":
        return self

    def __exit__(self, *_: object) -> None:
        self.session.__exit__()


def digest_of(identity: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def fail_picture(plan: Plan, task: Task, reason: str, made: Mapping[str, Any]) -> Counts:
    """Write the result of a task of one picture that no worker survives."""
    (item,) = plan.items(task.shard)[task.first : task.last]
    pinned = plan.pinned()
    assert pinned is not None
    rows = row_options(from_json(pinned["flags"]))
    failure, counts, now_s = Failure(item.path, "worker", reason), Counts(), time.time()
    counts.count(failure)
    chunk = Writer(plan.folder.parent, plan.root, rows, plan.temporary("file")).write(failure, item)
    write_result(plan, ShardResult(task, digest_of(pinned["identity"]), chunk, counts, (made,), now_s, now_s))
    return counts
