"""Files and folders that a run holds, and whether they are still where they were."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Known:
    """A place, and what was there when it was opened."""

    path: Path
    device: int
    inode: int

    def check_in_place(self) -> os.stat_result:
        """What is there now.  Raises FileNotFoundError when it is gone, or another."""
        status = os.lstat(self.path)
        if (status.st_dev, status.st_ino) != (self.device, self.inode):
            raise FileNotFoundError(f"{self.path} was replaced while this run wrote to it")
        return status

    def check_size(self, size: int) -> None:
        """The same of a file; raises OSError also when others have cut it or written into it."""
        found = self.check_in_place().st_size
        if found != size:
            raise OSError(f"{self.path} was changed while this run wrote to it: got {found} bytes, want {size}")


def known(path: Path, handle: int | None = None) -> Known:
    """Of what is open, or, where nothing is, of what is there.  Raises OSError."""
    status = os.lstat(path) if handle is None else os.fstat(handle)
    return Known(path, status.st_dev, status.st_ino)
