"""A run's log folder: what becomes of the rows that are there, and the tables, open for one run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from of3.runtime.logs import journal, tables
from of3.runtime.logs.files import sort_key
from of3.runtime.logs.journal import Entry, Header
from of3.runtime.logs.rows import RowOptions
from of3.runtime.logs.tables import Chunk, Found, Layout, Tables
from of3.runtime.types import RunError

FOLDER = "openface3"
NO_ENDS = (0, 0, 0)
Remember = Callable[[Entry], None]


@dataclass(frozen=True, slots=True)
class Mode:
    """What becomes of rows that are there.  Neither: the new ones come after them."""

    override: bool = False
    resume: bool = False


def what_stays(
    folder: Path, layouts: Sequence[Layout], mode: Mode, identity: Mapping[str, Any], remember: Remember
) -> Found | None:
    """The rows that a run goes on with, or appends to; None: it starts the tables anew.

    identity: what makes the rows, as far as it is known.  remember: is given every picture of a run that is
    gone on with, in the order of its rows.
    Raises RunError: the run there is another, or nobody knows what made the rows there.
    """
    tables.finish_replacing(folder, layouts)
    if mode.resume and (folder / journal.FILE).exists():
        try:
            header = journal.read_header(folder / journal.FILE)
            known = {name: value for name, value in header.identity.items() if name in identity}
            check_identity(known, identity)
            return tables.recover(folder, layouts, header, remember)
        except RunError:
            if not mode.override:
                raise
    if mode.override:
        return None
    return Found(Header(identity, NO_ENDS), tables.whole(folder, layouts, mode.resume), 0)


class RunLogs:
    """The tables of one run.  Use as a context manager."""

    def __init__(
        self,
        folder: Path,
        options: RowOptions,
        mode: Mode,
        identity: Mapping[str, Any] | None = None,
        remember: Remember = lambda _: None,
    ):
        """folder: `<logs>/openface3`, which is there.

        identity: what makes the rows, by which a run is known that may be gone on with.  remember: is given
        every picture of such a run.
        Raises RunError: a table has other columns, or the run there is another; OSError: not to be written.
        """
        self._folder, self._layouts = folder, options.layouts
        self._last, self._is_sorted = "", True
        self.count = 0  # pictures of the journal

        def note(entry: Entry) -> None:
            self._follow(entry.path)
            remember(entry)

        found = what_stays(folder, self._layouts, mode, identity or {}, note)
        if found is None:
            (folder / journal.FILE).unlink(missing_ok=True)
            found = Found(Header(identity or {}, NO_ENDS), NO_ENDS, 0)
        self._tables = Tables(folder, self._layouts, found)

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

    def __exit__(self, *_: object) -> None:
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
