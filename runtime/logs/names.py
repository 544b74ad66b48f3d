"""Where below per_image/ each picture writes: pictures of different paths never to the same place.

The first of equal stems keeps the bare stem, the others keep their folder, and where a folder holds two of one
stem (a.jpg, a.png) the later keeps its suffix as well.  Equal are stems that some file system takes for one.
"""

import hashlib
import os
import unicodedata
from collections.abc import Iterator
from itertools import islice

VARIATION_SELECTORS = frozenset(map(chr, range(0xFE00, 0xFE10)))
STEMS = 4  # of a picture
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


def folded(stem: str) -> str:
    """The same for stems that are one file to some file system: by case, Unicode form or what is not seen.

    macOS and Windows fold case, macOS the forms as well, ext4 and f2fs (in folders made so) what is not seen
    besides.  NFKD goes beyond all of them: a fold too many costs a longer name, one too few a file.
    """
    if stem.isascii():
        return stem.lower()
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", stem).casefold())
    return "".join(filter(_is_seen, plain))


def _is_seen(character: str) -> bool:
    return unicodedata.category(character) != "Cf" and character not in VARIATION_SELECTORS


def _fitted(stem: str) -> str:
    """A stem short enough for a file name; a digest keeps long ones apart."""
    folder, name = os.path.split(stem)
    encoded = os.fsencode(name)
    if len(encoded) <= MAX_STEM_BYTES:
        return stem
    return os.path.join(folder, f"{os.fsdecode(encoded[: MAX_STEM_BYTES - 17])}-{_digest(stem)}")


def _digest(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:16]
