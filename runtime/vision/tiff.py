"""TIFF's lists of tags, as TIFF files and EXIF data begin with."""

from collections.abc import Iterator, Mapping
from typing import Literal

ORDERS: Mapping[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
LONG = 4  # a type of values; any other is taken for the usual, SHORT
ENTRY_BYTES = 12


def values(tiff: bytes, tag: int) -> Iterator[int]:
    """Of each entry with a tag in the first list, in order, its first; of what is damaged what is there."""
    order = ORDERS.get(tiff[:4])
    if order is None:
        return
    first = int.from_bytes(tiff[4:8], order)
    for number in range(int.from_bytes(tiff[first : first + 2], order)):
        at = first + 2 + number * ENTRY_BYTES
        if len(tiff) < at + 10:
            return
        if int.from_bytes(tiff[at : at + 2], order) == tag:
            size = 4 if int.from_bytes(tiff[at + 2 : at + 4], order) == LONG else 2
            yield int.from_bytes(tiff[at + 8 : at + 8 + size], order)
