"""`of3 run` by many processes: plan, do the shards, merge."""

import logging
import shutil
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from of3.engines.bundle import BundleError, read_bundle
from of3.runtime import journal, tables
from of3.runtime.interruption import Interruption
from of3.runtime.lock import locked
from of3.runtime.logs import Mode, check_identity
from of3.runtime.options import Options
from of3.runtime.progress import progress
from of3.runtime.runinfo import flags_of, identity_of
from of3.runtime.session import export_command, mode_of, row_options
from of3.runtime.shards.crew import Crew
from of3.runtime.shards.dispatch import Dispatch
from of3.runtime.shards.local import LocalCrew
from of3.runtime.shards.merge import is_merged, merge
from of3.runtime.shards.parts import join_pieces, todo
from of3.runtime.shards.plan import (
    FOLDER,
    Plan,
    clear,
    find_plan,
    make_plan,
    publish,
    replace_plan,
    size_of_shards,
)
from of3.runtime.shards.work import Member
from of3.runtime.survey import Survey
from of3.runtime.tally import Tally
from of3.runtime.types import RunError

log = logging.getLogger(__name__)


def run_shards(options: Options, logs: Path) -> int:
    """The whole job, or the share of it that was asked for.  Raises as `job.run` does."""
    if options.shard:
        return _run_share(options, logs, options.shard)
    with locked(logs), Interruption() as interruption, open_crew(options, interruption) as crew:
        for plan in plans(options, logs, crew.size):
            _on_crew(plan, crew, range(plan.shards), interruption)
            interruption.check()
            merge(plan)
    return 0


def _run_share(options: Options, logs: Path, share: tuple[int, int]) -> int:
    """Shards k with k mod n = i.  Others may be at theirs at the same time, on this machine or another."""
    logs.mkdir(parents=True, exist_ok=True)
    part, of = share
    plan = find_plan(logs) or shared_plan(options, logs, of)
    if is_merged(plan):
        log.info(
            "%s: merged already, nothing to do: for what came since `of3 manifest --resume on`, "
            "to start anew `of3 manifest --override`",
            plan.folder,
        )
        return 0
    shards = range(part, plan.shards, of)
    with Interruption() as interruption:
        if options.executor:
            with open_crew(options, interruption) as crew:
                _on_crew(plan, crew, shards, interruption)
        else:
            _alone(options, plan, shards, interruption)
        interruption.check()
    log.info("share %d of %d is done; once all are: of3 merge --logs %s", part, of, logs.parent)
    return 0


def open_crew(options: Options, interruption: Interruption) -> Crew:
    if options.executor == "ray":
        from of3.runtime.shards.cluster import RayCrew

        return RayCrew(options, interruption)
    return LocalCrew(options)


def _on_crew(plan: Plan, crew: Crew, shards: range, interruption: Interruption) -> None:
    tasks = list(todo(plan, shards))
    dispatch = Dispatch(plan, crew, tasks, interruption)
    total = sum(plan.size(shard) for shard in shards)
    done = total - sum(task.pictures for task in tasks)

    def state() -> tuple[int, int]:
        seen = dispatch.seen()
        return done + seen.pictures, seen.failed

    for _ in progress(dispatch.run(), total, state):
        pass


def _alone(options: Options, plan: Plan, shards: range, interruption: Interruption) -> None:
    """In this process."""
    tasks = list(todo(plan, shards))
    if not tasks:
        return
    tally, total = Tally(), sum(task.pictures for task in tasks)
    with Member(options, plan) as member:
        for level, line in member.opened().said:
            log.log(level, "%s", line)
        results = chain.from_iterable(
            member.run_shard(task, interruption.until) for task in interruption.until(tasks)
        )
        for result in progress(results, total, lambda: (tally.total, tally.failed.total())):
            tally.count(result)
    for shard in sorted({task.shard for task in tasks}):
        join_pieces(plan, shard)


def plans(options: Options, logs: Path, workers: int) -> Iterator[Plan]:
    """What is left of a plan that was begun, then a plan of the pictures that have no row yet."""
    asked, found, mode = asked_of(options), find_plan(logs), mode_of(options)
    clear(logs)
    if found is not None and not (options.override and not mode.resume):
        is_same = _is_same(found, asked, must=not is_merged(found) and not options.override)
        if is_same and not is_merged(found):
            log.info("going on with the plan of %s, %d pictures", found.made, found.pictures)
            yield found
        if is_same:
            mode = Mode(resume=True)
    made = planned(options, logs, workers, mode, asked)
    if made.pictures:
        replace_plan(logs, made.folder)
        plan = find_plan(logs)
        assert plan is not None
        yield plan
    else:
        clear(logs)
        log.info("nothing to do: all %d pictures have their rows; --override starts anew", made.images)


def _is_same(plan: Plan, asked: dict[str, Any], must: bool) -> bool:
    """Whether a plan is of the run asked for.  Raises RunError, naming the differences, where it must be."""
    pinned = plan.pinned()
    known = pinned["identity"] if pinned else plan.identity
    try:
        both = asked.keys() & known.keys()
        check_identity({name: known[name] for name in both}, {name: asked[name] for name in both})
    except RunError:
        if must:
            raise
        return False
    return True


def unfinished(logs: Path) -> Plan | None:
    """A plan of which not all rows are in the logs."""
    plan = find_plan(logs)
    return None if plan is None or is_merged(plan) else plan


def end_plan(logs: Path, is_overridden: bool) -> None:
    """Before a run of one process.  Raises RunError: rows of a plan that is under way would come twice."""
    plan = unfinished(logs)
    if plan is None:
        return
    if not is_overridden:
        raise RunError(
            f"{plan.folder}: a run by many of {plan.pictures} pictures is under way: go on with its command, "
            f"or `of3 merge --logs {logs.parent}`, or pass --override to start anew"
        )
    shutil.rmtree(plan.folder)


def check_same_plan(there: Plan, made: Plan) -> None:
    """Raise RunError unless a plan that is under way is the one that would be made now."""
    if there.manifest != made.manifest or not _is_same(there, dict(made.identity), must=True):
        left = len({task.shard for task in todo(there, range(there.shards))})
        raise RunError(
            f"{there.folder}: a plan of {there.made}, {there.pictures} pictures, is under way, {left} of "
            f"{there.shards} shards are left, and the folder has changed since: do them, or pass --override"
        )


def shared_plan(options: Options, logs: Path, shares: int) -> Plan:
    """A plan made by the first of several processes that want one; the others take it."""
    made = planned(options, logs, shares, mode_of(options), asked_of(options))
    if not made.pictures:
        shutil.rmtree(made.folder)
        raise RunError(
            f"nothing to do: all {made.images} pictures have their rows: pass --override to start anew"
        )
    publish(made.folder, logs / FOLDER)
    plan = find_plan(logs)
    assert plan is not None
    return plan


def planned(options: Options, logs: Path, workers: int, mode: Mode, asked: dict[str, Any]) -> Plan:
    """A plan, not yet in its place."""
    with Survey(options.aligned) as survey:
        asked, mode = _remember(options, logs, survey, mode, asked)
        size = size_of_shards(options.shard_size, survey.images, workers)
        return make_plan(logs, survey, str(Path(options.aligned)), size, mode, asked)


def _remember(
    options: Options, logs: Path, survey: Survey, mode: Mode, asked: dict[str, Any]
) -> tuple[dict[str, Any], Mode]:
    """Let the survey know what has its rows, where a run is gone on with; what its rows were made with."""
    layouts = row_options(options).layouts
    if not mode.resume:
        return asked, mode
    tables.finish_replacing(logs, layouts)
    if not (logs / journal.FILE).exists():
        if not mode.override:
            tables.whole(logs, layouts, is_resumed=True)
        return asked, mode
    try:
        found = tables.recover(logs, layouts)
        check_identity({name: found.header.identity[name] for name in asked}, asked)
    except RunError:
        if not mode.override:
            raise
        return asked, Mode(override=True)
    survey.remember(tables.entries(logs, found), options.retry_failed)
    return dict(found.header.identity), mode


def asked_of(options: Options) -> dict[str, Any]:
    """What makes the rows, as far as the flags and the bundle say.  Raises RunError."""
    try:
        bundle = read_bundle(options.bundle)
    except BundleError as error:
        raise RunError(f"{error}\nof3: make the bundle with: {export_command(options)}") from error
    return identity_of(flags_of(options), bundle.digest)
