"""errors.tsv, for who tells of something that is no picture."""

import csv
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

from of3.runtime.logs.opening import reading
from of3.runtime.logs.rows import ERRORS
from of3.runtime.logs.tables import Table, check_header
from of3.runtime.types import Failure


def told(folder: Path) -> Iterator[Failure]:
    """Each line, as far as it can be read: others may have written some.  folder: `<logs>/openface3`.

    Raises RunError: no regular file; OSError: not there, or not to be read.
    """
    for row in _rows(folder / ERRORS.file):
        if len(row) == len(ERRORS.columns) and row != list(ERRORS.columns):
            yield Failure(*row)


def _rows(path: Path) -> Iterator[list[str]]:
    with (
        suppress(csv.Error),
        TextIOWrapper(reading(path), "utf-8", "surrogateescape", newline="") as file,
    ):
        yield from csv.reader(file, delimiter=ERRORS.delimiter)


class Errors:
    """Use as a context manager."""

    def __init__(self, folder: Path):
        """folder: `<logs>/openface3`, which is there.  Raises RunError: it has other columns; OSError."""
        self._path = folder / ERRORS.file
        check_header(self._path, ERRORS)
        self._table = Table(folder, ERRORS)

    def tell(self, failures: Iterable[Failure]) -> None:
        """Add a line for each that has none.  Raises OSError."""
        rows = [[failure.source, failure.stage, failure.reason] for failure in failures]
        if rows:
            there = self._there([row[0] for row in rows])
            self._table.append(ERRORS.text([row for row in rows if row not in there]))

    def _there(self, sources: Iterable[str]) -> list[list[str]]:
        """What is told of them."""
        wanted = set(sources)
        with TextIOWrapper(reading(self._path), "utf-8", "surrogateescape", newline="") as file:
            return [row for row in csv.reader(file, delimiter=ERRORS.delimiter) if row and row[0] in wanted]

    def __enter__(self) -> "Errors":
        return self

    def __exit__(self, *_: object) -> None:
        self._table.close()
