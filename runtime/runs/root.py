"""The input folder while a run is at work on it: a share may be unmounted, a disk unplugged."""

import os

from of3.runtime.types import InputLost, RunError


class Root:
    """Known again by its device and number."""

    def __init__(self, path: str):
        """Raises RunError where there is no such folder."""
        self._path = path
        try:
            self._known = self._look()
        except OSError as error:
            raise RunError(f"--aligned {path}: {error.strerror}") from error

    def check(self) -> None:
        """Raise InputLost where it is gone, another, or empty, as where a share was mounted."""
        try:
            why = "" if self._look() == self._known else "another folder is in its place"
            with os.scandir(self._path) as entries:
                why = why or ("" if next(entries, None) else "nothing is left in it")
        except OSError as error:
            why = str(error.strerror)
        if why:
            raise InputLost(f"--aligned {self._path}: {why} (was it unmounted?)")

    def _look(self) -> tuple[int, int]:
        status = os.stat(self._path)
        return status.st_dev, status.st_ino
