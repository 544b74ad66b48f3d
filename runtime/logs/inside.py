"""Files at names below a folder, with no way out of it.

Folders are held by descriptors, and what is done in them is done by these, so that a link that comes to stand
where a folder stood leads nowhere.  Where the platform lacks that (Windows), it is done by paths, which are
looked at before.
"""

import os
import stat
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

from of3.runtime.logs.files import fsync, fsync_folder, write_all
from of3.runtime.logs.known import Known, known
from of3.runtime.logs.opening import NEW, SAFE, is_folder, is_there, remove
from of3.runtime.types import RunError

HAS_HANDLES = {os.open, os.mkdir, os.rename, os.unlink, os.stat} <= os.supports_dir_fd
FOLDER = os.O_RDONLY | SAFE | getattr(os, "O_DIRECTORY", 0)


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that is held.  What is done in it takes `at` of a name, and the handle as `dir_fd`."""

    path: Path
    handle: int | None  # None where the platform has none of folders
    known: Known

    def at(self, name: str) -> str:
        return os.path.join(self.path, name) if self.handle is None else name

    def found(self, name: str) -> "Place":
        """A folder in it.  Raises RunError: something else is there; OSError."""
        return _place(self.path / name, self.at(name), self.handle)

    def made(self, name: str) -> "Place":
        """The same, made where there is none."""
        with suppress(FileExistsError):
            os.mkdir(self.at(name), dir_fd=self.handle)
        return self.found(name)

    def close(self) -> None:
        if self.handle is not None:
            os.close(self.handle)


def place_of(path: Path) -> Place:
    """A folder that is there.  Raises RunError: something else is; OSError."""
    return _place(path, str(path), None)


def _place(path: Path, name: str, folder: int | None) -> Place:
    if not HAS_HANDLES:
        is_folder(path)
        if os.path.realpath(path) != os.path.join(os.path.realpath(path.parent), path.name):
            raise OSError(f"{path} leads to {os.path.realpath(path)}: nothing is written outside the logs")
        return Place(path, None, known(path))
    try:
        handle = os.open(name, FOLDER, dir_fd=folder)
    except OSError:
        is_folder(path)  # which says what else is
        raise
    return Place(path, handle, known(path, handle))


def _discard(name: str, folder: int | None) -> None:
    with suppress(OSError):
        os.unlink(name, dir_fd=folder)


Step = Callable[[Place, str], Place]  # `Place.made` or `Place.found`


class Inside:
    """Writes files at names below a folder.  Use as a context manager.

    The folder is made with the first file.  One temporary name serves all of them, so that a killed run leaves
    one at most; the next takes it away.  Two or three folders are held at a time: files come folder by folder.
    What is replaced or removed may be anything but a folder.
    """

    def __init__(self, folder: Path, temporary: Path | None = None, name: str = ".writing.tmp"):
        """temporary: on the same file system, this writer's alone; `name` in the folder by default.

        Raises RunError: something else stands in a place; OSError.
        """
        self._folder, self._temporary = folder, (temporary or folder / name).name
        self._root: Place | None = None
        self._writing: Place | None = None  # where the temporary file is, if not there
        self._last: tuple[str, Place] | None = None  # the folder below that was used last
        if is_folder(folder):
            remove(temporary or folder / name)
        self._elsewhere = temporary and temporary.parent
        self._unsynced: list[str] | None = None if temporary is None else []

    def write(self, name: str, text: str) -> None:
        """Raises as `write_bytes` does."""
        self.write_bytes(name, text.encode("utf-8", "surrogateescape"))

    def write_bytes(self, name: str, content: bytes) -> None:
        """Raises OSError, also when the folder was removed after it was made; RunError: a link leads out."""
        below, base = os.path.split(name)
        place = self._at(below, Place.made)
        if self._elsewhere is not None and self._writing is None:
            self._writing = place_of(self._elsewhere)
        source = self._writing or self._opened(Place.made)
        handle, temporary = self._new(source), source.at(self._temporary)
        with ExitStack() as undone:
            undone.callback(_discard, temporary, source.handle)
            try:
                write_all(handle, content)
            finally:
                os.close(handle)
            try:
                os.replace(temporary, place.at(base), src_dir_fd=source.handle, dst_dir_fd=place.handle)
            except OSError:
                is_there(place.path / base)  # a folder cannot be replaced
                raise
            undone.pop_all()
        if self._unsynced is not None:
            self._unsynced.append(name)

    def holds(self, name: str, text: str) -> bool:
        """Whether a file is there with exactly this in it.  Raises RunError as `write` does."""
        content, (below, base) = text.encode("utf-8", "surrogateescape"), os.path.split(name)
        with suppress(OSError):
            place = self._at(below, Place.found)
            with os.fdopen(os.open(place.at(base), os.O_RDONLY | SAFE, dir_fd=place.handle), "rb") as file:
                status = os.fstat(file.fileno())
                is_like = stat.S_ISREG(status.st_mode) and status.st_size == len(content)
                return is_like and file.read() == content
        return False

    def remove(self, name: str) -> None:
        """Take a file away, where there is one.  Raises as `write` does."""
        below, base = os.path.split(name)
        try:
            place = self._at(below, Place.found)
            os.stat(place.at(base), dir_fd=place.handle, follow_symlinks=False)
        except FileNotFoundError:
            return
        try:
            os.unlink(place.at(base), dir_fd=place.handle)
        except OSError:
            is_there(place.path / base)  # a folder, which is told
            raise

    def sync(self) -> None:
        """Let what was written reach the disk: all at once, a sixth of what it costs file by file."""
        written, self._unsynced = self._unsynced or [], []
        by_folder: dict[str, list[str]] = {}
        for below, base in map(os.path.split, written):
            by_folder.setdefault(below, []).append(base)
        for below, names in by_folder.items():
            place = self._at(below, Place.found)
            for name in names:
                handle = os.open(place.at(name), os.O_RDONLY | SAFE, dir_fd=place.handle)
                try:
                    fsync(handle, place.path / name)
                finally:
                    os.close(handle)
            if place.handle is not None:
                fsync_folder(place.handle, place.path)

    def _new(self, place: Place) -> int:
        """The temporary file, to be written."""
        name = place.at(self._temporary)
        try:
            return os.open(name, NEW, 0o666, dir_fd=place.handle)
        except FileExistsError:
            is_there(place.path / self._temporary)
            os.unlink(name, dir_fd=place.handle)
            return os.open(name, NEW, 0o666, dir_fd=place.handle)

    def _at(self, below: str, step: Step) -> Place:
        """A folder below.  Raises FileNotFoundError where there is none, or no longer the one that was."""
        if self._last is not None and self._last[0] == below:
            self._last[1].known.check_in_place()
            return self._last[1]
        parts = [part for part in below.split(os.sep) if part]
        if os.pardir in parts:  # as the plan of a run by many may say, whoever wrote it
            raise RunError(f"{self._folder / below}: leads out of {self._folder}: nothing is written there")
        place = self._opened(step)
        for part in parts:
            try:
                inner = step(place, part)
            finally:
                if place is not self._root:
                    place.close()
            place = inner
        if below:
            self._let_go()
            self._last = below, place
        return place

    def _opened(self, step: Step) -> Place:
        """The folder itself."""
        if self._root is None:
            with closing(place_of(self._folder.parent)) as parent:
                self._root = step(parent, self._folder.name)
        self._root.known.check_in_place()
        return self._root

    def _let_go(self) -> None:
        """Of the folder that was used last."""
        if self._last is not None:
            self._last[1].close()
        self._last = None

    def close(self) -> None:
        self._let_go()
        for place in (self._root, self._writing):
            if place is not None:
                place.close()
        self._root = self._writing = None

    def __enter__(self) -> "Inside":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
