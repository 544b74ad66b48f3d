"""Which way up a picture is to be shown, by the EXIF data in its file, and turning it so.

As Pillow's `exif_transpose`, whatever OpenCV is installed: OpenCV 5.0 leaves lying what keeps EXIF in a PNG's
text (as ImageMagick writes) or behind `Exif\\0\\0` in a PNG or WebP, 4.12 every WebP.  Where they differ over
what is malformed, a picture that OpenCV turns is turned: a value of another type or count, data cut behind it.
Neither turns by the EXIF of a thumbnail (IFD1), by a value that is not 1 to 8, or by a PNG's `Raw profile type
APP1`.  XMP is not looked at, though Pillow does: OpenCV does not.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping

import cv2
import numpy as np

from of3.runtime.types import Pixels
from of3.runtime.vision.header import kind_of, segments
from of3.runtime.vision.tiff import values

PREFIX = b"Exif\0\0"
APP1 = 0xE1
TAG = 0x0112
MAX_TEXT_BYTES = 1 << 20  # of a PNG's, unpacked: EXIF data in hexadecimal takes an eighth of that
TEXT_NAME = b"Raw profile type exif"
WEBP_HAS_EXIF = 8  # in the flags of its extended header

UPRIGHT: Mapping[int, Callable[[Pixels], "cv2.typing.MatLike"]] = {
    2: lambda pixels: cv2.flip(pixels, 1),
    3: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_180),
    4: lambda pixels: cv2.flip(pixels, 0),
    5: cv2.transpose,
    6: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE),
    7: lambda pixels: cv2.flip(cv2.transpose(pixels), -1),
    8: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE),
}


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """(H,W,3) -> (H,W,3) or (W,H,3).  orientation: EXIF's, 1 to 8."""
    if orientation == 1:
        return pixels
    return UPRIGHT[orientation](pixels).astype(np.uint8, copy=False)


def orientation_of(content: bytes) -> int:
    """EXIF's number of an encoded JPEG, PNG or WebP, 1 to 8: the first that is there; 1 where it is none."""
    kind = kind_of(content)
    blocks = BLOCKS[kind](content) if kind in BLOCKS else iter(())
    found = next((value for block in blocks for value in values(block.removeprefix(PREFIX), TAG)), 1)
    return found if found in UPRIGHT else 1


def _in_jpeg(content: bytes) -> Iterator[bytes]:
    for marker, body in segments(content):
        if marker == APP1 and content.startswith(PREFIX, body.start):
            yield content[body]


def _in_png(content: bytes) -> Iterator[bytes]:
    """Its eXIf chunks, then what its texts hold."""
    chunks = list(_png_chunks(content))
    yield from (data for kind, data in chunks if kind == b"eXIf")
    for kind, data in chunks:
        name, _, rest = data.partition(b"\0")
        if kind != b"eXIf" and name == TEXT_NAME:
            yield from _profile(TEXTS[kind](rest))


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Those that may hold EXIF data and are whole."""
    at = 8
    while at + 12 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4])
        kind, checksum = content[at + 4 : at + 8], int.from_bytes(content[end : end + 4])
        if (kind == b"eXIf" or kind in TEXTS) and zlib.crc32(content[at + 4 : end]) == checksum:
            yield kind, content[at + 8 : end]
        at = end + 4


def _plain(rest: bytes) -> bytes:
    return rest


def _packed(rest: bytes) -> bytes:
    """Behind a byte that names the method."""
    try:
        return zlib.decompressobj().decompress(rest[1:], MAX_TEXT_BYTES)
    except zlib.error:
        return b""


def _international(rest: bytes) -> bytes:
    """Behind whether it is packed, the method, a language and a translated name."""
    text = rest[2:].split(b"\0", 2)[-1]
    return _packed(rest[1:2] + text) if rest[:1] == b"\1" else text


TEXTS: Mapping[bytes, Callable[[bytes], bytes]] = {b"tEXt": _plain, b"zTXt": _packed, b"iTXt": _international}


def _profile(text: bytes) -> Iterator[bytes]:
    """ImageMagick's way: an empty line, what it is, its length, then hexadecimal digits."""
    try:
        yield bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return


def _in_webp(content: bytes) -> Iterator[bytes]:
    at = 12
    if content[at : at + 4] != b"VP8X" or not content[20] & WEBP_HAS_EXIF:
        return
    while at + 8 <= len(content):
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        if content[at : at + 4] == b"EXIF":
            yield content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


BLOCKS: Mapping[str | None, Callable[[bytes], Iterator[bytes]]] = {
    "JPEG": _in_jpeg,
    "PNG": _in_png,
    "WebP": _in_webp,
}
