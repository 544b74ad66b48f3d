"""Which pictures a run is of, in shards.

`manifest.tsv` has a line a picture: shard, size, mtime_ns, place (see `names.stems`), path relative to the
input folder, backslash and newline escaped.  `shards.tsv` has a line of fixed length a shard: its first byte
there, its pictures, the sha256 of its lines; so that one shard is read, and checked, without the others.
"""

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, takewhile
from pathlib import Path

from of3.runtime.logs.files import synced
from of3.runtime.logs.items import Item, Stamp, beginning_of
from of3.runtime.logs.names import STEMS
from of3.runtime.logs.opening import reading, size_of
from of3.runtime.types import RunError

FILE, INDEX = "manifest.tsv", "shards.tsv"
COLUMNS = b"shard\tsize\tmtime_ns\tplace\tpath\n"
LINE_BYTES = 64 << 10  # at most; a path has some 4 KB, with all of it escaped twice that
INDEX_LINE = "{:020d}\t{:010d}\t{}\n"
INDEX_LINE_BYTES = len(INDEX_LINE.format(0, 0, "0" * 64))


@dataclass(frozen=True, slots=True)
class Manifest:
    """pictures: in all shards.  sha256: of the index, which holds the digests of everything else."""

    pictures: int
    shards: int
    sha256: str


def write_manifest(folder: Path, root: str, items: Iterable[Item], shard_size: int) -> Manifest:
    """Items in their order -> both files, on the disk.  Nothing of an item is kept."""
    beginning, pictures, shards, digest = len(beginning_of(root)), 0, 0, hashlib.sha256()
    with synced(folder / FILE) as manifest, synced(folder / INDEX) as index:
        manifest.write(COLUMNS)
        for shard, group in groupby(enumerate(items), lambda numbered: numbered[0] // shard_size):
            lines = [_line(shard, item, beginning) for _, item in group]
            content = b"".join(lines)
            entry = INDEX_LINE.format(manifest.tell(), len(lines), hashlib.sha256(content).hexdigest())
            manifest.write(content)
            index.write(entry.encode())
            digest.update(entry.encode())
            pictures, shards = pictures + len(lines), shard + 1
    return Manifest(pictures, shards, digest.hexdigest())


def _line(shard: int, item: Item, beginning: int) -> bytes:
    stamp = item.stamp
    numbers = b"%d\t%d\t%d\t%d\t" % (shard, stamp.size, stamp.mtime_ns, item.stem_index)
    return numbers + escaped(item.path[beginning:]) + b"\n"


def read_shard(folder: Path, root: str, shard: int) -> list[Item]:
    """The pictures of a shard, in order.  Raises RunError: they are not those the index says."""
    with reading(folder / INDEX) as index:
        index.seek(shard * INDEX_LINE_BYTES)
        entry = re.fullmatch(rb"(\d{20})\t(\d{10})\t([0-9a-f]{64})\n", index.read(INDEX_LINE_BYTES))
    if not entry:
        raise _changed(folder / INDEX, shard)
    lines = _lines(folder / FILE, int(entry[1]), int(entry[2]))
    if hashlib.sha256(b"".join(lines)).hexdigest().encode() != entry[3]:
        raise _changed(folder / FILE, shard)
    beginning = beginning_of(root)
    try:
        return [_item(line, beginning) for line in lines]
    except ValueError as error:
        raise _changed(folder / FILE, shard) from error


def _lines(path: Path, start: int, count: int) -> list[bytes]:
    """So many of a file's from a place on, or those that there are."""
    with reading(path) as file:
        file.seek(min(start, size_of(path)))
        found = (file.readline(LINE_BYTES) for _ in range(count))
        return list(takewhile(lambda line: line.endswith(b"\n"), found))


def _changed(path: Path, shard: int) -> RunError:
    return RunError(f"{path}: shard {shard} was changed: make it anew with `of3 manifest --override`")


def _item(line: bytes, beginning: str) -> Item:
    """Raises ValueError."""
    _, size, mtime_ns, place, path = line[:-1].split(b"\t", 4)
    relative = plain(path)
    if os.path.isabs(relative) or os.pardir in relative.split(os.sep) or not 0 <= int(place) < STEMS:
        raise ValueError(f"{relative}: not below the folder of pictures")
    return Item(beginning + relative, Stamp(int(size), int(mtime_ns)), int(place))


def index_sha256(folder: Path) -> str:
    """As `Manifest.sha256`."""
    with reading(folder / INDEX) as index:
        return hashlib.file_digest(index, "sha256").hexdigest()


def escaped(path: str) -> bytes:
    """A path as bytes without a newline."""
    return os.fsencode(path).replace(b"\\", rb"\\").replace(b"\n", rb"\n")


def plain(path: bytes) -> str:
    """What was escaped."""
    if b"\\" in path:
        path = re.sub(rb"\\(.)", lambda found: b"\n" if found[1] == b"n" else found[1], path)
    return os.fsdecode(path)
