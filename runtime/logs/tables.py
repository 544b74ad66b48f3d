"""Text files that only grow, unbuffered."""

import csv
import logging
import os
from io import TextIOWrapper
from pathlib import Path

from of3.runtime.logs.files import fsync, replace_text
from of3.runtime.logs.known import known
from of3.runtime.logs.opening import is_there, open_file, reading, refuse_shared, size_of
from of3.runtime.logs.rows import Layout
from of3.runtime.types import RunError

log = logging.getLogger(__name__)


class Table:
    """A table, open to be added to."""

    def __init__(self, folder: Path, layout: Layout):
        """Open the file; make it, or end its last line, where that is missing.  Raises OSError, RunError."""
        self.layout, self._path = layout, folder / layout.file
        refuse_shared(self._path)
        if size_of(self._path) == 0:
            replace_text(self._path, layout.text([layout.columns]).decode(), is_synced=True)
        # Behind what is there, also when others cut it this moment: at a place of ours that would leave a hole,
        # and the length right.
        self._handle = open_file(self._path, os.O_RDWR | os.O_APPEND)
        self._known = known(self._path, self._handle)
        self.end = os.lseek(self._handle, 0, os.SEEK_END)
        os.lseek(self._handle, -1, os.SEEK_END)
        if os.read(self._handle, 1) != b"\n":
            log.warning("%s: its last line had no end and got one", self._path)
            self.append(b"\n")

    def append(self, content: bytes) -> None:
        """Raises OSError; what a failed write leaves of it is cut off again."""
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        except OSError:
            os.ftruncate(self._handle, self.end)
            raise
        self.end += len(content)
        cut = self.end - os.fstat(self._handle).st_size
        if cut > 0:  # by others since it was looked at: a row behind a gap could not be completed
            os.ftruncate(self._handle, self.end - cut - len(content))
            self.check_in_place()

    def check_in_place(self) -> None:
        """Raise OSError when the file is no longer where it was opened, or others have changed its length."""
        self._known.check_size(self.end)

    def sync(self) -> None:
        fsync(self._handle, self._path)

    def close(self) -> None:
        os.close(self._handle)


def has_rows(path: Path) -> bool:
    """Whether a table has anything below its first line."""
    if not is_there(path):
        return False
    with reading(path) as file:
        file.readline()
        return bool(file.read(1))


def check_header(path: Path, layout: Layout) -> None:
    """Raise RunError when a table that is there has other columns."""
    if size_of(path) == 0:
        return
    with TextIOWrapper(reading(path), encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        header = next(csv.reader(file, delimiter=layout.delimiter), [])
    if header != list(layout.columns):
        raise RunError(
            f"{path}: got columns {','.join(header)}, want {','.join(layout.columns)}: "
            "pass --override to start it anew, or another --logs"
        )
