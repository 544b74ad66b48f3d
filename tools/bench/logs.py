"""All logs of a folder's pictures, as `of3 run` writes them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from of3.runtime.logs.folder import Mode, RunLogs
from of3.runtime.logs.journal import Item, stamp_of
from of3.runtime.logs.rows import RowOptions
from of3.runtime.logs.writer import Writer
from of3.runtime.types import Failure, Record

Write = Callable[[Record | Failure], None]


@contextmanager
def open_logs(place: Path, pictures: Path) -> Iterator[Write]:
    """What writes a result's per-image files and rows into `place`, which is there."""
    rows = RowOptions()
    writer = Writer(place, str(pictures), rows)
    with RunLogs(place, rows, Mode()) as tables:
        yield lambda result: tables.add(writer.write(result, Item(result.source, stamp_of(result.source))))
