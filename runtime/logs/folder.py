"""A run's log folder: what becomes of what is there, and the records and tables, open for one run.

A row is there once the records hold it.  The tables are added to after each transaction of the records;
whatever a killed process left out of them is written at the next start.
"""

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

from of3.runtime.logs.committing import Committing
from of3.runtime.logs.database import REMEDY
from of3.runtime.logs.entries import Entries, Results, entries_of
from of3.runtime.logs.files import synced
from of3.runtime.logs.items import Done
from of3.runtime.logs.known import Known
from of3.runtime.logs.made import Run
from of3.runtime.logs.opening import is_there, refuse_shared, remove
from of3.runtime.logs.render import (
    Changed,
    check_not_emptied,
    finish_replacing,
    is_whole,
    next_of,
    render_tables,
    stored_text,
)
from of3.runtime.logs.rows import FILES
from of3.runtime.logs.store import FILE, Region, Store, make_store, open_store, region_seed
from of3.runtime.logs.tables import Table, check_header, has_rows
from of3.runtime.types import RunError

FOLDER = "openface3"
OLD_JOURNAL = "journal.tsv"  # of 0.1, whose rows were text from the beginning
COMMIT_EVERY_S, MOST_AT_ONCE = 1.0, 4096

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mode:
    """What becomes of rows that are there.  Neither: the new ones come after them."""

    override: bool = False
    resume: bool = False


def what_stays(folder: Path, mode: Mode, identity: Mapping[str, Any]) -> Store | None:
    """The records that a run goes on with, or comes after; None: it has none before it.

    identity: what makes the rows, as far as it is known.
    Raises RunError: the run there is another, or nobody knows what made the rows there.
    """
    if mode.override and not mode.resume:
        return None
    is_recorded = is_there(folder / FILE)
    try:
        if is_recorded:
            return _whole_store(folder, mode, identity)
        for path in (folder / name for name in FILES):
            if mode.resume and has_rows(path):
                raise RunError(f"{path}: has rows but no {FILE}: pass --resume off to append, or --override")
    except RunError:
        if not mode.override:
            raise
    return None


def _whole_store(folder: Path, mode: Mode, identity: Mapping[str, Any]) -> Store | None:
    """Records whose tables are as they should be; None where others have changed these."""
    with ExitStack() as opened:
        store = opened.enter_context(open_store(folder / FILE))
        finish_replacing(store, folder)
        was = [*store.runs().values()][-1].identity  # of all, so that none is damaged
        if mode.resume:
            check_identity({name: value for name, value in was.items() if name in identity}, identity)
        try:
            if not mode.resume:
                check_not_emptied(store, folder)
            if not all(is_whole(store, folder, name) for name in FILES):
                log.warning("%s: the tables lacked rows that the records hold: written anew", folder)
                render_tables(store, folder)
        except Changed as error:
            if mode.resume:
                raise RunError(f"{error}: pass --resume off to append to them, or {REMEDY}") from error
            log.warning("%s: left as it is, its rows leave the records", error)
            return None
        opened.pop_all()
        return store


class RunLogs(Committing):
    """The records and tables of one run.  Use as a context manager."""

    def __init__(self, folder: Path, run: Run, mode: Mode, lock: Known | None = None):
        """folder: `<logs>/openface3`, which is there.  lock: by which it is held, as `runs.lock` gives it.

        Raises RunError: a table has other columns, or the run there is another; OSError: not to be written.
        """
        self._layouts, self._lock = run.rows.layouts, lock
        for path in (folder / FILE, *(folder / layout.file for layout in self._layouts)):
            refuse_shared(path)
        with ExitStack() as opened:
            store = what_stays(folder, mode, run.identity)
            is_anew = store is None and mode.override
            if not is_anew:
                for layout in self._layouts:
                    check_header(folder / layout.file, layout)
            if store is None:
                _start(folder, run, is_anew)
                store = open_store(folder / FILE)
            elif not mode.resume:
                with store.transaction():
                    store.begin(run)
            self._store = opened.enter_context(store)
            finish_replacing(store, folder)
            remove(folder / OLD_JOURNAL)
            self._open_tables(folder, opened)
            self._opened = opened.pop_all()
        self._folder, self._as = folder, self._store.run(self._run)
        self.added = 0  # pictures, by this process
        self._pending: list[Entries] = []
        self._waiting = 0  # pictures
        self._committed_s = -math.inf  # the first rows come at once: whoever waits sees that it works

    def _open_tables(self, folder: Path, opened: ExitStack) -> None:
        """Open them, and note where the rows of the run begin in each."""
        self._run = self._store.last_run
        self._tables = [Table(folder, layout) for layout in self._layouts]
        for table in self._tables:
            opened.callback(table.close)
        known = {layout: self._store.regions(layout.file) for layout in self._layouts}
        fresh = [t for t in self._tables if all(region.run != self._run for region in known[t.layout])]
        if fresh:
            with self._store.transaction():
                for table in fresh:
                    self._note(table, 0, b"")

    def done(self) -> Iterator[Done]:
        """Pictures that have their row in this run, by key."""
        return self._store.done(self._run)

    def entries(self, results: Results) -> Entries:
        """What is to be added of results; on any thread."""
        return entries_of(results, self._as.rows, self._layouts)

    def add(self, entries: Entries) -> None:
        """Of pictures whose own files are there.  Raises OSError."""
        self._pending.append(entries)
        self._waiting += len(entries.pictures)
        self.added += len(entries.pictures)
        is_due = time.monotonic() - self._committed_s >= COMMIT_EVERY_S
        if is_due or self._waiting >= MOST_AT_ONCE:
            self.commit()

    def commit(self) -> None:
        """Let the records hold the pictures so far, and the tables their rows.  Raises OSError."""
        if not self._pending:
            return
        pictures = [values for entries in self._pending for values in entries.pictures]
        faces = [values for entries in self._pending for values in entries.faces]
        keys = [self._store.last_key(self._run), *(values[0] for values in pictures)]
        texts = zip(*(entries.texts for entries in self._pending), strict=True)
        with self._written([b"".join(each) for each in texts]):
            if any(a >= b for a, b in pairwise(keys)):
                self._store.note_disorder(self._run)
            self._store.add(self._run, pictures, faces)
            self._pending.clear()
            self._waiting = 0

    def parts(self, plan: str) -> set[str]:
        """Those of a plan whose rows are here."""
        return self._store.parts(plan)

    def add_part(self, content: bytes, plan: str, name: str, first: bytes) -> None:
        """The rows of a part of a plan, in order.  first: its first key.  Raises OSError, RunError."""
        texts: list[list[bytes]] = [[] for _ in self._tables]
        with self._store.attached(content):
            for rows in self._store.batches(self._run, schema="part"):
                for table, text in zip(self._tables, texts, strict=True):
                    text.append(stored_text(table.layout, self._as, rows))
            with self._written([b"".join(text) for text in texts]):
                if first <= self._store.last_key(self._run):
                    self._store.note_disorder(self._run)
                self._store.add_part(self._run, plan, name)

    @contextmanager
    def _written(self, texts: Sequence[bytes]) -> Iterator[None]:
        """A transaction that adds pictures; once it is on the disk, their rows in each table."""
        self._check_in_place()
        for table in self._tables:
            table.sync()  # so that a power cut costs the rows of one transaction at most
        first = self._store.next_picture
        with self._store.transaction():
            yield
            for table, text in zip(self._tables, texts, strict=True):
                if text:
                    self._note(table, first, text)
        self._committed_s = time.monotonic()
        for table, text in zip(self._tables, texts, strict=True):
            table.append(text)

    def _check_in_place(self) -> None:
        """Raise OSError when others changed a file under us, or let a run in by taking the lock away."""
        if self._lock is not None:
            self._lock.check_in_place()
        self._store.check_in_place()
        for table in self._tables:
            table.check_in_place()

    def _note(self, table: Table, first: int, text: bytes) -> None:
        """What a table is about to get."""
        crc = crc32(text, region_seed(table.layout.file, table.end, self._run, first))
        region = Region(table.end, table.end + len(text), self._run, first, crc)
        self._store.add_region(table.layout.file, region)

    def finish(self) -> None:
        """Let everything reach the disk, in the order of the pictures, the last row of each."""
        self.commit()
        self._check_in_place()
        for table in self._tables:
            table.sync()
        if not self._store.is_sorted(self._run):
            render_tables(self._store, self._folder)


def _start(folder: Path, run: Run, is_anew: bool) -> None:
    """Make records that hold nothing but a run; with them, if wanted, tables that hold nothing."""
    layouts = run.rows.layouts if is_anew else []
    for layout in layouts:
        with synced(next_of(folder / layout.file)) as file:
            file.write(layout.text([layout.columns]))
    make_store(folder / FILE, run, [layout.file for layout in layouts])


def check_identity(was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise RunError, naming the differences, unless rows of both may stand in one table."""
    was_flat, now_flat = dict(_flat(was)), dict(_flat(now))
    changed = [
        f"{name} was {was_flat.get(name, 'absent')}, is {now_flat.get(name, 'absent')}"
        for name in sorted(was_flat.keys() | now_flat.keys())
        if was_flat.get(name) != now_flat.get(name)
    ]
    if changed:
        raise RunError(
            f"the run there cannot be gone on with: {'; '.join(changed)}: "
            "go back to that, pass --override to start anew, or another --logs"
        )


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
