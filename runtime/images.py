"""Find pictures and decode them."""

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from of3.runtime.types import Image, PictureError, Pixels, Source

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
MAX_FILE_BYTES = 1 << 30

log = logging.getLogger(__name__)


def find_images(root: str) -> list[str]:
    """Every picture below `root` by its suffix, in any case, sorted folder by folder; links to folders are
    not followed.  Paths keep `root` as it was given; names that are not UTF-8 come surrogate-escaped."""
    return sorted(_walk(str(Path(root))), key=_by_parts)


def _by_parts(path: str) -> str:
    """Sorts as tuples of path parts would: no name holds a NUL, and nothing sorts before it."""
    return path.replace(os.sep, "\0")


def _walk(root: str) -> Iterator[str]:
    for folder, _, names in os.walk(root, onerror=_warn):
        for name in names:
            if name.lower().endswith(SUFFIXES):
                yield os.path.join(folder, name)


def _warn(error: OSError) -> None:
    log.warning("%s is not searched: %s", error.filename, error.strerror)


def read_image(source: Source) -> Image:
    """Decode a picture, EXIF orientation applied, as OpenCV does.

    Raises PictureError: empty, unreadable, truncated, damaged, too large, or an array of another kind.
    """
    if isinstance(source.content, str):
        return Image(source.source, decode(read_bytes(source.content)))
    pixels = source.content
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise PictureError(f"array: got {pixels.dtype} {pixels.shape}, want uint8 (H,W,3) in BGR order")
    return Image(source.source, np.ascontiguousarray(pixels))


def read_bytes(path: str) -> bytes:
    """A regular file's bytes.  OpenCV never sees the path: one that is not UTF-8 kills the process."""
    try:
        # O_NONBLOCK: a named pipe called x.jpg must not hang the run.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise PictureError("unreadable: not a regular file")
            if status.st_size > MAX_FILE_BYTES:
                raise PictureError(f"too large: got {status.st_size} bytes, want at most {MAX_FILE_BYTES}")
            return file.read()
    except OSError as error:
        raise PictureError(f"unreadable: {error.strerror}") from error


def decode(content: bytes) -> Pixels:
    """Encoded bytes -> BGR uint8 (H,W,3)."""
    if not content:
        raise PictureError("empty file")
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        if "MAX_IMAGE" in error.err:
            limit = os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"]
            raise PictureError(f"too large: want at most {limit} pixels") from error
        raise PictureError(f"unreadable: OpenCV: {error.err}") from error
    if pixels is None:
        raise PictureError(_diagnosis(content))
    return pixels.astype(np.uint8, copy=False)


def _diagnosis(content: bytes) -> str:
    """Why OpenCV gave nothing, as far as the container tells."""
    kind = _kind(content)
    if kind is None:
        return "unreadable: not a JPEG, PNG, WebP or BMP"
    if _is_cut_short(kind, content):
        return f"truncated: the {kind} ends early"
    return f"unreadable: damaged {kind}"


def _kind(content: bytes) -> str | None:
    if content.startswith(b"\xff\xd8"):
        return "JPEG"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "WebP"
    return "BMP" if content.startswith(b"BM") else None


def _is_cut_short(kind: str, content: bytes) -> bool:
    """Whether the container's end mark is missing, or its length field says more than there is."""
    if kind == "JPEG":
        return b"\xff\xd9" not in content[-64:]
    if kind == "PNG":
        return b"IEND" not in content[-64:]
    if kind == "WebP":
        return len(content) < int.from_bytes(content[4:8], "little") + 8
    return len(content) < 6 or len(content) < int.from_bytes(content[2:6], "little")
