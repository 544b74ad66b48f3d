"""Files replaced whole."""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedWriter
from pathlib import Path

from of3.runtime.logs.opening import SAFE, is_there, new_file


def replace_text(path: Path, text: str, temporary: Path | None = None, is_synced: bool = False) -> None:
    """Write a file whole or not at all.  `temporary` is on the same file system; beside `path` by default.

    is_synced: it is on the disk before it is in its place.
    Raises RunError: something else stands in one of the two places; OSError.
    """
    temporary = temporary or path.with_name(f".{path.name}.tmp")
    content = text.encode("utf-8", "surrogateescape")
    is_there(path)
    handle = new_file(temporary)
    with ExitStack() as undone:
        undone.callback(temporary.unlink, missing_ok=True)
        try:
            write_all(handle, content)
            if is_synced:
                fsync(handle, temporary)
        finally:
            os.close(handle)
        temporary.replace(path)
        undone.pop_all()


def write_all(handle: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]


@contextmanager
def synced(path: Path) -> Iterator[BufferedWriter]:
    """A new file, which is on the disk when the context ends.  Raises as `replace_text` does."""
    with os.fdopen(new_file(path), "wb") as file:
        yield file
        file.flush()
        fsync(file.fileno(), path)


@contextmanager
def replacing(path: Path) -> Iterator[BufferedWriter]:
    """A file's next version, which is in its place, on the disk, once the context ends without an error.

    Raises as `replace_text` does.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    is_there(path)
    with ExitStack() as undone:
        undone.callback(temporary.unlink, missing_ok=True)
        with synced(temporary) as file:
            yield file
        temporary.replace(path)
        undone.pop_all()


def sync(path: Path) -> None:
    """Let a file, or a folder's list of files (which some systems keep themselves), reach the disk."""
    is_folder = path.is_dir()
    if os.name == "nt" and is_folder:
        return
    handle = os.open(path, os.O_RDONLY | SAFE)
    try:
        fsync_folder(handle, path) if is_folder else fsync(handle, path)
    finally:
        os.close(handle)


def fsync(handle: int, path: Path) -> None:
    """As `os.fsync`, with the path in its error."""
    try:
        os.fsync(handle)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def fsync_folder(handle: int, path: Path) -> None:
    """The same of a folder, where the file system can."""
    try:
        fsync(handle, path)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
