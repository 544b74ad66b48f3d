"""One run at a time on a log folder."""

import errno
import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from of3.runtime.logs.files import replace_text
from of3.runtime.logs.known import Known, known
from of3.runtime.logs.opening import make_folder, read_text, refuse_shared, remove
from of3.runtime.types import RunError

FILE, OWNER = "run.lock", "run.owner"
# What a file system without locks answers: NFS without its lock service, some that users mount themselves.
WITHOUT_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS)

log = logging.getLogger(__name__)


def share_of(videos: Path, part: int, of: int) -> Path:
    """What a share of videos is held by.  videos: the folder of their logs."""
    return videos / f"share_{part}_of_{of}"


def shares_of(videos: Path) -> list[Path]:
    """Those that are, or were, held."""
    return sorted(lock.parent for lock in videos.glob(f"share_*_of_*/{FILE}"))


class Held(RunError):
    """Another process holds the folder."""


@contextmanager
def locked(folder: Path) -> Iterator[Known | None]:
    """Hold the folder; the operating system lets it go when the process ends, however it ends.

    Gives the file that others are held off by, which must stay where it is.  On a file system without locks
    nothing holds the folder, which is said; None.
    Raises Held, naming who does; RunError: something else is in the way; OSError: the folder cannot be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    make_folder(folder)
    refuse_shared(folder / FILE)  # before what opens it by its path, and empties it
    lock, held = FileLock(folder / FILE), None
    try:
        lock.acquire(timeout=0)
        held = known(folder / FILE)
    except Timeout as error:
        raise Held(
            f"{folder}: another run writes here, {_owner(folder)}: wait for it, or pass another --logs"
        ) from error
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in WITHOUT_LOCKS:
            raise
        log.warning("%s: its file system has no locks: see to it that one run at a time writes here", folder)
    try:
        started = datetime.now().astimezone().isoformat(timespec="seconds")
        replace_text(folder / OWNER, f"process {os.getpid()} on {platform.node()} since {started}")
        yield held
    finally:
        with suppress(RunError):  # what ended the run is told, not what stands there since
            remove(folder / OWNER)
        lock.release()


def _owner(folder: Path) -> str:
    try:
        return read_text(folder / OWNER)
    except (OSError, UnicodeDecodeError):
        return "just started"
