"""Pictures to be analysed, and how they are known again."""

import os
from dataclasses import dataclass
from typing import NamedTuple

from of3.runtime.types import Moment


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
    moment: Moment | None = None  # of a video's frame


def frame_item(video: str, stamp: Stamp, moment: Moment) -> Item:
    """A frame as a picture that lies in its video, in the order of their numbers.  stamp: of the video."""
    return Item(os.path.join(video, f"{moment.frame:010d}"), stamp, moment=moment)


class Done(NamedTuple):
    """A picture that has its row.  key: of its path, as `key_of` says.  A tuple: a resume makes millions."""

    key: bytes
    size: int  # as of Stamp
    mtime_ns: int
    success: bool
    stem_index: int


def beginning_of(folder: str) -> str:
    """What the paths of all that is in a folder begin with: nothing for `.`, as `pathlib` writes them."""
    return "" if folder == os.curdir else os.path.join(folder, "")


NO_FILE = Stamp(0, 0)  # of what is not there


def stamp_of(path: str) -> Stamp:
    try:
        status = os.stat(path)
    except OSError:
        return NO_FILE
    return Stamp(status.st_size, status.st_mtime_ns)


def key_of(path: str) -> bytes:
    """Sorts as the tuple of the path's parts would: no name holds a NUL, and nothing sorts before it."""
    return path.replace(os.sep, "\0").encode("utf-8", "surrogatepass")


def path_of(key: bytes) -> str:
    """The path that `key_of` was given."""
    return key.decode("utf-8", "surrogatepass").replace("\0", os.sep)
