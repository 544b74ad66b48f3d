"""A video's records and its table, open for one run.

A row is there once the records hold it; the table is added to after each transaction of theirs.  The table is
the video's alone and what is in it follows from its frames in their order: what a killed process left out of it
is made again from the records, by whoever makes the rows.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from io import BytesIO
from itertools import chain, islice
from pathlib import Path

from of3.runtime.logs.coding import Values
from of3.runtime.logs.committing import Committing
from of3.runtime.logs.database import REMEDY
from of3.runtime.logs.folder import COMMIT_EVERY_S, MOST_AT_ONCE, check_identity
from of3.runtime.logs.frames import VideoItem, frame_values, frames_of
from of3.runtime.logs.items import Stamp
from of3.runtime.logs.known import Known
from of3.runtime.logs.made import Run
from of3.runtime.logs.opening import (
    is_folder,
    is_there,
    make_folders,
    open_file,
    read_text,
    reading,
    refuse_shared,
    remove,
)
from of3.runtime.logs.rows import Layout
from of3.runtime.logs.store import Store, make_store, open_store
from of3.runtime.logs.tables import Table
from of3.runtime.types import RunError, SeenFrame

FOLDER = "video"
RECORDS, TABLE, PARQUET, FACTS = ".sqlite", ".csv", ".parquet", ".json"  # after a video's stem
FINISHED = "finished"  # of what a session did


def place_of(folder: Path, stem: str) -> Path:
    """Where a video's files stand, without what comes after the stem.  folder: `<logs>/openface3`, there."""
    place = folder / FOLDER / stem
    make_folders(folder, place)
    return place


def stems_there(folder: Path) -> dict[str, str]:
    """The stems of videos that have files, by the videos' absolute paths.  folder: as of `place_of`."""
    stems = {}
    for stem in _stems(folder, FACTS):
        with suppress(OSError, ValueError, KeyError, TypeError, RunError):  # others' files
            stems[path_said(folder / FOLDER / stem)] = stem
    return stems


def path_said(place: Path) -> str:
    """Of the video, by what is known of it.  Raises OSError, ValueError, KeyError, TypeError, RunError."""
    return str(json.loads(read_text(named(place, FACTS)))["path"])


def recorded_stems(folder: Path) -> Iterator[str]:
    """Of videos that have records.  folder: as of `place_of`.  Raises RunError: something else is there."""
    if is_folder(folder / FOLDER):
        yield from (stem for stem in _stems(folder, RECORDS) if is_begun(folder / FOLDER / stem))


def _stems(folder: Path, suffix: str) -> Iterator[str]:
    """Of files with a suffix, sorted."""
    top = folder / FOLDER
    for path in sorted(top.rglob(f"*{suffix}")):
        yield str(path.relative_to(top).with_name(path.name.removesuffix(suffix)))


def is_begun(place: Path) -> bool:
    """Whether there are records of a video."""
    return is_there(named(place, RECORDS))


def is_of_other(place: Path, video: VideoItem) -> bool:
    """Whether there are records of another file that was in the video's place.  Raises RunError: damaged."""
    if not is_begun(place):
        return False
    with open_store(named(place, RECORDS)) as store:
        return stamp_in(store) not in (None, video.stamp)


def stamp_in(store: Store) -> Stamp | None:
    """Of the video's file when its frames were read; None where none was."""
    first = next(store.done(store.last_run), None)
    return None if first is None else Stamp(first.size, first.mtime_ns)


def named(place: Path, suffix: str) -> Path:
    """One of a video's files."""
    return place.with_name(place.name + suffix)


class VideoLogs(Committing):
    """Use as a context manager.  `restore` comes first, where a table is wanted."""

    def __init__(
        self, place: Path, video: VideoItem, run: Run, layout: Layout, is_anew: bool, lock: Known | None
    ):
        """layout: of the table.  is_anew: whatever is there is thrown away; otherwise it is gone on with.
        lock: by which the folder is held.

        Raises RunError: what is there is another run's, or damaged; OSError.
        """
        self._path, self._video, self._lock = named(place, TABLE), video, lock
        self._layout = layout
        self._tables: list[Table] = []  # none, or the one
        records, made = named(place, RECORDS), (self._path, named(place, PARQUET))
        for path in (*made, records):
            refuse_shared(path)
        if is_anew or not is_there(records):
            for path in made:
                remove(path)  # before the records: rows without any are nobody's
            make_store(records, run)
        with ExitStack() as opened:
            self._store: Store = opened.enter_context(open_store(records))
            self._run = self._store.last_run
            check_identity(self._store.run(self._run).identity, run.identity)
            self._opened = opened.pop_all()
        self._pending: list[tuple[Values, list[Values], bytes]] = []
        self._committed_s = time.monotonic()

    @property
    def is_finished(self) -> bool:
        """Whether an earlier process came to the video's end."""
        return any(session.made.get(FINISHED) for session in self._store.sessions())

    @property
    def store(self) -> Store:
        """The records: all frames that have been added and committed."""
        return self._store

    def frames(self) -> Iterator[SeenFrame]:
        """Those that have been added, in order."""
        return frames_of(self._store, self._run)

    def restore(self, texts: Iterable[bytes]) -> None:
        """Let the table hold what it should.  texts: the rows of each frame that there is, in order.

        Raises RunError: it holds something else; OSError.
        """
        missing = self._cut(chain([self._layout.text([self._layout.columns])], texts))
        is_new = not is_there(self._path)
        table = Table(self._path.parent, self._layout)  # which writes the first line of a new one
        self._tables = [table]
        self._opened.callback(table.close)
        for text in islice(missing, int(is_new), None):
            table.append(text)

    def _cut(self, texts: Iterator[bytes]) -> Iterator[bytes]:
        """Cut off what a kill or a power cut left half; what is to be added behind the rest."""
        whole, missing = 0, b""
        with reading(self._path) if is_there(self._path) else BytesIO() as file:
            for text in texts:
                there = file.read(len(text))
                if there != text:
                    if not text.startswith(there) and b"\0" not in there:
                        raise RunError(f"{self._path}: some rows are not those that were written: {REMEDY}")
                    missing = text
                    break
                whole += len(text)
            else:
                if file.read(1):
                    raise RunError(f"{self._path}: has rows that were not written by this run: {REMEDY}")
        if missing and whole:
            handle = open_file(self._path, os.O_RDWR)
            with os.fdopen(handle, "rb+") as file:
                file.truncate(whole)
        elif missing:
            remove(self._path)
        return chain([missing] if missing else [], texts)

    def add(self, frame: SeenFrame, text: bytes) -> None:
        """The next frame, with its rows.  Raises OSError."""
        self._pending.append((*frame_values(self._video, frame), text))
        is_due = time.monotonic() - self._committed_s >= COMMIT_EVERY_S
        if is_due or len(self._pending) >= MOST_AT_ONCE:
            self.commit()

    def commit(self) -> None:
        """Let the records hold the frames so far, and the table their rows.  Raises OSError."""
        if not self._pending:
            return
        self._check_in_place()
        pictures, faces, texts = zip(*self._pending, strict=True)
        self._sync()  # so that a power cut costs the rows of one transaction at most
        with self._store.transaction():
            self._store.add(self._run, pictures, faces)
        self._pending.clear()
        self._committed_s = time.monotonic()
        for table in self._tables:
            table.append(b"".join(texts))

    def finish(self) -> None:
        """Let everything reach the disk.  Raises OSError."""
        self.commit()
        self._sync()

    def _sync(self) -> None:
        for table in self._tables:
            table.sync()

    def _check_in_place(self) -> None:
        """Raise OSError when others changed a file under us, or let a run in by taking the lock away."""
        for each in (self._lock, self._store, *self._tables):
            if each is not None:
                each.check_in_place()
