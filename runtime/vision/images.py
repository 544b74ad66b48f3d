"""Files, or arrays, -> pictures."""

import os
import stat
from dataclasses import dataclass
from io import BufferedReader

import numpy as np

from of3.runtime.patience import patiently
from of3.runtime.settings import MAX_PIXELS
from of3.runtime.types import Image, PictureError, Pixels, Source
from of3.runtime.vision.decoding import decode
from of3.runtime.vision.header import pixels_of

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
MAX_FILE_BYTES = 1 << 30
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A picture as it came: a file's bytes, or pixels that are at hand."""

    source: str
    content: bytes | Pixels
    pixels: int  # how many its header claims


def encoded(source: Source) -> Encoded:
    """Raises PictureError: no regular file, or an array of another kind."""
    if isinstance(source.content, str | bytes):
        content = source.content if isinstance(source.content, bytes) else read_bytes(source.content)
        return Encoded(source.source, content, pixels_of(content))
    pixels = source.content() if callable(source.content) else source.content
    if not isinstance(pixels, np.ndarray):
        raise PictureError(f"array: got {type(pixels).__name__}, want a numpy array: uint8 (H,W,3), BGR")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise PictureError(f"array: got {pixels.dtype} {pixels.shape}, want uint8 (H,W,3) in BGR order")
    return Encoded(source.source, pixels, pixels.size // 3)


def decoded(picture: Encoded, reject_damaged: bool = False, max_pixels: int = MAX_PIXELS) -> Image:
    """Raises PictureError: cannot be decoded, more than `max_pixels`, or damaged where those are rejected."""
    if not isinstance(picture.content, bytes):
        return Image(picture.source, np.ascontiguousarray(picture.content))
    found = decode(picture.content, max_pixels)
    if found.damage and reject_damaged:
        raise PictureError(f"damaged: {found.damage}")
    return Image(picture.source, found.pixels, found.damage)


def read_image(source: Source, reject_damaged: bool = False, max_pixels: int = MAX_PIXELS) -> Image:
    """Read and decode a picture.  Raises PictureError as both do."""
    return decoded(encoded(source), reject_damaged, max_pixels)


def read_bytes(path: str) -> bytes:
    """A regular file's bytes.  OpenCV never sees the path: one that is not UTF-8 kills the process.

    Raises PictureError; InputLost where the machine has no descriptor or memory for it.
    """
    try:
        return patiently(lambda: _read(path))
    except OSError as error:
        raise PictureError(f"unreadable: {error.strerror}") from error


def regular_file(path: str) -> BufferedReader:
    """A file to be read, and closed by the caller.  Raises PictureError: something else is there; OSError."""
    handle, _ = _opened(path)
    return os.fdopen(handle, "rb")


def _opened(path: str) -> tuple[int, int]:
    """A regular file's handle and size.  Raises as `regular_file` does."""
    # O_NONBLOCK: a named pipe called x.jpg must not hang the run.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise PictureError("unreadable: not a regular file")
    return handle, status.st_size


def _read(path: str) -> bytes:
    """In a third of a file object's time."""
    handle, size = _opened(path)
    try:
        if size > MAX_FILE_BYTES:
            raise PictureError(f"too large: got {size} bytes, want at most {MAX_FILE_BYTES}")
        parts = [os.read(handle, size + 1)]
        while parts[-1] and sum(map(len, parts)) != size:  # it grew meanwhile, or was cut
            parts.append(os.read(handle, CHUNK_BYTES))
        return b"".join(parts)
    finally:
        os.close(handle)
