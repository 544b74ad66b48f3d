"""What is done of a plan: a file a shard, there whole or not at all.

`parts/000/000012.zip` is shard 12: its bytes of each table, its pictures as the journal has them, `part.json`.
`parts/000/000012.00000-00250.zip` is a partial result, its first 250: a worker was interrupted or lost.
"""

import io
import json
import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from of3.runtime.logs.counts import Counts, counts_of
from of3.runtime.logs.files import sync
from of3.runtime.logs.journal import entry_of
from of3.runtime.logs.tables import Chunk, joined
from of3.runtime.runs.shards.plan import Plan
from of3.runtime.types import RunError

FORMAT, REVISION = "of3-part", 1
TABLES = ("openface3.csv", "errors.tsv", "openface3_full.csv")
JOURNAL, CARD = "journal.tsv", "part.json"
A_FOLDER = 1000  # shards
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # equal parts are equal files


@dataclass(frozen=True, slots=True, order=True)
class Task:
    """Pictures of a shard, `first` to before `last`."""

    shard: int
    first: int
    last: int

    @property
    def pictures(self) -> int:
        return self.last - self.first


@dataclass(frozen=True, slots=True)
class ShardResult:
    task: Task
    identity: str  # digest of what made the rows
    chunk: Chunk
    counts: Counts
    made: tuple[Mapping[str, Any], ...]  # `runinfo.made_with`, of each session that took result
    started_s: float  # since 1970
    ended_s: float


def path_of(plan: Plan, task: Task) -> Path:
    span = "" if task.pictures == plan.size(task.shard) else f".{task.first:05d}-{task.last:05d}"
    return plan.folder / "parts" / f"{task.shard // A_FOLDER:03d}" / f"{task.shard:06d}{span}.zip"


def whole(plan: Plan, shard: int) -> Task:
    return Task(shard, 0, plan.size(shard))


def write_result(plan: Plan, result: ShardResult) -> None:
    """Written, synced, put in its place; one that is there stays as it is.  Raises OSError."""
    final, temporary = path_of(plan, result.task), plan.temporary("result")
    if final.exists():
        return
    final.parent.mkdir(parents=True, exist_ok=True)
    card = {
        "format": FORMAT,
        "revision": REVISION,
        "identity": result.identity,
        "shard": result.task.shard,
        "first": result.task.first,
        "last": result.task.last,
        "counts": result.counts.to_document(),
        "started_s": result.started_s,
        "ended_s": result.ended_s,
        "made": result.made,
    }
    with zipfile.ZipFile(temporary, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        contents = dict(zip(TABLES, result.chunk.contents, strict=False))
        contents[JOURNAL] = b"".join(entry.line() for entry in result.chunk.entries)
        contents[CARD] = json.dumps(card, indent=2).encode() + b"\n"
        for name, content in contents.items():
            file.writestr(_session(name), content)
    sync(temporary)
    temporary.replace(final)
    sync(final.parent)


def _session(name: str) -> zipfile.ZipInfo:
    session = zipfile.ZipInfo(name, LONG_AGO)
    session.compress_type = zipfile.ZIP_DEFLATED
    return session


def read_result(plan: Plan, task: Task) -> ShardResult:
    """Raises RunError: missing, damaged, or not of this task."""
    path = path_of(plan, task)
    try:
        with zipfile.ZipFile(path) as file:
            contents = tuple(file.read(name) for name in TABLES if name in file.namelist())
            # As a file: `splitlines` would also split a name at its carriage return.
            lines, card = list(io.BytesIO(file.read(JOURNAL))), json.loads(file.read(CARD))
        if (card["format"], card["revision"]) != (FORMAT, REVISION):
            raise ValueError("another version")
        if (card["shard"], card["first"], card["last"]) != (task.shard, task.first, task.last):
            raise ValueError("another shard")
        entries = tuple(entry for entry in map(entry_of, lines) if entry is not None)
        return ShardResult(
            task=task,
            identity=card["identity"],
            chunk=Chunk(entries, contents),
            counts=counts_of(card["counts"]),
            made=tuple(card["made"]),
            started_s=card["started_s"],
            ended_s=card["ended_s"],
        )
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise RunError(
            f"{path}: not to be read ({error}): delete it and do shard {task.shard} again"
        ) from error


def todo(plan: Plan, shards: Iterable[int]) -> Iterator[Task]:
    """What is not done of ascending shards."""
    for folder, group in groupby(shards, lambda shard: shard // A_FOLDER):
        partials: dict[int, list[Task]] = {}
        for task in _found(plan, folder):
            partials.setdefault(task.shard, []).append(task)
        for shard in group:
            yield from _gaps(whole(plan, shard), partials.get(shard, []))


def left(plan: Plan, task: Task) -> list[Task]:
    """What is not done of a task, whoever may have been at it."""
    if path_of(plan, whole(plan, task.shard)).exists():
        return []
    partials = [partial for partial in _partials(plan, task.shard) if partial.last <= task.last]
    return list(_gaps(task, partials))


def _partials(plan: Plan, shard: int) -> list[Task]:
    return [task for task in _found(plan, shard // A_FOLDER) if task.shard == shard]


def _found(plan: Plan, folder: int) -> Iterator[Task]:
    place = plan.folder / "parts" / f"{folder:03d}"
    for name in os.listdir(place) if place.exists() else []:
        if named := re.fullmatch(r"(\d{6,})(?:\.(\d+)-(\d+))?\.zip", name):
            shard = int(named[1])
            yield Task(shard, int(named[2]), int(named[3])) if named[2] else whole(plan, shard)


def _gaps(wanted: Task, partials: Iterable[Task]) -> Iterator[Task]:
    at = wanted.first
    for partial in sorted(partials):
        if partial.first >= at:  # another lies across those before and is of no use
            if partial.first > at:
                yield Task(wanted.shard, at, partial.first)
            at = partial.last
    if at < wanted.last:
        yield Task(wanted.shard, at, wanted.last)


def join_partials(plan: Plan, shard: int) -> None:
    """Make a shard's result of its partials, where they are all there."""
    place = path_of(plan, whole(plan, shard))
    partials = sorted(_partials(plan, shard))
    if not place.exists():
        chosen = _chain(whole(plan, shard), partials)
        if not chosen:
            return
        read = [read_result(plan, task) for task in chosen]
        counts = Counts()
        for result in read:
            counts.add(result.counts)
        write_result(
            plan,
            ShardResult(
                task=whole(plan, shard),
                identity=_only({result.identity for result in read}, place),
                chunk=joined([result.chunk for result in read]),
                counts=counts,
                made=distinct(made for result in read for made in result.made),
                started_s=min(result.started_s for result in read),
                ended_s=max(result.ended_s for result in read),
            ),
        )
    for task in partials:
        if task != whole(plan, shard):
            path_of(plan, task).unlink(missing_ok=True)


def _chain(wanted: Task, partials: Iterable[Task]) -> list[Task]:
    """Pieces that follow each other from the first picture to the last; none where there is a gap."""
    chosen: list[Task] = []
    at = wanted.first
    for partial in partials:
        if partial.first == at:
            chosen.append(partial)
            at = partial.last
    return chosen if at == wanted.last else []


def _only(identities: set[str], place: Path) -> str:
    if len(identities) != 1:
        raise RunError(f"{place}: its partials were made by different runs: delete them and do the shard again")
    return identities.pop()


def distinct(documents: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Each once, in the order they came."""
    return tuple({json.dumps(each, sort_keys=True): each for each in documents}.values())
