"""What the first bytes of an encoded picture say: its format, and how many pixels it claims to have."""

import re
from collections.abc import Callable, Iterator, Mapping

from of3.runtime.vision.tiff import ORDERS, values

BEGINNINGS = {
    b"\xff\xd8": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"BM": "BMP",
    **dict.fromkeys(ORDERS, "TIFF"),
    **dict.fromkeys((b"GIF87a", b"GIF89a"), "GIF"),
}
FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # JPEG markers that a frame's size stands behind
BARE = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})  # JPEG markers without a length, and FF 00, which is none
SCAN, END = 0xDA, 0xD9
WIDTH, HEIGHT = 0x0100, 0x0101  # of a TIFF
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
MAX_BRANDS_BYTES = 256
EXTENT = re.compile(rb"\0\0\0\x14ispe\0{4}(.{4})(.{4})", re.DOTALL)  # a box of 20 bytes


def kind_of(content: bytes) -> str | None:
    """A format by its name, None where it is none of those known."""
    for beginning, kind in BEGINNINGS.items():
        if content.startswith(beginning):
            return kind
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "WebP"
    return _boxed(content) if content[4:8] == b"ftyp" else None


def pixels_of(content: bytes) -> int:
    """Pixels that the header claims; 0 where it is too short to tell, or of an unknown format."""
    kind = kind_of(content)
    return PIXELS[kind](content) if kind in PIXELS else 0


def _boxed(content: bytes) -> str | None:
    """HEIF and AVIF, by the brands in their first box."""
    brands = content[8 : min(int.from_bytes(content[:4]), MAX_BRANDS_BYTES)]
    if b"avif" in brands or b"avis" in brands:
        return "AVIF"
    return "HEIF" if any(brand in brands for brand in HEIF_BRANDS) else None


def _boxes(content: bytes) -> int:
    """The largest of a HEIF's or AVIF's pictures: tiles, and what they make together."""
    sides = ((int.from_bytes(found[1]), int.from_bytes(found[2])) for found in EXTENT.finditer(content))
    return max((width * height for width, height in sides), default=0)


def segments(content: bytes) -> Iterator[tuple[int, slice]]:
    """Markers of a JPEG up to its first scan, each with where what belongs to it stands.

    From marker to marker as libjpeg goes: bytes that belong to none are passed over.
    """
    at = content.find(b"\xff", 2)
    while 0 <= at < len(content) - 3:
        marker = content[at + 1]
        if marker in (SCAN, END):
            return
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in BARE:
            at += 2
        else:
            end = at + 2 + int.from_bytes(content[at + 2 : at + 4])
            yield marker, slice(at + 4, end)
            at = end
        at = content.find(b"\xff", at)


def _png(content: bytes) -> int:
    return int.from_bytes(content[16:20]) * int.from_bytes(content[20:24])


def _gif(content: bytes) -> int:
    return int.from_bytes(content[6:8], "little") * int.from_bytes(content[8:10], "little")


def _tiff(content: bytes) -> int:
    return next(values(content, WIDTH), 0) * next(values(content, HEIGHT), 0)


def _jpeg(content: bytes) -> int:
    frame = next((content[body] for marker, body in segments(content) if marker in FRAMES), b"")
    return int.from_bytes(frame[1:3]) * int.from_bytes(frame[3:5])


def _bmp(content: bytes) -> int:
    """A height below zero: the first line is the upper one; OS/2's header is short."""
    size, places = (2, (18, 20)) if content[14:15] == b"\x0c" else (4, (18, 22))
    width, height = (int.from_bytes(content[at : at + size], "little", signed=size > 2) for at in places)
    return abs(width * height)


def _webp(content: bytes) -> int:
    form = content[12:16]
    if form == b"VP8X":
        return (int.from_bytes(content[24:27], "little") + 1) * (int.from_bytes(content[27:30], "little") + 1)
    if form == b"VP8L":
        packed = int.from_bytes(content[21:25], "little")
        return ((packed & 0x3FFF) + 1) * ((packed >> 14 & 0x3FFF) + 1)
    sides = (int.from_bytes(content[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    return next(sides) * next(sides)


PIXELS: Mapping[str | None, Callable[[bytes], int]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "WebP": _webp,
    "BMP": _bmp,
    "TIFF": _tiff,
    "GIF": _gif,
    "HEIF": _boxes,
    "AVIF": _boxes,
}
