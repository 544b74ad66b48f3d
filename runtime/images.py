"""Find pictures and read them."""

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from of3.runtime.decoding import decode
from of3.runtime.files import sort_key
from of3.runtime.types import Image, PictureError, Source

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
MAX_FILE_BYTES = 1 << 30

log = logging.getLogger(__name__)


def walk_images(root: str) -> Iterator[str]:
    """Every picture below `root` by its suffix, in any case, in no order; links to folders are not followed.

    Paths keep `root` as it was given; names that are not UTF-8 come surrogate-escaped.
    """
    folders = [str(Path(root))]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if _is_folder(entry):
                        if not entry.is_symlink():
                            folders.append(entry.path)
                    elif entry.name.lower().endswith(SUFFIXES):
                        yield entry.path
        except OSError as error:
            log.warning("%s is not searched: %s", error.filename or folder, error.strerror)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def find_images(root: str) -> list[str]:
    """The pictures of `walk_images`, sorted folder by folder."""
    return sorted(walk_images(root), key=sort_key)


def read_image(source: Source) -> Image:
    """Read and decode a picture.

    Raises PictureError: no regular file, not to be decoded, too large, or an array of another kind.
    """
    if isinstance(source.content, str):
        decoded = decode(read_bytes(source.content))
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
