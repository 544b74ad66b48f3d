"""How a command ends: its exit status, and one line of what went wrong."""

import logging
import sqlite3
import tempfile
from collections.abc import Callable

from of3.runtime.runs.console import log_to_stderr
from of3.runtime.runs.interruption import Interrupted
from of3.runtime.types import RunBroken, RunError

log = logging.getLogger(__name__)


def status_of(step: Callable[[], None], goes_on: str = "") -> int:
    """A command's exit status.  goes_on: what does, whenever the command ended before its time."""
    log_to_stderr()
    try:
        return _status_of(step, goes_on)
    except MemoryError as error:
        said = f"out of memory: {error}".removesuffix(": ")
        log.error("%s: give it more (ulimit -v, the container's limit), or pass a smaller --batch", said)
        return 1
    except ImportError as error:
        log.error("%s", error)
        return 2


def _status_of(step: Callable[[], None], goes_on: str) -> int:
    try:
        step()
    except RunError as error:
        log.error("%s", error)
        return 1 if isinstance(error, RunBroken) else 2
    except OSError as error:
        log.error("cannot go on: %s%s", error, goes_on and f"; {goes_on}")
        return 1
    except sqlite3.Error as error:
        log.error(
            "cannot list the pictures in %s: %s; TMPDIR names another folder", tempfile.gettempdir(), error
        )
        return 1
    except Interrupted as ended:
        log.error("%s: %s", ended, ended.goes_on or goes_on)
        return ended.status
    except KeyboardInterrupt:
        log.error("interrupted")
        return 130
    return 0
