"""The store's records -> the text files, anew, with what others wrote into them left where it is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BufferedWriter, BytesIO
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

from of3.runtime.logs import coding
from of3.runtime.logs.coding import Values
from of3.runtime.logs.files import sync, synced
from of3.runtime.logs.made import Run
from of3.runtime.logs.opening import is_there, reading, remove, size_of
from of3.runtime.logs.rows import (
    ERRORS,
    FACES_FILE,
    FILES,
    ROWS,
    Layout,
    faces_text,
    failure_row,
    measures_row,
    text_of,
)
from of3.runtime.logs.store import Region, Store, region_seed
from of3.runtime.logs.tables import has_rows
from of3.runtime.types import Error, Failure

BLOCK = 1 << 20


class Changed(Error):
    """A table holds other rows than the store says it should."""


def stored_text(layout: Layout, run: Run, rows: Sequence[Values]) -> bytes:
    """The rows of a table that rows of the store have, as `coding.ROW_READ`, checked."""
    if layout.file == FACES_FILE:
        return faces_text(layout, coding.faces(rows, run.names), run.rows.points)
    if layout is not ROWS or run.rows.eyes:
        told = [row for row in rows if layout is not ERRORS or coding.is_told(row)]
        return text_of(layout, run.rows, [result for _, result in coding.results(told, run.names)])
    measured = coding.measures(rows, run.names)
    return layout.text(
        [failure_row(each) if isinstance(each, Failure) else measures_row(each, run.rows) for each in measured]
    )


def is_whole(store: Store, folder: Path, name: str) -> bool:
    """Whether a table holds all rows that it should; False: it ends early, as after a kill.

    Raises Changed: what is there is something else.
    """
    path, regions = folder / name, store.regions(name)
    size = size_of(path)
    with reading(path) if size else BytesIO() as file:
        for region in regions:
            file.seek(region.start)
            if region.end > size:
                if _begins(file, _blocks(store, name, region.run, store.run(region.run), region.first)):
                    return False
                raise Changed(f"{path}: its last rows are not those that were written")
            crc, has_holes = _crc(file, name, region)
            if crc != region.crc and has_holes and region is regions[-1]:
                return False  # the machine lost its power: the length is on the disk, the rows are not
            if crc != region.crc:
                raise Changed(f"{path}: some rows are not those that were written")
    return True


def check_not_emptied(store: Store, folder: Path) -> None:
    """Raise Changed where a table has no rows any more: whoever took them away does not want them back."""
    for name in FILES:
        is_filled = any(region.start < region.end for region in store.regions(name))
        if is_filled and not has_rows(folder / name):
            raise Changed(f"{folder / name}: its rows are gone")


def _crc(file: BinaryIO, name: str, region: Region) -> tuple[int, bool]:
    """Of a region's bytes, and whether there is a NUL among them, which no row has."""
    crc, has_holes = region_seed(name, region.start, region.run, region.first), False
    for at in range(region.start, region.end, BLOCK):
        content = file.read(min(BLOCK, region.end - at))
        crc, has_holes = crc32(content, crc), has_holes or b"\0" in content
    return crc, has_holes


def _begins(file: BinaryIO, blocks: Iterable[bytes]) -> bool:
    """Whether what is left of a file is a beginning of the blocks."""
    for block in blocks:
        there = file.read(len(block))
        if there != block[: len(there)]:
            return False
        if len(there) < len(block):
            return True
    return not file.read(1)


def _blocks(store: Store, name: str, number: int, run: Run, first: int = 0) -> Iterator[bytes]:
    """A run's rows in a table."""
    layout = run.rows.layout(name)
    if layout is not None:
        for rows in store.batches(number, first, is_told=layout is ERRORS):
            yield stored_text(layout, run, rows)


def render_tables(store: Store, folder: Path, runs: Mapping[int, Run] | None = None) -> None:
    """Write every table anew: the rows of each run in the order of its pictures, the last of each.

    All of them are replaced together: `finish_replacing` ends what a killed process began.  runs: as they are
    to be from now on; as they are by default.
    """
    runs = runs or store.runs()
    layouts = {
        layout.file: layout for run in (*store.runs().values(), *runs.values()) for layout in run.rows.layouts
    }
    made = {
        name: _write_next(store, folder, layouts[name], runs)
        for name in FILES
        if store.regions(name) or any(run.rows.layout(name) for run in runs.values())
    }
    with store.transaction():
        for file, regions in made.items():
            store.replace_regions(file, regions)
        for number, run in runs.items():
            store.put_run(number, run)
    finish_replacing(store, folder)


def _write_next(store: Store, folder: Path, layout: Layout, runs: Mapping[int, Run]) -> Sequence[Region]:
    """Write a table's next version; where the rows of each run stand in it."""
    path, regions = folder / layout.file, store.regions(layout.file)
    made, at, size = [], 0, size_of(path)
    with reading(path) if size else BytesIO() as old, synced(next_of(path)) as out:
        at, header = regions[0].start if regions else size, layout.text([layout.columns])
        if header.startswith(old.read(min(at, len(header)))):  # or what is left of it
            out.write(header)
            at = _copy(old, out, len(header), at)
        else:
            at = _copy(old, out, 0, at)
        for number, run in runs.items():
            for region in (region for region in regions if region.run == number):
                _copy(old, out, at, region.start)
                at = region.end
            if run.rows.layout(layout.file):
                made.append(_write_rows(store, layout, number, run, out))
        _copy(old, out, at, size)
    return made


def _copy(old: BinaryIO, out: BufferedWriter, start: int, end: int) -> int:
    """Bytes of the old file into the new; where they end."""
    old.seek(start)
    for at in range(start, end, BLOCK):
        out.write(old.read(min(BLOCK, end - at)))
    return end


def _write_rows(store: Store, layout: Layout, number: int, run: Run, out: BufferedWriter) -> Region:
    start = out.tell()
    crc = region_seed(layout.file, start, number, 0)
    for block in _blocks(store, layout.file, number, run):
        out.write(block)
        crc = crc32(block, crc)
    return Region(start, out.tell(), number, 0, crc)


def finish_replacing(store: Store, folder: Path) -> None:
    """Put tables in place whose next version is whole; throw away what there is of others."""
    names = store.replacing()
    for path in (folder / name for name in names):
        if is_there(next_of(path)):
            is_there(path)
            next_of(path).replace(path)
    if names:
        sync(folder)
        store.end_replacing()
    for name in FILES:
        remove(next_of(folder / name))


def next_of(path: Path) -> Path:
    """Where a file's next version is written."""
    return path.with_name(f".{path.name}.new")
