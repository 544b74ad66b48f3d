"""Pictures' rows, ready for the records and the tables: made on any thread, added by the one that writes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from of3.runtime.logs.coding import Values, storable, values_of
from of3.runtime.logs.counts import Counts
from of3.runtime.logs.items import Item
from of3.runtime.logs.rows import Layout, Result, RowOptions, taken, text_of

Results = Iterable[tuple[Item, Result]]


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Of some pictures that follow each other."""

    pictures: Sequence[Values]
    faces: Sequence[Sequence[Values]]  # of each picture
    texts: Sequence[bytes]  # their rows of each table
    counts: Counts


def entries_of(results: Results, options: RowOptions, layouts: Sequence[Layout]) -> Entries:
    """layouts: of the tables that get their rows."""
    kept, counts = [(item, storable(result)) for item, result in results], Counts()
    found = [result for _, result in kept]
    for result in found:
        counts.count(taken(result))
    return Entries(*values_of(kept), [text_of(layout, options, found) for layout in layouts], counts)
