"""The results of a plan's shards -> the logs of a run.

Rows are appended shard by shard, through the same journal as a single run's, so that a merge that was killed
goes on, and one that is repeated changes nothing.  `merge.json` says how far it is.
"""

import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from of3.runtime.logs.counts import Counts
from of3.runtime.logs.files import replace_text, sort_key
from of3.runtime.logs.folder import Mode, RunLogs
from of3.runtime.logs.tables import Chunk
from of3.runtime.logs.writer import write_au_info
from of3.runtime.runs.flags import from_json, row_options
from of3.runtime.runs.runinfo import RunInfo, summary
from of3.runtime.runs.shards import manifest
from of3.runtime.runs.shards.plan import MERGE, MERGED, Plan, clear
from of3.runtime.runs.shards.results import ShardResult, distinct, read_result, todo, whole
from of3.runtime.runs.shards.work import digest_of
from of3.runtime.types import RunError

APPENDING, SORTING = "appending", "sorting"
MOST_NAMED = 10  # shards in a message

log = logging.getLogger(__name__)


def _write_state(plan: Plan, **state: Any) -> None:
    replace_text(plan.folder / MERGE, json.dumps(state) + "\n")


def merge(plan: Plan, anew: bool = False) -> None:
    """Check every result, append its rows, bring them into order, write run.json and au_info.json.

    anew: the tables hold nothing but these rows afterwards.
    Raises RunError: a shard is missing, damaged, of another run, or does not balance.
    """
    logs = plan.folder.parent
    pinned = _checked(plan)
    rows = row_options(from_json(pinned["flags"]))
    state = {} if anew else plan.merging()
    if state.get("stage") == MERGED:
        if all((logs / layout.file).exists() for layout in rows.layouts):
            log.info("merged already: %s; --override writes the tables anew", logs)
            return
        anew, state = True, {}
    if anew and plan.skipped:
        raise RunError(
            f"{plan.folder}: {plan.skipped} pictures had their rows before and are not in it: run anew"
        )
    if anew:
        (plan.folder / MERGE).unlink(missing_ok=True)
    identity = {name: value for name, value in pinned["identity"].items() if name != "manifest"}
    mode = Mode(override=anew, resume=bool(state)) if anew or state else _mode(plan, pinned)
    total = Total()
    for result in _results(plan, digest_of(pinned["identity"])):  # all of them, before any row is written
        total.add(result)
    with RunLogs(logs, rows, mode, identity) as tables:
        if not state:
            state = {"stage": APPENDING, "before": tables.count}
            _write_state(plan, **state)
        have = tables.count - state["before"] if state["stage"] == APPENDING else plan.pictures
        for shard in range(plan.shards):
            have -= _append(tables, read_result(plan, whole(plan, shard)).chunk, have)
        _write_state(plan, stage=SORTING, before=state["before"])
        tables.finish()
    write_au_info(logs, pinned["au_info"])
    total.write(plan, pinned["flags"])
    _write_state(plan, stage=MERGED, before=state["before"])
    shutil.rmtree(plan.folder / "writing", ignore_errors=True)
    clear(logs)


def _mode(plan: Plan, pinned: Mapping[str, Any]) -> Mode:
    """As the plan was made, or as the sessions were told later."""
    if plan.mode.resume:
        return plan.mode
    return Mode(override=plan.mode.override or pinned["flags"]["override"])


def _checked(plan: Plan) -> dict[str, Any]:
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


def _results(plan: Plan, identity: str) -> Iterator[ShardResult]:
    """Every result, checked against the manifest.  Raises RunError."""
    last = ""
    for shard in range(plan.shards):
        result, items = read_result(plan, whole(plan, shard)), plan.items(shard)
        if result.identity != identity:
            raise RunError(_again(plan, shard, "it was made by another run"))
        if [(item.path, item.stamp) for item in items] != [(e.path, e.stamp) for e in result.chunk.entries]:
            raise RunError(_again(plan, shard, "its pictures are not those of the manifest"))
        keys = [last, *(sort_key(item.path) for item in items)]
        if any(a >= b for a, b in pairwise(keys)):
            raise RunError(_again(plan, shard, "a picture is there twice"))
        good = sum(entry.success for entry in result.chunk.entries)
        sizes = tuple(len(content) for content in result.chunk.contents)
        is_balanced = (result.counts.done, result.counts.total) == (good, len(items))
        if not is_balanced or result.chunk.entries[-1].ends[: len(sizes)] != sizes:
            raise RunError(_again(plan, shard, "its counts do not balance"))
        last = keys[-1]
        yield result


def _again(plan: Plan, shard: int, why: str) -> str:
    return f"{plan.folder}: shard {shard}: {why}: delete its file in parts/ and run its share again"


def _append(tables: RunLogs, chunk: Chunk, have: int) -> int:
    """Add the pictures of a chunk that are not there yet; how many were.  have: of a killed merge."""
    known = min(have, len(chunk.entries))
    if known < len(chunk.entries):
        tables.add(chunk.after(known))
    return known


class Total:
    """What the results say of the run."""

    def __init__(self) -> None:
        self._counts, self._made = Counts(), list[Mapping[str, Any]]()
        self._started_s, self._ended_s = float("inf"), 0.0

    def add(self, result: ShardResult) -> None:
        self._counts.add(result.counts)
        self._made = list(distinct([*self._made, *result.made]))
        self._started_s = min(self._started_s, result.started_s)
        self._ended_s = max(self._ended_s, result.ended_s)

    def write(self, plan: Plan, flags: Mapping[str, Any]) -> None:
        """run.json, and one line of it."""
        started = datetime.fromtimestamp(self._started_s, UTC)
        elapsed_s = self._ended_s - self._started_s
        info = RunInfo(flags, together(self._made), plan.images, started)
        info.write(plan.folder.parent, self._counts, plan.skipped, elapsed_s)
        log.info("%s", summary(self._counts, plan.skipped, elapsed_s, self._made))


def together(made: list[Mapping[str, Any]]) -> dict[str, Any]:
    """What several sessions ran on, as one: the first, and under `others` what else ran a model."""
    engines = {
        model: {**first, **({"others": others} if others else {})}
        for model, first in made[0]["engines"].items()
        for others in [distinct(each["engines"][model] for each in made)[1:]]
    }
    if any("others" in engine for engine in engines.values()):
        log.warning("parts were made on different engines: run.json names them")
    return {**made[0], "engines": engines}
