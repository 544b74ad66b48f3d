"""A picture's own files, and what stands beside the tables."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from of3.runtime.logs.files import replace_text
from of3.runtime.logs.folder import Mode
from of3.runtime.logs.inside import Inside
from of3.runtime.logs.items import Item
from of3.runtime.logs.names import stem_at
from of3.runtime.logs.rows import OWN_FILES, RowOptions, file_texts
from of3.runtime.types import Failure, Record


class Writer:
    """Results -> their per-image files, below `<logs>/openface3/per_image`.  Use as a context manager."""

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
        self._root, self._options, self._obsolete = root, options, obsolete
        self._per_image = Inside(folder / "per_image", temporary)

    def write(self, result: Record | Failure, item: Item) -> None:
        """A picture that failed has no files, also none from before.

        Raises OSError; RunError: something else is in the way.
        """
        stem = self._stem(item)
        if isinstance(result, Failure):
            self._remove(stem, OWN_FILES)
            return
        texts = file_texts(result, self._options)
        self._remove(stem, [suffix for suffix in self._obsolete if suffix not in texts])
        for suffix, text in texts.items():
            self._per_image.write(stem + suffix, text)

    def renew(self, result: Record | Failure, item: Item, before: RowOptions) -> None:
        """Write what differs from what is there; remove what only the options of before asked for."""
        stem = self._stem(item)
        if isinstance(result, Failure):
            self._remove(stem, OWN_FILES)
            return
        texts = file_texts(result, self._options)
        self._remove(stem, file_texts(result, before).keys() - texts.keys())
        for suffix, text in texts.items():
            if not self._per_image.holds(stem + suffix, text):
                self._per_image.write(stem + suffix, text)

    def _stem(self, item: Item) -> str:
        return stem_at(os.path.relpath(item.path, self._root), item.stem_index)

    def _remove(self, stem: str, suffixes: Iterable[str]) -> None:
        for suffix in suffixes:
            self._per_image.remove(stem + suffix)

    def sync(self) -> None:
        """Let the files written so far reach the disk."""
        self._per_image.sync()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._per_image.close()


def obsolete_files(mode: Mode) -> Sequence[str]:
    """What pictures lose unless they get it: of a run that starts anew nothing is kept of one before."""
    return OWN_FILES if mode.override and not mode.resume else ()


def write_au_info(folder: Path, document: Mapping[str, Any], temporary: Path | None = None) -> None:
    """`au_info.json`, replaced whole.  temporary: this writer's alone, where there may be several."""
    replace_text(folder / "au_info.json", json.dumps(document, indent=2) + "\n", temporary)
