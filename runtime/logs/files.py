"""Files replaced whole, and kept inside their folder."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter
from pathlib import Path


def replace_text(path: Path, text: str, temporary: Path | None = None, is_synced: bool = False) -> None:
    """Write a file whole or not at all.  `temporary` is on the same file system; beside `path` by default.

    is_synced: it is on the disk before it is in its place.
    """
    temporary = temporary or path.with_name(f".{path.name}.tmp")
    content = text.encode("utf-8", "surrogateescape")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    try:
        with os.fdopen(os.open(temporary, flags, 0o666), "wb", buffering=0) as file:
            rest = memoryview(content)
            while rest:
                rest = rest[file.write(rest) :]
            if is_synced:
                fsync(file.fileno(), temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def synced(path: Path) -> Iterator[BufferedWriter]:
    """A new file, which is on the disk when the context ends."""
    with path.open("wb") as file:
        yield file
        file.flush()
        fsync(file.fileno(), path)


def sync(path: Path) -> None:
    """Let a file, or a folder's list of files (which some systems keep themselves), reach the disk."""
    is_folder = path.is_dir()
    if os.name == "nt" and is_folder:
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        fsync(handle, path)
    except OSError as error:
        if not is_folder or error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def fsync(handle: int, path: Path) -> None:
    """As `os.fsync`, with the path in its error."""
    try:
        os.fsync(handle)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


class Inside:
    """Writes text files at names below a folder, and follows no link out of it.

    The folder is made with the first file.  One temporary name serves all of them, so that a killed run leaves
    one at most; the next takes it away.
    """

    def __init__(self, folder: Path, temporary: Path | None = None):
        """temporary: on the same file system, this writer's alone; `<folder>/.writing.tmp` by default."""
        self._folder = folder
        self._temporary = temporary or folder / ".writing.tmp"
        self._known: set[str] = set()  # folders below, which are there and no links
        self._unsynced: list[Path] | None = None if temporary is None else []
        self._temporary.unlink(missing_ok=True)

    def write(self, name: str, text: str) -> None:
        """Raises OSError, also when the folder was removed after it was made, or a link leads out of it."""
        below = os.path.dirname(name)
        if below not in self._known:
            self._make(below)
        replace_text(self._folder / name, text, self._temporary)
        if self._unsynced is not None:
            self._unsynced.append(self._folder / name)

    def holds(self, name: str, text: str) -> bool:
        """Whether a file is there with exactly this in it."""
        with suppress(OSError):
            return (self._folder / name).read_bytes() == text.encode("utf-8", "surrogateescape")
        return False

    def remove(self, name: str) -> None:
        """Raises OSError as `write` does."""
        self._make(os.path.dirname(name))
        (self._folder / name).unlink(missing_ok=True)

    def sync(self) -> None:
        """Let what was written reach the disk: all at once, a sixth of what it costs file by file."""
        written, self._unsynced = self._unsynced or [], []
        for path in (*written, *dict.fromkeys(path.parent for path in written)):
            sync(path)

    def _make(self, below: str) -> None:
        place = self._folder / below
        if self._known and not self._folder.is_dir():
            raise FileNotFoundError(f"{self._folder} was removed while this run writes to it")
        place.mkdir(parents=True, exist_ok=True)
        want = os.path.join(os.path.realpath(self._folder.parent), self._folder.name, below)
        if os.path.realpath(place) != want.rstrip(os.sep):
            raise OSError(
                f"{place} is a link to {os.path.realpath(place)}: nothing is written outside the logs"
            )
        self._known.add(below)
