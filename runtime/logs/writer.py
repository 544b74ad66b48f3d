"""A picture's own files, and what stands beside the tables."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from of3.runtime.logs.files import replace_text
from of3.runtime.logs.inside import Inside
from of3.runtime.logs.items import Item
from of3.runtime.logs.names import stem_at
from of3.runtime.logs.rows import RowOptions, file_texts
from of3.runtime.types import Failure, Record


class Writer:
    """Results -> their per-image files, below `<logs>/openface3/per_image`.  Use as a context manager."""

    def __init__(self, folder: Path, root: str, options: RowOptions, temporary: Path | None = None):
        """folder: `<logs>/openface3`, which is there.  root: the folder that the pictures are below.

        temporary: where files are written before they are put in place, where several writers are at work; what
        was written can then be synced.
        """
        self._root, self._options = root, options
        self._per_image = Inside(folder / "per_image", temporary)

    def write(self, result: Record | Failure, item: Item) -> None:
        """Raises OSError; RunError: something else is in the way."""
        if isinstance(result, Record):
            stem = stem_at(os.path.relpath(item.path, self._root), item.stem_index)
            for suffix, text in file_texts(result, self._options).items():
                self._per_image.write(stem + suffix, text)

    def renew(self, result: Record | Failure, item: Item, before: RowOptions) -> None:
        """Write what differs from what is there; remove what only the options of before asked for."""
        if isinstance(result, Record):
            stem = stem_at(os.path.relpath(item.path, self._root), item.stem_index)
            texts = file_texts(result, self._options)
            for suffix in file_texts(result, before).keys() - texts.keys():
                self._per_image.remove(stem + suffix)
            for suffix, text in texts.items():
                if not self._per_image.holds(stem + suffix, text):
                    self._per_image.write(stem + suffix, text)

    def sync(self) -> None:
        """Let the files written so far reach the disk."""
        self._per_image.sync()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._per_image.close()


def write_au_info(folder: Path, document: Mapping[str, Any], temporary: Path | None = None) -> None:
    """`au_info.json`, replaced whole.  temporary: this writer's alone, where there may be several."""
    replace_text(folder / "au_info.json", json.dumps(document, indent=2) + "\n", temporary)
