"""Files, or arrays, -> pictures."""

import os
import stat

import numpy as np

from of3.runtime.settings import MAX_PIXELS
from of3.runtime.types import Image, PictureError, Source
from of3.runtime.vision.decoding import decode

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
MAX_FILE_BYTES = 1 << 30


def read_image(source: Source, reject_damaged: bool = False, max_pixels: int = MAX_PIXELS) -> Image:
    """Read and decode a picture.

    Raises PictureError: no regular file, not to be decoded, of more than `max_pixels`, or an array of another
    kind; a damaged JPEG that could be decoded, where those are rejected.
    """
    if isinstance(source.content, str):
        decoded = decode(read_bytes(source.content), max_pixels)
        if decoded.damage and reject_damaged:
            raise PictureError(f"damaged: {decoded.damage}")
        return Image(source.source, decoded.pixels, decoded.damage)
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
