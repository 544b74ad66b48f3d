"""The records of a log folder -> what has rows in it: its pictures, and each of its videos.

Names are legible: others' scripts read what is made of them, and pandas reads no file that is not UTF-8.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from of3.runtime.logs import coding
from of3.runtime.logs.columns import VIDEO, Column, Value, legible
from of3.runtime.logs.items import path_of
from of3.runtime.logs.made import OutputNames, gaze_measured
from of3.runtime.logs.opening import is_there
from of3.runtime.logs.rows import face_rows, faces_columns
from of3.runtime.logs.store import FILE, Store, open_store
from of3.runtime.logs.video import FINISHED, RECORDS, named, recorded_stems
from of3.runtime.logs.video import FOLDER as VIDEOS
from of3.runtime.tables.video_rows import stored_rows, video_columns
from of3.runtime.types import RunError

PICTURES, VIDEOS_STEM = "pictures", "videos"  # of tables that hold all of them
Naming = Callable[[OutputNames, Sequence[str]], OutputNames]  # of a run's, and of `gaze_measured`


@dataclass(frozen=True, slots=True)
class Part:
    """Records, and what is known of them before they are read."""

    records: Path
    stem: str | None  # of a video's files; None: of pictures
    path: str  # of the video
    points: int  # landmarks of a face
    total: int  # pictures or frames
    is_finished: bool
    given: int  # pictures that a run was asked for; 0: nobody knows
    identities: Sequence[Mapping[str, Any]]  # with what its rows were made
    has_confidence: bool  # of every face: whether a detector ran
    is_exchanged: bool  # whether its gaze is named otherwise than it was measured to be

    def columns(self, points: int) -> tuple[Column, ...]:
        """Of its rows, with so many landmarks."""
        return faces_columns(points) if self.stem is None else (VIDEO, *video_columns(points))

    def rows(self, how: str, points: int, naming: Naming) -> Iterator[Sequence[Value]]:
        """As `columns`, in order.  how: of an SQLite URI.  Raises RunError: damaged; OSError."""
        with open_store(self.records, how) as store:
            if self.stem is None:
                yield from _picture_rows(store, points, naming)
            else:
                names = naming(store.run(store.last_run).names, gaze_measured(store.sessions()))
                yield from ([self.path, *row] for row in stored_rows(store, points, names))


@dataclass(frozen=True, slots=True)
class Group:
    """Parts of one kind, whose rows stand in one table."""

    stem: str  # of its file
    parts: Sequence[Part]

    @property
    def points(self) -> int:
        """Landmarks of a face.  Raises RunError: some have 68, others 98."""
        found = {part.points for part in self.parts} - {0}
        if len(found) > 1:
            raise RunError(
                f"got runs of {sorted(found)} landmarks, want one kind of them: give each its own --logs"
            )
        return max(found, default=0)

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.parts[0].columns(self.points)

    @property
    def identities(self) -> list[Mapping[str, Any]]:
        """With what the rows were made, each once."""
        every = (identity for part in self.parts for identity in part.identities)
        return list({json.dumps(identity, sort_keys=True): identity for identity in every}.values())

    def rows(self, how: str, naming: Naming, shown: Callable[[], None]) -> Iterator[Sequence[Value]]:
        """As `columns`.  how: as of `Part.rows`.  shown: called after each picture or frame."""
        (which,) = (place for place, column in enumerate(self.columns) if column.name in ("path", "frame"))
        for part in self.parts:
            for _, rows in groupby(part.rows(how, self.points, naming), key=itemgetter(which)):
                yield from rows
                shown()


def groups_of(parts: Sequence[Part], is_apart: bool) -> list[Group]:
    """All pictures in one table, all videos in another, or each in its own."""
    pictures = [part for part in parts if part.stem is None]
    videos = [part for part in parts if part.stem is not None]
    found = [Group(PICTURES, pictures)] if pictures else []
    if is_apart:
        return found + [Group(part.stem or "", [part]) for part in videos]
    return found + ([Group(VIDEOS_STEM, videos)] if videos else [])


def parts_of(folder: Path, how: str) -> list[Part]:
    """What has rows: the pictures first, then the videos by stem.  folder: `<logs>/openface3`.

    Records do not say whether all pictures are in them: they are taken for finished.

    how: as of `Part.rows`.  Raises RunError, OSError.
    """
    found = [_part(folder / FILE, None, how)] if is_there(folder / FILE) else []
    videos = ((named(folder / VIDEOS / stem, RECORDS), stem) for stem in recorded_stems(folder))
    return found + [_part(records, stem, how) for records, stem in videos]


def _part(records: Path, stem: str | None, how: str) -> Part:
    with open_store(records, how) as store:
        runs, measured = store.runs(), gaze_measured(store.sessions())
        return Part(
            records,
            stem,
            "" if stem is None else _video_of(store),
            max(run.rows.points for run in runs.values()),
            sum(store.counts(number).total for number in runs),
            stem is None or any(session.made.get(FINISHED) for session in store.sessions()),
            0,
            [run.identity for run in runs.values()],
            all(not run.identity.get("flags", {}).get("skip_detect") for run in runs.values()),
            any(run.names.as_measured(measured) != run.names for run in runs.values()),
        )


def _video_of(store: Store) -> str:
    """The video that frames lie in; of none where there is no frame."""
    first = next(store.done(store.last_run), None)
    return "" if first is None else legible(os.path.dirname(path_of(first.key)))


def _picture_rows(store: Store, points: int, naming: Naming) -> Iterator[Sequence[Value]]:
    measured = gaze_measured(store.sessions())
    for number, run in store.runs().items():
        names = naming(run.names, measured)
        for rows in store.batches(number):
            for path, faces in coding.faces(rows, names):
                yield from face_rows(legible(path), faces, points)
