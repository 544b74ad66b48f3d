"""What is known of a picture, all its faces: as it was found, or as the store has it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from of3.runtime.logs.coding import AT_HEIGHT, AT_TAKEN, AT_WIDTH, Values, pictures
from of3.runtime.logs.items import Item, Stamp
from of3.runtime.logs.made import OutputNames
from of3.runtime.logs.rows import Result, faces_of, taken
from of3.runtime.logs.store import Store
from of3.runtime.types import Failure, Record


@dataclass(frozen=True, slots=True, eq=False)
class KnownPicture:
    item: Item
    faces: tuple[Record, ...]  # the best first
    taken: int | None  # by rank, where a picture is asked for one face; None where it failed
    failure: Failure | None  # of that face, or of the picture
    size_px: tuple[int, int] | None  # width, height; None where it could not be decoded

    @property
    def source(self) -> str:
        return self.item.path


def known_of(item: Item, result: Result) -> KnownPicture:
    one, found = taken(result), tuple(faces_of(result))
    if isinstance(one, Failure):
        size_px = None if isinstance(result, Failure) else result.size_px
        return KnownPicture(item, found, None, one, size_px)
    return KnownPicture(item, found, one.face, None, one.size_px)


def pictures_of(
    store: Store, run: int, chosen: Callable[[int], bool], number: int = 0
) -> Iterator[KnownPicture]:
    """Those of a run's pictures that are chosen by their numbers, in the order of the tables.

    number: of the first.

    Raises RunError where the store is damaged.
    """
    names = store.run(run).names
    for rows in store.batches(run):
        wanted = list[Values]()
        for _, group in groupby(rows, key=lambda row: row[0]):
            wanted += group if chosen(number) else ()
            number += 1
        yield from _pictures(wanted, names)


def _pictures(rows: Sequence[Values], names: OutputNames) -> Iterator[KnownPicture]:
    """Rows as `coding.ROW_READ`, checked, all of each picture."""
    for row, path, found in pictures(rows, names):
        item = Item(path, Stamp(row[1], row[2]), row[3])
        failure = Failure(path, row[4], row[5]) if row[4] else None
        size_px = None if row[AT_WIDTH] is None else (row[AT_WIDTH], row[AT_HEIGHT])
        yield KnownPicture(item, tuple(found), row[AT_TAKEN], failure, size_px)
