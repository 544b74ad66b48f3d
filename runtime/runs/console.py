"""What a process says to its user: lines on stderr."""

import logging
import os
import sys


def open_streams() -> None:
    """Open on the null device what a launcher has closed, as cron may: no table must get stderr's number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
        if getattr(sys, name) is None:
            # Not by its number: a library that was loaded before may have it, as libffi 3.8 does.
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def log_to_stderr(level: int = logging.INFO) -> None:
    """Lines of this package from `level` up, warnings of every other.

    Nobody who can no longer be told, a pipe that was closed or a full disk, is a reason to end a run.
    """
    logging.raiseExceptions = False
    logging.basicConfig(format="of3: %(message)s", stream=sys.stderr)
    logging.getLogger("of3").setLevel(level)
