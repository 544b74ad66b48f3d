"""What a run has written, picture by picture: the tables can be cut back to it, and the run gone on with.

`journal.tsv` is a line of JSON (whose run it is, and how long the tables were when it began), then one line for
each picture once everything it wrote is there: `rows_end errors_end full_end size mtime_ns success place path`,
tab-separated, the ends in bytes of the tables, backslash and newline escaped in the path.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from of3.runtime.types import RunError

FILE = "journal.tsv"
FORMAT, REVISION = "of3-journal", 2


@dataclass(frozen=True, slots=True)
class Stamp:
    """By which a picture's file is known to be the same; zero where there is none to look at."""

    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Item:
    """A picture to be analysed.  stem_index: which of `names.stems` its per-image files are written under."""

    path: str
    stamp: Stamp
    stem_index: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture of which everything is written.  ends: bytes of each table up to it and with it.

    stem_index: which of `names.stems` its per-image files are written under.
    """

    path: str
    stamp: Stamp
    success: bool
    stem_index: int
    ends: tuple[int, ...]

    def line(self) -> bytes:
        numbers = (*self.ends, self.stamp.size, self.stamp.mtime_ns, int(self.success), self.stem_index)
        return b"\t".join([*(b"%d" % number for number in numbers), escaped(self.path)]) + b"\n"

    def after(self, base: Sequence[int]) -> "Entry":
        """The same picture where `base` bytes of each table come before."""
        return replace(self, ends=tuple(end + more for end, more in zip(self.ends, base, strict=True)))


@dataclass(frozen=True, slots=True)
class Header:
    """identity: what made the rows.  base: bytes of each table before the first of them."""

    identity: Mapping[str, Any]
    base: tuple[int, ...]

    def line(self) -> bytes:
        document = {
            "format": FORMAT,
            "revision": REVISION,
            "identity": self.identity,
            "base": self.base,
        }
        return json.dumps(document, sort_keys=True).encode() + b"\n"


def stamp_of(path: str) -> Stamp:
    try:
        status = os.stat(path)
    except OSError:
        return Stamp(0, 0)
    return Stamp(status.st_size, status.st_mtime_ns)


def read_header(path: Path) -> Header:
    """Raises RunError when the file is no journal of this revision."""
    with path.open("rb") as file:
        line = file.readline()
    try:
        document = json.loads(line)
        if (document["format"], document["revision"]) != (FORMAT, REVISION) or not line.endswith(b"\n"):
            raise ValueError
        return Header(document["identity"], tuple(int(size) for size in document["base"]))
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path}: not a journal of this version: pass --override to start anew, or another --logs"
        ) from error


def header_bytes(path: Path) -> int:
    with path.open("rb") as file:
        return len(file.readline())


def read_entries(path: Path) -> Iterator[tuple[Entry, int]]:
    """Whole entries in the order they were written, each with the journal's bytes up to it and with it."""
    with path.open("rb") as file:
        end = len(file.readline())
        for line in file:
            end += len(line)
            entry = entry_of(line)
            if entry is None:
                return
            yield entry, end


def entry_of(line: bytes) -> Entry | None:
    """None: torn, the last of a run that was killed."""
    *numbers, path = line.removesuffix(b"\n").split(b"\t", 7)
    if not line.endswith(b"\n") or len(numbers) != 7:
        return None
    try:
        rows, errors, full, size, mtime_ns, success, stem_index = (int(number) for number in numbers)
    except ValueError:
        return None
    return Entry(plain(path), Stamp(size, mtime_ns), bool(success), stem_index, (rows, errors, full))


def escaped(path: str) -> bytes:
    """A path as bytes without a newline."""
    return os.fsencode(path).replace(b"\\", rb"\\").replace(b"\n", rb"\n")


def plain(path: bytes) -> str:
    """What was escaped."""
    if b"\\" in path:
        path = re.sub(rb"\\(.)", lambda found: b"\n" if found[1] == b"n" else found[1], path)
    return os.fsdecode(path)
