"""Runs by many: a plan, its shards done by a pool of workers or as a share of this process, and the merge."""

import logging
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from of3.runtime.opened import tell
from of3.runtime.options import Options
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.lock import locked
from of3.runtime.runs.progress import follow, progress_bar
from of3.runtime.runs.shards.dispatch import Dispatch
from of3.runtime.runs.shards.local import LocalPool
from of3.runtime.runs.shards.merge import merge
from of3.runtime.runs.shards.plan import Plan, find_plan
from of3.runtime.runs.shards.planning import plans, shared_plan
from of3.runtime.runs.shards.pool import WorkerPool
from of3.runtime.runs.shards.results import todo
from of3.runtime.runs.shards.work import ShardSession

if TYPE_CHECKING:
    from of3.runtime.runs.shards.cluster import RayPool

log = logging.getLogger(__name__)


def on_workers(options: Options, folder: Path) -> None:
    """The whole job, by a pool of workers.  folder, errors: as of `job.in_this_process`."""
    with locked(folder) as lock, Interruption() as interruption, open_pool(options, interruption) as pool:
        for plan in plans(options, folder, pool.size):
            _on_pool(plan, pool, range(plan.shards), interruption)
            interruption.check()
            merge(plan, lock=lock)


def a_share(options: Options, folder: Path) -> None:
    """Shards k with k mod n = i.  Others may be at theirs at the same time, on this machine or another."""
    assert options.shard is not None
    folder.mkdir(parents=True, exist_ok=True)
    share, of = options.shard
    plan = find_plan(folder) or shared_plan(options, folder, of)
    if plan.is_merged:
        log.info(
            "%s: merged already, nothing to do: for what came since `of3 manifest --resume on`, "
            "to start anew `of3 manifest --override`",
            plan.folder,
        )
        return
    shards = range(share, plan.shards, of)
    with Interruption() as interruption:
        if options.executor:
            with open_pool(options, interruption) as pool:
                _on_pool(plan, pool, shards, interruption)
        else:
            _in_this_process(options, plan, shards, interruption)
        interruption.check()
    log.info("share %d of %d is done; once all are: of3 merge --logs %s", share, of, folder.parent)


def open_pool(options: Options, interruption: Interruption) -> "LocalPool | RayPool":
    """For pictures or videos.  Raises RunError."""
    if options.executor == "ray":
        from of3.runtime.runs.shards.cluster import RayPool

        return RayPool(options, interruption)
    return LocalPool(options, interruption)


def _on_pool(plan: Plan, pool: WorkerPool, shards: range, interruption: Interruption) -> None:
    tasks = list(todo(plan, shards))
    pool.prepare(plan, tasks)
    dispatch = Dispatch(plan, pool, tasks, interruption)
    total = sum(plan.size(shard) for shard in shards)
    done = total - sum(task.pictures for task in tasks)
    with progress_bar(total) as shown:
        for counts in dispatch.run():
            shown(counts, done)


def _in_this_process(options: Options, plan: Plan, shards: range, interruption: Interruption) -> None:
    tasks = list(todo(plan, shards))
    if not tasks:
        return
    with (
        ShardSession(options, plan) as session,
        progress_bar(sum(task.pictures for task in tasks)) as shown,
    ):
        tell(session.ready().messages)
        results = (session.run_task(task, interruption.until) for task in interruption.until(tasks))
        follow(
            chain.from_iterable(results),
            shown,
        )
