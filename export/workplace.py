"""A folder that appears whole: filled beside its place, then renamed into it.

The one in the making is held while its export lives, and cleared away when that was killed.
"""

import fcntl
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from of3.engines.errors import Error
from of3.engines.manifest import MANIFEST

log = logging.getLogger(__name__)

UNFINISHED, REPLACED = ".tmp", ".old"  # a bundle in the making, and the one it takes the place of


class PlaceTaken(Error):
    """The destination is taken, and what to do."""


def check_destination(folder: Path, is_forced: bool) -> None:
    """Raises PlaceTaken unless `folder` is free, or may be replaced."""
    if not folder.exists():
        return
    if not is_forced:
        raise PlaceTaken(f"{folder} exists: pass --force to replace it, or another --bundle")
    if not (folder / MANIFEST).exists() and any(folder.iterdir()):
        raise PlaceTaken(
            f"{folder} is not a bundle, it holds other files: it is not replaced, pass another --bundle"
        )


def write_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write into a temporary sibling of `folder`, then put that in its place.

    When `fill` raises or the process dies, `folder` is as it was.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with workplace(folder) as temporary:
        fill(temporary)
        temporary.chmod(0o755)  # it was made private
        _put(temporary, folder)


def _put(temporary: Path, folder: Path) -> None:
    """Rename, keeping the old folder until the new one stands."""
    old = temporary.with_suffix(REPLACED)
    if folder.exists():
        folder.rename(old)
    try:
        temporary.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder`, gone at the end.  What killed exports left there is taken away first.

    Which those are the system says: a living process holds a lock on its folder, which ends with it.  Where
    the file system has no locks, nothing is taken away.
    """
    with _opened(folder.parent) as beside:
        _lock(beside, fcntl.LOCK_EX)  # nobody else clears between the making of a folder and its lock
        _clear(folder)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=UNFINISHED, dir=folder.parent))
        mine = os.open(made, os.O_RDONLY)
        _lock(mine, fcntl.LOCK_EX)
    try:
        yield made
    finally:
        os.close(mine)
        shutil.rmtree(made, ignore_errors=True)


def _clear(folder: Path) -> None:
    """Folders by the names that `workplace` gives; a replaced bundle only once another stands in its place."""
    found = sorted(folder.parent.iterdir())  # before it is looked whether a bundle stands
    endings = (UNFINISHED, REPLACED) if folder.exists() else (UNFINISHED,)
    ours = re.compile(rf"\.{re.escape(folder.name)}\.\w{{8}}")  # tempfile's eight
    for path in found:
        if path.suffix in endings and ours.fullmatch(path.stem) and _is_left(path):
            shutil.rmtree(path, ignore_errors=True)
            log.info("removed %s, which an export that was killed left", path)


def _is_left(path: Path) -> bool:
    """Whether it is a folder, no link to one, that no living process holds."""
    if path.is_symlink() or not path.is_dir():
        return False
    with suppress(OSError), _opened(path) as handle:
        return _lock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return False


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield handle
    finally:
        os.close(handle)


def _lock(handle: int, how: int) -> bool:
    """Whether it was to be had; it ends when the handle is closed, however the process ends."""
    try:
        fcntl.flock(handle, how)
    except OSError:  # another holds it, or there are no locks here
        return False
    return True
