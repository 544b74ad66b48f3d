"""One run at a time on a log folder."""

import logging
import os
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from of3.runtime.logs.files import replace_text
from of3.runtime.logs.holding import holding
from of3.runtime.logs.known import Known, known
from of3.runtime.logs.opening import make_folder, read_text, remove
from of3.runtime.types import RunError

FILE, OWNER = "run.lock", "run.owner"

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
    with ExitStack() as stack:
        try:
            is_held = stack.enter_context(holding(folder / FILE))
        except TimeoutError as error:
            raise Held(
                f"{folder}: another run writes here, {_owner(folder)}: wait for it, or pass another --logs"
            ) from error
        if not is_held:
            log.warning(
                "%s: its file system has no locks: see to it that one run at a time writes here", folder
            )
        stack.callback(_disown, folder)
        started = datetime.now().astimezone().isoformat(timespec="seconds")
        replace_text(folder / OWNER, f"process {os.getpid()} on {platform.node()} since {started}")
        yield known(folder / FILE) if is_held else None


def _disown(folder: Path) -> None:
    with suppress(RunError):  # what ended the run is told, not what stands there since
        remove(folder / OWNER)


def _owner(folder: Path) -> str:
    try:
        return read_text(folder / OWNER)
    except (OSError, UnicodeDecodeError):
        return "just started"
