"""One run at a time on a log folder."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from of3.runtime.logs.files import replace_text
from of3.runtime.types import RunError

FILE, OWNER = "run.lock", "run.owner"


class Held(RunError):
    """Another process holds the folder."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder; the operating system lets it go when the process ends, however it ends.

    Raises Held, naming who does; OSError when the folder cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise Held(
            f"{folder}: another run writes here, {_owner(folder)}: wait for it, or pass another --logs"
        ) from error
    try:
        started = datetime.now().astimezone().isoformat(timespec="seconds")
        replace_text(folder / OWNER, f"process {os.getpid()} on {platform.node()} since {started}")
        yield
    finally:
        (folder / OWNER).unlink(missing_ok=True)
        lock.release()


def _owner(folder: Path) -> str:
    try:
        return (folder / OWNER).read_text("utf-8")
    except OSError:
        return "just started"
