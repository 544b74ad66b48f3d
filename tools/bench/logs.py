"""All logs of a folder's pictures, as `of3 run` writes them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from of3.engines.bundle import Labels
from of3.runtime.bundle import documented_order
from of3.runtime.logs.folder import Mode, RunLogs
from of3.runtime.logs.items import Item, stamp_of
from of3.runtime.logs.made import OutputNames, Run
from of3.runtime.logs.rows import RowOptions
from of3.runtime.logs.writer import Writer
from of3.runtime.types import Failure, Record

Write = Callable[[Record | Failure], None]


@contextmanager
def open_logs(place: Path, pictures: Path, labels: Labels) -> Iterator[Write]:
    """What writes a result's per-image files and rows into `place`, which is there."""
    rows = RowOptions()
    aus = documented_order(labels.aus)
    names = OutputNames(tuple(label.lower() for label in labels.emotions), tuple(labels.gaze), aus)
    writer = Writer(place, str(pictures), rows)
    with RunLogs(place, Run({}, rows, str(pictures), names, {}), Mode()) as logs:

        def write(result: Record | Failure) -> None:
            item = Item(result.source, stamp_of(result.source))
            writer.write(result, item)
            logs.add(logs.entries([(item, result)]))

        yield write
        logs.finish()
