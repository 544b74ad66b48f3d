"""The tidy form: a row for every number, with its name and its unit."""

from collections.abc import Iterable, Iterator, Sequence

from of3.runtime.logs.columns import MOMENT, PLACE, VIDEO, Column, Value

WHOSE = (PLACE[0].name, VIDEO.name, *(column.name for column in MOMENT[:2]), "face_id")
NUMBERS = ("flag", "single")


class Long:
    """What is not known has no row; the emotion that is the most probable has none, its numbers do."""

    lacking = ()

    def __init__(self, ours: Sequence[Column]):
        """ours: the columns of the rows that there are."""
        self._whose = [place for place, column in enumerate(ours) if column.name in WHOSE]
        self._numbers = [(place, column) for place, column in enumerate(ours) if column.kind in NUMBERS]
        self.columns = (
            *(ours[place] for place in self._whose),
            Column("name", "word", "what is measured"),
            Column("value", "text", "the number"),
            Column("unit", "word", "its unit"),
        )

    def rows(self, rows: Iterable[Sequence[Value]]) -> Iterator[Sequence[Value]]:
        for row in rows:
            whose = [row[place] for place in self._whose]
            for place, column in self._numbers:
                value = row[place]
                if value is not None:
                    yield [*whose, column.name, column.format % value, column.unit or None]
