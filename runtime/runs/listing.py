"""The pictures below a folder in the order of the tables, told from those an earlier run has done.

Names are sorted and remembered in a temporary database on disk, so that a million take no more memory.
"""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from of3.runtime.logs.items import Done, Item, beginning_of, key_of, path_of, stamp_of
from of3.runtime.logs.names import folded, stem_at, stems
from of3.runtime.options import Options
from of3.runtime.runs.walk import Walk
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

    def __init__(
        self,
        root: str,
        retry_failed: bool = False,
        suffixes: tuple[str, ...] = SUFFIXES,
        follow_links: bool = False,
    ):
        """root: the folder, and the beginning of every path.  retry_failed: those that failed are not done.

        suffixes, follow_links: as of a Walk.  Raises RunError where it holds no picture.
        """
        self.root, self._retry_failed = root, retry_failed
        self._beginning = len(beginning_of(str(Path(root))))  # of a path, before what is relative
        self.skipped = 0  # done before, of those gone through so far
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(f"PRAGMA journal_mode=OFF; PRAGMA cache_size=-{CACHE_KB}; {SCHEMA} BEGIN")
        walk = Walk(root, suffixes, follow_links)
        keys = ((key_of(path),) for path in walk)
        self.images = self._database.executemany("INSERT INTO found VALUES (?)", keys).rowcount
        passed_over = list(walk.passed_over())
        if self.images <= 0:
            self._database.close()
            wanted = " or ".join(filter(None, [", ".join(suffixes[:-1]), suffixes[-1]]))
            raise RunError("; ".join([f"--aligned {root}: no {wanted} below it", *passed_over]))
        for line in passed_over:
            log.info("%s", line)

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
        values = (key_of(folded(name)), key_of(path))
        if self._database.execute("INSERT OR IGNORE INTO names VALUES (?,?)", values).rowcount:
            return True
        (owner,) = self._database.execute("SELECT path FROM names WHERE name = ?", values[:1]).fetchone()
        return bool(owner == values[1])

    def __enter__(self) -> "FileListing":
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()


def listing_of(options: Options) -> FileListing:
    """What the options ask for.  Raises RunError as it does."""
    suffixes = tuple(f".{suffix}" for suffix in options.suffixes.split(","))
    return FileListing(options.aligned, options.retry_failed, suffixes, options.follow_links)
