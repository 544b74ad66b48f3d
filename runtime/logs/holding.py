"""Files by which processes hold each other off."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from of3.runtime.logs.opening import refuse_shared

# What a file system without locks answers: NFS without its lock service, some that users mount themselves.
WITHOUT_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS)


@contextmanager
def holding(path: Path, within_s: float = 0.0) -> Iterator[bool]:
    """Hold a file; the operating system lets it go when the process ends, however it ends.

    Gives whether it is held: on a file system without locks nothing is.
    Raises TimeoutError: another has it for so long; RunError: something else is in the way; OSError.
    """
    refuse_shared(path)  # before what opens it by its path, and empties it
    lock, is_held = FileLock(path), True
    try:
        lock.acquire(timeout=within_s)
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in WITHOUT_LOCKS:
            raise
        is_held = False
    try:
        yield is_held
    finally:
        lock.release()
