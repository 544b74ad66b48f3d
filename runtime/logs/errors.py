"""errors.tsv, for who tells of something that is no picture."""

import csv
import os
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from io import TextIOWrapper
from pathlib import Path

from of3.runtime.logs.files import replacing
from of3.runtime.logs.holding import holding
from of3.runtime.logs.opening import reading
from of3.runtime.logs.rows import ERRORS
from of3.runtime.logs.tables import Table, check_header
from of3.runtime.types import Failure

LOCK = "errors.lock"
LOCKED_WITHIN_S = 30.0  # others have it for as long as they write some lines


def told(folder: Path) -> Iterator[Failure]:
    """Each line, as far as it can be read: others may have written some.  folder: `<logs>/openface3`.

    Raises RunError: no regular file; OSError: not there, or not to be read.
    """
    for row, _ in _records(folder / ERRORS.file):
        if len(row) == len(ERRORS.columns) and row != list(ERRORS.columns):
            yield Failure(*row)


def _records(path: Path) -> Iterator[tuple[list[str], bytes]]:
    """The cells of each line, and its bytes; what cannot be read comes last, without cells."""
    taken: list[str] = []

    def lines(file: TextIOWrapper) -> Iterator[str]:
        for line in file:
            taken.append(line)
            yield line

    with TextIOWrapper(reading(path), "utf-8", "surrogateescape", newline="") as file:
        try:
            for row in csv.reader(lines(file), delimiter=ERRORS.delimiter):
                yield row, _bytes_of(taken)
                taken.clear()
        except csv.Error:
            yield [], _bytes_of([*taken, file.read()])


def _bytes_of(lines: Iterable[str]) -> bytes:
    return "".join(lines).encode("utf-8", "surrogateescape")


class Errors:
    """For several processes at a time."""

    def __init__(self, folder: Path):
        """folder: `<logs>/openface3`, which is there.  Raises RunError: it has other columns; OSError."""
        self._folder, self._path = folder, folder / ERRORS.file
        check_header(self._path, ERRORS)
        with self._held():
            self._append([])  # which writes the first line of a new one
        self._told = {_key(failure.source) for failure in told(folder)}

    def add(self, failures: Iterable[Failure]) -> None:
        """A line for each that has none.  Raises as `tell` does."""
        rows = [_row(failure) for failure in failures]
        if rows:
            with self._held():
                there = self._there({_key(row[0]) for row in rows})
                self._append([row for row in rows if row not in there])

    def tell(self, source: str, failures: Iterable[Failure] = ()) -> None:
        """Let a source have these lines, and none from before.  Raises RunError, OSError.

        Of another process's lines only those are known that were there at the beginning: they are looked for
        where there were some, and not in the whole file for every source.
        """
        key, rows = _key(source), [_row(failure) for failure in failures]
        if not rows and key not in self._told:
            return
        with self._held():
            there = self._there({key}) if key in self._told else []
            if there != rows:
                if there:
                    self._drop(key)
                self._append(rows)
        self._told = self._told | {key} if rows else self._told - {key}

    def _held(self) -> AbstractContextManager[bool]:
        """No line comes while others are taken out."""
        return holding(self._folder / LOCK, LOCKED_WITHIN_S)

    def _append(self, rows: Sequence[Sequence[str]]) -> None:
        with closing(Table(self._folder, ERRORS)) as table:
            table.append(ERRORS.text(rows))

    def _there(self, keys: Container[str]) -> list[list[str]]:
        """What is told of them."""
        return [row for row, _ in _records(self._path) if _is_of(row, keys)]

    def _drop(self, key: str) -> None:
        """All lines of a source; the others stay byte for byte."""
        with replacing(self._path) as file:
            for row, text in _records(self._path):
                if not _is_of(row, {key}):
                    file.write(text)


def _row(failure: Failure) -> list[str]:
    return [failure.source, failure.stage, failure.reason]


def _is_of(row: Sequence[str], keys: Container[str]) -> bool:
    """Whether a line is told of one of the sources."""
    return bool(row) and row != list(ERRORS.columns) and _key(row[0]) in keys


def _key(source: str) -> str:
    """The same of a file whichever way it is named."""
    return os.path.abspath(source)
