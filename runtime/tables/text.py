"""Rows -> a text table in another program's form, some at a time."""

import csv
from collections.abc import Iterable, Sequence
from io import TextIOWrapper
from pathlib import Path

from of3.runtime.logs.columns import Value, names_of, texts
from of3.runtime.logs.files import replacing
from of3.runtime.logs.opening import reading, size_of
from of3.runtime.logs.rows import Layout
from of3.runtime.stream import batches
from of3.runtime.tables.form import Form

BATCH_ROWS = 1000  # that are held as text
WORDS = ("text", "word")  # kinds that a space would change: who reads numbers leaves it out


def write_text(path: Path, form: Form, rows: Iterable[Sequence[Value]], behind: str = "") -> None:
    """Write a table whole or not at all.  rows: of ours.  behind: what stands behind a comma, but before text.

    Raises RunError: something else is in the way; OSError.
    """
    layout = Layout(path.name, names_of(form.columns), ",")
    spaces = ["", *("" if column.kind in WORDS else behind for column in form.columns[1:])]
    with replacing(path) as file:
        file.write(layout.text([[layout.columns[0], *(behind + name for name in layout.columns[1:])]]))
        for some in batches(texts(form.columns, form.rows(rows)), BATCH_ROWS):
            file.write(layout.text([_spaced(cells, spaces) for cells in some] if behind else some))


def _spaced(cells: Sequence[str], spaces: Sequence[str]) -> Sequence[str]:
    """A blank cell stays one: with a space in it, it is text to pandas and its whole column with it."""
    return [cell and space + cell for space, cell in zip(spaces, cells, strict=True)]


def has_columns(path: Path, form: Form) -> bool:
    """Whether a file that is there begins as a table of this form, or is empty."""
    if size_of(path) == 0:
        return True
    with TextIOWrapper(reading(path), encoding="utf-8", errors="surrogateescape", newline="") as file:
        try:
            first = next(csv.reader(file), [])
        except csv.Error:  # no text
            return False
    return [name.strip() for name in first] == list(names_of(form.columns))
