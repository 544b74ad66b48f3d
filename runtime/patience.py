"""Faults of the machine, no picture's: waited for; where they stay the run ends, and can be gone on with."""

import errno
import time
from collections.abc import Callable, Collection
from typing import TypeVar

from of3.runtime.types import InputLost

# No descriptors, no memory for the kernel's own: others give theirs back, or somebody sets another limit.
SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
# A disk or a server that does not answer.
UNREACHABLE = frozenset(
    {
        errno.EIO,
        errno.ESTALE,
        errno.ENOTCONN,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ETIMEDOUT,
        errno.ENODEV,
    }
)
WAITS_S = (0.1, 0.2, 0.4, 0.8, 1.6)

A = TypeVar("A")


def patiently(step: Callable[[], A], faults: Collection[int] = SCARCE) -> A:
    """`step`, tried again for three seconds while it fails so.  Raises InputLost when it still does."""
    for wait_s in WAITS_S:
        try:
            return step()
        except OSError as error:
            if error.errno not in faults:
                raise
        time.sleep(wait_s)
    try:
        return step()
    except OSError as error:
        if error.errno not in faults:
            raise
        raise lost(error) from error


def lost(error: OSError) -> InputLost:
    """What is said of a fault that stays."""
    remedy = " (`ulimit -n` sets the limit)" if error.errno == errno.EMFILE else ""
    named = f"{error.filename}: " if error.filename else ""
    return InputLost(f"{named}{error.strerror}{remedy}")
