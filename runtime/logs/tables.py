"""Files that only grow, a picture's rows in all of them or in none.

A row is there once the journal says so: whatever a killed run left behind that is cut off at the next start.
"""

import csv
import io
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from of3.runtime.logs import journal
from of3.runtime.logs.files import synced
from of3.runtime.logs.journal import Entry, Header
from of3.runtime.types import RunError

SYNC_EVERY_S = 1.0
NEXT, COMMIT = ".next", "replace.commit"


@dataclass(frozen=True, slots=True)
class Layout:
    """A table's file and its columns."""

    file: str
    columns: tuple[str, ...]
    delimiter: str

    def text(self, *rows: Sequence[str]) -> bytes:
        """Names that are not UTF-8 are written back byte for byte."""
        out = io.StringIO()
        # A carriage return ends a line for whoever reads it, but before Python 3.13 makes no quotes.
        has_return = any("\r" in cell for row in rows for cell in row)
        csv.writer(
            out,
            delimiter=self.delimiter,
            lineterminator="\n",
            quoting=csv.QUOTE_ALL if has_return else csv.QUOTE_MINIMAL,
        ).writerows(rows)
        return out.getvalue().encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Chunk:
    """What some pictures, in order, add to each table; the ends of their entries count from its beginning."""

    entries: tuple[Entry, ...]
    contents: tuple[bytes, ...]

    def after(self, count: int) -> "Chunk":
        """Without its first `count` pictures, of more."""
        ends = self.entries[count - 1].ends if count else (0, 0, 0)
        entries = tuple(entry.after([-end for end in ends]) for entry in self.entries[count:])
        return Chunk(entries, tuple(part[end:] for part, end in zip(self.contents, ends, strict=False)))


def joined(chunks: Sequence[Chunk]) -> Chunk:
    """One after the other; at least one."""
    entries: list[Entry] = []
    base: tuple[int, ...] = (0, 0, 0)
    for chunk in chunks:
        entries.extend(entry.after(base) for entry in chunk.entries)
        base = entries[-1].ends if chunk.entries else base
    contents = zip(*(chunk.contents for chunk in chunks), strict=True)
    return Chunk(tuple(entries), tuple(b"".join(parts) for parts in contents))


class Appender:
    """A file that only grows, unbuffered; what a failed write leaves of a row is cut off again."""

    def __init__(self, path: Path, size: int):
        """Open or make the file and cut it to `size`.  Raises OSError, also for a link."""
        self._path = path
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        os.ftruncate(self._handle, size)
        self.end = os.lseek(self._handle, 0, os.SEEK_END)

    def append(self, content: bytes) -> None:
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        except OSError:
            os.ftruncate(self._handle, self.end)
            os.lseek(self._handle, self.end, os.SEEK_SET)
            raise
        self.end += len(content)

    def cut(self, size: int) -> None:
        os.ftruncate(self._handle, size)
        self.end = os.lseek(self._handle, 0, os.SEEK_END)

    def check_in_place(self) -> None:
        """Raise FileNotFoundError when the file is no longer where it was opened."""
        if os.stat(self._path).st_ino != os.fstat(self._handle).st_ino:
            raise FileNotFoundError(f"{self._path} was replaced while this run wrote to it")

    def sync(self) -> None:
        os.fsync(self._handle)

    def close(self) -> None:
        os.close(self._handle)


class Tables:
    """The tables of a folder and their journal, open for one run."""

    def __init__(self, folder: Path, layouts: Sequence[Layout], found: "Found"):
        """Cut each table and the journal to what is valid; without any, start it anew."""
        self._layouts = layouts
        self._files = [
            Appender(folder / layout.file, end) for layout, end in zip(layouts, found.ends, strict=False)
        ]
        for file, layout in zip(self._files, layouts, strict=True):
            if file.end == 0:
                file.append(layout.text(layout.columns))
        self._journal = Appender(folder / journal.FILE, found.at)
        if found.at == 0:
            self._journal.append(Header(found.header.identity, self._padded()).line())
            self.sync()
        self._synced_s = time.monotonic()

    def _padded(self) -> tuple[int, ...]:
        """Ends of the three tables; the third may not be written."""
        return (*(file.end for file in self._files), 0)[:3]

    def commit(self, chunk: "Chunk") -> None:
        """Rows of some pictures, in every table; the first table's come last.

        Raises OSError (the disk is full, a file is gone); the pictures are then in no table.
        """
        before = self._padded()
        try:
            for file, content in [*zip(self._files, chunk.contents, strict=True)][::-1]:
                file.append(content)
            self._files[0].check_in_place()
            self._journal.append(b"".join(entry.after(before).line() for entry in chunk.entries))
        except OSError:
            for file, end in zip(self._files, before, strict=False):
                file.cut(end)
            raise
        if time.monotonic() - self._synced_s >= SYNC_EVERY_S:
            self.sync()

    def sync(self) -> None:
        """Let everything reach the disk, the journal last."""
        for file in (*self._files, self._journal):
            file.sync()
        self._synced_s = time.monotonic()

    def close(self) -> None:
        for file in (*self._files, self._journal):
            file.close()


@dataclass(frozen=True, slots=True)
class Found:
    """Tables as an earlier run left them, without what it left half."""

    header: Header
    ends: tuple[int, ...]
    at: int  # valid bytes of the journal


def recover(
    folder: Path, layouts: Sequence[Layout], header: Header, remember: Callable[[Entry], None]
) -> Found:
    """What is whole in a folder with a journal: every entry up to the first the tables do not hold.

    remember: is given each of them.
    """
    sizes = [_size(folder / layout.file) for layout in layouts]
    if any(size < base for size, base in zip(sizes, header.base, strict=False)):
        raise RunError(f"{folder}: the tables are shorter than their journal says: pass --override")
    ends, at = header.base, journal.header_bytes(folder / journal.FILE)
    for entry, end in journal.read_entries(folder / journal.FILE):
        if any(size < want for size, want in zip(sizes, entry.ends, strict=False)):
            break
        ends, at = entry.ends, end
        remember(entry)
    return Found(header, ends, at)


def whole(folder: Path, layouts: Sequence[Layout], is_resumed: bool) -> tuple[int, ...]:
    """Bytes of each table that a run without a journal may append to.

    Raises RunError: other columns; rows of which nobody knows what made them, to be gone on with.
    """
    ends = []
    for layout in layouts:
        path = folder / layout.file
        end = whole_rows(path)
        if end:
            check_header(path, layout)
        if is_resumed and end > len(layout.text(layout.columns)):
            raise RunError(
                f"{path}: has rows but no {journal.FILE}: pass --resume off to append, or --override"
            )
        ends.append(end)
    return (*ends, 0)[:3]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def whole_rows(path: Path) -> int:
    """Bytes of a table without a last row left half: up to the last newline outside quotes."""
    if not path.exists():
        return 0
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    while content.count(b'"', 0, end) % 2:
        end = content.rfind(b"\n", 0, end - 1) + 1
    return end


def check_header(path: Path, layout: Layout) -> None:
    """Raise RunError when a table has other columns."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        header = next(csv.reader(file, delimiter=layout.delimiter), [])
    if header != list(layout.columns):
        raise RunError(
            f"{path}: got columns {','.join(header)}, want {','.join(layout.columns)}: "
            "pass --override to start it anew, or another --logs"
        )


def sort_rows(folder: Path, layouts: Sequence[Layout], key: Any) -> None:
    """Bring the rows of the journal's run into the order of `key(path)`, the last of each path only.

    All files are replaced together: `finish_replacing` ends what a killed run began.
    """
    header = journal.read_header(folder / journal.FILE)
    ends, slices = header.base, {}
    for entry, _ in journal.read_entries(folder / journal.FILE):
        slices[entry.path] = (entry, ends)
        ends = entry.ends
    ordered = sorted(slices.values(), key=lambda item: key(item[0].path))
    files = [folder / layout.file for layout in layouts]
    grown = [_copied(file, number, header.base[number], ordered) for number, file in enumerate(files)]
    with synced(folder / (journal.FILE + NEXT)) as out:
        out.write(header.line())
        for index, (entry, _) in enumerate(ordered):
            after = (*(column[index] for column in grown), 0)[:3]
            out.write(replace(entry, ends=after).line())
    with synced(folder / COMMIT):
        pass
    finish_replacing(folder, layouts)


def _copied(
    path: Path, number: int, base: int, ordered: Sequence[tuple[Entry, tuple[int, ...]]]
) -> Sequence[int]:
    """Write a table's `.next`; its bytes after each picture."""
    ends = []
    with path.open("rb") as source, synced(path.with_name(path.name + NEXT)) as out:
        out.write(source.read(base))
        for entry, before in ordered:
            source.seek(before[number])
            out.write(source.read(entry.ends[number] - before[number]))
            ends.append(out.tell())
    return ends


def finish_replacing(folder: Path, layouts: Sequence[Layout]) -> None:
    """Put sorted tables in place once all are whole; otherwise throw away what there is of them."""
    is_whole = (folder / COMMIT).exists()
    for path in _next_files(folder, layouts):
        if is_whole:
            path.replace(path.with_name(path.name.removesuffix(NEXT)))
        else:
            path.unlink()
    (folder / COMMIT).unlink(missing_ok=True)


def _next_files(folder: Path, layouts: Sequence[Layout]) -> Iterator[Path]:
    for name in (*(layout.file for layout in layouts), journal.FILE):
        path = folder / (name + NEXT)
        if path.exists():
            yield path
