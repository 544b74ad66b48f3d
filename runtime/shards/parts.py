"""What is done of a plan: a file a shard, there whole or not at all.

`parts/000/000012.zip` is shard 12: its bytes of each table, its pictures as the journal has them, `part.json`.
`parts/000/000012.00000-00250.zip` is a piece of it, its first 250 pictures: a worker was interrupted, or lost.
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

from of3.runtime.files import sync
from of3.runtime.journal import entry_of
from of3.runtime.shards.plan import Plan
from of3.runtime.tables import Chunk, joined
from of3.runtime.tally import Tally, tally_of
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
class Part:
    task: Task
    identity: str  # digest of what made the rows
    chunk: Chunk
    tally: Tally
    made: tuple[Mapping[str, Any], ...]  # `runinfo.made_with`, of each session that took part
    started_s: float  # since 1970
    ended_s: float


def path_of(plan: Plan, task: Task) -> Path:
    piece = "" if task.pictures == plan.size(task.shard) else f".{task.first:05d}-{task.last:05d}"
    return plan.folder / "parts" / f"{task.shard // A_FOLDER:03d}" / f"{task.shard:06d}{piece}.zip"


def whole(plan: Plan, shard: int) -> Task:
    return Task(shard, 0, plan.size(shard))


def write_part(plan: Plan, part: Part) -> None:
    """Written, synced, put in its place; one that is there stays as it is.  Raises OSError."""
    final, temporary = path_of(plan, part.task), plan.temporary("part")
    if final.exists():
        return
    final.parent.mkdir(parents=True, exist_ok=True)
    card = {
        "format": FORMAT,
        "revision": REVISION,
        "identity": part.identity,
        "shard": part.task.shard,
        "first": part.task.first,
        "last": part.task.last,
        "counts": part.tally.to_document(),
        "started_s": part.started_s,
        "ended_s": part.ended_s,
        "made": part.made,
    }
    with zipfile.ZipFile(temporary, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        contents = dict(zip(TABLES, part.chunk.contents, strict=False))
        contents[JOURNAL] = b"".join(entry.line() for entry in part.chunk.entries)
        contents[CARD] = json.dumps(card, indent=2).encode() + b"\n"
        for name, content in contents.items():
            file.writestr(_member(name), content)
    sync(temporary)
    temporary.replace(final)
    sync(final.parent)


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, LONG_AGO)
    member.compress_type = zipfile.ZIP_DEFLATED
    return member


def read_part(plan: Plan, task: Task) -> Part:
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
        return Part(
            task=task,
            identity=card["identity"],
            chunk=Chunk(entries, contents),
            tally=tally_of(card["counts"]),
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
        pieces: dict[int, list[Task]] = {}
        for task in _found(plan, folder):
            pieces.setdefault(task.shard, []).append(task)
        for shard in group:
            yield from _gaps(whole(plan, shard), pieces.get(shard, []))


def left(plan: Plan, task: Task) -> list[Task]:
    """What is not done of a task, whoever may have been at it."""
    if path_of(plan, whole(plan, task.shard)).exists():
        return []
    pieces = [piece for piece in _pieces(plan, task.shard) if piece.last <= task.last]
    return list(_gaps(task, pieces))


def _pieces(plan: Plan, shard: int) -> list[Task]:
    return [task for task in _found(plan, shard // A_FOLDER) if task.shard == shard]


def _found(plan: Plan, folder: int) -> Iterator[Task]:
    place = plan.folder / "parts" / f"{folder:03d}"
    for name in os.listdir(place) if place.exists() else []:
        if named := re.fullmatch(r"(\d{6,})(?:\.(\d+)-(\d+))?\.zip", name):
            shard = int(named[1])
            yield Task(shard, int(named[2]), int(named[3])) if named[2] else whole(plan, shard)


def _gaps(wanted: Task, pieces: Iterable[Task]) -> Iterator[Task]:
    at = wanted.first
    for piece in sorted(pieces):
        if piece.first >= at:  # another lies across those before and is of no use
            if piece.first > at:
                yield Task(wanted.shard, at, piece.first)
            at = piece.last
    if at < wanted.last:
        yield Task(wanted.shard, at, wanted.last)


def join_pieces(plan: Plan, shard: int) -> None:
    """Make a shard's part of its pieces, where they are all there."""
    place = path_of(plan, whole(plan, shard))
    pieces = sorted(_pieces(plan, shard))
    if not place.exists():
        chosen = _chain(whole(plan, shard), pieces)
        if not chosen:
            return
        read = [read_part(plan, task) for task in chosen]
        tally = Tally()
        for part in read:
            tally.add(part.tally)
        write_part(
            plan,
            Part(
                task=whole(plan, shard),
                identity=_only({part.identity for part in read}, place),
                chunk=joined([part.chunk for part in read]),
                tally=tally,
                made=distinct(made for part in read for made in part.made),
                started_s=min(part.started_s for part in read),
                ended_s=max(part.ended_s for part in read),
            ),
        )
    for task in pieces:
        if task != whole(plan, shard):
            path_of(plan, task).unlink(missing_ok=True)


def _chain(wanted: Task, pieces: Iterable[Task]) -> list[Task]:
    """Pieces that follow each other from the first picture to the last; none where there is a gap."""
    chosen: list[Task] = []
    at = wanted.first
    for piece in pieces:
        if piece.first == at:
            chosen.append(piece)
            at = piece.last
    return chosen if at == wanted.last else []


def _only(identities: set[str], place: Path) -> str:
    if len(identities) != 1:
        raise RunError(f"{place}: its pieces were made by different runs: delete them and do the shard again")
    return identities.pop()


def distinct(documents: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Each once, in the order they came."""
    return tuple({json.dumps(each, sort_keys=True): each for each in documents}.values())
