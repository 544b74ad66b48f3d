"""The pictures below a folder in the order of the tables, told from those an earlier run has done.

Names are sorted and remembered in a temporary database on disk, so that a million take no more memory.
"""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from of3.runtime.logs.items import Done, Item, key_of, path_of, stamp_of
from of3.runtime.logs.names import stem_at, stems
from of3.runtime.types import RunError
from of3.runtime.vision.images import SUFFIXES

Already = Callable[[], Iterable[Done]]  # the pictures that have their row, by key; gone through at most twice

log = logging.getLogger(__name__)

CACHE_KB = 32_768  # of the database's pages, and of its sorting
SCHEMA = """
    CREATE TABLE found (key BLOB NOT NULL);
    CREATE TABLE names (name BLOB PRIMARY KEY, path BLOB NOT NULL) WITHOUT ROWID;
"""


class FileListing:
    """Use as a context manager.  Its items can be gone through once."""

    def __init__(self, root: str, retry_failed: bool = False):
        """root: the folder, and the beginning of every path.  retry_failed: those that failed are not done.

        Raises RunError where it holds no picture.
        """
        self.root, self._retry_failed = root, retry_failed
        self._beginning = len(os.path.join(Path(root), ""))  # of a path, before what is relative
        self.skipped = 0  # done before, of those gone through so far
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(f"PRAGMA journal_mode=OFF; PRAGMA cache_size=-{CACHE_KB}; {SCHEMA} BEGIN")
        keys = ((key_of(path),) for path in walk_images(root))
        self.images = self._database.executemany("INSERT INTO found VALUES (?)", keys).rowcount
        if self.images <= 0:
            self._database.close()
            raise RunError(f"--aligned {root}: no {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} below it")

    def items(self, already: Already = tuple) -> Iterator[Item]:
        """Pictures to be done, in the order of the tables; each is looked at when its turn comes."""
        found = self._database.execute("SELECT key FROM found ORDER BY key")
        done, knows_names = iter(already()), False
        before = next(done, None)
        for (key,) in found:
            while before is not None and before.key < key:
                before = next(done, None)
            path = path_of(key)
            stamp = stamp_of(path)
            if before is not None and before.key == key:
                is_same = (before.size, before.mtime_ns) == (stamp.size, stamp.mtime_ns)
                if is_same and (before.success or not self._retry_failed):
                    self.skipped += 1
                else:
                    yield Item(path, stamp, before.stem_index)
                continue
            if not knows_names:
                self._learn_names(already())
                knows_names = True
            yield Item(path, stamp, self._stem_index(path))

    def _learn_names(self, done: Iterable[Done]) -> None:
        """What pictures have written, no other may write to."""
        for each in done:
            path = path_of(each.key)
            self._claims(stem_at(os.path.relpath(path, self.root), each.stem_index), path)

    def _stem_index(self, path: str) -> int:
        """The first of a picture's stems that no other has."""
        candidates = stems(path[self._beginning :])
        return next(index for index, name in enumerate(candidates) if self._claims(name, path))

    def _claims(self, name: str, path: str) -> bool:
        values = (key_of(name), key_of(path))
        if self._database.execute("INSERT OR IGNORE INTO names VALUES (?,?)", values).rowcount:
            return True
        (owner,) = self._database.execute("SELECT path FROM names WHERE name = ?", values[:1]).fetchone()
        return bool(owner == values[1])

    def __enter__(self) -> "FileListing":
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()


def walk_images(root: str) -> Iterator[str]:
    """Every picture below `root` by its suffix, in any case, in no order; links to folders are not followed.

    Paths keep `root` as it was given; names that are not UTF-8 come surrogate-escaped.
    """
    folders = [str(Path(root))]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if _is_folder(entry):
                        if not entry.is_symlink():
                            folders.append(entry.path)
                    elif entry.name.lower().endswith(SUFFIXES):
                        yield entry.path
        except OSError as error:
            log.warning("%s is not searched: %s", error.filename or folder, error.strerror)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False
