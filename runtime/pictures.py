"""Pictures as callers give them -> what the stages take."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias, cast

import numpy as np

from of3.runtime.types import K, Pixels, Source

# A path, a file's bytes, BGR uint8 (H,W,3), or what makes such pixels when it is called, once, on a thread of
# the pipeline's.
Picture: TypeAlias = str | os.PathLike[str] | bytes | Pixels | Callable[[], Pixels]
Pictures: TypeAlias = Picture | Iterable[Picture]
Keyed: TypeAlias = Iterable[tuple[K, Picture]]
TEXT = "OSU"  # kinds of arrays that hold paths, not numbers


def each_of(pictures: Pictures) -> Iterable[Picture]:
    """Pictures one by one; a path, bytes or an array of one picture are one.

    An array of more than three dimensions is a stack of pictures.  Raises TypeError: it is neither.
    """
    if isinstance(pictures, np.ndarray):
        is_one = pictures.ndim <= 3 and pictures.dtype.kind not in TEXT
        return [cast(Picture, pictures)] if is_one else cast(Iterable[Picture], pictures)
    if isinstance(pictures, str | os.PathLike | bytes) or callable(pictures):
        return [pictures]
    # A file would give its lines, a mapping its keys.
    is_some = isinstance(pictures, Iterable) and not isinstance(pictures, bytearray | memoryview | Mapping)
    if not is_some or hasattr(pictures, "read"):
        got = type(pictures).__name__
        raise TypeError(f"got {got}, want a path, bytes, a BGR uint8 (H,W,3) array, or some of them")
    return pictures


def source_of(number: int, picture: Picture) -> Source:
    """number: of the picture among those of its call.  An array is copied.

    Other things than arrays that numpy takes have their channels in another order: they fail, each for itself.
    """
    if isinstance(picture, str | os.PathLike):
        path = os.fspath(picture)
        return Source(path, path)
    if isinstance(picture, bytes):
        return Source(f"bytes {number}", picture)
    if isinstance(picture, np.ndarray):
        return Source(f"array {number}", np.array(picture))
    return Source(f"array {number}", picture if callable(picture) else lambda: picture)
