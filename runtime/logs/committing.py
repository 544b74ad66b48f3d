"""What the logs of pictures and of a video have in common, open for one run."""

from abc import ABC, abstractmethod
from contextlib import ExitStack, suppress
from typing import Self

from of3.runtime.logs.made import Session
from of3.runtime.logs.store import Store
from of3.runtime.types import RunError


class Committing(ABC):
    """Use as a context manager: what was added is committed also where an exception ends the run."""

    _store: Store
    _run: int  # in the store
    _opened: ExitStack  # all that is open
    _session: int | None = None

    @abstractmethod
    def commit(self) -> None:
        """Let the records hold what was added, and the tables their rows.  Raises OSError."""

    def note_session(self, session: Session) -> None:
        """What this process does here, as far as it is known."""
        with self._store.transaction():
            self._session = self._store.put_session(self._run, session, self._session)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, Exception):
            with suppress(OSError, RunError):  # what ended the run is told, not what comes of it
                self.commit()
        self._opened.close()
