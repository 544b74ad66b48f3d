"""The videos that are asked for: files, and those below folders; and where each one's results are written."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from of3.runtime.logs.items import key_of
from of3.runtime.logs.names import folded, stems
from of3.runtime.runs.walk import Walk, counted
from of3.runtime.types import RunError

SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".wmv")


@dataclass(frozen=True, slots=True)
class VideoFile:
    path: str  # as it was given, or found below the folder that was
    stem: str  # of its results' names, may hold folders; no other video's to any file system


def videos(
    inputs: Sequence[str], had: Mapping[str, str] | None = None, follow_links: bool = False
) -> list[VideoFile]:
    """Sorted by path, each file once.  A file that is named is taken whatever its suffix is.

    had: stems by absolute path, of videos with results from before; they stay theirs.  follow_links: as of
    a Walk.  Raises RunError: an input is not there, or there is no video.
    """
    others: Counter[str] = Counter()
    found: dict[str, str] = {}
    for given in inputs:
        for path in _named(given, others, follow_links):
            found.setdefault(os.path.abspath(path), path)
    if not found:
        passed_over = f"; not looked at: {counted(others)}" if others else ""
        raise RunError(f"got no {', '.join(SUFFIXES)} below {', '.join(inputs)}{passed_over}")
    top = top_of(inputs)
    return list(_told_apart({os.path.relpath(path, top): found[path] for path in found}, had or {}))


def _named(given: str, others: Counter[str], follow_links: bool) -> Iterator[str]:
    """others: gets what was not looked at below a folder, by suffix."""
    if not os.path.isdir(given):
        if not os.path.lexists(given):
            raise RunError(f"{given}: got nothing there, want a video or a folder of some")
        yield given
        return
    walk = Walk(given, SUFFIXES, follow_links)
    yield from walk
    others.update(walk.others)


def top_of(inputs: Sequence[str]) -> str:
    """The folder that holds all."""
    return os.path.commonpath([_folder(given) for given in inputs])


def _folder(given: str) -> str:
    path = os.path.abspath(given)
    return path if os.path.isdir(path) else os.path.dirname(path)


def _told_apart(paths: Mapping[str, str], had: Mapping[str, str]) -> Iterator[VideoFile]:
    """paths: by what they are relative to the folder that holds all."""
    taken = {folded(stem) for stem in had.values()}
    for relative in sorted(paths, key=key_of):
        path = paths[relative]
        stem = had.get(os.path.abspath(path)) or next(
            name for name in stems(relative) if folded(name) not in taken
        )
        taken.add(folded(stem))
        yield VideoFile(path, stem)
