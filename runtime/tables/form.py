"""A table as another program writes it: its columns, and which of ours stand in them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from of3.runtime.logs.columns import Column, Value, names_of

BLANK = ""  # where a column of another program's has none of ours
Cell = tuple[Column, str]  # one of another program's, and the name of what stands in it


def single(name: str, decimals: int, unit: str = "") -> Column:
    """A column of numbers of another program's."""
    return Column(name, "single", "", unit, decimals)


class Form(Protocol):
    """columns: of what is written.  lacking: those of another program's that nobody measures here."""

    @property
    def columns(self) -> tuple[Column, ...]: ...
    @property
    def lacking(self) -> tuple[str, ...]: ...
    def rows(self, rows: Iterable[Sequence[Value]]) -> Iterator[Sequence[Value]]:
        """Rows of ours -> of the form."""


@dataclass(frozen=True, slots=True)
class Row:
    """One of ours, by the names of its columns.  frame: its number; a picture's place among all, from 0."""

    frame: int
    values: Sequence[Value]
    at: Mapping[str, int]

    def __getitem__(self, name: str) -> Any:
        """None also where there is no such column."""
        index = self.at.get(name)
        return None if index is None else self.values[index]


def numbered(columns: Sequence[Column], rows: Iterable[Sequence[Value]]) -> Iterator[Row]:
    """Rows of a video's frames, or of pictures, which are numbered in their order.

    A picture that was analysed twice is two: the ranks of its faces begin again.
    """
    at = {name: index for index, name in enumerate(names_of(columns))}
    number, path, face_id = -1, None, None
    for values in rows:
        row = Row(number, values, at)
        if row["path"] != path or face_id is None or row["face_id"] is None or row["face_id"] <= face_id:
            number += 1
        path, face_id = row["path"], row["face_id"]
        yield Row(number if row["frame"] is None else row["frame"], values, at)


class Rearranged:
    """A form that has a row for each of ours."""

    def __init__(
        self,
        ours: Sequence[Column],
        cells: Sequence[Cell],
        more: Mapping[str, Callable[[Row], Value]],
        lacking: Sequence[str] = (),
    ):
        """cells: by names of ours, or of `more`, which are made of a row.  lacking: besides the blank."""
        self._ours, self._more = ours, tuple(more.values())
        places = {name: place for place, name in enumerate((*names_of(ours), *more))}
        self._picks = [places.get(name, len(places)) for _, name in cells]
        self.columns = tuple(column for column, _ in cells)
        blank = (column.name for column, name in cells if name not in places)
        self.lacking = (*blank, *lacking)

    def rows(self, rows: Iterable[Sequence[Value]]) -> Iterator[Sequence[Value]]:
        for row in numbered(self._ours, rows):
            values = (*row.values, *(made(row) for made in self._more), None)
            yield [values[pick] for pick in self._picks]
