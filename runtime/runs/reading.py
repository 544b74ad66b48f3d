"""Log folders that are read, and that no run writes to meanwhile."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from of3.runtime.logs.folder import FOLDER
from of3.runtime.logs.opening import is_folder, read_text
from of3.runtime.logs.video import FOLDER as VIDEOS
from of3.runtime.runs import runinfo
from of3.runtime.runs.lock import locked, shares_of
from of3.runtime.tables.parts import Part, parts_of
from of3.runtime.types import RunError


def folder_of(path: str | Path) -> Path:
    """A log root, or its `openface3` -> the latter."""
    inner = Path(path) / FOLDER
    return inner if is_folder(inner) else Path(path)


@contextmanager
def held(folder: Path) -> Iterator[str]:
    """Keep runs off a folder that is there; how its records are opened, of an SQLite URI.

    Raises RunError: a run is at work, or something else is in the way.
    """
    with ExitStack() as opened:
        try:
            for each in (folder, *shares_of(folder / VIDEOS)):
                opened.enter_context(locked(each))
            how = "mode=rw"
        except OSError:  # not to be written to: nothing can be under way there
            how = "mode=ro&immutable=1"
        yield how


def log_folder(logs: Path) -> Path:
    """As `folder_of`.  Raises RunError: it is not there."""
    folder = folder_of(logs)
    check_there(folder)
    return folder


def check_there(folder: Path) -> None:
    """Raise RunError unless a log folder is there."""
    if not is_folder(folder):
        raise RunError(f"{folder}: not there, want the log root that --logs of the run was")


def recorded_parts(folder: Path, how: str) -> list[Part]:
    """As `parts_of`, pictures with what run.json says of them.  Raises RunError where there are none."""
    parts = parts_of(folder, how)
    if not parts:
        raise RunError(f"{folder}: has no records: a run of this version writes them, one of 0.1 did not")
    return [
        part if part.stem is not None else _as_told(part, document(folder / runinfo.FILE)) for part in parts
    ]


def _as_told(pictures: Part, told: Mapping[str, Any]) -> Part:
    counts = told.get("counts")
    given = counts.get("images") if isinstance(counts, dict) else None
    is_unfinished = told.get("finished") is False
    return replace(pictures, is_finished=not is_unfinished, given=given if isinstance(given, int) else 0)


def document(path: Path) -> Mapping[str, Any]:
    """Of a JSON file; empty where it cannot be read: the records say what matters."""
    with suppress(OSError, ValueError, RecursionError, RunError):
        found = json.loads(read_text(path))
        if isinstance(found, dict):
            return found
    return {}
