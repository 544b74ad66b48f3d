"""The files a run writes: a picture's own, then its rows in the tables."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from of3.runtime import journal, tables
from of3.runtime.files import Inside, replace_text, sort_key
from of3.runtime.journal import Entry, Header
from of3.runtime.names import stem_at
from of3.runtime.rows import RowOptions, file_texts, table_rows
from of3.runtime.survey import Item
from of3.runtime.tables import Chunk, Found, Tables
from of3.runtime.types import Failure, Record, RunError

NO_ENDS = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Mode:
    """What becomes of rows that are there.  Neither: the new ones come after them."""

    override: bool = False
    resume: bool = False


class Writer:
    """Results -> their per-image files, written, and the bytes they add to the tables."""

    def __init__(self, folder: Path, root: str, options: RowOptions, temporary: Path | None = None):
        """folder: `<logs>/openface3`, which is there.  root: the folder that the pictures are below.

        temporary: where files are written before they are put in place, where several writers are at work; what
        was written can then be synced.
        """
        self._root, self._options = root, options
        self._per_image = Inside(folder / "per_image", temporary)

    def write(self, result: Record | Failure, item: Item) -> Chunk:
        """Raises OSError."""
        if isinstance(result, Record):
            stem = stem_at(os.path.relpath(item.path, self._root), item.place)
            for suffix, text in file_texts(result, self._options).items():
                self._per_image.write(stem + suffix, text)
        rows = zip(self._options.layouts, table_rows(result, self._options), strict=True)
        contents = tuple(layout.text(*each) for layout, each in rows)
        ends = (*(len(content) for content in contents), 0)[:3]
        return Chunk((Entry(item.path, item.stamp, isinstance(result, Record), item.place, ends),), contents)

    def sync(self) -> None:
        """Let the files written so far reach the disk."""
        self._per_image.sync()


class RunLogs:
    """The tables of one run.  Use as a context manager."""

    def __init__(
        self, folder: Path, options: RowOptions, mode: Mode, identity: Mapping[str, Any] | None = None
    ):
        """folder: `<logs>/openface3`, which is there.

        identity: what makes the rows, by which a run is known that may be gone on with.
        Raises RunError: a table has other columns, or the run there is another; OSError: not to be written.
        """
        self._folder, self._layouts = folder, options.layouts
        self._last, self._is_sorted = "", True
        tables.finish_replacing(folder, self._layouts)
        self._found = self._what_stays(identity or {}, mode)
        self.count = 0  # pictures of the journal
        for entry in self.done():
            self._follow(entry.path)
        self._tables = Tables(folder, self._layouts, self._found)

    def _what_stays(self, identity: Mapping[str, Any], mode: Mode) -> Found:
        """Raises RunError."""
        header, has_journal = Header(identity, NO_ENDS), (self._folder / journal.FILE).exists()
        if mode.resume and has_journal:
            try:
                found = tables.recover(self._folder, self._layouts)
                check_identity(found.header.identity, identity)
                return found
            except RunError:
                if not mode.override:
                    raise
        if mode.override:
            (self._folder / journal.FILE).unlink(missing_ok=True)
            return Found(header, NO_ENDS, 0)
        return Found(header, tables.whole(self._folder, self._layouts, mode.resume), 0)

    def done(self) -> Iterator[Entry]:
        """Pictures of the run that is gone on with, in the order of their rows."""
        return tables.entries(self._folder, self._found)

    def _follow(self, path: str) -> None:
        key = sort_key(path)
        self._is_sorted = self._is_sorted and self._last < key
        self._last = key
        self.count += 1

    def add(self, chunk: Chunk) -> None:
        """Rows of pictures whose own files are there.  Raises OSError."""
        self._tables.commit(chunk)
        for entry in chunk.entries:
            self._follow(entry.path)

    def finish(self) -> None:
        """Let everything reach the disk, in the order of the pictures, the last row of each."""
        self._tables.sync()
        if not self._is_sorted:
            tables.sort_rows(self._folder, self._layouts, sort_key)

    def __enter__(self) -> "RunLogs":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tables.close()


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


def write_au_info(folder: Path, document: Mapping[str, Any]) -> None:
    """`au_info.json`, replaced whole."""
    replace_text(folder / "au_info.json", json.dumps(document, indent=2) + "\n")
