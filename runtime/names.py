"""Where below per_image/ each picture writes: pictures of different paths never to the same place.

The first of equal stems keeps the bare stem, the others keep their folder, and where a folder holds two of one
stem (a.jpg, a.png) the later keeps its suffix as well.
"""

import hashlib
import os

MAX_STEM_BYTES = 200  # 255 less the longest suffix and a temporary name


def stems(relative: str) -> tuple[str, ...]:
    """A picture's path relative to the input folder -> the stems it may write under, the best first.

    The last is no other picture's.
    """
    folder, name = os.path.split(relative)
    stem = os.path.splitext(name)[0]
    own = f"{stem}-{_digest(relative)}"
    return tuple(map(_fitted, (stem, os.path.join(folder, stem), relative, os.path.join(folder, own))))


def _fitted(stem: str) -> str:
    """A stem short enough for a file name; a digest keeps long ones apart."""
    folder, name = os.path.split(stem)
    encoded = os.fsencode(name)
    if len(encoded) <= MAX_STEM_BYTES:
        return stem
    return os.path.join(folder, f"{os.fsdecode(encoded[: MAX_STEM_BYTES - 17])}-{_digest(stem)}")


def _digest(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:16]
