"""The parts of a plan -> the logs of a run.

Rows are added part by part, in the same transactions as a single run's, so that a merge that was killed goes
on, and one that is repeated changes nothing.
"""

import json
import logging
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, pairwise
from typing import Any

from of3.runtime.logs.counts import Counts
from of3.runtime.logs.folder import Mode, RunLogs
from of3.runtime.logs.items import key_of
from of3.runtime.logs.known import Known
from of3.runtime.logs.made import Run, Session
from of3.runtime.logs.opening import is_there, remove
from of3.runtime.logs.store import store_of
from of3.runtime.logs.writer import write_au_info
from of3.runtime.opened import tell
from of3.runtime.runs.messages import after
from of3.runtime.runs.runinfo import RunInfo
from of3.runtime.runs.shards import manifest
from of3.runtime.runs.shards.document import MALFORMED
from of3.runtime.runs.shards.plan import MERGED, MERGING, Pinned, Plan, clear
from of3.runtime.runs.shards.results import Task, chains, done_path, read_part, todo
from of3.runtime.types import RunError

MOST_NAMED = 10  # shards in a message

log = logging.getLogger(__name__)


def merge(plan: Plan, anew: bool = False, lock: Known | None = None) -> None:
    """Check every part, add its rows, bring them into order, write run.json and au_info.json.

    anew: the tables hold nothing but these rows afterwards.  lock: as of RunLogs.
    Raises RunError: a shard is missing, damaged, of another run, or does not balance.
    """
    logs, pinned = plan.folder.parent, _checked(plan)
    identity = {name: value for name, value in pinned.run.identity.items() if name != "manifest"}
    run = replace(pinned.run, identity=identity)
    if plan.is_merged and not anew and all(is_there(logs / layout.file) for layout in run.rows.layouts):
        log.info("merged already: %s; --override writes the tables anew", logs)
        return
    if anew and plan.skipped:
        raise RunError(
            f"{plan.folder}: {plan.skipped} pictures had their rows before and are not in it: run anew"
        )
    tasks = list(chain.from_iterable(chains(plan)))
    firsts, sessions, counts = _looked_at(plan, tasks, pinned.run)  # before any row is written
    remove(plan.folder / MERGED)
    with RunLogs(logs, run, _mode(plan, pinned, anew), lock) as tables:
        plan.mark(MERGING)
        there = tables.parts(plan.token)
        for task, first in zip(tasks, firsts, strict=True):
            if task.name not in there:
                tables.add_part(read_part(plan, task), plan.token, task.name, first)
        tables.finish()
    write_au_info(logs, run.au_info)
    _write_info(plan, pinned.flags, sessions, counts)
    plan.mark(MERGED)
    shutil.rmtree(plan.folder / "writing", ignore_errors=True)
    clear(logs)


def _mode(plan: Plan, pinned: Pinned, anew: bool) -> Mode:
    """As the plan was made, or as the sessions were told later, until there are rows of it."""
    if anew:
        return Mode(override=True)
    if plan.mode.resume or plan.is_marked(MERGING):
        return Mode(override=plan.mode.override and not plan.is_marked(MERGING), resume=True)
    return Mode(override=plan.mode.override or pinned.flags["override"])


def _checked(plan: Plan) -> Pinned:
    """What makes the rows, of a plan of which nothing is missing.  Raises RunError."""
    pinned = plan.pinned()
    missing = list(dict.fromkeys(task.shard for task in todo(plan, range(plan.shards))))
    if pinned is None or missing:
        named = ", ".join(str(shard) for shard in missing[:MOST_NAMED])
        more = ", ..." if len(missing) > MOST_NAMED else ""
        raise RunError(
            f"{plan.folder}: got {plan.shards - len(missing)} of {plan.shards} shards, missing {named}{more}: "
            "run the shares they are in again (shard k is in share k mod n), then merge"
        )
    if manifest.index_sha256(plan.folder) != plan.manifest:
        raise RunError(
            f"{plan.folder / manifest.INDEX} was changed: make a plan with `of3 manifest --override`"
        )
    return pinned


def _looked_at(plan: Plan, tasks: Sequence[Task], run: Run) -> tuple[list[bytes], list[Session], Counts]:
    """The first key of each part, who did them, and what came of the pictures, each as the manifest says.

    Raises RunError.
    """
    last, firsts, made, counts = b"", list[bytes](), list[Session](), Counts()
    for task in tasks:
        try:
            keys, sessions, found = _look_at(plan, task, run)
        except MALFORMED as error:
            raise RunError(_again(plan, task, f"not what a run writes ({error})")) from error
        if any(a >= b for a, b in pairwise([last, *keys])):
            raise RunError(_again(plan, task, "a picture is there twice"))
        made += sessions
        counts.add(found)
        firsts.append(keys[0])
        last = keys[-1]
    return firsts, made, counts


def _look_at(plan: Plan, task: Task, run: Run) -> tuple[list[bytes], list[Session], Counts]:
    """A part's keys, who did it, and what came of it.  Raises RunError, one of MALFORMED."""
    items = plan.items(task.shard)[task.first : task.last]
    with store_of(read_part(plan, task), done_path(plan, task)) as part:
        if part.run(part.last_run).to_json() != run.to_json():  # a 1 is no True, a NaN is one
            raise RunError(_again(plan, task, "it was made by another run"))
        found = [(done.key, done.size, done.mtime_ns) for done in part.done(part.last_run)]
        if found != [(key_of(item.path), item.stamp.size, item.stamp.mtime_ns) for item in items]:
            raise RunError(_again(plan, task, "its pictures are not those of the manifest"))
        sessions = part.sessions()
        together([session.made for session in sessions])
        return [key for key, *_ in found], sessions, part.counts(part.last_run)


def _again(plan: Plan, task: Task, why: str) -> str:
    return f"{plan.folder}: shard {task.shard}: {why}: delete {done_path(plan, task)} and run its share again"


def _write_info(plan: Plan, flags: Mapping[str, Any], sessions: list[Session], counts: Counts) -> None:
    """run.json, and one line of it."""
    started_s, ended_s = (min(s.started_s for s in sessions), max(s.ended_s for s in sessions))
    made = together([session.made for session in sessions])
    info = RunInfo(flags, made, plan.images, datetime.fromtimestamp(started_s, UTC))
    info.write(plan.folder.parent, counts, plan.skipped, ended_s - started_s)
    is_cropped, faces, folder = flags["skip_detect"], flags["faces"], plan.folder.parent
    tell(after(counts, plan.skipped, ended_s - started_s, folder, is_cropped, faces))


def _distinct(documents: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Each once, in the order they came."""
    return list({json.dumps(each, sort_keys=True): each for each in documents}.values())


def together(made: list[Mapping[str, Any]]) -> dict[str, Any]:
    """What several sessions ran on, as one: the first, and under `others` what else ran a model.

    The batches are those of all; they do not make one engine another.
    """
    engines = {model: _joined([each["engines"][model] for each in made]) for model in made[0]["engines"]}
    if any("others" in engine for engine in engines.values()):
        log.warning("parts were made on different engines: run.json names them")
    return {**made[0], "engines": engines}


def _joined(engines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first, *others = _distinct(
        [{name: value for name, value in engine.items() if name != "batches"} for engine in engines]
    )
    batches = Counter[str]()
    for engine in engines:
        for name, count in engine.get("batches", {}).items():
            batches[name] += count
    return {**first, "batches": dict(batches), **({"others": others} if others else {})}
