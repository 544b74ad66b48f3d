"""Files and folders of a log folder, opened only as what they should be.

A named pipe would hold whoever opens it for ever, a link lead out of the folder, and what is written to a file
of two names would change the other.
"""

import os
import stat
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path

from of3.runtime.types import RunError

KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
}
TEXT_BYTES = 16 << 20  # of what is read at once; the largest that are written have some kilobytes
# Of each, what the platform has: no links, no waiting for who else may open a pipe.
SAFE = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_CLOEXEC"))
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | SAFE


def open_file(path: Path, flags: int = os.O_RDONLY) -> int:
    """As `os.open`, of a file that is there.  Raises RunError: it is something else; OSError."""
    try:
        handle = os.open(path, flags | SAFE)
    except OSError:
        is_there(path)  # which says what else is
        raise
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        raise _other(path, mode, "a regular file")
    return handle


def reading(path: Path) -> BufferedReader:
    """As `open(path, "rb")`.  Raises RunError, OSError."""
    return os.fdopen(open_file(path), "rb")


def read_bytes(path: Path, most: int) -> bytes:
    """All of a file.  Raises RunError: it is something else, or has more than `most` bytes; OSError."""
    with reading(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise RunError(f"{path}: got {size} bytes, want at most {most}: move it away")
        return file.read()


def read_text(path: Path) -> str:
    """The same as text.  Raises also UnicodeDecodeError."""
    return read_bytes(path, TEXT_BYTES).decode("utf-8")


def new_file(path: Path) -> int:
    """A new file, to be written; one that a killed process left is taken away.  Raises RunError, OSError."""
    try:
        return os.open(path, NEW, 0o666)
    except FileExistsError:
        remove(path)
        return os.open(path, NEW, 0o666)


def remove(path: Path) -> None:
    """Take a file away, where there is one.  Raises RunError: something else is; OSError."""
    if is_there(path):
        path.unlink(missing_ok=True)


def is_there(path: Path) -> bool:
    """Whether a file is.  Raises RunError: something else is."""
    return _is(path, stat.S_ISREG, "a regular file")


def size_of(path: Path) -> int:
    """Bytes of a file, 0 where there is none.  Raises RunError as `is_there` does."""
    return path.lstat().st_size if is_there(path) else 0


def refuse_shared(path: Path) -> None:
    """Raise RunError unless a file is one that may be written into, or none is there."""
    if is_there(path) and path.lstat().st_nlink > 1:
        raise RunError(
            f"{path}: has other names (hard links), which what is written here would change too: "
            "put a copy in its place"
        )


def is_folder(path: Path) -> bool:
    """Whether a folder is there.  Raises RunError: something else is."""
    return _is(path, stat.S_ISDIR, "a folder")


def make_place(path: Path) -> None:
    """Let a folder that somebody has named be there, and those that it lies in.

    Raises RunError: a file is in the way; OSError.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise RunError(f"{path}: is a file or lies in one, want a folder: pass another --out") from error


def make_folder(path: Path) -> None:
    """Let a folder be there, in one that is.  Raises RunError: something else is; OSError."""
    try:
        path.mkdir()
    except FileExistsError:
        is_folder(path)


def make_folders(top: Path, place: Path) -> None:
    """Let the folders be there that a place below one that is there lies in.  Raises as `make_folder` does."""
    for below in reversed(place.relative_to(top).parents[:-1]):
        make_folder(top / below)


def _is(path: Path, kind: Callable[[int], bool], want: str) -> bool:
    """Whether anything is there.  Raises RunError: it is of another kind than `want`."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if not kind(mode):
        raise _other(path, mode, want)
    return True


def _other(path: Path, mode: int, want: str) -> RunError:
    return RunError(f"{path}: is {KINDS.get(stat.S_IFMT(mode), 'a device')}, want {want}: move it away")
