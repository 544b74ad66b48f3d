"""An SQLite file of one writer, which holds the folder's lock.

SQLite's own locks, which some network file systems lack, are left out; a rollback journal, because a
write-ahead log needs memory that is shared.  SQLite finds what is wrong with the structure of a file, checksums
of ours (see `coding`) what is wrong with a row.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from of3.runtime.logs.coding import Damaged, Values
from of3.runtime.logs.files import sync
from of3.runtime.logs.known import Known, known
from of3.runtime.logs.opening import is_there, reading, refuse_shared, remove
from of3.runtime.types import RunError

APPLICATION, REVISION = 0x4F463372, 3  # "OF3r"
SCHEMA = (
    "CREATE TABLE runs (id INTEGER PRIMARY KEY, document TEXT NOT NULL, is_sorted INTEGER NOT NULL, "
    "crc INTEGER NOT NULL) STRICT",
    "CREATE TABLE sessions (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, started_s REAL NOT NULL, "
    "ended_s REAL NOT NULL, made TEXT NOT NULL) STRICT",
    "CREATE TABLE pictures (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, key BLOB NOT NULL, "
    "path TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, stem_index INTEGER NOT NULL, "
    "stage TEXT NOT NULL, reason TEXT NOT NULL, damage TEXT NOT NULL, faces INTEGER, remarks TEXT NOT NULL, "
    "taken INTEGER, width_px INTEGER, height_px INTEGER, frame INTEGER, time_s REAL, time_source TEXT, "
    "crc INTEGER NOT NULL) STRICT",
    "CREATE UNIQUE INDEX by_key ON pictures (run, key)",
    "CREATE TABLE faces (picture INTEGER NOT NULL, face INTEGER NOT NULL, confidence REAL, box_px BLOB, "
    "points_px BLOB, emotion_logits BLOB NOT NULL, probabilities BLOB NOT NULL, gaze_rad BLOB NOT NULL, "
    "au BLOB NOT NULL, landmarks_px BLOB, crc INTEGER NOT NULL, PRIMARY KEY (picture, face)) "
    "STRICT, WITHOUT ROWID",
    "CREATE TABLE regions (id INTEGER PRIMARY KEY, file TEXT NOT NULL, start INTEGER NOT NULL, "
    "end INTEGER NOT NULL, run INTEGER NOT NULL, first INTEGER NOT NULL, crc INTEGER NOT NULL) STRICT",
    "CREATE TABLE replacing (file TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
    "CREATE TABLE parts (plan TEXT NOT NULL, part TEXT NOT NULL, PRIMARY KEY (plan, part)) "
    "STRICT, WITHOUT ROWID",
)
MACHINES = {  # what is wrong with the machine, not with the database
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
}
REMEDY = "pass --override to start anew, or another --logs"


class Database:
    """An open one.  Its methods raise RunError where it is damaged, OSError where the machine fails."""

    def __init__(self, path: Path, how: str, content: bytes | None = None):
        """how: of an SQLite URI.  content: of a database in memory, which was read at `path`."""
        self._path = path
        name = quote(os.fsencode(path.absolute()))
        if how:
            for each in (path, journal_of(path)):  # before what opens them by their paths, and writes into both
                refuse_shared(each)
        with self.told():
            where = f"file:{name}?nolock=1&{how}" if how else ":memory:"
            self._open = sqlite3.connect(where, uri=True, isolation_level=None, check_same_thread=False)
            with ExitStack() as undone:
                undone.callback(self._open.close)
                # One journal file, emptied after each transaction.
                self._open.execute("PRAGMA locking_mode = EXCLUSIVE")
                if content is not None:
                    self._open.deserialize(content)
                undone.pop_all()
        self._file = known(path) if how else None
        self._journal: Known | None = None  # from the first transaction on

    def check(self, is_known: bool) -> None:
        """Raise RunError unless it is whole and of this revision.  is_known: whole, as a digest says."""
        with self.told():
            kind = [self.rows(f"PRAGMA {name}")[0][0] for name in ("application_id", "user_version")]
            if kind[0] == APPLICATION and kind[1] != REVISION:
                raise RunError(
                    f"{self._path}: got records of revision {kind[1]}, want {REVISION}: use the of3 "
                    f"that made them, or {REMEDY}"
                )
            schema = self.rows("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")
            if kind != [APPLICATION, REVISION] or [sql for (sql,) in schema] != [*SCHEMA]:
                raise Damaged("not records of ours")
            for (line,) in [] if is_known else self.rows("PRAGMA integrity_check(1)"):
                if line != "ok":
                    raise Damaged(line)

    def check_in_place(self) -> None:
        """Raise OSError when the file or its journal is no longer where it was opened, or others changed it."""
        if self._file is not None:
            pages, size = (self.rows(f"PRAGMA {name}")[0][0] for name in ("page_count", "page_size"))
            self._file.check_size(pages * size)
        if self._journal is not None:
            self._journal.check_in_place()

    def make(self) -> None:
        """Give an empty one its tables."""
        kind = (f"PRAGMA application_id = {APPLICATION}", f"PRAGMA user_version = {REVISION}")
        with self.transaction():
            for statement in (*kind, *SCHEMA):
                self.write(statement)

    def rows(self, query: str, *values: Any) -> list[Any]:
        with self.told():
            return self._open.execute(query, values).fetchall()

    def batches(self, size: int, query: str, *values: Any) -> Iterator[list[Any]]:
        """The same, `size` at a time."""
        with self.told():
            found = self._open.execute(query, values)
            while rows := found.fetchmany(size):
                yield rows

    def write(self, query: str, *values: Any) -> int:
        """The number of the row, where one was added."""
        with self.told():
            return self._open.execute(query, values).lastrowid or 0

    def write_all(self, query: str, rows: Iterable[Values]) -> None:
        with self.told():
            self._open.executemany(query, rows)

    @contextmanager
    def attached(self, content: bytes) -> Iterator[None]:
        """Another's content, as the schema `part`."""
        with self.told():
            self._open.execute("ATTACH ':memory:' AS part")
            try:
                self._open.deserialize(content, name="part")
                yield
            finally:
                self._open.execute("DETACH part")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside, or nothing; on the disk when it ends."""
        self.write("BEGIN IMMEDIATE")
        try:
            yield
            self.write("COMMIT")
        finally:
            if self._open.in_transaction:
                with suppress(sqlite3.Error):
                    self._open.execute("ROLLBACK")
        if self._file is not None and self._journal is None and is_there(journal_of(self._path)):
            self._journal = known(journal_of(self._path))

    def content(self) -> bytes:
        """All of it."""
        with self.told():
            return self._open.serialize()

    @contextmanager
    def told(self) -> Iterator[None]:
        """What SQLite and the checksums say as errors of ours."""
        try:
            yield
        except (Damaged, sqlite3.Error, UnicodeDecodeError) as error:  # the last of a message about a name
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in MACHINES:
                raise OSError(f"{self._path}: {error}") from error
            raise RunError(f"{self._path}: damaged ({error}): {REMEDY}") from error

    def close(self) -> None:
        self._open.close()
        journal = journal_of(self._path)
        if self._file is not None and is_there(journal):
            with reading(journal) as file:
                is_void = file.read(1) in (b"", b"\0")
            if is_void:  # left by a process that was killed, and nothing to be played back
                journal.unlink()


def put_in_place(temporary: Path, path: Path) -> None:
    """Let a closed database take the place of another, or of none."""
    sync(temporary)
    remove(journal_of(path))  # of the old one: it would undo the new one
    temporary.replace(path)
    sync(path.parent)


def journal_of(path: Path) -> Path:
    """Where SQLite keeps what a transaction under way has replaced."""
    return path.with_name(f"{path.name}-journal")
