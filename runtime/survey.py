"""The pictures below a folder in the order of the tables, told from those an earlier run has done.

Names are sorted and remembered in a temporary database on disk, so that a million take no more memory.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from of3.runtime.files import sort_key
from of3.runtime.images import SUFFIXES, walk_images
from of3.runtime.journal import Entry, Stamp, stamp_of
from of3.runtime.names import stem_at, stems
from of3.runtime.types import RunError

CACHE_KB = 32_768  # of the database's pages, and of its sorting
SCHEMA = """
    CREATE TABLE found (key BLOB NOT NULL);
    CREATE TABLE done (path BLOB PRIMARY KEY, size, mtime_ns, success, place) WITHOUT ROWID;
    CREATE TABLE names (name BLOB PRIMARY KEY, path BLOB NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Item:
    """A picture to be analysed.  place: which of `names.stems` its per-image files are written under."""

    path: str
    stamp: Stamp
    place: int = 0


class Survey:
    """Use as a context manager.  Its items can be gone through once."""

    def __init__(self, root: str):
        """root: the folder, and the beginning of every path.  Raises RunError where it holds no picture."""
        self._root, self._retry_failed = root, False
        self._beginning = len(os.path.join(Path(root), ""))  # of a path, before what is relative
        self.skipped = 0  # done before, of those gone through so far
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(f"PRAGMA journal_mode=OFF; PRAGMA cache_size=-{CACHE_KB}; {SCHEMA} BEGIN")
        keys = ((_blob(sort_key(path)),) for path in walk_images(root))
        self.images = self._database.executemany("INSERT INTO found VALUES (?)", keys).rowcount
        if self.images <= 0:
            self._database.close()
            raise RunError(f"--aligned {root}: no {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} below it")

    def remember(self, done: Iterable[Entry], retry_failed: bool) -> None:
        """Pictures of earlier runs, in their order.  retry_failed: those that failed are not done."""
        self._retry_failed = retry_failed
        for entry in done:
            values = (_blob(entry.path), entry.stamp.size, entry.stamp.mtime_ns, entry.success, entry.place)
            self._database.execute("INSERT OR REPLACE INTO done VALUES (?,?,?,?,?)", values)
            self._claims(stem_at(os.path.relpath(entry.path, self._root), entry.place), entry.path)

    def items(self) -> Iterator[Item]:
        """Pictures to be done, in the order of the tables; each is looked at when its turn comes."""
        has_done = self._database.execute("SELECT 1 FROM done LIMIT 1").fetchone() is not None
        for (key,) in self._database.execute("SELECT key FROM found ORDER BY key"):
            path = _text(key).replace("\0", os.sep)
            stamp = stamp_of(path)
            before = self._before(path) if has_done else None
            if before and self._is_done(before, stamp):
                self.skipped += 1
            else:
                yield Item(path, stamp, before[3] if before else self._place(path))

    def _before(self, path: str) -> tuple[int, int, int, int] | None:
        query = "SELECT size, mtime_ns, success, place FROM done WHERE path = ?"
        found: tuple[int, int, int, int] | None = self._database.execute(query, (_blob(path),)).fetchone()
        return found

    def _is_done(self, before: tuple[int, int, int, int], stamp: Stamp) -> bool:
        size, mtime_ns, success, _ = before
        return Stamp(size, mtime_ns) == stamp and (bool(success) or not self._retry_failed)

    def _place(self, path: str) -> int:
        """The first of a picture's stems that no other has."""
        candidates = stems(path[self._beginning :])
        return next(place for place, name in enumerate(candidates) if self._claims(name, path))

    def _claims(self, name: str, path: str) -> bool:
        values = (_blob(name), _blob(path))
        if self._database.execute("INSERT OR IGNORE INTO names VALUES (?,?)", values).rowcount:
            return True
        (owner,) = self._database.execute("SELECT path FROM names WHERE name = ?", values[:1]).fetchone()
        return bool(owner == values[1])

    def __enter__(self) -> "Survey":
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()


def _blob(text: str) -> bytes:
    """Sorts as the text does, also where a name is not UTF-8."""
    return text.encode("utf-8", "surrogatepass")


def _text(blob: bytes) -> str:
    return blob.decode("utf-8", "surrogatepass")
