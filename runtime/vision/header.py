"""What the first bytes of an encoded picture say: its format, and how many pixels it claims to have."""

from collections.abc import Iterator

FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # JPEG markers that a frame's size stands behind
BARE = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})  # JPEG markers without a length, and FF 00, which is none
SCAN, END = 0xDA, 0xD9


def kind_of(content: bytes) -> str | None:
    if content.startswith(b"\xff\xd8"):
        return "JPEG"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "WebP"
    return "BMP" if content.startswith(b"BM") else None


def pixels_of(content: bytes) -> int:
    """Pixels that the header claims; 0 where it is too short to tell, or of none of these formats."""
    match kind_of(content):
        case "JPEG":
            return _jpeg(content)
        case "PNG":
            return int.from_bytes(content[16:20]) * int.from_bytes(content[20:24])
        case "BMP":
            return _bmp(content)
        case "WebP":
            return _webp(content)
    return 0


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
