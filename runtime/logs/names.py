"""Where below per_image/ each picture writes: pictures of different paths never to the same place.

The first of equal stems keeps the bare stem, the others keep their folder, and where a folder holds two of one
stem (a.jpg, a.png) the later keeps its suffix as well.
"""

import hashlib
import os
from collections.abc import Iterator
from itertools import islice

MAX_STEM_BYTES = 200  # 255 less the longest suffix and a temporary name


def stems(relative: str) -> Iterator[str]:
    """A picture's path relative to the input folder -> the stems it may write under, the best first.

    The last is no other picture's.
    """
    folder, name = os.path.split(relative)
    stem = os.path.splitext(name)[0]
    yield _fitted(stem)
    yield _fitted(os.path.join(folder, stem))
    yield _fitted(relative)
    yield _fitted(os.path.join(folder, f"{stem}-{_digest(relative)}"))


def stem_at(relative: str, index: int) -> str:
    """The `index`-th of a picture's stems."""
    return next(islice(stems(relative), index, None))


def _fitted(stem: str) -> str:
    """A stem short enough for a file name; a digest keeps long ones apart."""
    folder, name = os.path.split(stem)
    encoded = os.fsencode(name)
    if len(encoded) <= MAX_STEM_BYTES:
        return stem
    return os.path.join(folder, f"{os.fsdecode(encoded[: MAX_STEM_BYTES - 17])}-{_digest(stem)}")


def _digest(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:16]
