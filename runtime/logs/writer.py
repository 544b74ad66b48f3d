"""A picture's own files, and what stands beside the tables."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import LifoQueue
from typing import Any

from of3.runtime.logs.files import replace_text
from of3.runtime.logs.folder import Mode
from of3.runtime.logs.inside import Inside
from of3.runtime.logs.items import Item, beginning_of
from of3.runtime.logs.names import stem_at
from of3.runtime.logs.rows import OWN_FILES, RowOptions, file_texts
from of3.runtime.types import Failure, Record

MOST_AT_ONCE = 16
TEMPORARY = (".writing.tmp", *(f".writing.{number}.tmp" for number in range(1, MOST_AT_ONCE)))


class Writer:
    """Results -> their per-image files, below `<logs>/openface3/per_image`.  Use as a context manager.

    From any number of threads: opening files is most of the cost, and the system does it side by side.
    """

    def __init__(
        self,
        folder: Path,
        root: str,
        options: RowOptions,
        temporary: Path | None = None,
        obsolete: Sequence[str] = (),
    ):
        """folder: `<logs>/openface3`, which is there.  root: the folder that the pictures are below.

        temporary: where files are written before they are put in place, where several writers are at work; what
        was written can then be synced.  obsolete: of OWN_FILES, those that a picture loses unless it gets them.
        """
        self._beginning, self._options, self._obsolete = beginning_of(root), options, obsolete
        self._all = [
            Inside(folder / "per_image", temporary and temporary.with_name(f"{temporary.name}.{number}"), name)
            for number, name in enumerate(TEMPORARY)
        ]
        self._idle: LifoQueue[Inside] = LifoQueue()  # so that few are in use, and hold folders
        for inside in self._all:
            self._idle.put(inside)

    def write(self, result: Record | Failure, item: Item) -> None:
        """A picture that failed has no files, also none from before.

        Raises OSError; RunError: something else is in the way.
        """
        stem = self._stem(item)
        texts = {} if isinstance(result, Failure) else file_texts(result, self._options)
        gone = OWN_FILES if isinstance(result, Failure) else self._obsolete
        with self._inside() as inside:
            _remove(inside, stem, [suffix for suffix in gone if suffix not in texts])
            for suffix, text in texts.items():
                inside.write(stem + suffix, text)

    def renew(self, result: Record | Failure, item: Item, before: RowOptions) -> None:
        """Write what differs from what is there; remove what only the options of before asked for."""
        stem = self._stem(item)
        texts = {} if isinstance(result, Failure) else file_texts(result, self._options)
        gone = OWN_FILES if isinstance(result, Failure) else file_texts(result, before)
        with self._inside() as inside:
            _remove(inside, stem, [suffix for suffix in gone if suffix not in texts])
            for suffix, text in texts.items():
                if not inside.holds(stem + suffix, text):
                    inside.write(stem + suffix, text)

    def _stem(self, item: Item) -> str:
        return stem_at(item.path.removeprefix(self._beginning), item.stem_index)

    @contextmanager
    def _inside(self) -> Iterator[Inside]:
        """One that nobody else writes with; waits for it."""
        inside = self._idle.get()
        try:
            yield inside
        finally:
            self._idle.put(inside)

    def sync(self) -> None:
        """Let the files written so far reach the disk."""
        for inside in self._all:
            inside.sync()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        for inside in self._all:
            inside.close()


def _remove(inside: Inside, stem: str, suffixes: Iterable[str]) -> None:
    for suffix in suffixes:
        inside.remove(stem + suffix)


def obsolete_files(mode: Mode) -> Sequence[str]:
    """What pictures lose unless they get it: of a run that starts anew nothing is kept of one before."""
    return OWN_FILES if mode.override and not mode.resume else ()


def write_au_info(folder: Path, document: Mapping[str, Any], temporary: Path | None = None) -> None:
    """`au_info.json`, replaced whole.  temporary: this writer's alone, where there may be several."""
    replace_text(folder / "au_info.json", json.dumps(document, indent=2) + "\n", temporary)
